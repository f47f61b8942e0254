/** The small bars of an endpoint: what was added, changed and moved stands up, what was removed hangs down. */

export type Bucket = readonly [up: number, down: number];

export interface SparkBar {
  x: number;
  y: number;
  width: number;
  height: number;
  down: boolean;
}

export const WIDTH = 168;
export const HEIGHT = 26;
export const AXIS = 19.5;
const LEAST = 1.2;

/** The middle of a bucket stands there, of `WIDTH` pixels. Roots, so that one large change leaves the others to be seen. */
export function sparkBars(buckets: readonly Bucket[]): SparkBar[] {
  const step = WIDTH / Math.max(1, buckets.length);
  const width = Math.max(0.8, step - 0.7);
  const up = rooted(buckets, 0, AXIS - 1);
  const down = rooted(buckets, 1, HEIGHT - AXIS - 1);
  const bars: SparkBar[] = [];
  for (const [i, [grown, lost]] of buckets.entries()) {
    const x = i * step;
    if (grown > 0) bars.push({ x, y: AXIS - 0.5 - up(grown), width, height: up(grown), down: false });
    if (lost > 0) bars.push({ x, y: AXIS + 0.5, width, height: down(lost), down: true });
  }
  return bars;
}

function rooted(buckets: readonly Bucket[], part: 0 | 1, room: number): (value: number) => number {
  const most = Math.max(1, ...buckets.map((bucket) => bucket[part]));
  return (value) => Math.max(LEAST, Math.sqrt(value / most) * room);
}

/** The most changes of one bucket, for who hears the bars. */
export function mostOf(buckets: readonly Bucket[]): number {
  return Math.max(0, ...buckets.map(([up, down]) => up + down));
}
