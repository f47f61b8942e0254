// Differences of numbers by their exact decimal text, and readings of numbers that are times.

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const MOST_DIGITS = 40;

interface Decimal {
  digits: bigint;
  exponent: number;
}

function decimal(text: string): Decimal | null {
  const found = NUMBER.exec(text);
  if (!found || text.length > MOST_DIGITS) return null;
  const [, sign = "", whole = "", part = "", power = "0"] = found;
  const exponent = Number(power) - part.length;
  if (Math.abs(exponent) > MOST_DIGITS) return null;
  const digits = BigInt(whole + part);
  return { digits: sign ? -digits : digits, exponent };
}

/** `b - a` with its sign, as "+0.1" or "−3"; null where either is no number, or the result would be too long to read. */
export function difference(a: string, b: string): string | null {
  const from = decimal(a);
  const to = decimal(b);
  if (!from || !to) return null;
  const exponent = Math.min(from.exponent, to.exponent);
  const scaled = ({ digits, exponent: own }: Decimal) => digits * 10n ** BigInt(own - exponent);
  const result = scaled(to) - scaled(from);
  if (result === 0n) return null;
  const text = plain(result < 0n ? -result : result, exponent);
  return text.length > 24 ? null : `${result < 0n ? "−" : "+"}${text}`;
}

function plain(digits: bigint, exponent: number): string {
  if (exponent >= 0) return String(digits) + "0".repeat(exponent);
  const padded = String(digits).padStart(1 - exponent, "0");
  const cut = padded.length + exponent;
  const part = padded.slice(cut).replace(/0+$/, "");
  return part ? `${padded.slice(0, cut)}.${part}` : padded.slice(0, cut);
}

const TIME_TEXT = /^"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)"$/;
const EARLIEST = Date.UTC(1990, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);
const TIME_NAMES =
  /time|date|stamp|updated|created|generated|modified|expires|_at$|At$|^(at|ts|start|end|since|until|published|begin)/;

/** When the value says it is, in milliseconds since 1970: a time as text, or seconds or milliseconds in a field whose
 * name speaks of time. */
export function timeOf(field: string, text: string): number | null {
  if (TIME_TEXT.test(text)) {
    const parsed = Date.parse(text.slice(1, -1).replace(" ", "T"));
    return Number.isNaN(parsed) ? null : parsed;
  }
  if (!/^\d{10}(\d{3})?(\.\d+)?$/.test(text)) return null;
  if (!TIME_NAMES.test(field.slice(field.lastIndexOf("/") + 1))) return null;
  const whole = text.split(".")[0] ?? "";
  const ms = whole.length === 13 ? Number(text) : Number(text) * 1000;
  return ms >= EARLIEST && ms < LATEST ? ms : null;
}

const UNITS: [number, string][] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
];

/** A length of time in its two largest units: "26 h 35 min" up to two days, "9 d 3 h" beyond. */
export function span(ms: number): string {
  const length = Math.abs(ms);
  if (length < 1000) return `${Math.round(length)} ms`;
  const units = length < 2 * 86_400_000 ? UNITS.slice(1) : UNITS;
  const at = Math.max(
    0,
    units.findIndex(([size]) => length >= size),
  );
  const parts: string[] = [];
  let rest = length;
  for (const [size, name] of units.slice(at, at + 2)) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${name}`);
    rest -= count * size;
  }
  return parts.join(" ");
}

/** The distance between two times with its sign. */
export function distance(a: number, b: number): string {
  return a === b ? "" : `${b < a ? "−" : "+"}${span(b - a)}`;
}
