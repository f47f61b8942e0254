import { useCallback, useMemo, useState } from "preact/hooks";
import { address, at, go, href, query } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { moment, reading } from "../time/clock.ts";
import { actOf, documentAt } from "./acts.ts";
import { type DiffSettings, type Place, type ValueAt, valueAt, wholeOf } from "./data.ts";
import type { Ends } from "./ends.ts";
import { EVERYTHING, type Filter, filterOf, setFilter } from "./filters.ts";
import { KeyMenu } from "./KeyMenu.tsx";
import { Ledger } from "./Ledger.tsx";
import type { RowView } from "./LedgerRow.tsx";
import type { Row } from "./lines.ts";
import { Peek } from "./Peek.tsx";
import { Said } from "./Said.tsx";
import { FieldChips, Summary } from "./Summary.tsx";
import { useView } from "./scroll.ts";
import { type Compared, listed, useLedger } from "./useComparison.ts";
import { useFields, useKeySettings } from "./useSettings.ts";

interface BodyProps {
  place: Place;
  ends: Ends;
  compared: Compared;
  setTrial: (diff: DiffSettings | null) => void;
}

/** What changed between the two: the summary, the chips, the ledger. */
export function Body({ place, ends, compared, setTrial }: BodyProps) {
  const { comparison, pair } = compared;
  const screen = useView();
  const ledger = useLedger(compared, screen);
  const [peeked, setPeeked] = useState<Row | null>(null);
  const closePeek = useCallback(() => setPeeked(null), []);
  const fields = useFields(place);
  const { isNoise } = fields;
  const asked = query.value;
  // Of the address, not of the rows that are shown while others are on their way: a quick second click adds to the first.
  const filter = useMemo(() => filterOf(asked), [asked]);
  const value = useMemo<ValueAt>(() => (end, path, signal) => valueAt(place, end, path, signal), [place]);
  const act = useMemo(
    () =>
      ledger &&
      actOf({
        pair,
        ledger,
        valueAt: value,
        peek: (row) => setPeeked((before) => (before === row ? null : row)),
        documentAt: (row) => documentAt(place, pair, row),
      }),
    [place, pair, ledger, value],
  );
  const titles = { a: `A · ${moment(ends.a.ms, zone.value)}`, b: `B · ${moment(ends.b.ms, zone.value)}` };
  const whole = useCallback((row: Row, signal: AbortSignal) => wholeOf(value, pair, row, signal), [value, pair]);
  const view: RowView = {
    layout: asked.get("view") === "inline" ? "inline" : "side",
    isNoise,
    reading: (ms) => reading(ms, zone.value, ends.b.ms),
    placeInA: (row) => href(documentAt(place, { ...pair, b: pair.a }, row)),
  };
  const settings = useKeySettings(place, comparison.keys, fields, pair.diff, setTrial);
  const nothing = listed(comparison) === 0;
  return (
    <>
      <Summary
        counts={{
          add: comparison.added,
          remove: comparison.removed,
          replace: comparison.replaced,
          move: comparison.moved,
        }}
        total={comparison.total}
        matched={comparison.matched}
        unchanged={comparison.unchanged ?? 0}
        records={comparison.records ?? null}
        apart={ends.b.ms - ends.a.ms}
        similarity={comparison.similarity_score}
        filter={filter}
        set={setFiltered}
      >
        <KeyMenu {...settings} />
      </Summary>
      {comparison.total > 0 && (
        <FieldChips
          fields={comparison.fields}
          total={comparison.total}
          isNoise={isNoise}
          filter={filter}
          set={setFiltered}
          all={asked.get("all") === "1"}
        />
      )}
      <Said
        comparison={comparison}
        filter={filter}
        clear={() => setFiltered(EVERYTHING)}
        showIgnored={pair.diff ? null : settings.ignoreNothing}
        exactTexts={{ a: exactText(place, pair.a), b: exactText(place, pair.b) }}
      />
      {!nothing && ledger && act && (
        <Ledger model={ledger} view={view} screen={screen} rail={comparison.rail} titles={titles} act={act} />
      )}
      {peeked && <Peek row={peeked} titles={titles} whole={whole} close={closePeek} />}
    </>
  );
}

export function setFiltered(filter: Filter): void {
  const asked = new URLSearchParams(address.value.search);
  setFilter(asked, filter);
  asked.delete("row");
  const text = asked.toString();
  go(address.value.path + (text ? `?${text}` : ""));
}

function exactText({ project, endpoint }: Place, snapshot: string): string {
  return href(`${at("p", project, "e", endpoint)}?${new URLSearchParams({ at: snapshot, show: "text" })}`);
}
