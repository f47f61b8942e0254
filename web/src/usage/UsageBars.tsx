import { clock, plainDay, shortDay } from "../time/clock.ts";
import { type Interval, topOf, type UsageBar } from "./history.ts";

interface BarsProps {
  name: string;
  bars: readonly UsageBar[];
  limit: number | null;
  interval: Interval;
  zone: string;
  text: (value: number) => string;
}

const HEIGHT = 84;

/** A bar an hour or a day, and the plan's limit as a line where it is near. The numbers stand in the table below. */
export function UsageBars({ name, bars, limit, interval, zone, text }: BarsProps) {
  const top = topOf(bars, limit);
  const width = 100 / bars.length;
  const y = (value: number) => HEIGHT - (value / top) * (HEIGHT - 12);
  return (
    <figure class="usage-bars">
      <figcaption>
        <b>{name}</b>
        <span class="quiet">
          most {text(Math.max(0, ...bars.map((bar) => bar.value ?? 0)))}
          {limit === null ? "" : `, limit ${text(limit)}`}
        </span>
      </figcaption>
      <svg width="100%" height={HEIGHT} role="img" aria-label={`${name} by ${interval}`}>
        {bars.map((bar, i) =>
          bar.value ? (
            <rect
              key={bar.ms}
              x={`${i * width}%`}
              width={`${width * 0.8}%`}
              y={y(bar.value)}
              height={HEIGHT - y(bar.value)}
            >
              <title>{`${when(bar.ms, interval, zone)}: ${text(bar.value)}`}</title>
            </rect>
          ) : null,
        )}
        {limit !== null && limit <= top ? <line class="limit" x1="0" x2="100%" y1={y(limit)} y2={y(limit)} /> : null}
        <line class="base" x1="0" x2="100%" y1={HEIGHT} y2={HEIGHT} />
      </svg>
      <p class="ends quiet">
        <span>{plainDay(bars[0]?.ms ?? 0, interval === "day" ? "UTC" : zone)}</span>
        <span>now</span>
      </p>
    </figure>
  );
}

function when(ms: number, interval: Interval, zone: string): string {
  // Days of usage are days of UTC.
  return interval === "day" ? shortDay(ms, "UTC") : `${shortDay(ms, zone)} ${clock(ms, zone)}`;
}
