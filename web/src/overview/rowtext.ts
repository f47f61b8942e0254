/** A change in a line of the overview: no more of its path and values than the line holds. */

const MOST = 32;

/** A place within a document or record as people read it: "metadata/count". */
export function pathText(at: string): string {
  return at.replace(/^\//, "").replaceAll("~1", "/").replaceAll("~0", "~");
}

const RECORD = /^(.*\/\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])(?:\/(.*))?$/s;
const KEY_TEXT = /=(?:"((?:[^"\\]|\\.)*)"|([^[\]",]*))\]$/s;

/** A key path's record, what people may know it by, and the place in it; without a record all of it is the place. */
export function inRecord(path: string): { record: string; label: string; at: string } {
  const [, record = "", at = ""] = RECORD.exec(path) ?? [];
  if (record === "") return { record, label: "", at: path };
  const [, quoted, plain] = KEY_TEXT.exec(record) ?? [];
  const key = quoted ?? plain ?? "";
  const isName = /\D/.test(key); // a number alone says nothing: "n=7"
  const label = isName ? (key.split("/").findLast(Boolean) ?? key) : record.slice(record.lastIndexOf("[") + 1, -1);
  return { record, label: valueText(JSON.stringify(label)), at };
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
