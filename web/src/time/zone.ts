/** Taking times apart in a zone: a format is dear to make and cheap to use, so each zone has one. */

const formats = new Map<string, Intl.DateTimeFormat>();

export function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    const digits = {
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    } as const;
    format = new Intl.DateTimeFormat("en-US", { ...digits, timeZone: zone, hourCycle: "h23", era: "short" });
    formats.set(zone, format);
  }
  return format;
}
