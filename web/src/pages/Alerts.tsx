import "../style/lists.css";
import "../style/panel.css";
import "../settings/settings.css";
import { useEffect, useState } from "preact/hooks";
import { DeleteRule, Mute, NameRule } from "../alerts/dialogs.tsx";
import { Fired } from "../alerts/Fired.tsx";
import { Log } from "../alerts/Log.tsx";
import { RuleForm } from "../alerts/RuleForm.tsx";
import { Rules } from "../alerts/Rules.tsx";
import { filtered, filterOf } from "../alerts/recent.ts";
import {
  changeOf,
  type Draft,
  draftOf,
  hasLevel,
  lacksSubject,
  type Rule,
  readDraft,
  same,
  type Trial,
  withValue,
} from "../alerts/rule.ts";
import { TrialView } from "../alerts/TrialView.tsx";
import { scaleOf, sweepOf } from "../alerts/trial.ts";
import { get, patch, post } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Problem } from "../problem.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, go, query, setQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";
import "../connect/trio.css";
import "../alerts/alerts.css";

type Open = "mute" | "mute all" | "delete" | "name" | null;

const FIRST: Draft = { kind: "threshold", path: "", op: "gt", value: 0 };
/** The page looks again so often what is raised. */
const AGAIN_MS = 30_000;

/** Rules of alerts, tried on what is recorded while they are edited. The address has the rule, and what it is changed to. */
export default function Alerts({ params }: PageProps) {
  const project = params.project as string;
  const [turn, setTurn] = useState(0);
  const [open, setOpen] = useState<Open>(null);
  const found = useLoad((signal) => get("/v1/alerts/rules", { in: project, signal }), [project, turn]);
  const again = () => setTurn((was) => was + 1);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && again(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const rules = found.data?.data ?? [];
  const asked = query.value.get("rule");
  const isNew = asked === "new";
  const first = filtered(rules, filterOf(query.value))[0] ?? rules[0] ?? null;
  const rule = isNew ? null : (rules.find(({ id }) => id === asked) ?? first);
  const draft = readDraft(query.value.get("draft")) ?? (rule ? draftOf(rule) : isNew ? FIRST : null);
  const canChange = may("alerts:write");
  const close = () => setOpen(null);
  const done = () => {
    again();
    close();
  };
  return (
    <main id="main" class="panel-page wrap app trio-page alerts-page">
      <ConnectHead project={project}>
        {canChange && rules.length > 0 ? (
          <button class="btn" type="button" onClick={() => setOpen("mute all")}>
            Mute all
          </button>
        ) : null}
        {canChange && found.data && draft !== null ? <New /> : null}
      </ConnectHead>
      {found.error ? <Failure tried="Loading the rules" error={found.error} retry={found.again} /> : null}
      {!found.data && !found.error ? <Loading /> : null}
      {found.data && draft === null ? <None canChange={canChange} /> : null}
      {found.data && draft !== null ? (
        <Editor
          key={rule?.id ?? "new"}
          project={project}
          rules={rules}
          rule={rule}
          draft={draft}
          turn={turn}
          canChange={canChange}
          open={setOpen}
          saved={again}
        />
      ) : null}
      {open === "mute" && rule ? <Mute project={project} rules={[rule]} done={done} close={close} /> : null}
      {open === "mute all" ? <Mute project={project} rules={rules} done={done} close={close} /> : null}
      {open === "delete" && rule ? <DeleteRule project={project} rule={rule} done={done} close={close} /> : null}
      {open === "name" && draft ? (
        <NameRule
          rule={rule}
          save={async (name) => {
            await save(project, rule, draft, name);
            done();
          }}
          close={close}
        />
      ) : null}
    </main>
  );
}

function New() {
  return (
    <button class="btn primary" type="button" onClick={() => setQuery({ rule: "new", draft: null, at: null })}>
      New alert
    </button>
  );
}

function None({ canChange }: { canChange: boolean }) {
  return (
    <div class="none">
      <p>
        No alert yet. One tells you of the few things that matter: a value over a limit, a source that stands still.
      </p>
      <p class="quiet">
        Each is tried on what is recorded before it is saved, so that you know how often it would have fired.
      </p>
      {canChange ? <New /> : null}
    </div>
  );
}

async function save(project: string, rule: Rule | null, draft: Draft, name: string): Promise<void> {
  const saved = rule
    ? await patch("/v1/alerts/rules/{rule_id}", {
        in: project,
        path: { rule_id: rule.id },
        body: changeOf(draft, name),
      })
    : await post("/v1/alerts/rules", { in: project, body: { ...draft, name } });
  setQuery({ rule: saved.rule.id, draft: null });
  toast(`Saved: ${name}`);
}

interface EditorProps {
  project: string;
  rules: readonly Rule[];
  rule: Rule | null;
  draft: Draft;
  turn: number;
  canChange: boolean;
  open: (what: Open) => void;
  saved: () => void;
}

function Editor({ project, rules, rule, draft, turn, canChange, open, saved }: EditorProps) {
  const savedDraft = rule ? draftOf(rule) : null;
  const isChanged = savedDraft === null || !same(draft, savedDraft);
  const change = (to: Draft) =>
    setQuery({ draft: savedDraft && same(to, savedDraft) ? null : JSON.stringify(to) }, { replace: true });
  const savedLimit = savedDraft?.value ?? null;
  const trial = useTrial(project, draft, savedLimit, turn);
  const asked = Date.parse(query.value.get("at") ?? "");
  const atMs = Number.isNaN(asked) ? null : asked;
  const seeMoment = (ms: number) => setQuery({ at: new Date(ms).toISOString() }, { replace: true });
  const limit = (value: number) => change(withValue(draft, value));
  const openDocument = () =>
    draft.endpoint &&
    atMs !== null &&
    go(`${at("p", project, "e", draft.endpoint)}?at=${new Date(atMs).toISOString()}`);
  const store = async () => {
    if (!rule) return open("name");
    try {
      await save(project, rule, draft, rule.name);
    } catch (error) {
      toast(error instanceof Problem ? error.message : String(error));
    }
    saved();
  };
  return (
    <>
      <TrialView
        trial={trial.data}
        error={trial.error}
        retry={trial.again}
        draft={draft}
        atMs={atMs}
        onMoment={seeMoment}
        onOpen={openDocument}
        onLimit={limit}
      />
      <div class="trio">
        <section class="step" aria-label="Rules">
          <div class="bar">
            <h2>Rules</h2>
          </div>
          <Rules project={project} rules={rules} chosen={rule?.id ?? null} turn={turn} />
        </section>
        <section class="doc" aria-label="Rule">
          <div class="bar">
            <h2>{rule?.name ?? "A new alert"}</h2>
            {rule && isChanged ? <span class="quiet">changed, not saved</span> : null}
            <span class="grow" />
            {rule && canChange && !isChanged ? (
              <>
                <button class="btn ghost" type="button" onClick={() => open("name")}>
                  Rename
                </button>
                <button class="btn ghost" type="button" onClick={() => open("mute")}>
                  {rule.state === "muted" ? "Muted" : "Mute"}
                </button>
                {may("alerts:admin") ? (
                  <button class="btn ghost" type="button" onClick={() => open("delete")}>
                    Delete
                  </button>
                ) : null}
              </>
            ) : null}
            {isChanged ? (
              <button
                class="btn ghost"
                type="button"
                onClick={() => setQuery({ draft: null, ...(rule ? {} : { rule: null }) })}
              >
                Undo
              </button>
            ) : null}
            {isChanged && canChange ? (
              <button class="btn primary" type="button" onClick={() => void store()}>
                Save
              </button>
            ) : null}
          </div>
          <div class="tree rule">
            <RuleForm project={project} draft={draft} isNew={rule === null} canChange={canChange} change={change} />
            <Refused error={trial.error} />
            <Log project={project} turn={turn} />
          </div>
        </section>
        <section class="step" aria-label="When it would have fired">
          <div class="bar">
            <h2>When it would have fired</h2>
          </div>
          {trial.data ? (
            <Fired
              project={project}
              trial={trial.data}
              draft={draft}
              saved={savedLimit}
              atMs={atMs}
              onMoment={seeMoment}
              onLimit={limit}
            />
          ) : (
            <p class="none">Choose what is watched: each time shows here.</p>
          )}
          <footer class="foot">
            <span class="quiet">Nothing is told while trying</span>
          </footer>
        </section>
      </div>
    </>
  );
}

/** What cannot be tried yet is said where it is edited. */
function Refused({ error }: { error: unknown }) {
  if (!(error instanceof Problem) || error.status >= 500 || error.status === 0) return null;
  return (
    <p class="form-error" role="status">
      {error.fields[0]?.message ?? error.message}
    </p>
  );
}

const TYPING_MS = 150;
const DEVIATIONS_APART: Partial<Record<Draft["kind"], number>> = { usual: 0.5, anomaly: 1 };
const RANGES_MS = { "24h": 864e5, "3d": 3 * 864e5, "30d": 30 * 864e5 } as const;

/** Tried a moment after the last change; the answer before it stays until then. */
function useTrial(project: string, draft: Draft, saved: number | null, turn: number) {
  const [step, setStep] = useState<number | null>(null);
  const range = query.value.get("range") ?? "";
  const apart = DEVIATIONS_APART[draft.kind] ?? (hasLevel(draft) ? step : null);
  const sweeps = typeof draft.value === "number" && apart !== null;
  const positive = !["threshold", "metric"].includes(draft.kind);
  const sweep = sweeps ? sweepOf(draft.value as number, apart, saved).filter((value) => !positive || value > 0) : [];
  const { name: _, ...rule } = draft;
  const text = JSON.stringify({ rule, sweep });
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const loaded = useLoad<Trial | undefined>(
    (signal) => {
      if (lacksSubject(JSON.parse(settled).rule)) return Promise.resolve(undefined);
      const length = RANGES_MS[range as keyof typeof RANGES_MS];
      const from = length ? new Date(Date.now() - length).toISOString() : undefined;
      return post("/v1/alerts/try", {
        in: project,
        body: { ...JSON.parse(settled), ...(from ? { from } : {}) },
        signal,
      });
    },
    [project, settled, range, turn],
  );
  useEffect(() => {
    if (loaded.data) setStep(scaleOf(loaded.data.series.values, []).step);
  }, [loaded.data]);
  return loaded;
}
