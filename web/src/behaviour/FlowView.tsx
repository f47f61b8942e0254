// biome-ignore-all lint/a11y/noSvgWithoutTitle: hidden from screen readers; the table below says the same
import { useEffect, useRef, useState } from "preact/hooks";
import { figure } from "../explore/names.ts";
import { type Flow, type Move, nameOf } from "./flow.ts";

const NODE = 10;
const NARROWEST = 150;
/** What the frame leaves free on both sides. */
const EDGES = 28;

/** The flow, as wide as there is room; a band opens who moved so. */
export function FlowView({ flow, open }: { flow: Flow; open: (move: Move) => void }) {
  const box = useRef<HTMLElement>(null);
  const [room, setRoom] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setRoom(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const columns = Math.max(1, ...flow.nodes.map(({ column }) => column + 1));
  const width = Math.max(room - EDGES, columns * NARROWEST);
  const step = (width - NODE - 120) / Math.max(1, columns - 1);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: wide ones scroll
    <section ref={box} class="flow" tabIndex={0} aria-label="Flow">
      <svg width={width} height={flow.height} aria-hidden="true">
        {flow.bands.map(({ move, column, fromY, toY, width: wide }) => {
          const [left, right] = [column * step + NODE, (column + 1) * step];
          const middle = (left + right) / 2;
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: the table below has buttons for the same
            <path
              key={`${move.step} ${nameOf(move.from)} ${nameOf(move.to)}`}
              d={`M${left} ${fromY}C${middle} ${fromY} ${middle} ${toY} ${right} ${toY}`}
              stroke-width={wide}
              onClick={() => open(move)}
            >
              <title>
                {nameOf(move.from)} to {nameOf(move.to)}: {figure(move.times)} times, {figure(move.users)} people
              </title>
            </path>
          );
        })}
        {flow.nodes.map(({ column, name, times, y, height }) => (
          <g key={`${column} ${name}`}>
            <rect x={column * step} y={y} width={NODE} height={height} />
            <text x={column * step + NODE + 4} y={y + Math.min(height / 2 + 4, 12)}>
              {name.slice(0, 24)} <tspan>{figure(times)}</tspan>
            </text>
          </g>
        ))}
      </svg>
    </section>
  );
}
