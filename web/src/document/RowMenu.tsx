import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface MenuItem {
  name: string;
  keys?: string;
  act?: () => void;
  href?: string;
}

/** What can be done with a row, where it was asked for. Arrows walk it; Escape gives the focus back. */
export function RowMenu({
  at,
  items,
  onClose,
}: {
  at: { x: number; y: number };
  items: MenuItem[];
  onClose: () => void;
}): VNode {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const menu = box.current;
    if (!menu) return undefined;
    const before = document.activeElement as HTMLElement | null;
    menu.style.left = `${Math.max(8, Math.min(at.x, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(at.y, innerHeight - menu.offsetHeight - 8))}px`;
    menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (event: Event): void => {
      if (!menu.contains(event.target as Node)) onClose();
    };
    document.addEventListener("pointerdown", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      before?.focus();
    };
  }, [at, onClose]);
  const keys = (event: KeyboardEvent): void => {
    event.stopPropagation();
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const here = all.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") onClose();
    else if (step !== undefined) all[(here + step + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <div ref={box} class="menu" role="menu" aria-label="Of this row" tabIndex={-1} onKeyDown={keys}>
      {items.map(({ name, keys: key, act, href }) => {
        const inside = (
          <>
            {name}
            {key && <kbd>{key}</kbd>}
          </>
        );
        return href === undefined ? (
          <button key={name} type="button" role="menuitem" tabIndex={-1} onClick={() => [onClose(), act?.()]}>
            {inside}
          </button>
        ) : (
          <a key={name} role="menuitem" tabIndex={-1} href={href} onClick={onClose}>
            {inside}
          </a>
        );
      })}
    </div>
  );
}
