import { Icon } from "../parts/Icon.tsx";
import { query, setQuery } from "../state/location.ts";
import type { Pages } from "../state/pages.ts";
import type { Version } from "./data.ts";
import { titleOf } from "./titles.ts";
import { contentOf } from "./words.ts";

interface VersionPickProps {
  history: Pages<Version>;
  from: number;
  to: number;
}

/** Which two versions are compared, and how their differences stand. */
export function VersionPick({ history, from, to }: VersionPickProps) {
  const shown = (history.data ?? []).filter((version) => contentOf(version) === "json");
  const isInline = query.value.get("view") === "inline";
  return (
    <div class="bar version-pick">
      <End name="A" value={from} versions={shown} choose={(version) => setQuery({ from: version, row: null })} />
      <button
        class="icon"
        type="button"
        aria-label="Swap A and B"
        onClick={() => setQuery({ from: String(to), version: String(from), row: null })}
      >
        <Icon name="swap" />
      </button>
      <End name="B" value={to} versions={shown} choose={(version) => setQuery({ version, row: null })} />
      <div class="seg" role="radiogroup" aria-label="Layout">
        {[false, true].map((inline) => (
          // biome-ignore lint/a11y/useSemanticElements: drawn as the other groups of the dashboard are
          <button
            key={String(inline)}
            type="button"
            role="radio"
            aria-checked={isInline === inline}
            onClick={() => setQuery({ view: inline ? "inline" : null })}
          >
            {inline ? "Inline" : "Side by side"}
          </button>
        ))}
      </div>
      <button class="btn" type="button" onClick={() => setQuery({ from: null, row: null, ops: null, field: null })}>
        Done
      </button>
    </div>
  );
}

interface EndProps {
  name: string;
  value: number;
  versions: readonly Version[];
  choose: (version: string) => void;
}

function End({ name, value, versions, choose }: EndProps) {
  const isListed = versions.some(({ version }) => version === value);
  return (
    <label class="pick">
      {name}
      <select
        aria-label={`Version ${name}`}
        value={String(value)}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {isListed ? null : <option value={String(value)}>version {value}</option>}
        {versions.map((each) => (
          <option key={each.version} value={String(each.version)}>
            {titleOf(each)}
          </option>
        ))}
      </select>
    </label>
  );
}
