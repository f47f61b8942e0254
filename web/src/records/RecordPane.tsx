import { useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Changes } from "../document/Changes.tsx";
import { bytes } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { type Loaded, useLoad } from "../state/load.ts";
import { address, href, query, setQuery, withQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import { zone } from "../state/zone.ts";
import { type Found, markedRows, readVersion, type Source, type Version } from "./data.ts";
import { History } from "./History.tsx";
import { RecordModel } from "./model.ts";
import { RecordCompare } from "./RecordCompare.tsx";
import { RecordTree } from "./RecordTree.tsx";
import { Restore } from "./Restore.tsx";
import { titleOf } from "./titles.ts";
import { useRecordKeys } from "./useRecordKeys.ts";
import { VersionPick } from "./VersionPick.tsx";
import { comparableBefore, contentOf } from "./words.ts";

interface RecordPaneProps {
  source: Source;
  record: string;
  history: Pages<Version>;
  /** Grows when the record may have changed. */
  turn: number;
  /** Something was changed here. */
  changed: () => void;
}

/** One record: a version of it with what that changed, or two compared, beside all that are kept. */
export function RecordPane({ source, record, history, turn, changed }: RecordPaneProps) {
  const asked = query.value;
  const pinned = numberOf(asked.get("version"));
  const from = numberOf(asked.get("from"));
  const found = useLoad((signal) => readVersion(source, record, pinned, signal), [source, record, pinned, turn]);
  const [restoring, setRestoring] = useState<Version | null>(null);
  const versions = history.data ?? [];
  const [newest] = versions;
  const model = useRecordModel(source, record, found, versions);
  useRecordKeys(model, versions, found.data?.version ?? null);
  const shown = found.data;
  const head = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Where the history stands below, what is chosen in it shows above.
    if (matchMedia("(max-width: 1180px)").matches) head.current?.scrollIntoView({ block: "center" });
  }, [pinned, from]);
  return (
    <>
      <section class="doc" aria-label="Record">
        <div class="bar record-head" ref={head}>
          <a class="btn ghost back" href={href(withQuery(address.value, { record: null, version: null, from: null }))}>
            All records
          </a>
          <h2>{record}</h2>
          {shown ? <span class="quiet">{from === null ? titleOf(shown) : "two versions compared"}</span> : null}
          {pinned !== null && newest && newest.version > pinned && from === null ? (
            <a class="newer" href={href(withQuery(address.value, { version: null }))}>
              newer versions
            </a>
          ) : null}
        </div>
        {found.busy ? <Loading label="Loading the record" /> : null}
        {found.error ? <Failure tried="Loading the record" error={found.error} retry={found.again} /> : null}
        {from !== null && shown && !found.error ? (
          <>
            <VersionPick history={history} from={from} to={shown.version} />
            <RecordCompare source={source} record={record} versions={{ from, to: shown.version }} history={versions} />
          </>
        ) : shown && !found.error ? (
          <Content model={model} found={shown} />
        ) : null}
      </section>
      <div class="record-side">
        {from === null && shown?.text != null ? (
          <InThisVersion model={model} versions={versions} found={shown} />
        ) : null}
        <History
          pages={history}
          open={shown?.version ?? null}
          from={from}
          restore={(version) => setRestoring(version)}
        />
      </div>
      {restoring && newest ? (
        <Restore
          source={source}
          version={restoring}
          newest={newest}
          close={() => setRestoring(null)}
          done={() => {
            setRestoring(null);
            setQuery({ version: null, from: null });
            changed();
          }}
        />
      ) : null}
    </>
  );
}

function numberOf(text: string | null): number | null {
  return text !== null && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : null;
}

/** The document of what was loaded, marked with what it changed once the version before is known. */
function useRecordModel(
  source: Source,
  record: string,
  found: Loaded<Found>,
  versions: readonly Version[],
): RecordModel {
  const model = useMemo(() => new RecordModel(), [source, record]);
  const shown = found.data?.record_id === record ? found.data : undefined;
  const before = shown ? comparableBefore(versions, shown.version) : null;
  useEffect(() => () => model.leave(), [model]);
  useSignalEffect(() => {
    const show = query.value.get("show");
    model.tree.show.value = show === "changed" || show === "text" ? show : "all";
  });
  useEffect(() => {
    if (shown?.text == null) return;
    const left = new AbortController();
    const { version, text } = shown;
    const rows = before === null ? null : () => markedRows(source, record, { from: before, to: version }, left.signal);
    void model.open(text, rows, left.signal);
    return () => left.abort();
  }, [model, shown?.version, shown?.checksum, before]);
  return model;
}

function Content({ model, found }: { model: RecordModel; found: Found }) {
  const content = contentOf(found);
  return (
    <>
      <Facts found={found} />
      {content === "deleted" ? (
        <p class="said">This version is the record’s deletion. An older one can be restored from the history.</p>
      ) : content === "encrypted" ? (
        <p class="said">
          A device encrypted it: the server has no key and cannot read it. It keeps{" "}
          {bytes(sizeOf(found.encrypted ?? ""))}, with the checksum that the device gave.
        </p>
      ) : (
        <RecordTree
          model={model}
          label={`${found.record_id}, ${titleOf(found)}`}
          shownMs={found.changed_at ? Date.parse(found.changed_at) : 0}
        />
      )}
    </>
  );
}

/** Of base64. */
function sizeOf(text: string): number {
  return (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
}

function Facts({ found }: { found: Found }) {
  const size = found.text === null ? null : new TextEncoder().encode(found.text).length;
  const facts: [string, string | null | undefined][] = [
    ["Device", found.device_id ?? (found.operation === "delete" ? null : "changed here")],
    ["Device’s time", found.updated_at],
    ["Size", size === null ? null : bytes(size)],
    ["SHA-256", found.checksum],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) =>
        value ? (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{name === "SHA-256" ? <code>{value}</code> : value}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}

function InThisVersion({ model, versions, found }: { model: RecordModel; versions: readonly Version[]; found: Found }) {
  const opened = model.tree.opened.value;
  if (!opened) return null;
  return (
    <Changes
      opened={opened}
      noisy={NONE}
      zone={zone.value}
      shownMs={found.changed_at ? Date.parse(found.changed_at) : 0}
      beside={null}
      otherwise={opened.marks.rows.length > 0 ? null : <p class="none">{whyNothing(model, versions, found)}</p>}
      onGo={(row) => model.tree.reveal(row.node)}
    />
  );
}

const NONE: ReadonlySet<string> = new Set();

function whyNothing(model: RecordModel, versions: readonly Version[], { version }: Found): string {
  if (!model.isMarked.value) return "";
  if (comparableBefore(versions, version) !== null) return "No value changed.";
  const at = versions.findIndex((each) => each.version === version);
  const before = versions[at + 1];
  if (at < 0) return "It is further back than the history that is listed.";
  return before ? "The version before it cannot be compared." : "No version before it is kept.";
}
