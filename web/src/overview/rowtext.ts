/** A change in a line of the overview: no more of its path and values than the line holds. */

const MOST = 32;

/** A place within a document or record as people read it: "metadata/count". */
export function pathText(at: string): string {
  return at.replace(/^\//, "").replaceAll("~1", "/").replaceAll("~0", "~");
}

const KEY_TEXT = /=(?:"((?:[^"\\]|\\.)*)"|([^[\]",]*))\]$/s;

/** What people may know a record by that has no label: the value of its key, or the last step of its path. */
export function keyText(record: string): string {
  const [, quoted, plain] = KEY_TEXT.exec(record) ?? [];
  const key = quoted ?? plain;
  if (key === undefined) return valueText(JSON.stringify(pathText(record.slice(record.lastIndexOf("/") + 1))));
  const isName = /\D/.test(key); // a number alone says nothing: "n=7"
  const text = isName ? (key.split("/").findLast(Boolean) ?? key) : record.slice(record.lastIndexOf("[") + 1, -1);
  return valueText(JSON.stringify(text));
}

/** A value's own JSON text without the quotes of a text, cut where it is long. */
export function valueText(json: string | undefined): string {
  if (json === undefined) return "";
  const text = json.startsWith('"') ? unquoted(json) : json;
  const line = text.replace(/\s+/g, " ");
  const letters = [...line.slice(0, MOST * 2)];
  return letters.length > MOST || line.length > MOST * 2 ? `${letters.slice(0, MOST - 1).join("")}…` : line;
}

function unquoted(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return json; // cut by the server within the text
  }
}
