/** Text as it is sought: neither case nor accents count, as in core/folding.py. */

const READ_AS: Record<string, string> = { ø: "o", ł: "l", đ: "d", ð: "d", ħ: "h", ı: "i", ς: "σ" };
const ASCII = /^[\0-\x7f]*$/;

/** What is compared of a text. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const plain = text
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .normalize("NFC")
    .toLowerCase();
  return plain.replace(/[øłđðħıς]/g, (letter) => READ_AS[letter] as string);
}

/** From where to where `text` has what is sought. */
export function placeOf(text: string, sought: string): [from: number, to: number] | null {
  const folded = fold(sought);
  if (!folded || !fold(text).includes(folded)) return null;
  const ends: number[] = [];
  let whole = "";
  let end = 0;
  for (const letter of text) {
    const plain = fold(letter);
    end += letter.length;
    if (plain || !ends.length) for (let n = 0; n < plain.length; n += 1) ends.push(end);
    else ends[ends.length - 1] = end; // an accent of the letter before it
    whole += plain;
  }
  const at = whole.indexOf(folded);
  if (at < 0) return null;
  return [at ? (ends[at - 1] as number) : 0, ends[at + folded.length - 1] as number];
}
