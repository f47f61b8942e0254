import { useEffect, useState } from "preact/hooks";

/** A line over what is being fetched; nothing for the first 120 ms, which most answers need no longer than. */
export function Loading({ label = "Loading" }: { label?: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 120);
    return () => clearTimeout(timer);
  }, []);
  return late ? <div class="loading" role="progressbar" aria-label={label} /> : null;
}
