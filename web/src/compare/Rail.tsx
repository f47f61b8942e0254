import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { WORDS } from "./LedgerRow.tsx";
import { ticks } from "./ticks.ts";

interface RailProps {
  rail: string;
  /** What of the whole is seen, from 0 to 1. */
  seen: { top: number; bottom: number };
  go: (share: number) => void;
}

/** All changes as ticks; for the pointer alone, as everything is reached in the ledger by keys. */
export function Rail({ rail, seen, go }: RailProps): JSX.Element {
  const drawn = useMemo(
    () =>
      ticks(rail).map(({ op, top, height }) => (
        <rect
          key={top}
          class={`t-${WORDS[op].kind}`}
          x="0"
          width="100%"
          y={`${(top * 100).toFixed(2)}%`}
          height={`${(height * 100).toFixed(2)}%`}
        />
      )),
    [rail],
  );
  const jump = (event: PointerEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    go(Math.max(0, Math.min(1, (event.clientY - box.top) / box.height)));
  };
  return (
    <svg
      class="map"
      width="10"
      height="100%"
      aria-hidden="true"
      onPointerDown={(event) => {
        (event.currentTarget as SVGElement).setPointerCapture(event.pointerId);
        jump(event);
      }}
      onPointerMove={(event) => {
        if (event.buttons & 1) jump(event);
      }}
    >
      {drawn}
      <rect
        class="seen"
        x="0"
        width="100%"
        y={`${(seen.top * 100).toFixed(2)}%`}
        height={`${Math.max(1, (seen.bottom - seen.top) * 100).toFixed(2)}%`}
      />
    </svg>
  );
}
