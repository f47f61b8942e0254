import type { VNode } from "preact";

import type { Counts } from "./marks";

const KINDS = [
  ["added", "+"],
  ["removed", "−"],
  ["changed", "~"],
  ["moved", "↕"],
] as const;

/** How many of each kind: glyph, number and word, since colour alone says nothing to some. */
export function Chips({ counts, words = true }: { counts: Counts; words?: boolean }): VNode {
  return (
    <>
      {KINDS.filter(([kind]) => counts[kind] > 0).map(([kind, glyph]) => (
        <span key={kind} class={`chip ${kind}`}>
          <i aria-hidden="true">{glyph}</i>
          <b>{counts[kind].toLocaleString()}</b>
          <span class={words ? "" : "sr"}> {kind}</span>
        </span>
      ))}
    </>
  );
}
