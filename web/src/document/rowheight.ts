/** The height of a row as the style sheet has it: more where the pointer is coarse, or the screen narrow. */

import { signal } from "@preact/signals";

const COARSE = "(pointer: coarse), (max-width: 760px)";

export const rowHeight = signal(26);
export const isNarrow = signal(false);

if (typeof matchMedia !== "undefined") {
  const coarse = matchMedia(COARSE);
  const narrow = matchMedia("(max-width: 760px)");
  const measure = (): void => {
    rowHeight.value = coarse.matches ? 36 : 26;
    isNarrow.value = narrow.matches;
  };
  coarse.addEventListener("change", measure);
  narrow.addEventListener("change", measure);
  measure();
}
