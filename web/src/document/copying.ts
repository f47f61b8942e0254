/** To the clipboard, and a word that it is there. */

import { announce } from "../state/announce";

export async function copied(text: string, said: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    announce(said);
  } catch {
    announce("The browser does not allow to copy");
  }
}
