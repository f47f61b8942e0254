import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/** As a layer goes that has the focus, it is where it was before the layer came. */
export function useFocusBack(layer: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    const before = document.activeElement;
    const box = layer.current;
    return () => {
      if (box?.contains(document.activeElement) && before instanceof HTMLElement) before.focus();
    };
  }, []);
}
