import { useEffect, useState } from "preact/hooks";

/** Boards are drawn anew this often while somebody looks. */
const EACH_MS = 60_000;

/** A number that grows each minute while the page is seen. */
export function useEvery(): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && setTurn((now) => now + 1), EACH_MS);
    return () => clearInterval(timer);
  }, []);
  return turn;
}
