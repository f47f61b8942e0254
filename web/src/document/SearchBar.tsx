// biome-ignore-all lint/a11y/useSemanticElements: a row of buttons of which one is chosen
import type { VNode } from "preact";

import { Icon } from "../parts/Icon";
import type { PageModel } from "./pagemodel";
import type { Show } from "./treemodel";

const SHOWS: [show: Show, name: string][] = [
  ["all", "All"],
  ["changed", "Changed"],
  ["text", "Exact text"],
];

interface SearchBarProps {
  model: Pick<PageModel, "tree" | "find" | "showAs">;
  /** With the heads of the columns of changes and times. */
  aside?: boolean;
}

/** Search as somebody types, and how the document is shown. */
export function SearchBar({ model, aside = true }: SearchBarProps): VNode {
  const { tree } = model;
  const query = tree.query.value;
  const hits = tree.hits.value;
  const show = tree.show.value;
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Enter") tree.hit(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      if (query === "") (event.currentTarget as HTMLElement).blur();
      model.find("");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="bar">
      <label class="filter wide">
        <Icon name="search" />
        <span class="sr">Search the document</span>
        <input
          id="find"
          data-search
          value={query}
          placeholder="Search keys and values in this version"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => model.find(event.currentTarget.value)}
          onKeyDown={keys}
        />
        {query !== "" && hits && (
          <span class="count" role="status">
            {tree.hitNumber() > 0 && `${tree.hitNumber().toLocaleString()} of `}
            {hits.total.toLocaleString()}
          </span>
        )}
      </label>
      {query !== "" && hits && hits.total > 0 && (
        <span class="steps">
          <button class="icon" type="button" aria-label="Previous hit" onClick={() => tree.hit(-1)}>
            <Icon name="left" />
          </button>
          <button class="icon" type="button" aria-label="Next hit" onClick={() => tree.hit(1)}>
            <Icon name="right" />
          </button>
        </span>
      )}
      <div class="seg" role="radiogroup" aria-label="Show">
        {SHOWS.map(([value, name]) => (
          <button
            key={value}
            type="button"
            role="radio"
            aria-checked={show === value}
            onClick={() => model.showAs(value)}
          >
            {name}
          </button>
        ))}
      </div>
      {aside && show !== "text" && (
        <span class="cols-h">
          <span>Changes</span>
          <span>Since</span>
        </span>
      )}
    </div>
  );
}
