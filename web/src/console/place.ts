/** Where in the text the server's refusal belongs: the place it names, else the word it quotes. */

export interface Place {
  from: number;
  to: number;
}

const AT = /at line (\d+), column (\d+)/;
const QUOTED = /"((?:[^"\\]|\\.){1,200})"/g;
const WORD = /[\p{L}\p{N}_]+/uy;

/** null where the message is about all of it. */
export function placeOf(text: string, message: string): Place | null {
  const named = AT.exec(message);
  if (named) return word(text, offset(text, Number(named[1]), Number(named[2])));
  for (const [, quoted] of message.matchAll(QUOTED)) {
    const found = find(text, quoted as string);
    if (found) return found;
  }
  return null;
}

/** Columns count characters, of which some are two units of JavaScript's. */
function offset(text: string, line: number, column: number): number {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const here = [...(lines[line - 1] ?? "")].slice(0, column - 1).join("");
  return Math.min(text.length, before + here.length);
}

/** The word that begins there, or one character. */
function word(text: string, from: number): Place {
  WORD.lastIndex = from;
  const found = WORD.exec(text);
  const to = found ? from + found[0].length : Math.min(text.length, from + 1);
  return to > from ? { from, to } : { from: Math.max(0, from - 1), to: from };
}

/** The first place of a name as a whole, in any case. */
function find(text: string, name: string): Place | null {
  const [low, wanted] = [text.toLowerCase(), name.toLowerCase()];
  if (low.length !== text.length) return null; // some letters are longer in small: places would not be the same
  for (let from = low.indexOf(wanted); from >= 0; from = low.indexOf(wanted, from + 1)) {
    const [before, behind] = [low[from - 1] ?? " ", low[from + wanted.length] ?? " "];
    if (!/[\p{L}\p{N}_]/u.test(before) && !/[\p{L}\p{N}_]/u.test(behind)) return { from, to: from + wanted.length };
  }
  return null;
}
