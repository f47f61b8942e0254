// biome-ignore-all lint/a11y/useSemanticElements: chips in a row are no fieldset to look at
import type { JSX } from "preact";
import { count, counted } from "../numbers.ts";
import { setQuery } from "../state/location.ts";
import { type Filter, isFiltered, OPS, type Op, showsOp, toggleField, toggleOp } from "./filters.ts";
import { WORDS } from "./LedgerRow.tsx";
import { span } from "./numbers.ts";
import { chipName, inSeveralArrays } from "./values.ts";

export interface FieldCount {
  path: string;
  changes: number;
}

interface SummaryProps {
  counts: Record<Op, number>;
  total: number;
  matched: number;
  /** Listed beside what changed. */
  unchanged: number;
  records: number | null;
  /** Milliseconds between the two moments. */
  apart: number;
  similarity: number;
  filter: Filter;
  set: (filter: Filter) => void;
  children: JSX.Element | null;
}

/** What changed in all, and a chip for each kind that hides or shows it. */
export function Summary({
  counts,
  total,
  matched,
  unchanged,
  records,
  apart,
  similarity,
  filter,
  set,
  children,
}: SummaryProps): JSX.Element {
  const present = OPS.filter((op) => counts[op] > 0);
  const same = Math.floor(similarity * 1000) / 10;
  return (
    <section class="sumbar" aria-label="Summary">
      <p>
        <b>
          {isFiltered(filter) && `${count(matched)} of `}
          {counted(total, "change")}
        </b>
        {records !== null && records > 0 && ` in ${counted(records, "record")}`}
        {apart !== 0 && <span class="quiet"> over {span(apart)}</span>}
        {unchanged > 0 && <span class="quiet">, and {count(unchanged)} unchanged</span>}
      </p>
      <span class="chips big" role="group" aria-label="Filter by kind" data-filters>
        {present.map((op) => (
          <button
            key={op}
            type="button"
            class={`chip ${WORDS[op].kind}`}
            aria-pressed={showsOp(filter, op)}
            title={`${WORDS[op].name}: click hides or shows, Alt+click shows only these`}
            onClick={(event) => set(toggleOp(filter, op, present, event.altKey))}
          >
            <i aria-hidden="true">{WORDS[op].glyph}</i>
            <b>{count(counts[op])}</b> {WORDS[op].name}
          </button>
        ))}
      </span>
      <span class="same">
        <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="all" width="100" height="4" />
          <rect class="part" width={same} height="4" />
        </svg>
        {same} % the same
      </span>
      <span class="grow" />
      {children}
    </section>
  );
}

interface FieldChipsProps {
  fields: FieldCount[];
  total: number;
  isNoise: (field: string) => boolean;
  filter: Filter;
  set: (filter: Filter) => void;
  /** With what did not change: on a narrow screen this stands here. */
  all: boolean;
}

const MOST_CHIPS = 40;

export function FieldChips({ fields, total, isNoise, filter, set, all }: FieldChipsProps): JSX.Element {
  const shown = fields.filter((field, i) => i < MOST_CHIPS || filter.fields.includes(field.path));
  const left = fields.length - shown.length;
  const several = inSeveralArrays(fields.map(({ path }) => path));
  return (
    <div class="fields" role="group" aria-label="Filter by field" data-filters>
      <button
        type="button"
        class="fchip"
        aria-pressed={filter.fields.length === 0}
        onClick={() => set({ ...filter, fields: [] })}
      >
        All fields<b>{count(total)}</b>
      </button>
      {shown.map(({ path, changes }) => {
        const { lead, last } = chipName(path, several);
        const noise = isNoise(path);
        return (
          <button
            key={path}
            type="button"
            class={`fchip${noise ? " nz" : ""}`}
            aria-pressed={filter.fields.includes(path)}
            title={`${path}${noise ? ": changes in more than half of all versions" : ""} (Alt+click: only this)`}
            onClick={(event) => set(toggleField(filter, path, event.altKey))}
          >
            {lead && <i>{lead}</i>}
            <span>{last}</span>
            <b>{count(changes)}</b>
          </button>
        );
      })}
      <button
        type="button"
        class="fchip unchanged-too"
        aria-pressed={all}
        onClick={() => setQuery({ all: all ? null : "1" })}
      >
        Unchanged too
      </button>
      {left > 0 && <span class="quiet">and {count(left)} more fields</span>}
    </div>
  );
}
