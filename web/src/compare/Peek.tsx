import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import { isTyping } from "../state/keys.ts";
import { Pieces } from "./LedgerRow.tsx";
import type { Row } from "./lines.ts";
import { side } from "./words.ts";

interface PeekProps {
  row: Row;
  titles: { a: string; b: string };
  /** The whole values where the rows have only a part of them. */
  whole: (row: Row, signal: AbortSignal) => Promise<{ old: string | null; new: string | null }>;
  close: () => void;
}

/** Both values of a change, whole, under the ledger. */
export function Peek({ row, titles, whole, close }: PeekProps): JSX.Element {
  const [values, setValues] = useState<{ old: string | null; new: string | null } | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    setValues(row.cut ? null : { old: row.old ?? null, new: row.new ?? null });
    setFailed(null);
    if (row.cut) {
      whole(row, controller.signal).then(setValues, (error: unknown) => {
        if (!controller.signal.aborted) setFailed(error instanceof Error ? error.message : "The value did not come.");
      });
    }
    return () => controller.abort();
  }, [row, whole]);
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && !isTyping(event.target)) close();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [close]);
  return (
    <section class="peek" aria-label={`Values of ${row.at}`}>
      <header>
        <code>{row.at}</code>
        <button type="button" class="icon" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {failed && <p role="alert">{failed}</p>}
      <div class="both">
        <Whole title={titles.a} text={values?.old} row={row} sign="-" />
        <Whole title={titles.b} text={values?.new} row={row} sign="+" />
      </div>
    </section>
  );
}

interface WholeProps {
  title: string;
  text: string | null | undefined;
  row: Row;
  sign: "-" | "+";
}

function Whole({ title, text, row, sign }: WholeProps): JSX.Element {
  const words = row.text && !row.cut ? side(row.text, sign) : null;
  return (
    <div>
      <h3>{title}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no pointer scrolls it by keys */}
      <pre tabIndex={0}>
        {words ? <Pieces pieces={words} /> : text === undefined ? "…" : text === null ? "absent" : readable(text)}
      </pre>
    </div>
  );
}

/** A text as it reads, without JSON's escapes; anything else as it stands. */
function readable(text: string): string {
  return text.startsWith('"') ? String(JSON.parse(text)) : text;
}
