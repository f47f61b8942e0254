import { count } from "../numbers.ts";
import { AXIS, type Bucket, HEIGHT, mostOf, sparkBars, WIDTH } from "./spark.ts";

/** Two paths however many bars: a thousand rows are a few thousand nodes. */
export function Spark({ buckets, over }: { buckets: readonly Bucket[]; over: string }) {
  const bars = sparkBars(buckets);
  const most = mostOf(buckets);
  const label = most > 0 ? `Changes in ${over}, most at once: ${count(most)}` : `No changes in ${over}`;
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <path class="axis" d={`M0 ${AXIS}H${WIDTH}`} />
      <path
        class="b-up"
        d={bars
          .filter((bar) => !bar.down)
          .map(rect)
          .join("")}
      />
      <path
        class="b-dn"
        d={bars
          .filter((bar) => bar.down)
          .map(rect)
          .join("")}
      />
    </svg>
  );
}

function rect({ x, y, width, height }: { x: number; y: number; width: number; height: number }): string {
  return `M${x.toFixed(1)} ${y.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h-${width.toFixed(1)}z`;
}
