import { useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { Copy } from "../parts/Copy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Segments } from "../parts/Segments.tsx";
import { may } from "../state/may.ts";
import { eventLines, KEY, LANGUAGES, type Language, type Place, snapshotLines } from "./lines.ts";

const SENDS: Partial<Schemas["NewKey"]> = { name: "From the page Connect", scopes: ["write"] };

/** A key that is made on the spot; it is gone with the page. */
export function useKey(project: string, wanted: Partial<Schemas["NewKey"]> = SENDS) {
  const [key, setKey] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    setError(null);
    try {
      const body = { ...wanted, project } as Schemas["NewKey"];
      setKey((await post("/v1/auth/api-keys", { in: project, body })).key);
    } catch (caught) {
      setError(caught);
    }
    setBusy(false);
  };
  return { key, error, busy, make };
}

export type MadeKey = ReturnType<typeof useKey>;

export function KeyMaker({ made }: { made: MadeKey }) {
  if (!may("keys:admin")) {
    return (
      <p class="quiet">
        An admin of the project makes keys. Put yours in place of <code>{KEY}</code>.
      </p>
    );
  }
  if (made.error) return <Failure tried="Making a key" error={made.error} retry={() => void made.make()} />;
  if (made.key === null) {
    return (
      <button class="btn primary" type="button" onClick={() => void made.make()} aria-disabled={made.busy}>
        Make a key
      </button>
    );
  }
  return (
    <div class="secret">
      <code>{made.key}</code>
      <Copy text={made.key} what="key" />
      <p class="quiet">It stands in the lines below. It is stored nowhere and shown this once.</p>
    </div>
  );
}

/** Lines of one language, with a key in them once there is one. */
export function Lines({
  project,
  made,
  languages,
}: {
  project: string;
  made: MadeKey;
  languages: readonly Language[];
}) {
  const [language, setLanguage] = useState<Language>(languages[0] ?? "curl");
  const place: Place = { base: document.baseURI, key: made.key ?? KEY, project };
  const events = eventLines(language, place);
  return (
    <div class="lines">
      {languages.length > 1 ? (
        <Segments
          label="Language"
          options={Object.fromEntries(languages.map((name) => [name, LANGUAGES[name]])) as Record<Language, string>}
          value={language}
          choose={setLanguage}
        />
      ) : null}
      <CodeBlock
        title={language === "cli" ? "The versions of a file in git" : "A document: its first version"}
        text={snapshotLines(language, place)}
      />
      {events === null || languages.length === 1 ? null : <CodeBlock title="An event" text={events} />}
    </div>
  );
}

export function CodeBlock({ title, text }: { title: string; text: string }) {
  return (
    <section class="code-block" aria-label={title}>
      <header>
        <h3>{title}</h3>
        <Copy text={text} what="lines" />
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways has to be reached by keyboard */}
      <pre class="code" tabIndex={0}>
        {text}
      </pre>
    </section>
  );
}
