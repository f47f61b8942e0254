import { useEffect, useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { useLoad } from "../state/load.ts";

const TYPING_MS = 500;

type Asked = Partial<Schemas["PreviewRequest"]>;

/** What edited settings would do to what is kept, asked a moment after the last key. */
export function usePreview(project: string, endpoint: string, asked: Asked) {
  const text = JSON.stringify(asked);
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return useLoad(
    (signal) => {
      const body = JSON.parse(settled) as Schemas["PreviewRequest"];
      return post("/v1/endpoints/{endpoint}/preview", { in: project, path: { endpoint }, body, signal });
    },
    [project, endpoint, settled],
  );
}
