import { useId } from "preact/hooks";
import { get } from "../api.ts";
import { useLoad } from "../state/load.ts";
import { type Has, type PartProps, Typed } from "./inputs.tsx";
import { QuestionField } from "./QuestionField.tsx";

/** What is judged: a field of an endpoint, or an answer about events. */
export function Subject({
  project,
  draft,
  isNew,
  set,
  has,
}: PartProps & { project: string; isNew: boolean; has: Has }) {
  const id = useId();
  const named = useLoad(
    (signal) => (isNew ? get("/v1/endpoints", { in: project, query: { limit: 1000 }, signal }) : Promise.resolve(null)),
    [project, isNew],
  );
  const endpoint = draft.endpoint ?? "";
  const isFree = draft.kind === "anomaly";
  const isKnown = !isNew || named.data?.data.some(({ name }) => name === endpoint);
  const fields = useLoad(
    (signal) =>
      endpoint && isKnown && has("path")
        ? get("/v1/endpoints/{endpoint}/fields", { in: project, path: { endpoint }, query: { limit: 200 }, signal })
        : Promise.resolve(null),
    [project, endpoint, isKnown, draft.kind],
  );
  return (
    <>
      {has("path") && !(isFree && endpoint === "") ? (
        <Typed
          label="Field"
          list={`${id}-fields`}
          value={draft.path ?? ""}
          placeholder={isFree ? "anything" : "/field"}
          wide
          set={(path) => set({ path })}
        />
      ) : null}
      {has("endpoint") ? (
        <>
          {" "}
          of{" "}
          <Typed
            label="Of endpoint"
            list={`${id}-endpoints`}
            value={endpoint}
            placeholder={isFree ? "all events" : "endpoint"}
            disabled={!isNew}
            set={(name) => set({ endpoint: name })}
          />
        </>
      ) : null}
      <datalist id={`${id}-fields`}>
        {fields.data?.data.map(({ path }) => (
          <option key={path} value={path} />
        ))}
      </datalist>
      <datalist id={`${id}-endpoints`}>
        {named.data?.data.map(({ id: own, name }) => (
          <option key={own} value={name} />
        ))}
      </datalist>
      {has("query") ? (
        <QuestionField project={project} kind={draft.kind} query={draft.query ?? {}} set={(query) => set({ query })} />
      ) : null}
    </>
  );
}
