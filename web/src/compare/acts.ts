// What happens to a line of the ledger that somebody clicks, or presses a key on.

import { announce } from "../state/announce.ts";
import { copied } from "../state/copying.ts";
import { at, go, setQuery } from "../state/location.ts";
import type { Pair, Place, ValueAt } from "./data.ts";
import { leaves } from "./exact.ts";
import type { Act } from "./input.ts";
import { isWhole, keyOf, type Line, pathOf, pathOfLine, type Row } from "./lines.ts";
import type { Ledger } from "./model.ts";

/** So many values of a record are shown in the ledger; the document has the rest. */
const MOST_VALUES = 300;

export interface Acting {
  pair: Pick<Pair, "a" | "b">;
  ledger: Ledger;
  valueAt: ValueAt;
  peek: (row: Row) => void;
  /** The address of the document where a change is seen. */
  documentAt: (row: Row) => string;
}

export function actOf(acting: Acting): Act {
  const { ledger } = acting;
  return (line, what) => {
    if (what === "document") {
      setQuery({ row: pathOfLine(line) }, { replace: true }); // where one comes back to
      go(acting.documentAt(line.row));
    } else if (what === "whole") acting.peek(line.row);
    else if (what === "path") void copied(pathOf(line.row), "The key path is copied");
    else if (what === "value") void copyValue(acting, line);
    else if (line.kind === "head") ledger.fold(line.row.record, !line.folded);
    else if (line.kind === "whole" || line.kind === "rest") void toggle(acting, line);
  };
}

/** The document where a change is seen: at B, or at A for what is gone. */
export function documentAt({ project, endpoint }: Place, { a, b }: Pair, row: Row): string {
  const query = new URLSearchParams({ at: row.op === "remove" ? a : b, path: pathOf(row) });
  return `${at("p", project, "e", endpoint)}?${query}`;
}

async function toggle({ pair, ledger, valueAt }: Acting, line: Line): Promise<void> {
  if (ledger.opened.value.has(keyOf(line))) {
    ledger.open(line, null);
    return;
  }
  const { row } = line;
  const end = row.op === "remove" ? pair.a : pair.b;
  const own = row.op === "remove" ? row.old : row.new;
  const told = line.kind === "whole" && !row.cut && own !== undefined;
  try {
    const text = told ? own : await valueAt(end, row.record);
    const inside = leaves(text, MOST_VALUES);
    const changed = line.kind === "rest" ? changedIn(ledger, row) : null;
    ledger.open(
      line,
      changed ? { ...inside, leaves: inside.leaves.filter(({ path }) => !isUnder(path, changed)) } : inside,
    );
  } catch {
    announce("The values did not come. Try again.");
  }
}

/** The places that changed in the row's record, as far as its window has them. */
function changedIn(ledger: Ledger, row: Row): string[] {
  const own = ledger.rowsNear(row).filter((other) => other.record === row.record && !isWhole(other));
  return own.map((other) => other.at);
}

function isUnder(path: string, places: string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}

async function copyValue({ pair, valueAt }: Acting, line: Line): Promise<void> {
  const { row } = line;
  const end = row.op === "remove" ? pair.a : pair.b;
  const own = line.kind === "value" ? line.leaf.text : row.cut ? undefined : (row.new ?? row.old);
  await copied(own ?? (await valueAt(end, pathOf(row))), "The value is copied");
}
