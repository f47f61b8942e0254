/** How numbers are written on the pages: in the reader's language, bytes in decimal units. */

const whole = new Intl.NumberFormat();
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** "1,100" */
export function count(value: number): string {
  return whole.format(value);
}

/** "1 endpoint", "6 endpoints" */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 4 });

/** A number as it is written, or rounded where that is longer than seven characters: "1.748T" of 1748124112000. */
export function short(text: string): string {
  return text.length <= 7 ? text : compact.format(Number(text));
}

/** "211 B", "53.1 kB", "24.8 MB"; from 100 of a unit on without a fraction, which would be noise. */
export function bytes(value: number): string {
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const text = unit === 0 || size >= 99.95 ? whole.format(Math.round(size)) : tenths.format(size);
  return `${text}\u00a0${UNITS[unit]}`;
}

/** Of a share from 0 to 1: "0.27 %", "4.5 %", "98 %". */
/** What would be rounded to all of it, and is not. */
const ALMOST = 99.5;

export function percent(share: number): string {
  const value = share * 100;
  if (value > ALMOST && value < 100) return `${tenths.format(Math.floor(value * 10) / 10)}\u00a0%`;
  const text =
    value === 0 || value >= 10
      ? whole.format(Math.round(value))
      : value < 1
        ? fine.format(value)
        : tenths.format(value);
  return `${text}\u00a0%`;
}
