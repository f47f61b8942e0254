import { count } from "../numbers.ts";
import type { Change, SchemaField } from "./data.ts";

const WHAT: Record<Change["what"], string> = {
  added: "is new",
  optional: "may be missing",
  nullable: "may be null",
  types: "has other types",
  format: "lost its format",
  map: "is a map",
};

/** "is new: string": what changed of a place. */
export function said({ what, now }: Change): string {
  if (what === "added" && now) return `is new: ${now}`;
  if (what === "types" && now) return `is ${now}`;
  if (what === "format" && now) return `is ${now}`;
  return WHAT[what];
}

/** The steps above a place and its own name; an element is `each`. */
export function named(path: string, whole = "the document"): { depth: number; name: string } {
  if (path === "") return { depth: 0, name: whole };
  const steps = path.slice(1).split("/");
  const last = (steps.at(-1) ?? "").replaceAll("~1", "/").replaceAll("~0", "~");
  return { depth: steps.length, name: last === "*" ? "each" : last || '""' };
}

/** "string, date-time", "number or null", "map". */
export function typeText(field: SchemaField): string {
  const types = field.types.map((type) => (type === "object" && field.is_map ? "map" : type));
  const all = field.nullable ? [...types, "null"] : types;
  return [all.join(" or ") || "nothing yet", ...(field.format ? [field.format] : [])].join(", ");
}

function shown(text: string): string {
  return text.trim() === "" ? JSON.stringify(text) : text;
}

function exact(value: number): string {
  return Number.isInteger(value) ? count(value) : String(value);
}

/** What is known of values: a range, an enumeration, examples. */
export function valueText({ values, minimum, maximum, examples }: SchemaField): string {
  if (values) return values.length === 1 ? `always ${values[0]}` : `one of ${values.map(shown).join(", ")}`;
  if (minimum != null && maximum != null)
    return minimum === maximum ? exact(minimum) : `${exact(minimum)} to ${exact(maximum)}`;
  return examples?.length ? examples.map(shown).join(", ") : "";
}

/** Where the tree is closed nothing below is shown. */
export function open(fields: readonly SchemaField[], closed: ReadonlySet<string>): SchemaField[] {
  return fields.filter(({ path }) => {
    for (let end = path.lastIndexOf("/"); end >= 0; end = path.lastIndexOf("/", end - 1)) {
      if (closed.has(path.slice(0, end))) return false;
      if (end === 0) break;
    }
    return path === "" || !closed.has("");
  });
}
