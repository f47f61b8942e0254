/** What the sentences of a rule are made of. */
import type { ComponentChildren } from "preact";
import type { Draft, Part } from "./rule.ts";

export interface PartProps {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
}
export type Has = (part: Part) => boolean;

export function Line({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="sent-line">
      <span class="quiet">{name}</span>
      <p>{children}</p>
    </div>
  );
}

export function Pick({
  label,
  value,
  options,
  choose,
}: {
  label: string;
  value: string;
  options: Readonly<Record<string, string>>;
  choose: (value: string) => void;
}) {
  return (
    <select class="pick" aria-label={label} value={value} onChange={(event) => choose(event.currentTarget.value)}>
      {Object.entries(options).map(([each, text]) => (
        <option key={each} value={each}>
          {text}
        </option>
      ))}
    </select>
  );
}

interface TypedProps {
  label: string;
  value: string;
  placeholder?: string;
  list?: string;
  wide?: boolean;
  disabled?: boolean;
  onFocus?: () => void;
  set: (value: string) => void;
}

export function Typed({ label, value, placeholder, list, wide, disabled, onFocus, set }: TypedProps) {
  return (
    <input
      class={wide ? "pick wide" : "pick"}
      aria-label={label}
      value={value}
      placeholder={placeholder}
      list={list}
      disabled={disabled}
      onFocus={onFocus}
      autocomplete="off"
      spellcheck={false}
      maxLength={2000}
      onInput={(event) => set(event.currentTarget.value)}
    />
  );
}

export function Numbered({
  label,
  value,
  least,
  set,
}: {
  label: string;
  value: number;
  least?: number;
  set: (value: number) => void;
}) {
  return (
    <input
      class="pick number"
      type="number"
      step={least === undefined ? "any" : 1}
      min={least}
      aria-label={label}
      value={value}
      onInput={(event) => {
        const typed = event.currentTarget.valueAsNumber;
        if (Number.isFinite(typed) && (least === undefined || typed >= least)) set(typed);
      }}
    />
  );
}

export function Clock({ label, value, set }: { label: string; value: string; set: (value: string) => void }) {
  return (
    <input
      class="pick"
      type="time"
      aria-label={label}
      value={value}
      onInput={(event) => event.currentTarget.value && set(event.currentTarget.value)}
    />
  );
}
