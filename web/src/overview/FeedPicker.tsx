import { useEffect, useRef, useState } from "preact/hooks";
import { fold } from "../folding.ts";
import { count } from "../numbers.ts";
import { MOST_FOLLOWED } from "./feed.ts";

interface FeedPickerProps {
  names: readonly string[];
  chosen: readonly string[];
  choose: (names: readonly string[]) => void;
  close: () => void;
}

const MOST_SHOWN = 60;

/** The endpoints whose changes are listed: a click adds or takes one. */
export default function FeedPicker({ names, chosen, choose, close }: FeedPickerProps) {
  const [sought, setSought] = useState("");
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.querySelector("input")?.focus();
    const away = (event: PointerEvent) => {
      if (!box.current?.parentElement?.contains(event.target as Node)) close();
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, []);
  const found = names.filter((name) => fold(name).includes(fold(sought)));
  const shown = [...chosen, ...found.filter((name) => !chosen.includes(name))].slice(0, MOST_SHOWN);
  const left = new Set([...chosen, ...found]).size - shown.length;
  const toggle = (name: string) =>
    choose(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]);
  return (
    <div
      ref={box}
      class="feed-picker"
      role="dialog"
      aria-label="Endpoints whose changes are listed"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        close();
      }}
    >
      <input
        type="search"
        aria-label="Filter endpoints"
        placeholder="Filter"
        value={sought}
        onInput={(event) => setSought(event.currentTarget.value)}
      />
      <ul>
        {shown.map((name) => (
          <li key={name}>
            <label>
              <input
                type="checkbox"
                checked={chosen.includes(name)}
                disabled={chosen.length >= MOST_FOLLOWED && !chosen.includes(name)}
                onChange={() => toggle(name)}
              />
              <bdi>{name}</bdi>
            </label>
          </li>
        ))}
      </ul>
      {shown.length === 0 ? <p class="quiet">No endpoint is called so.</p> : null}
      {left > 0 ? <p class="quiet">and {count(left)} more</p> : null}
      {chosen.length > 0 ? (
        <button class="btn" type="button" onClick={() => choose([])}>
          All endpoints
        </button>
      ) : null}
    </div>
  );
}
