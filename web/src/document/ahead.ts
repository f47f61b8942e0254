/** Which versions are fetched before somebody goes there. */

import type { Line } from "./requests";
import type { Place } from "./versions";

/** Whether each bar is a version: then most questions answer themselves. */
export function isByVersion(line: Line | null): line is Line & { bucketMs: null } {
  return line !== null && line.bucketMs === null;
}

const AHEAD = 6;

/**
 * The ids of the neighbours that are fetched ahead, the likeliest first: two each way, and of who goes one way (1 or -1)
 * so many that a step each 40 ms finds its document there.
 */
export function neighbours(line: Line | null, place: Place | null, id: string, way: -1 | 0 | 1): string[] {
  if (!isByVersion(line)) return [place?.next, place?.previous].filter((each): each is string => !!each);
  const at = line.bars.findIndex((bar) => bar.id === id);
  const steps = way === 0 ? [1, -1, 2, -2] : [...Array.from({ length: AHEAD }, (_, i) => (i + 1) * way), -way];
  return steps.flatMap((step) => line.bars[at + step]?.id ?? []);
}
