import { useCallback, useMemo, useState } from "preact/hooks";
import { actOf } from "../compare/acts.ts";
import { setFiltered } from "../compare/Body.tsx";
import { type ValueAt, wholeOf } from "../compare/data.ts";
import { EVERYTHING, filterOf } from "../compare/filters.ts";
import { Ledger } from "../compare/Ledger.tsx";
import type { RowView } from "../compare/LedgerRow.tsx";
import { pathOf, type Row } from "../compare/lines.ts";
import { Peek } from "../compare/Peek.tsx";
import { Said } from "../compare/Said.tsx";
import { FieldChips, Summary } from "../compare/Summary.tsx";
import { useView } from "../compare/scroll.ts";
import { type Compared, listed, useComparison, useLedger } from "../compare/useComparison.ts";
import { rawText } from "../document/nodes.ts";
import { Places } from "../document/places.ts";
import { scan } from "../document/scan.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { address, href, query, withQuery } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { reading } from "../time/clock.ts";
import { readVersion, rowsOf, type Source, type Version, type Versions } from "./data.ts";
import { titleOf } from "./titles.ts";

interface RecordCompareProps {
  source: Source;
  record: string;
  versions: Versions;
  /** As far as they are listed. */
  history: readonly Version[];
}

/** What differs between two versions of a record: the ledger of the comparison of snapshots. */
export function RecordCompare({ source, record, versions, history }: RecordCompareProps) {
  const { from, to } = versions;
  const asked = query.value;
  const filter = useMemo(() => filterOf(asked), [asked]);
  const pair = useMemo(() => ({ a: String(from), b: String(to), diff: null }), [from, to]);
  const ask = useMemo(() => rowsOf(source, record, { from, to }), [source, record, from, to]);
  const compared = useComparison(pair, ask, filter, asked.get("all") === "1");
  if (compared.error) return <Failure tried="Comparing" error={compared.error} retry={compared.again} />;
  return (
    <>
      {compared.busy ? <Loading label="Comparing" /> : null}
      {compared.data ? (
        <Body source={source} record={record} compared={compared.data} history={history} />
      ) : (
        <div class="ledger" />
      )}
    </>
  );
}

interface BodyProps {
  source: Source;
  record: string;
  compared: Compared;
  history: readonly Version[];
}

function Body({ source, record, compared, history }: BodyProps) {
  const { comparison, pair, filter } = compared;
  const screen = useView();
  const ledger = useLedger(compared, screen);
  const [peeked, setPeeked] = useState<Row | null>(null);
  const value = useValueAt(source, record);
  const act = useMemo(
    () => ledger && actOf({ pair, ledger, valueAt: value, peek: setPeeked, documentAt: (row) => versionOf(pair, row) }),
    [pair, ledger, value],
  );
  const whole = useCallback((row: Row, signal: AbortSignal) => wholeOf(value, pair, row, signal), [value, pair]);
  const [a, b] = [pair.a, pair.b].map((end) => history.find(({ version }) => String(version) === end));
  const [aMs, bMs] = [a, b].map((end) => (end?.changed_at ? Date.parse(end.changed_at) : null));
  const view: RowView = {
    layout: query.value.get("view") === "inline" ? "inline" : "side",
    isNoise: () => false,
    reading: (ms) => reading(ms, zone.value, bMs ?? ms),
    placeInA: () => null,
  };
  const titles = { a: `A · ${a ? titleOf(a) : pair.a}`, b: `B · ${b ? titleOf(b) : pair.b}` };
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
        apart={aMs != null && bMs != null ? bMs - aMs : 0}
        similarity={comparison.similarity_score}
        filter={filter}
        set={setFiltered}
      >
        {null}
      </Summary>
      {comparison.total > 0 ? (
        <FieldChips
          fields={comparison.fields}
          total={comparison.total}
          isNoise={view.isNoise}
          filter={filter}
          set={setFiltered}
          all={compared.all}
        />
      ) : null}
      <Said
        comparison={comparison}
        filter={filter}
        clear={() => setFiltered(EVERYTHING)}
        showIgnored={null}
        exactTexts={{ a: exactText(pair.a), b: exactText(pair.b) }}
      />
      {listed(comparison) > 0 && ledger && act ? (
        <Ledger model={ledger} view={view} screen={screen} rail={comparison.rail} titles={titles} act={act} />
      ) : null}
      {peeked ? <Peek row={peeked} titles={titles} whole={whole} close={() => setPeeked(null)} /> : null}
    </>
  );
}

/** Values come out of the contents themselves, which are small beside documents; each is read once. */
function useValueAt(source: Source, record: string): ValueAt {
  return useMemo(() => {
    const read = new Map<string, Promise<Places>>();
    const placesOf = async (version: string): Promise<Places> => {
      const { text } = await readVersion(source, record, Number(version));
      return new Places(scan(new TextEncoder().encode(text ?? "null")));
    };
    return async (version, path) => {
      const found = read.get(version) ?? placesOf(version);
      read.set(version, found);
      found.catch(() => read.delete(version));
      const places = await found;
      const node = places.resolve(path);
      if (node < 0) throw new Error("the value is not there any more");
      return rawText(places.doc, node);
    };
  }, [source, record]);
}

/** The version in which a change is seen: B, or A for what is gone. */
function versionOf(pair: Compared["pair"], row: Row): string {
  const version = row.op === "remove" ? pair.a : pair.b;
  return withQuery(address.value, { version, from: null, row: null, path: pathOf(row) });
}

function exactText(version: string): string {
  return href(withQuery(address.value, { version, from: null, show: "text" }));
}
