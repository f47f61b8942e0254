/** What a row of a delta says. */
export const OPS = { remove: "Removed", change: "Changed", add: "Added" } as const;
export type Op = keyof typeof OPS;

export interface DeltaRow {
  op: Op;
  key: unknown;
  before?: unknown;
  after?: unknown;
}

/** Adds the rows of some lines, those with `op`, one more than `most` at most, which tells that there are more. True
 * when the last line of the delta was among them. */
export function taken(rows: DeltaRow[], lines: readonly string[], op: Op | null, most: number): boolean {
  for (const line of lines) {
    if (line === "") continue;
    const row = JSON.parse(line) as { op: string };
    if (row.op === "end") return true;
    if (row.op in OPS && (op === null || row.op === op) && rows.length <= most) rows.push(row as DeltaRow);
  }
  return false;
}

export interface Member {
  name: string;
  before: string | undefined;
  after: string | undefined;
}

/** The members in which both sides of a row differ; of an added or removed one all. A row may be any value. */
export function members({ before, after }: DeltaRow): Member[] {
  const [old, now] = [flat(before), flat(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])];
  return names
    .map((name) => ({ name, before: old.get(name), after: now.get(name) }))
    .filter((one) => one.before !== one.after);
}

function flat(row: unknown): Map<string, string> {
  if (row === undefined) return new Map();
  if (typeof row !== "object" || row === null || Array.isArray(row)) return new Map([["", JSON.stringify(row)]]);
  return new Map(Object.entries(row).map(([name, value]) => [name, JSON.stringify(value)]));
}

/** A key as a text: its values alone. */
export function keyText(key: unknown): string {
  if (typeof key !== "object" || key === null) return key == null ? "" : String(key);
  return Object.values(key)
    .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
    .join(", ");
}
