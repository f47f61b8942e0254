import { Icon } from "../parts/Icon.tsx";

interface FinderProps {
  label: string;
  text: string;
  change: (text: string) => void;
  /** A short list needs none. */
  hidden: boolean;
}

/** Narrows a long list as somebody types. */
export function Finder({ label, text, change, hidden }: FinderProps) {
  if (hidden) return null;
  return (
    <div class="bar finder">
      <label class="filter wide">
        <Icon name="search" />
        <span class="sr">{label}</span>
        <input
          value={text}
          maxLength={100}
          placeholder="Find"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => change(event.currentTarget.value)}
        />
      </label>
    </div>
  );
}
