import { useState } from "preact/hooks";

interface ChipsProps {
  /** Patterns that can be drawn, those that change most first. */
  fields: readonly string[];
  shown: readonly string[];
  change: (shown: readonly string[]) => void;
}

const FEW = 12;

/** Which fields are drawn. A click adds or takes one; Alt and a click leave only it. */
export function FieldChips({ fields, shown, change }: ChipsProps) {
  const [all, setAll] = useState(false);
  const known = [...shown.filter((path) => !fields.includes(path)), ...fields];
  const offered = all ? known : known.filter((path, i) => i < FEW || shown.includes(path));
  const press = (path: string, only: boolean) => {
    if (only) change([path]);
    else change(shown.includes(path) ? shown.filter((other) => other !== path) : [...shown, path]);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset does not scroll sideways
    <div class="fields" role="group" aria-label="Fields" data-filters>
      {offered.map((path) => (
        <button
          key={path}
          type="button"
          class="fchip"
          aria-pressed={shown.includes(path)}
          title="Alt+click: only this"
          onClick={(event) => press(path, event.altKey)}
        >
          {path.slice(1).replaceAll("~1", "/").replaceAll("~0", "~") || "the document"}
        </button>
      ))}
      {offered.length < known.length ? (
        <button class="fchip nz" type="button" onClick={() => setAll(true)}>
          {known.length - offered.length} more
        </button>
      ) : null}
    </div>
  );
}
