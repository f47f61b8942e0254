// Answers hold values of documents, whose numbers may have more digits than a double: those members stay text.

const QUOTE = 34;
const BACKSLASH = 92;

/** Parses an answer of the API. The members named in `kept` become the JSON text they have in it. */
export function parseKeeping(text: string, kept: ReadonlySet<string>): unknown {
  return JSON.parse(quoteMembers(text, kept));
}

/** The JSON `text` with each value of a member named in `kept` as a string that holds its text. */
export function quoteMembers(text: string, kept: ReadonlySet<string>): string {
  const parts: string[] = [];
  let copied = 0;
  let at = text.indexOf('"');
  while (at >= 0) {
    const end = stringEnd(text, at);
    const colon = skipSpace(text, end);
    if (text[colon] === ":" && kept.has(text.slice(at + 1, end - 1))) {
      const begin = skipSpace(text, colon + 1);
      const over = valueEnd(text, begin);
      parts.push(text.slice(copied, begin), JSON.stringify(text.slice(begin, over)));
      copied = over;
      at = text.indexOf('"', over);
    } else {
      at = text.indexOf('"', end);
    }
  }
  parts.push(text.slice(copied));
  return parts.join("");
}

/** Where the string that begins at `at` is over: behind its closing quote. */
export function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

function skipSpace(text: string, at: number): number {
  let place = at;
  while (text.charCodeAt(place) <= 32) place += 1;
  return place;
}

/** Where the JSON value that begins at `at` is over. */
function valueEnd(text: string, at: number): number {
  if (text.charCodeAt(at) === QUOTE) return stringEnd(text, at);
  if (text[at] !== "{" && text[at] !== "[") return scalarEnd(text, at);
  let depth = 0;
  for (let place = at; place < text.length; place += 1) {
    const code = text.charCodeAt(place);
    if (code === QUOTE) place = stringEnd(text, place) - 1;
    else if (code === 123 || code === 91) depth += 1;
    else if (code === 125 || code === 93) {
      depth -= 1;
      if (depth === 0) return place + 1;
    }
  }
  return text.length;
}

function scalarEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && !",}] \t\r\n".includes(text.charAt(end))) end += 1;
  return end;
}

export interface Leaf {
  /** Steps joined by "/", as a JSON Pointer without its first slash. */
  path: string;
  /** The scalar's (or the empty container's) own JSON text. */
  text: string;
}

/** The leaves of a JSON value in its own order, at most `most`; duplicate names as they stand. */
export function leaves(text: string, most: number): { leaves: Leaf[]; complete: boolean } {
  const found: Leaf[] = [];
  const steps: (string | number)[] = [];
  const inArray: boolean[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length && found.length < most) {
    const opens = text[at] === "{" || text[at] === "[";
    const inside = skipSpace(text, at + 1);
    if (opens && text[inside] !== "}" && text[inside] !== "]") {
      inArray.push(text[at] === "[");
      steps.push(0);
      at = member(text, inside, steps, inArray);
      continue;
    }
    const end = opens ? inside + 1 : valueEnd(text, at);
    found.push({
      path: steps.map(escapeStep).join("/"),
      text: opens ? `${text[at]}${text[inside]}` : text.slice(at, end),
    });
    at = afterValue(text, skipSpace(text, end), steps, inArray);
  }
  return { leaves: found, complete: at >= text.length };
}

/** Behind a value: closes what is over, and goes to the next value's beginning. */
function afterValue(text: string, from: number, steps: (string | number)[], inArray: boolean[]): number {
  let at = from;
  while (text[at] === "}" || text[at] === "]") {
    steps.pop();
    inArray.pop();
    at = skipSpace(text, at + 1);
  }
  if (text[at] !== ",") return text.length;
  const last = steps.length - 1;
  const step = steps[last];
  if (inArray[last] && typeof step === "number") steps[last] = step + 1;
  return member(text, skipSpace(text, at + 1), steps, inArray);
}

/** At a member: takes its name into the steps, and is where its value begins. */
function member(text: string, at: number, steps: (string | number)[], inArray: boolean[]): number {
  const last = steps.length - 1;
  if (inArray[last]) return at;
  const end = stringEnd(text, at);
  steps[last] = String(JSON.parse(text.slice(at, end)));
  return skipSpace(text, skipSpace(text, end) + 1);
}

function escapeStep(step: string | number): string {
  return String(step).replaceAll("~", "~0").replaceAll("/", "~1");
}
