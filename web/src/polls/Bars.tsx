import { useRef } from "preact/hooks";
import { counted } from "../numbers.ts";
import { zone } from "../state/zone.ts";
import { moment, plainDay } from "../time/clock.ts";
import { barsOf, type Summary } from "./polls.ts";

interface BarsProps {
  data: Summary["data"];
  fromMs: number;
  toMs: number;
  /** The poll that is shown. */
  atMs: number | null;
  /** Of a bar: when it begins, and when the next one does. */
  choose: (ms: number, endMs: number) => void;
}

const HEIGHT = 64;
const BASE = 42;
const WIDTH = 0.22;

/** A bar a poll, as high as it took; those that failed hang down. The list below says the same in words. */
export function Bars({ data, fromMs, toMs, atMs, choose }: BarsProps) {
  const svg = useRef<SVGSVGElement>(null);
  const bars = barsOf(data, fromMs, toMs);
  const failed = bars.filter((bar) => bar.failed).length;
  const press = (event: MouseEvent) => {
    const box = svg.current?.getBoundingClientRect();
    if (!box || bars.length === 0) return;
    const x = (event.clientX - box.left) / box.width;
    const nearest = bars.reduce((best, bar) => (Math.abs(bar.x - x) < Math.abs(best.x - x) ? bar : best));
    const next = bars[bars.indexOf(nearest) + 1];
    choose(nearest.ms, next?.ms ?? toMs);
  };
  const at = atMs === null ? null : (atMs - fromMs) / Math.max(1, toMs - fromMs);
  return (
    <div class="polls-bars">
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the rows below are reached by keys */}
      <svg
        ref={svg}
        width="100%"
        height={HEIGHT}
        role="img"
        aria-label={`${counted(bars.length, "bar")}, ${failed} with failures`}
        onClick={press}
      >
        {bars.map(({ ms, x, height, failed: bad, changed }) => (
          <rect
            key={ms}
            class={bad ? "bad" : changed ? "new" : undefined}
            x={`${x * (100 - WIDTH)}%`}
            width={`${WIDTH}%`}
            y={bad ? BASE + 1 : BASE - height * (BASE - 4)}
            height={bad ? Math.max(3, height * (HEIGHT - BASE - 2)) : height * (BASE - 4)}
          />
        ))}
        <line class="base" x1="0" x2="100%" y1={BASE} y2={BASE} />
        {at !== null && at >= 0 && at <= 1 ? (
          <line class="needle" x1={`${at * (100 - WIDTH)}%`} x2={`${at * (100 - WIDTH)}%`} y1="0" y2={HEIGHT} />
        ) : null}
      </svg>
      <p class="ends quiet">
        <span>{toMs - fromMs > 2 * 864e5 ? plainDay(fromMs, zone.value) : moment(fromMs, zone.value)}</span>
        <span>now</span>
      </p>
    </div>
  );
}
