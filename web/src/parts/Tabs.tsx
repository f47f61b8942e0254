import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** The links of pages that belong together. Where they do not fit, they scroll, and the present one is in view. */
export function Tabs({ label, current, children }: { label: string; current: string; children: ComponentChildren }) {
  const nav = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const box = nav.current;
    if (!box) return;
    const show = () => {
      const tab = box.querySelector("[aria-current]");
      if (!tab) return;
      const [outer, inner] = [box.getBoundingClientRect(), tab.getBoundingClientRect()];
      box.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
    };
    const room = new ResizeObserver(show); // buttons beside them come and go
    room.observe(box);
    return () => room.disconnect();
  }, [current]);
  return (
    <nav ref={nav} class="tabs" aria-label={label}>
      {children}
    </nav>
  );
}
