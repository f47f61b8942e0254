import type { ComponentChildren, JSX } from "preact";
import { useId, useRef } from "preact/hooks";

interface PopProps {
  class: string;
  label: string;
  button: ComponentChildren;
  /** Drawn when it opens; `close` closes it, and the focus goes back to the button. */
  children: (close: () => void) => ComponentChildren;
}

/** A button with a panel below it. The browser closes it on Escape and on a click elsewhere. */
export function Pop({ class: name, label, button, children }: PopProps): JSX.Element {
  const id = useId();
  const panel = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const place = () => {
    const box = opener.current?.getBoundingClientRect();
    const element = panel.current;
    if (!box || !element) return;
    const left = Math.max(8, Math.min(box.left, innerWidth - element.offsetWidth - 8));
    element.style.left = `${left}px`;
    element.style.top = `${Math.min(box.bottom + 6, Math.max(8, innerHeight - element.offsetHeight - 8))}px`;
  };
  const close = () => {
    panel.current?.hidePopover();
    opener.current?.focus();
  };
  return (
    <>
      <button ref={opener} type="button" class={name} popovertarget={id} aria-haspopup="dialog" title={label}>
        {button}
      </button>
      <div
        ref={panel}
        id={id}
        popover="auto"
        class="pop-menu"
        role="dialog"
        aria-label={label}
        onToggle={(event) => {
          if (event.newState === "open") place();
        }}
      >
        {children(close)}
      </div>
    </>
  );
}
