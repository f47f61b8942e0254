import { useEffect, useRef, useState } from "preact/hooks";
import type { Column } from "../console/drawing.ts";
import type { Editor } from "../console/editor.ts";
import { clearHistory, listHistory, remember } from "../console/history.ts";
import { placeOf } from "../console/place.ts";
import { Results } from "../console/Results.tsx";
import { Own, Views } from "../console/Side.tsx";
import { describeView, listViews, named, type Result, runSql } from "../console/schema.ts";
import { EventsHead } from "../explore/EventsHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Segments } from "../parts/Segments.tsx";
import { Problem } from "../problem.ts";
import type { PageProps } from "../routes.ts";
import { SAVED } from "../saved/kinds.ts";
import { getSaved } from "../saved/requests.ts";
import { SavedActs } from "../saved/SavedActs.tsx";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import "../charts/charts.css";
import "../style/lists.css";
import "../explore/explore.css";
import "../console/console.css";

const MOST_ROWS = 1000;
const EXAMPLE = "select event_type, count(*) from events group by 1";
/** A longer text makes no address. */
const LONGEST = 4000;

/** SQL over the project's views: written with completion, answered as a table or drawn. */
export default function Sql({ params }: PageProps) {
  const project = params.project as string;
  const editor = useEditor(project, () => void run());
  const [answer, setAnswer] = useState<{ result?: Result; error?: unknown }>({});
  const [busy, setBusy] = useState<AbortController | null>(null);
  const [own, setOwn] = useState(() => listHistory(project));
  const [side, setSide] = useState<"views" | "own">("views");
  const views = useLoad((signal) => listViews(project, signal), [project]);
  const learned = useColumns(project, views.data, editor.open, editor.text);
  useEffect(() => setOwn(listHistory(project)), [project]);
  useSaved(project, editor.isOpen, (text) => {
    put(text);
    void run();
  });
  const run = async () => {
    const text = editor.open.current?.text() ?? "";
    if (text.trim() === "") return;
    busy?.abort();
    const control = new AbortController();
    setBusy(control);
    setOwn(remember(project, text));
    setQuery({ q: text.length <= LONGEST ? text : null }, { replace: true });
    try {
      const result = await runSql(project, text, MOST_ROWS, control.signal);
      setAnswer({ result });
      editor.open.current?.mark(null, "");
    } catch (error) {
      if (control.signal.aborted) return;
      setAnswer({ error });
      if (error instanceof Problem) editor.open.current?.mark(placeOf(text, error.message), error.message);
    }
    setBusy((now) => (now === control ? null : now));
  };
  const put = (text: string) => {
    editor.open.current?.setText(text);
    editor.open.current?.mark(null, "");
  };
  return (
    <main id="main" class="wrap app explore-page sql-page">
      <EventsHead project={project}>
        <SavedActs
          project={project}
          kind="sql"
          spec={() => (editor.text.trim() === "" ? null : { sql: editor.text, limit: MOST_ROWS })}
        />
        {busy ? (
          <button
            class="btn"
            type="button"
            onClick={() => {
              busy.abort();
              setBusy(null);
            }}
          >
            Stop
          </button>
        ) : (
          <button class="btn primary" type="button" title="Ctrl+Enter" onClick={() => void run()}>
            Run
          </button>
        )}
      </EventsHead>
      <div class="sql-split">
        <div class="sql-main">
          <section class="time" aria-label="Statement">
            <div ref={editor.host} class="editor" />
          </section>
          {busy ? <Loading label="Running" /> : null}
          {answer.error ? <Failure tried="Running it" error={answer.error} retry={() => void run()} /> : null}
          {answer.result ? <Results result={answer.result} /> : null}
          {!answer.result && !answer.error ? (
            <div class="said quiet">
              <p>
                One SELECT in DuckDB’s language, such as <code>{EXAMPLE}</code>. Ctrl+Enter runs it.
              </p>
              <button
                class="btn"
                type="button"
                onClick={() => {
                  put(EXAMPLE);
                  void run();
                }}
              >
                Run the example
              </button>
            </div>
          ) : null}
        </div>
        <section class="step" aria-label="What there is">
          <div class="bar">
            <Segments label="List" options={{ views: "Views", own: "Run before" }} value={side} choose={setSide} />
          </div>
          {side === "own" ? (
            <Own texts={own} open={put} clear={() => setOwn(clearHistory(project))} />
          ) : views.error ? (
            <Failure tried="Listing the views" error={views.error} retry={views.again} />
          ) : views.data ? (
            <Views
              project={project}
              views={views.data}
              learned={learned}
              insert={(name) => editor.open.current?.insert(name)}
            />
          ) : (
            <Loading />
          )}
        </section>
      </div>
    </main>
  );
}

/** The editor is a chunk of its own, opened when it has come. */
function useEditor(project: string, run: () => void) {
  const host = useRef<HTMLDivElement>(null);
  const open = useRef<Editor | null>(null);
  const act = useRef(run);
  act.current = run;
  const [text, setText] = useState(() => query.peek().get("q") ?? listHistory(project)[0] ?? "");
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    let gone = false;
    void import("../console/editor.ts").then(({ openEditor }) => {
      if (gone || !host.current) return;
      open.current = openEditor(host.current, { text, onChange: setText, onRun: () => act.current() });
      setText(`${text}`);
      setOpen(true);
      if (query.peek().get("q")) act.current();
    });
    return () => {
      gone = true;
      open.current?.close();
      open.current = null;
    };
  }, [project]);
  return { host, open, text, isOpen };
}

/** What a saved statement says, when one is opened that the page did not begin with. */
function useSaved(project: string, isReady: boolean, open: (text: string) => void): void {
  const id = query.value.get(SAVED);
  const known = useRef(id);
  const act = useRef(open);
  act.current = open;
  useEffect(() => {
    if (!isReady || id === null || (id === known.current && query.peek().get("q") !== null)) return;
    known.current = id;
    const control = new AbortController();
    getSaved(project, id, control.signal).then(
      ({ kind, spec }) => kind === "sql" && act.current(String((spec as { sql: unknown }).sql)),
      () => undefined, // it may have been deleted: the text stays that there was
    );
    return () => control.abort();
  }, [project, id, isReady]);
}

/** Completion knows the views, and the columns of those that the text names. */
function useColumns(
  project: string,
  views: readonly string[] | undefined,
  open: { current: Editor | null },
  text: string,
): (view: string, columns: readonly Column[]) => void {
  const known = useRef(new Map<string, readonly Column[]>());
  const asked = useRef(new Set<string>());
  const tell = () => {
    const schema = Object.fromEntries(
      (views ?? []).map((view) => [
        view,
        (known.current.get(view) ?? []).map(({ name, type }) => ({ label: name, detail: type.toLowerCase() })),
      ]),
    );
    open.current?.setSchema(schema);
  };
  const learned = (view: string, columns: readonly Column[]) => {
    asked.current.add(view);
    known.current.set(view, columns);
    tell();
  };
  useEffect(() => {
    if (!views || !open.current) return;
    tell();
    const missing = named(text, views).filter((view) => !asked.current.has(view));
    if (missing.length === 0) return;
    const control = new AbortController();
    const later = setTimeout(() => {
      for (const view of missing) {
        asked.current.add(view);
        describeView(project, view, control.signal).then(
          (columns) => learned(view, columns),
          () => asked.current.delete(view), // completion is a help: it is tried again when the text changes
        );
      }
    }, 300);
    return () => clearTimeout(later);
  }, [project, views, text]);
  return learned;
}
