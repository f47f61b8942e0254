import { Ago } from "../parts/Ago.tsx";
import { now } from "../state/now.ts";

/** Due once its time has come: sending takes turns. */
const SOON_MS = 10_000;

/** When the next attempt is, behind "is": "in 5 min", "due". */
export function NextTry({ at }: { at: string }) {
  return Date.parse(at) <= now.value + SOON_MS ? <>due</> : <Ago at={at} />;
}
