// biome-ignore-all lint/a11y/noSvgWithoutTitle: within a drawing that is hidden from screen readers; the slider says it
import { useMemo, useRef, useState } from "preact/hooks";

import { type Bar, fraction, HEIGHT, msAt, type Span, zoomed } from "./bars";
import { TimelineBars } from "./TimelineBars";

export interface TimelineProps {
  bars: readonly Bar[];
  bucketMs: number | null;
  /** What is seen, and what there is. */
  span: Span;
  whole: Span;
  zone: string;
  needleMs: number | null;
  now: { number: number; of: number; text: string };
  range: Span | null;
  fades?: (bar: Bar) => boolean;
  onGo: (ms: number, dragging: boolean) => void;
  onZoom: (span: Span | null) => void;
  onRange: (range: Span) => void;
}

type Drag = { fromX: number; atX: number; kind: "needle" | "zoom" | "range" } | null;

const CLICK = 4;
const NEEDLE = 9;

/** The line of time with its needle. A click goes to the nearest version, a drag zooms, Shift and a drag mark two. */
export function Timeline(props: TimelineProps) {
  const { span } = props;
  const box = useRef<SVGSVGElement>(null);
  const [drag, setDrag] = useState<Drag>(null);
  const pinch = usePinch(props, box);
  const part = (event: PointerEvent | WheelEvent): number => partAt(box.current, event.clientX);

  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || pinch.fingers > 1) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    const width = box.current?.clientWidth ?? 1;
    const needle = props.needleMs === null ? -1 : fraction(span, props.needleMs) * width;
    const x = part(event) * width;
    const touch = event.pointerType !== "mouse";
    const kind = event.shiftKey ? "range" : touch || Math.abs(needle - x) <= NEEDLE ? "needle" : "zoom";
    setDrag({ fromX: x, atX: x, kind });
  };
  const move = (event: PointerEvent): void => {
    if (!drag) return;
    const x = part(event) * (box.current?.clientWidth ?? 1);
    setDrag({ ...drag, atX: x });
    if (drag.kind === "needle" && Math.abs(x - drag.fromX) > CLICK) props.onGo(msAt(span, part(event)), true);
  };
  const up = (event: PointerEvent): void => {
    if (!drag) return;
    setDrag(null);
    const chosen = stretch(drag, box.current, span);
    if (drag.kind === "needle" || chosen === null) props.onGo(msAt(span, part(event)), false);
    else if (drag.kind === "zoom") props.onZoom(chosen);
    else props.onRange(chosen);
  };
  const wheel = (event: WheelEvent): void => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    props.onZoom(zoomed(span, event.deltaY > 0 ? 1.25 : 0.8, part(event), props.whole));
  };
  const { bars, bucketMs, zone, fades } = props;
  const range = stretch(drag, box.current, span) ?? props.range;
  // Kept while only the needle moves: 400 bars are 1,000 elements.
  const drawn = useMemo(
    () => <TimelineBars bars={bars} bucketMs={bucketMs} span={span} zone={zone} fades={fades} range={range} />,
    [bars, bucketMs, span, zone, fades, range],
  );
  return (
    <div
      class="slider"
      role="slider"
      tabIndex={0}
      aria-label="Moment"
      aria-valuemin={1}
      aria-valuemax={Math.max(1, props.now.of)}
      aria-valuenow={props.now.number}
      aria-valuetext={props.now.text}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={() => setDrag(null)}
      onWheel={wheel}
      onDblClick={() => props.onZoom(null)}
      {...pinch.handlers}
    >
      <svg ref={box} class="tl" width="100%" height="96" overflow="visible" aria-hidden="true">
        {drawn}
        {props.needleMs !== null && <Needle x={fraction(span, props.needleMs)} />}
      </svg>
    </div>
  );
}

function Needle({ x }: { x: number }) {
  if (x < 0 || x > 1) return null;
  return (
    <svg class="needle" x={`${(x * 100).toFixed(2)}%`} y="0" overflow="visible">
      <line x1="0" x2="0" y1="-4" y2={HEIGHT} />
      <path d="M-6-12h12v7l-6 7-6-7z" />
    </svg>
  );
}

function partAt(box: SVGSVGElement | null, x: number): number {
  const there = box?.getBoundingClientRect();
  return there && there.width > 0 ? Math.min(1, Math.max(0, (x - there.left) / there.width)) : 0;
}

/** What a drag has chosen so far; null while it may still be a click. */
function stretch(drag: Drag, box: SVGSVGElement | null, span: Span): Span | null {
  if (!drag || drag.kind === "needle" || Math.abs(drag.atX - drag.fromX) <= CLICK) return null;
  const width = box?.clientWidth ?? 1;
  const [from, to] = [drag.fromX, drag.atX].sort((a, b) => a - b) as [number, number];
  return { fromMs: msAt(span, from / width), toMs: msAt(span, to / width) };
}

/** Two fingers zoom as Ctrl and the wheel do. */
function usePinch(props: TimelineProps, box: { current: SVGSVGElement | null }) {
  const apart = useRef(0);
  const fingers = useRef(0);
  const touches = (event: TouchEvent): void => {
    fingers.current = event.touches.length;
    const [a, b] = [event.touches[0], event.touches[1]];
    if (!a || !b) {
      apart.current = 0;
      return;
    }
    event.preventDefault();
    const now = Math.abs(a.clientX - b.clientX);
    const middle = partAt(box.current, (a.clientX + b.clientX) / 2);
    if (apart.current > 8 && now > 8) props.onZoom(zoomed(props.span, apart.current / now, middle, props.whole));
    apart.current = now;
  };
  return { fingers: fingers.current, handlers: { onTouchStart: touches, onTouchMove: touches, onTouchEnd: touches } };
}
