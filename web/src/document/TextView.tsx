import type { VNode } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { lines } from "./lines";
import type { Opened } from "./opened";
import { inSlots } from "./Tree";
import { useWindow } from "./useWindow";

interface Marked {
  from: number;
  to: number;
  kind: "added" | "changed";
}

const decoder = new TextDecoder();

/** The stored bytes as they are, with what changed marked in them. */
export function TextView({ opened, rowHeight, label }: { opened: Opened; rowHeight: number; label: string }): VNode {
  const box = useRef<HTMLElement>(null);
  const { bytes } = opened.doc;
  const all = useMemo(() => lines(bytes), [bytes]);
  const marked = useMemo(() => spans(opened), [opened]);
  const count = all.number.length;
  const seen = useWindow(box, count, rowHeight);
  const digits = String(all.number.at(-1) ?? 1).length;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it
    <section ref={box} class="tree text" tabIndex={0} aria-label={`${label}, as it is stored`}>
      <div class="tall" style={{ height: `${seen.height}px` }}>
        {inSlots(seen.first, seen.last, -1).map((line, slot) => {
          if (line < 0 || line >= count) return null;
          const from = all.start[line] as number;
          const to = all.start[line + 1] as number;
          const isFirst = line === 0 || all.number[line] !== all.number[line - 1];
          return (
            <div key={slot} class="line" style={{ transform: `translateY(${seen.top(line)}px)` }}>
              <span class="ln" aria-hidden="true">
                {isFirst ? String(all.number[line]).padStart(digits) : " ".repeat(digits)}
              </span>
              <code>{cutOut(bytes, from, to, marked)}</code>
            </div>
          );
        })}
      </div>
    </section>
  );
}

/** Where changes stand in the bytes, in order, none in another. */
function spans({ doc, marks }: Opened): Marked[] {
  const found = [...marks.byNode]
    .map(([node, row]): Marked => {
      const key = doc.key[node] as number;
      const added = marks.rows[row]?.op === "add";
      return {
        from: added && key >= 0 ? key : (doc.start[node] as number),
        to: doc.end[node] as number,
        kind: added ? "added" : "changed",
      };
    })
    .sort((a, b) => a.from - b.from);
  return found.filter(
    (span, i) => i === 0 || span.from >= Math.max(...found.slice(Math.max(0, i - 64), i).map((before) => before.to)),
  );
}

function cutOut(bytes: Uint8Array, from: number, to: number, marked: readonly Marked[]): (VNode | string)[] {
  const parts: (VNode | string)[] = [];
  const text = (begin: number, end: number): string => decoder.decode(bytes.subarray(begin, end)).replace(/\r?\n$/, "");
  let at = from;
  for (let i = firstAfter(marked, from); i < marked.length; i += 1) {
    const span = marked[i] as Marked;
    if (span.from >= to) break;
    const begin = Math.max(at, span.from);
    const end = Math.min(to, span.to);
    parts.push(
      text(at, begin),
      <mark key={begin} class={span.kind}>
        {text(begin, end)}
      </mark>,
    );
    at = end;
  }
  parts.push(text(at, to));
  return parts;
}

/** The first span that ends behind a byte. */
function firstAfter(marked: readonly Marked[], byte: number): number {
  let low = 0;
  let high = marked.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marked[middle] as Marked).to <= byte) low = middle + 1;
    else high = middle;
  }
  return low;
}
