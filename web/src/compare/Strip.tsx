import { type Bar, fraction, HEIGHT, type Span } from "../time/bars.ts";
import { TimelineBars } from "../time/TimelineBars.tsx";

const SLIM = 44;

export interface StripProps {
  bars: readonly Bar[];
  bucketMs: number | null;
  whole: Span;
  zone: string;
  label: string;
  /** What is chosen of it; bars beyond are faded. */
  range?: Span | null;
  fades?: (bar: Bar) => boolean;
  needles?: { name: string; ms: number }[];
}

/** A low timeline to look at: where moments stand in an endpoint's history. */
export function Strip({ bars, bucketMs, whole, zone, label, range = null, fades, needles = [] }: StripProps) {
  return (
    <svg class="tl slim" width="100%" height={SLIM} overflow="visible" role="img" aria-label={label}>
      <g transform={`scale(1 ${SLIM / HEIGHT})`}>
        <TimelineBars
          bars={bars}
          bucketMs={bucketMs}
          span={whole}
          zone={zone}
          range={range}
          {...(fades ? { fades } : {})}
        />
      </g>
      {needles.map(({ name, ms }) => (
        <Needle key={name} name={name} x={fraction(whole, ms)} />
      ))}
    </svg>
  );
}

function Needle({ name, x }: { name: string; x: number }) {
  return (
    <svg
      class="needle"
      aria-hidden="true"
      x={`${(Math.max(0, Math.min(1, x)) * 100).toFixed(2)}%`}
      y="0"
      overflow="visible"
    >
      <line x1="0" x2="0" y1="-4" y2={SLIM} />
      <path d="M-6-12h12v7l-6 7-6-7z" />
      <text x="0" y="-5.2">
        {name}
      </text>
    </svg>
  );
}
