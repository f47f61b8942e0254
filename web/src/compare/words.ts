// A changed text as two sides with its words marked, and a side cut to a line around what changed.

export type Sign = "=" | "-" | "+";
/** Of `…` so many characters were left out by the server. */
export type TextRun = [sign: Sign | "…", text: string];

export interface Piece {
  sign: Sign;
  text: string;
}

const CUT: Piece = { sign: "=", text: "…" };

/** What of the runs stands in the old (`-`) or the new (`+`) text. */
export function side(runs: TextRun[], sign: "-" | "+"): Piece[] {
  const other = sign === "-" ? "+" : "-";
  return runs.filter(([own]) => own !== other).map(pieceOf);
}

export function pieceOf([sign, text]: TextRun): Piece {
  return sign === "…" ? CUT : { sign, text };
}

/** As a JSON string is written, without its quotes: a line break does not break the line. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
}

const BEFORE = 24;

/** The pieces in at most `most` characters, of which the first that changed is seen: what is left out becomes "…". */
export function cutToLine(pieces: Piece[], most: number): Piece[] {
  const length = pieces.reduce((sum, piece) => sum + piece.text.length, 0);
  if (length <= most) return pieces;
  const at = pieces.findIndex((piece) => piece.sign !== "=");
  const head = pieces.slice(0, Math.max(at, 0)).reduce((sum, piece) => sum + piece.text.length, 0);
  const skipped = Math.max(0, Math.min(head - BEFORE, length - most));
  return clip(pieces, skipped, skipped + most);
}

function clip(pieces: Piece[], from: number, to: number): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const { sign, text } of pieces) {
    const begin = edge(text, from - at);
    const end = edge(text, to - at);
    if (end > begin) found.push({ sign, text: text.slice(begin, end) });
    at += text.length;
  }
  if (from > 0) found.unshift(CUT);
  if (to < at) found.push(CUT);
  return found;
}

/** A place within the text that does not stand between the halves of a surrogate pair. */
function edge(text: string, place: number): number {
  if (place <= 0) return 0;
  if (place >= text.length) return text.length;
  const code = text.charCodeAt(place);
  return code >= 0xdc00 && code <= 0xdfff ? place - 1 : place;
}
