import type { ComponentChildren, JSX } from "preact";
import type { Comparison } from "./data.ts";
import { type Filter, isFiltered } from "./filters.ts";

interface SaidProps {
  comparison: Comparison;
  filter: Filter;
  clear: () => void;
  /** Compares as if nothing were ignored. */
  showIgnored: (() => void) | null;
  exactTexts: { a: string; b: string };
}

/** What stands in the ledger's place where it has no rows, and above them what there is to know of the comparison. */
export function Said({ comparison, filter, clear, showIgnored, exactTexts }: SaidProps): JSX.Element | null {
  if (comparison.total === 0)
    return <Nothing kind={comparison.kind} showIgnored={showIgnored} exactTexts={exactTexts} />;
  if (comparison.matched === 0 && isFiltered(filter)) {
    return (
      <Empty>
        <p>None of the {comparison.total.toLocaleString()} changes passes the filter.</p>
        <button type="button" class="btn" onClick={clear}>
          Show all
        </button>
      </Empty>
    );
  }
  const told = comparison.notes.map(({ path, message }) => ({ path, message }));
  const strangers = comparison.similarity_score === 0;
  if (told.length === 0 && !strangers && comparison.kind !== "reorder") return null;
  return (
    <ul class="notes">
      {strangers && <li>The two documents have nothing in common.</li>}
      {comparison.kind === "reorder" && <li>Only the order of elements differs.</li>}
      {told.map(({ path, message }) => (
        <li key={path + message}>
          <code>{path || "/"}</code> {message}
        </li>
      ))}
    </ul>
  );
}

function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <div class="ledger empty">{children}</div>;
}

const SAME: Record<string, string> = {
  none: "The two versions are the same, byte for byte.",
  format: "Only the format differs: whitespace, escapes, the text of equal numbers or the order of members.",
  ignored: "Only fields differ that the endpoint's settings ignore, or numbers within their tolerance.",
};

function Nothing({
  kind,
  showIgnored,
  exactTexts,
}: { kind: string } & Pick<SaidProps, "showIgnored" | "exactTexts">): JSX.Element {
  return (
    <Empty>
      <p>{SAME[kind] ?? "No value differs."}</p>
      {kind === "ignored" && showIgnored && (
        <button type="button" class="btn" onClick={showIgnored}>
          Show them
        </button>
      )}
      {kind === "format" && (
        <p>
          <a class="btn" href={exactTexts.a}>
            Exact text of A
          </a>{" "}
          <a class="btn" href={exactTexts.b}>
            Exact text of B
          </a>
        </p>
      )}
    </Empty>
  );
}
