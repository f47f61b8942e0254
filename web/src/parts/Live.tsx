import { useEffect, useState } from "preact/hooks";
import { nextTry, probe, silentSince, stream } from "../state/connection.ts";

/** After so long without an answer the page says so. */
const QUIET_MS = 10_000;

/** The dot in the bar: whether news comes as it happens. */
export function Live() {
  const state = silentSince.value === null ? stream.value : "waiting";
  const seconds = useCountdown(state === "waiting" ? nextTry.value : 0);
  const said = { live: "Live", connecting: "Connecting", off: "Ready", waiting: "" }[state];
  return (
    <span class={`live ${state}`} role="status">
      <i />
      <span>{said || (seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting")}</span>
    </span>
  );
}

/** A strip under the bar while the server has not answered for a while. What is on the screen stays readable. */
export function Offline() {
  const since = silentSince.value;
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (since === null) return;
    const timer = setTimeout(() => setLate(true), Math.max(0, since + QUIET_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [since]);
  if (since === null || !late) return null;
  const time = new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return (
    <div class="offline" role="alert">
      <span>No answer since {time}. What you see may be older than what is stored.</span>
      <button class="btn" type="button" onClick={probe}>
        Try now
      </button>
    </div>
  );
}

/** Whole seconds until a time, counted down while there are any. */
function useCountdown(until: number): number {
  const [, tick] = useState(0);
  const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  useEffect(() => {
    if (left === 0) return;
    const timer = setTimeout(() => tick((count) => count + 1), 1000);
    return () => clearTimeout(timer);
  });
  return left;
}
