import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { focusMain } from "../state/location.ts";

interface DialogProps {
  title: string;
  lead?: ComponentChildren;
  close: () => void;
  children: ComponentChildren;
}

/** Above the dimmed page; Escape closes it, and the focus goes back to where it came from, or to the page if that is gone. */
export function Dialog({ title, lead, close, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before anything is typed: what came between went to the page beneath.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      else focusMain();
    };
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    close();
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby={id} onCancel={cancel}>
      <h2 id={id}>{title}</h2>
      {lead ? <p class="lead">{lead}</p> : null}
      {children}
    </dialog>
  );
}
