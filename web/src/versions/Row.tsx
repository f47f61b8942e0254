import { OPS } from "../compare/filters.ts";
import { WORDS } from "../compare/LedgerRow.tsx";
import { span } from "../compare/numbers.ts";
import { bytes, count } from "../numbers.ts";
import { href } from "../state/location.ts";
import { zone } from "../state/zone.ts";
import { exactClock, shortDay } from "../time/clock.ts";
import { KIND_WORDS, type Version } from "./versions.ts";

export interface VersionRowProps {
  version: Version;
  mark: "a" | "b" | null;
  /** Far longer than the gap between most versions. */
  isLong: boolean;
  document: string;
  toggle: (letter: "a" | "b") => void;
  /** Of all rows; the head is 1. */
  index: number;
}

export function VersionRow({ version, mark, isLong, document, toggle, index }: VersionRowProps) {
  const { ms, gapMs, grownBytes } = version;
  return (
    <tr
      data-row
      aria-rowindex={index}
      data-id={version.id}
      aria-current={mark ? "true" : undefined}
      class={version.kind === "content" ? "" : "no-change"}
    >
      <td class="marks">
        {(["a", "b"] as const).map((letter) => (
          <button
            key={letter}
            type="button"
            class="mark"
            aria-pressed={mark === letter}
            title={`Mark as ${letter.toUpperCase()} (${letter === "a" ? "x" : "X"})`}
            onClick={() => toggle(letter)}
          >
            {letter.toUpperCase()}
          </button>
        ))}
      </td>
      <th scope="row">
        <a href={href(document)} data-open>
          <time dateTime={new Date(ms).toISOString()}>
            {shortDay(ms, zone.value)} <b>{exactClock(ms, zone.value)}</b>
          </time>
        </a>
      </th>
      <td class={`n gap${isLong ? " long" : ""}`}>{gapMs === null ? "" : span(gapMs)}</td>
      <td class="kinds">
        {version.kind === "content" ? (
          <Counts counts={version.counts} />
        ) : (
          <span class="quiet">{KIND_WORDS[version.kind]}</span>
        )}
      </td>
      <td class="n">{bytes(version.bytes)}</td>
      <td class="n quiet">{grownBytes ? `${grownBytes < 0 ? "−" : "+"}${bytes(Math.abs(grownBytes))}` : ""}</td>
      <td class="source quiet">{version.source ?? ""}</td>
    </tr>
  );
}

export function Counts({ counts }: { counts: Version["counts"] }) {
  return (
    <span class="chips">
      {OPS.filter((op) => counts[op] > 0).map((op) => (
        <span key={op} class={`chip ${WORDS[op].kind}`}>
          <i aria-hidden="true">{WORDS[op].glyph}</i>
          <b>{count(counts[op])}</b>
          <span class="sr"> {WORDS[op].name}</span>
        </span>
      ))}
    </span>
  );
}
