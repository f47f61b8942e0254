import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

/** A button with a menu under it: arrows walk it, Escape and a click elsewhere close it, and the focus goes back. */
export function Menu({
  name,
  class: className,
  button,
  children,
}: {
  name: string;
  class: string;
  button: ComponentChildren;
  children: ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return;
    items(box.current)[0]?.focus();
    const elsewhere = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", elsewhere);
    return () => document.removeEventListener("pointerdown", elsewhere);
  }, [open]);
  const press = (event: KeyboardEvent) => {
    if (!open) return;
    if (event.key === "Escape") {
      setOpen(false);
      opener.current?.focus();
    } else if (event.key === "Tab") {
      setOpen(false);
      return;
    } else if (!walk(items(box.current), event.key)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys bubble up from the menu's own items
    <div ref={box} class="popup-box" onKeyDown={press}>
      <button
        ref={opener}
        class={className}
        type="button"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={name}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open ? (
        // biome-ignore lint/a11y/useKeyWithClickEvents: Enter on an item is a click
        <div id={id} class="popup" role="menu" tabIndex={-1} aria-label={name} onClick={() => setOpen(false)}>
          {children}
        </div>
      ) : null}
    </div>
  );
}

function items(box: HTMLElement | null): HTMLElement[] {
  const all = [...(box?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
  return all.filter((each) => each.checkVisibility()); // some are for narrow windows alone
}

/** Moves the focus as a key asks; false where it asks for nothing. */
function walk(all: HTMLElement[], key: string): boolean {
  const now = all.indexOf(document.activeElement as HTMLElement);
  const to: Record<string, number> = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: all.length - 1 };
  const next = to[key];
  if (next === undefined) return false;
  all.at(next % all.length)?.focus();
  return true;
}

export function MenuLink({
  href,
  current,
  children,
}: {
  href: string;
  current?: boolean;
  children: ComponentChildren;
}) {
  return (
    <a role="menuitem" tabIndex={-1} href={href} aria-current={current ? "true" : undefined}>
      {children}
    </a>
  );
}

export function MenuButton({ act, children }: { act: () => void; children: ComponentChildren }) {
  return (
    <button role="menuitem" tabIndex={-1} type="button" onClick={act}>
      {children}
    </button>
  );
}
