import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import type { Pair } from "./draft.ts";

interface PairsProps {
  label: string;
  hint: string;
  pairs: readonly Pair[];
  pathExample: string;
  valueExample: string;
  valueName: string;
  change: (pairs: readonly Pair[]) => void;
  /** The path whose row gets the focus when it is drawn first. */
  begin?: string | null;
}

/** Rows of a path and what holds there, the last one empty for the next. */
export function PairsField({ label, hint, pairs, pathExample, valueExample, valueName, change, begin }: PairsProps) {
  const field = useRef<HTMLFieldSetElement>(null);
  useEffect(() => {
    if (begin === undefined || begin === null) return;
    const row =
      field.current?.querySelectorAll<HTMLInputElement>("[data-value]")[pairs.findIndex((pair) => pair.path === begin)];
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "center" });
  }, [begin]);
  const shown = [...pairs, { path: "", value: "" }];
  const set = (i: number, pair: Pair) =>
    change(shown.map((each, k) => (k === i ? pair : each)).filter(({ path, value }) => path !== "" || value !== ""));
  return (
    <fieldset class="field pairs" ref={field}>
      <legend>{label}</legend>
      {shown.map((pair, i) => (
        <div key={i}>
          <input
            aria-label={`${label}: path ${i + 1}`}
            value={pair.path}
            placeholder={pathExample}
            spellcheck={false}
            onInput={(event) => set(i, { ...pair, path: event.currentTarget.value })}
          />
          <input
            aria-label={`${label}: ${valueName} ${i + 1}`}
            data-value
            value={pair.value}
            placeholder={valueExample}
            spellcheck={false}
            onInput={(event) => set(i, { ...pair, value: event.currentTarget.value })}
          />
          {i < pairs.length ? (
            <button
              class="icon"
              type="button"
              aria-label="Take the row out"
              onClick={() => change(pairs.filter((_, k) => k !== i))}
            >
              <Icon name="close" />
            </button>
          ) : (
            <span />
          )}
        </div>
      ))}
      <small>{hint}</small>
    </fieldset>
  );
}
