// biome-ignore-all lint/a11y/noSvgWithoutTitle: hidden from screen readers; the words stand beside
import { useState } from "preact/hooks";
import type { Placed } from "../charts/Plot.tsx";
import { setAll } from "../explore/changing.ts";
import { counted } from "../numbers.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { EndpointField } from "../parts/EndpointField.tsx";
import { Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Icon } from "../parts/Icon.tsx";
import { query } from "../state/location.ts";
import { countsText, type DocumentLine, type DocumentMark, height, MOST_DOCUMENTS } from "./documents.ts";
import "./notes.css";

const HEIGHT = 32;
const MIDDLE = 17;

interface StripsProps {
  project: string;
  lines: readonly DocumentLine[];
  /** Where the chart above has its axis. */
  placed: Placed | null;
  go: (ms: number) => void;
}

/** A line a document below the chart, on its axis: what came above, what went below. */
export function DocumentStrips({ project, lines, placed, go }: StripsProps) {
  const [adding, setAdding] = useState(false);
  const names = query.value.getAll("docs");
  const add = async (data: FormData) => {
    setAll("docs", [...new Set([...names, text(data, "endpoint").trim()])].slice(0, MOST_DOCUMENTS));
    setAdding(false);
  };
  return (
    <section class="doc-strips" aria-label="Documents">
      {lines.map((line) => (
        <div key={line.endpoint}>
          {placed ? <Strip line={line} placed={placed} go={go} /> : null}
          <p class="bar">
            <b>{line.endpoint}</b>
            {line.marks.length === 0
              ? "did not change then"
              : `${countsText(total(line.marks))} in ${line.bucketMs ? counted(line.marks.length, "stretch", "stretches") : counted(line.marks.length, "version")}`}
            <button
              class="btn ghost"
              type="button"
              aria-label={`Without ${line.endpoint}`}
              onClick={() =>
                setAll(
                  "docs",
                  names.filter((name) => name !== line.endpoint),
                )
              }
            >
              ×
            </button>
          </p>
        </div>
      ))}
      {names.length < MOST_DOCUMENTS ? (
        <p class="bar">
          <button class="btn" type="button" onClick={() => setAdding(true)}>
            <Icon name="add" />
            Changes of a document
          </button>
        </p>
      ) : null}
      {adding ? (
        <Dialog title="What changed meanwhile" close={() => setAdding(false)}>
          <Form send={add}>
            {(form) => (
              <>
                <EndpointField project={project} form={form} name="endpoint" required />
                <SubmitOrCancel form={form} close={() => setAdding(false)}>
                  Draw
                </SubmitOrCancel>
              </>
            )}
          </Form>
        </Dialog>
      ) : null}
    </section>
  );
}

function Strip({ line, placed, go }: { line: DocumentLine; placed: Placed; go: (ms: number) => void }) {
  const { left, width, fromMs, toMs } = placed;
  const x = (ms: number) => left + (width * (ms - fromMs)) / Math.max(1, toMs - fromMs);
  const wide = line.bucketMs ? Math.max(2, (width * line.bucketMs) / Math.max(1, toMs - fromMs) - 1) : 3;
  const most = Math.max(1, ...line.marks.map(({ added, changed, removed }) => Math.max(added + changed, removed)));
  const press = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const ms = fromMs + ((event.clientX - box.left - left) / Math.max(1, width)) * (toMs - fromMs);
    go(Math.min(toMs, Math.max(fromMs, ms)));
  };
  return (
    <svg width="100%" height={HEIGHT} aria-hidden="true" onClick={press}>
      <line x1={left} x2={left + width} y1={MIDDLE} y2={MIDDLE} />
      {line.marks
        .filter(({ ms }) => ms >= fromMs && ms <= toMs)
        .map((mark) => (
          <Bars key={mark.ms} mark={mark} x={x(mark.ms)} wide={wide} most={most} />
        ))}
    </svg>
  );
}

function Bars({ mark, x, wide, most }: { mark: DocumentMark; x: number; wide: number; most: number }) {
  const up = height(mark.added + mark.changed, most);
  const ofAdded = mark.added > 0 ? Math.max(2, (up * mark.added) / (mark.added + mark.changed)) : 0;
  const down = height(mark.removed, most);
  return (
    <g>
      {up > ofAdded ? (
        <rect class="t-changed" x={x} y={MIDDLE - up + ofAdded} width={wide} height={up - ofAdded} />
      ) : null}
      {ofAdded > 0 ? <rect class="t-added" x={x} y={MIDDLE - up} width={wide} height={ofAdded} /> : null}
      {down > 0 ? <rect class="t-removed" x={x} y={MIDDLE + 1} width={wide} height={down} /> : null}
    </g>
  );
}

function total(marks: readonly DocumentMark[]) {
  const sum = (name: "added" | "changed" | "removed") => marks.reduce((all, mark) => all + mark[name], 0);
  return { added: sum("added"), changed: sum("changed"), removed: sum("removed") };
}
