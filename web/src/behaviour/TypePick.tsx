import { setQuery } from "../state/location.ts";

interface PickProps {
  label: string;
  /** In the address. */
  name: string;
  value: string;
  types: readonly string[];
  none: string;
}

/** An event type, or any. */
export function TypePick({ label, name, value, types, none }: PickProps) {
  const offered = value === "" || types.includes(value) ? types : [value, ...types];
  return (
    <select
      class="fchip"
      aria-label={label}
      value={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
    >
      <option value="">{none}</option>
      {offered.map((type) => (
        <option key={type} value={type}>
          {type}
        </option>
      ))}
    </select>
  );
}

interface ChoiceProps {
  label: string;
  name: string;
  value: string;
  usual: string;
  options: Readonly<Record<string, string>>;
}

/** One of a few, which stands in the address unless it is the usual one. */
export function AddressPick({ label, name, value, usual, options }: ChoiceProps) {
  return (
    <select
      class="fchip"
      aria-label={label}
      value={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value === usual ? null : event.currentTarget.value })}
    >
      {Object.entries(options).map(([option, words]) => (
        <option key={option} value={option}>
          {words}
        </option>
      ))}
    </select>
  );
}
