// biome-ignore-all lint/a11y/useSemanticElements: a treegrid of which a part is drawn can be no table
// biome-ignore-all lint/a11y/useFocusableInteractive: rows and cells are reached by keys from the one in the tab order
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Act, clicked, oneSideOnly, pressed } from "./input.ts";
import { LedgerRow, type RowView } from "./LedgerRow.tsx";
import type { Ledger as Model } from "./model.ts";
import { useMoves } from "./moves.ts";
import { Rail } from "./Rail.tsx";
import { drawnHeight, type View } from "./scroll.ts";
import { useAddressedRow } from "./useAddressedRow.ts";

const OVERSCAN = 200;
/** While one scrolls rows are asked for this often, and so far ahead in pixels. */
const EVERY_MS = 60;
const AHEAD = 2600;

interface LedgerProps {
  model: Model;
  view: RowView;
  screen: View;
  rail: string;
  titles: { a: string; b: string };
  act: Act;
}

export function Ledger({ model, view, screen, rail, titles, act }: LedgerProps): JSX.Element {
  const body = useRef<HTMLDivElement>(null);
  const seen = useMemo(() => signal({ top: 0, bottom: 800, shift: 0 }), []);
  const { go, cursorTo } = useMoves(body, model, seen, screen.narrow);
  const version = model.version.value;
  const { top, bottom, shift } = seen.value;
  const placed = model.between(top - OVERSCAN, bottom + OVERSCAN);
  const cursor = model.cursor.value;
  const kept = cursor ? model.placedAt(cursor) : null;
  if (kept && !placed.some(({ line }) => line.key === kept.line.key)) placed.push(kept);
  const height = model.geometry.height;

  useWanted(model, top, bottom, version);
  useAddressedRow(body, model, cursorTo);

  const first = placed[0];
  return (
    <section class={`ledger${view.layout === "inline" ? " inline" : ""}`} aria-label="Changes">
      <div
        role="treegrid"
        class="grid"
        aria-rowcount={model.geometry.lines(model.geometry.windows) + 1}
        aria-label="Changes from A to B"
        tabIndex={kept ? -1 : 0}
        onKeyDown={(event) => pressed(event, model, act, cursorTo)}
        onFocus={(event) => {
          if (event.target === event.currentTarget && first) cursorTo({ window: first.window, key: first.line.key });
        }}
        onMouseDown={(event) => oneSideOnly(event)}
        onClick={(event) => clicked(event, model, act)}
      >
        <Titles titles={titles} inline={view.layout === "inline"} />
        <div role="rowgroup" class="rows" ref={body} style={{ height: `${drawnHeight(height)}px` }}>
          {placed.map((one) => (
            <LedgerRow
              key={one.line.key}
              placed={shift === 0 ? one : { ...one, top: one.top + shift }}
              view={view}
              focused={cursor?.key === one.line.key}
            />
          ))}
        </div>
      </div>
      <Rail
        rail={rail}
        seen={shareOf(top, bottom, height)}
        go={(share) => go(model.geometry.topOfRow(share * model.total))}
      />
    </section>
  );
}

function useWanted(model: Model, top: number, bottom: number, version: number): void {
  const asked = useRef(0);
  useEffect(() => {
    const ask = () => {
      asked.current = performance.now();
      model.want(Math.max(0, top - AHEAD), bottom + AHEAD);
    };
    const left = asked.current + EVERY_MS - performance.now();
    if (left <= 0) {
      ask();
      return;
    }
    const timer = setTimeout(ask, left);
    return () => clearTimeout(timer);
  }, [model, top, bottom, version]);
}

function Titles({ titles, inline }: { titles: { a: string; b: string }; inline: boolean }): JSX.Element {
  return (
    <div role="row" class={`cr hd${inline ? " one" : ""}`} aria-rowindex={1}>
      <span role="columnheader" class="g">
        <span class="sr">Kind</span>
      </span>
      <span role="columnheader">Field</span>
      {inline ? (
        <span role="columnheader" class="cell">
          {titles.a} → {titles.b}
        </span>
      ) : (
        <>
          <span role="columnheader" class="cell">
            {titles.a}
          </span>
          <span role="columnheader" class="cell">
            {titles.b}
          </span>
        </>
      )}
    </div>
  );
}

function shareOf(top: number, bottom: number, height: number): { top: number; bottom: number } {
  return { top: top / Math.max(1, height), bottom: Math.min(1, bottom / Math.max(1, height)) };
}
