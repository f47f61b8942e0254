import { useState } from "preact/hooks";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { deltaRows, type Of } from "./data.ts";
import { type DeltaRow, keyText, members, OPS, type Op } from "./rows.ts";

const ROWS = 100;
const MEMBERS = 12;
const GLYPHS: Readonly<Record<Op, readonly [kind: string, glyph: string]>> = {
  remove: ["removed", "−"],
  change: ["changed", "~"],
  add: ["added", "+"],
};
const KINDS = { all: "All", ...OPS } as const;

/** The rows that two deliveries differ in, the first of each kind. */
export function Delta({ of, delivery }: { of: Of; delivery: string }) {
  const asked = query.value.get("kind") ?? "";
  const kind = Object.hasOwn(OPS, asked) ? (asked as Op) : "all";
  const [most, setMost] = useState(ROWS);
  const by = [of.project, of.dataset, of.client, delivery, kind, most];
  const found = useLoad((signal) => deltaRows(of, kind === "all" ? null : kind, most, signal), by);
  const choose = (name: "all" | Op) => {
    setQuery({ kind: name === "all" ? null : name });
    setMost(ROWS);
  };
  return (
    <section aria-label="Rows that differ">
      <div class="bar">
        <Segments label="Kind" options={KINDS} value={kind} choose={choose} />
        <span class="grow" />
        {found.busy && <Loading label="Loading the rows" />}
      </div>
      {found.error ? <Failure tried="Loading the rows" error={found.error} retry={found.again} /> : null}
      {found.data?.rows.length === 0 && <p class="quiet">No rows of this kind.</p>}
      {found.data && found.data.rows.length > 0 && <Rows rows={found.data.rows} />}
      {found.data && !found.data.complete && (
        <p class="more">
          <button type="button" class="btn" disabled={found.busy} onClick={() => setMost(most + ROWS)}>
            More rows
          </button>
        </p>
      )}
    </section>
  );
}

function Rows({ rows }: { rows: readonly DeltaRow[] }) {
  return (
    <table class="tb delta-rows">
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col">Row</th>
          <th scope="col">Before and after</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <Row key={i} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ row }: { row: DeltaRow }) {
  const all = members(row);
  return (
    <tr>
      <th scope="row">
        <code title={keyText(row.key)}>{keyText(row.key)}</code>
      </th>
      <td>
        <span class={`g ${GLYPHS[row.op][0]}`} aria-hidden="true">
          {GLYPHS[row.op][1]}
        </span>{" "}
        {OPS[row.op]}
      </td>
      <td class="sides">
        {all.slice(0, MEMBERS).map(({ name, before, after }) => (
          <span key={name} class="member">
            {name && <code class="quiet">{name}</code>} {before !== undefined && <del>{before}</del>}{" "}
            {after !== undefined && <ins>{after}</ins>}
          </span>
        ))}
        {all.length > MEMBERS && <span class="quiet">and {all.length - MEMBERS} more</span>}
      </td>
    </tr>
  );
}
