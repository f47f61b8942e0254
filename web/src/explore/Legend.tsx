// biome-ignore-all lint/a11y/noSvgWithoutTitle: hidden from screen readers; the words stand beside
import type { Plot } from "../charts/model.ts";
import { BEFORE, DASHES } from "../charts/Plot.tsx";
import { shade } from "../charts/shapes.ts";

/** Which line is which, where there are several. */
export function Legend({ plot, isFilled }: { plot: Plot; isFilled: boolean }) {
  if (plot.lines.length < 2) return null;
  const filled = plot.lines.filter(({ isBefore }) => !isBefore).length;
  return (
    <ul class="keyline">
      {plot.lines.map((line, i) => (
        <li key={line.name}>
          <svg width="16" height="8" aria-hidden="true">
            {isFilled && !line.isBefore ? (
              <rect width="16" height="8" opacity={shade(i, filled)} />
            ) : (
              <line
                class={line.isBefore ? "before" : `s${i % 6}`}
                x2="16"
                y1="4"
                y2="4"
                stroke-dasharray={(line.isBefore ? BEFORE : (DASHES[i % DASHES.length] ?? [])).join(" ")}
              />
            )}
          </svg>
          {line.name}
        </li>
      ))}
    </ul>
  );
}
