import { useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import { address, go } from "../state/location.ts";
import { KINDS, setWanted, type Wanted } from "./days.ts";

const WORDS: Record<string, string> = {
  content: "Changes",
  reorder: "Order",
  format: "Format",
  ignored: "Ignored",
  all: "All",
};

export function want(wanted: Wanted, options: { replace?: boolean } = {}): void {
  const asked = new URLSearchParams(address.value.search);
  setWanted(asked, wanted);
  const text = asked.toString();
  go(address.value.path + (text ? `?${text}` : ""), options);
}

/** Which changes are listed. */
export function Filters({ wanted }: { wanted: Wanted }) {
  const [field, setField] = useState(wanted.field);
  const [shown, setShown] = useState(wanted.field);
  if (shown !== wanted.field) {
    setShown(wanted.field);
    setField(wanted.field);
  }
  return (
    <div class="bar">
      <div class="seg" role="radiogroup" aria-label="Kind">
        {KINDS.map((kind) => (
          // biome-ignore lint/a11y/useSemanticElements: drawn as the other groups of the dashboard are
          <button
            key={kind}
            type="button"
            role="radio"
            aria-checked={wanted.kind === kind}
            onClick={() => want({ ...wanted, kind })}
          >
            {WORDS[kind]}
          </button>
        ))}
      </div>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          want({ ...wanted, field: field.trim() });
        }}
      >
        <label class="filter wide">
          <Icon name="search" />
          <span class="sr">Field or place</span>
          <input
            type="search"
            placeholder="Field: /items/*/price"
            value={field}
            data-search
            onInput={(event) => {
              setField(event.currentTarget.value);
              if (event.currentTarget.value === "") want({ ...wanted, field: "" });
            }}
          />
        </label>
        <button type="submit" class="sr" tabIndex={-1}>
          Find
        </button>
        <label class="filter least">
          <span>at least</span>
          <input
            type="number"
            min="0"
            aria-label="At least so many changes"
            value={wanted.min || ""}
            placeholder="1"
            onChange={(event) =>
              want({ ...wanted, min: Math.max(0, Math.floor(Number(event.currentTarget.value))) || 0 })
            }
          />
          <span>changes</span>
        </label>
      </form>
      {wanted.range && (
        <button type="button" class="fchip" onClick={() => want({ ...wanted, range: null })}>
          {wanted.range.from.slice(0, 16)} to {wanted.range.to.slice(0, 16) || "now"} <span aria-hidden="true">×</span>
          <span class="sr">: all times</span>
        </button>
      )}
    </div>
  );
}
