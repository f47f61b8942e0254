import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure } from "./Failure.tsx";
import { Loading } from "./Loading.tsx";

interface LaterProps<P> {
  /** Where the part is: `() => import("./Part.tsx")`, whose default export it is. */
  from: () => Promise<{ default: ComponentType<P> }>;
  props: P;
}

/** A part that few see: its code comes when it is drawn first. */
export function Later<P extends object>({ from, props }: LaterProps<P>) {
  const [part, setPart] = useState<{ Part: ComponentType<P> } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => {
    setError(null);
    from().then((loaded) => setPart({ Part: loaded.default }), setError);
  };
  useEffect(load, []);
  if (error) return <Failure tried="Loading a part of the page" error={error} retry={load} />;
  return part ? <part.Part {...props} /> : <Loading />;
}
