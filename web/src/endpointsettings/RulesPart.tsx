import { useState } from "preact/hooks";
import { patch, type Schemas } from "../api.ts";
import { count } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Segments } from "../parts/Segments.tsx";
import { Problem } from "../problem.ts";
import { Part } from "../settings/Frame.tsx";
import { at, href, query } from "../state/location.ts";
import { toast } from "../state/toasts.ts";
import { draftOf, jsonOf, type Rules, rulesOf, rulesOfJson, withKey } from "./draft.ts";
import { RulesForm } from "./RulesForm.tsx";
import { usePreview } from "./usePreview.ts";

interface RulesProps {
  project: string;
  endpoint: Schemas["Endpoint"];
  changed: () => void;
}

const LAST = 200;
const MOST_SHOWN = 6;

/** How documents are compared, as a form or as JSON, tried on the last versions before it is saved. */
export function RulesPart({ project, endpoint, changed }: RulesProps) {
  const [form, setForm] = useState<"form" | "json">("form");
  const [draft, setDraft] = useState(() => proposed(endpoint.diff));
  const [json, setJson] = useState(() => jsonOf(endpoint.diff));
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const rules = form === "form" ? rulesOf(draft) : rulesOfJson(json);
  const edited = typeof rules === "string" || JSON.stringify(rules) !== JSON.stringify(rulesOf(draftOf(endpoint.diff)));
  const show = (stored: Rules) => {
    setDraft(draftOf(stored));
    setJson(jsonOf(stored));
    setError(null);
  };
  const turn = (to: "form" | "json") => {
    if (typeof rules !== "string") show(rules);
    if (to === "json" || typeof rules !== "string") setForm(to);
  };
  const store = async (next: Rules, before: Rules | null) => {
    setBusy(true);
    setError(null);
    try {
      const path = { endpoint: endpoint.id };
      const body = { diff: next } as unknown as Schemas["EndpointChange"];
      const answer = await patch("/v1/endpoints/{endpoint}", { in: project, path, body });
      show(answer.endpoint.diff);
      changed();
      toast("The rules are saved", before ? { name: "Undo", run: () => store(before, null) } : undefined);
    } catch (caught) {
      setError(caught);
    }
    setBusy(false);
  };
  return (
    <Part
      id="diff"
      title="Comparison"
      lead="Rules hold for all versions, those of the past as well: deltas are computed anew. No document is changed."
      acts={<Segments label="Show as" options={SHAPES} value={form} choose={turn} />}
    >
      {form === "form" ? (
        <RulesForm draft={draft} change={setDraft} keyOf={query.value.get("key")} />
      ) : (
        <textarea
          class="mono json"
          aria-label="The rules as JSON"
          rows={18}
          spellcheck={false}
          value={json}
          onInput={(event) => setJson(event.currentTarget.value)}
        />
      )}
      {typeof rules === "string" ? <p class="form-error">{rules}</p> : null}
      {edited && typeof rules !== "string" ? <Verdict project={project} endpoint={endpoint} rules={rules} /> : null}
      {error ? <Refused error={error} /> : null}
      {edited ? (
        <div class="acts">
          <button class="btn" type="button" onClick={() => show(endpoint.diff)}>
            Undo
          </button>
          <button
            class="btn primary"
            type="button"
            disabled={busy || typeof rules === "string"}
            onClick={() => typeof rules !== "string" && void store(rules, endpoint.diff)}
          >
            Save
          </button>
        </div>
      ) : null}
    </Part>
  );
}

/** The rules as they are, with the key that the address proposes. */
function proposed(stored: Rules) {
  const key = query.peek().get("key");
  return key === null ? draftOf(stored) : withKey(draftOf(stored), key, query.peek().get("fields") ?? "");
}

const SHAPES = { form: "Form", json: "JSON" } as const;

/** What the server says of each rule that it refuses. */
function Refused({ error }: { error: unknown }) {
  if (!(error instanceof Problem) || error.fields.length === 0)
    return <Failure tried="Saving the rules" error={error} />;
  return (
    <div class="form-error" role="alert">
      {error.fields.map(({ field, message }) => (
        <p key={`${field} ${message}`}>
          <code>{field}</code> {message}
        </p>
      ))}
    </div>
  );
}

/** What the edited rules would have silenced, a moment after the last key. */
function Verdict({ project, endpoint, rules }: { project: string; endpoint: Schemas["Endpoint"]; rules: Rules }) {
  const tried = usePreview(project, endpoint.id, { diff: rules, last: LAST });
  if (tried.error) return <Refused error={tried.error} />;
  const verdict = tried.data as Schemas["DiffPreview"] | undefined;
  if (!verdict) return <p class="verdict quiet">Trying it on the last {LAST} versions …</p>;
  const { silenced, of, changes, changes_left, snapshots } = verdict;
  return (
    <div class="verdict" role="status">
      <p>
        Would have silenced <b>{count(silenced)}</b> of {count(of)} deltas, and left {count(changes_left)} of{" "}
        {count(changes)} changes{verdict.complete ? "" : "; there was time for the newest of them only"}.
      </p>
      <ul class="quiet">
        {verdict.fields.slice(0, MOST_SHOWN).map((field) => (
          <li key={field.path}>
            <code>{field.path}</code> {count(field.left)} of {count(field.changes)}
          </li>
        ))}
      </ul>
      {snapshots.length > 0 ? (
        <p class="when-list">
          Silenced:{" "}
          {snapshots.slice(0, MOST_SHOWN).map((id, i) => (
            <a key={id} href={href(`${at("p", project, "e", endpoint.name)}?at=${id}`)}>
              {i === 0 ? "the last one" : `${i + 1} back`}
            </a>
          ))}
        </p>
      ) : null}
    </div>
  );
}
