/** To the clipboard, and a word that it is there. */

import { toast } from "./toasts.ts";

const SHOWN_MS = 3000;

/** Whether it was copied. A page that came by plain HTTP from elsewhere has no clipboard: there the older way is tried. */
export async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return bySelection(text);
  }
}

export async function copied(text: string, said: string): Promise<void> {
  toast((await toClipboard(text)) ? said : "The browser does not allow to copy", undefined, SHOWN_MS);
}

/** What is outside of a modal dialog cannot be selected while it is open. */
function bySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.className = "sr";
  area.value = text;
  (focused?.closest("dialog") ?? document.body).append(area);
  area.focus({ preventScroll: true });
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return done;
}
