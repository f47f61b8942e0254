import { useEffect, useState } from "preact/hooks";

const PAUSE_MS = 120;

/** What was typed, once nothing more has been for a moment. */
export function usePaused(text: string): string {
  const [paused, setPaused] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return paused;
}
