import { now } from "../state/now.ts";
import { zone } from "../state/zone.ts";
import { exactClock, longDay, roughly, zoneName } from "../time/clock.ts";

/** How long ago a time was, or until it comes; the exact one on hover. */
export function Ago({ at }: { at: string }) {
  const ms = Date.parse(at);
  const exact = `${longDay(ms, zone.value)} ${exactClock(ms, zone.value)} ${zoneName(ms, zone.value)}`;
  return (
    <time dateTime={at} title={exact}>
      {agoText(ms, now.value)}
    </time>
  );
}

const JUST_MS = 10_000;

/** "7 min ago", "in 3 days"; times of another clock that are a little ahead are now. */
export function agoText(ms: number, nowMs: number): string {
  const past = nowMs - ms;
  if (Math.abs(past) < JUST_MS) return "just now";
  return past > 0 ? `${roughly(past)} ago` : `in ${roughly(-past)}`;
}
