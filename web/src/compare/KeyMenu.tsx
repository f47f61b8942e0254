import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import { href } from "../state/location.ts";
import { Pop } from "./Pop.tsx";

/** By which fields the elements of an array are matched, and whether that is set or was found. */
export interface ArrayKey {
  fields: string[];
  from: "found" | "settings";
}

interface KeyMenuProps {
  keys: Record<string, ArrayKey>;
  /** Fields that another key may be made of, by array. */
  candidates: (array: string) => string[];
  /** What is tried now, not saved. */
  trial: Record<string, string[]> | null;
  attempt: (array: string, fields: string[]) => void;
  drop: () => void;
  save: (() => void) | null;
  /** Where the endpoint's key is set, with a preview of what that would change. */
  setting: (array: string, fields: readonly string[]) => string;
}

export function KeyMenu(props: KeyMenuProps): JSX.Element | null {
  const arrays = Object.entries(props.keys);
  const [first] = arrays;
  if (!first) return null;
  const more = arrays.length - 1;
  const button = (
    <>
      <Icon name="key" />
      records by <code>{first[1].fields.join(", ")}</code>
      {more > 0 && ` and ${more} more`}
      <Icon name="down" />
    </>
  );
  return (
    <Pop class="btn ghost keyb" label="How records are matched" button={button}>
      {() => (
        <>
          {arrays.map(([array, key]) => (
            <OneKey key={array} array={array} own={key} props={props} />
          ))}
          {props.trial && (
            <p class="trial">
              Tried here only.{" "}
              {props.save && (
                <button type="button" class="btn primary" onClick={props.save}>
                  Save for all comparisons
                </button>
              )}{" "}
              <button type="button" class="btn" onClick={props.drop}>
                Undo
              </button>
            </p>
          )}
        </>
      )}
    </Pop>
  );
}

function OneKey({ array, own, props }: { array: string; own: ArrayKey; props: KeyMenuProps }): JSX.Element {
  const [typed, setTyped] = useState(own.fields.join(", "));
  const fields = typed
    .split(",")
    .map((field) => field.trim())
    .filter((field) => field !== "");
  const list = `keys-of-${array}`;
  const said = props.trial?.[array] ? "tried" : own.from === "settings" ? "set" : "found";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (fields.length > 0) props.attempt(array, fields);
      }}
    >
      <label>
        Elements of <code>{array || "/"}</code> are matched by ({said})
        <input type="text" list={list} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
      </label>
      <datalist id={list}>
        {props.candidates(array).map((field) => (
          <option key={field} value={field} />
        ))}
      </datalist>
      <span class="two">
        <button type="submit" class="btn" disabled={fields.join() === own.fields.join()}>
          Try
        </button>
        <a class="btn ghost" href={href(props.setting(array, fields))}>
          Set, with a preview
        </a>
      </span>
    </form>
  );
}
