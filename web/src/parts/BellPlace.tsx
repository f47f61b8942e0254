import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

type Part = ComponentType<{ project: string }>;

/** The bell comes after the page: nothing waits for its code. */
export function BellPlace({ project }: { project: string }) {
  const [part, setPart] = useState<{ Bell: Part } | null>(null);
  useEffect(() => {
    import("../bell/Bell.tsx").then(
      (loaded) => setPart({ Bell: loaded.default }),
      () => undefined, // without it the page does all the rest
    );
  }, []);
  return part ? <part.Bell project={project} /> : <span class="icon" aria-hidden="true" />;
}
