import type { ComponentChildren } from "preact";
import type { Draft, Source } from "./draft.ts";

type Paging = NonNullable<Source["paging"]>;

interface MoreProps {
  draft: Draft;
  suggested: Paging | null;
  change: (draft: Partial<Draft>) => void;
  again: () => void;
}

const FORMATS: Record<string, string> = {
  json: "JSON",
  ndjson: "NDJSON",
  csv: "CSV",
  yaml: "YAML",
  toml: "TOML",
  xml: "XML",
  feed: "RSS or Atom",
  icalendar: "iCalendar",
  text: "Text",
};
const PAGINGS: Record<Paging["by"], string> = {
  link: "By the header Link",
  cursor: "By a cursor in the answer",
  number: "By the page's number",
};

/** What few sources need: pages, formats, patience. */
export function More({ draft, suggested, change, again }: MoreProps) {
  const { source } = draft;
  const set = (part: Partial<Source>) => change({ source: { ...source, ...part } });
  const { paging } = source;
  return (
    <details class="more">
      <summary>More</summary>
      <Row label="Status">
        <input
          value={draft.status}
          placeholder="200 to 299"
          maxLength={100}
          onChange={(event) => change({ status: event.currentTarget.value })}
        />
      </Row>
      <Row label="Content type">
        <input
          value={draft.contentType}
          placeholder="any"
          maxLength={200}
          onChange={(event) => change({ contentType: event.currentTarget.value })}
        />
      </Row>
      <Row label="True of it">
        <input
          value={draft.condition}
          placeholder="JMESPath"
          maxLength={4000}
          spellcheck={false}
          onChange={(event) => change({ condition: event.currentTarget.value })}
        />
      </Row>
      <Row label="Read as">
        <select
          value={source.readAs ?? ""}
          onChange={(event) => set({ readAs: (event.currentTarget.value || null) as Source["readAs"] })}
        >
          <option value="">What it says and looks like</option>
          {Object.entries(FORMATS).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </Row>
      <Row label="Timeout">
        <input
          value={source.timeout}
          placeholder="30s"
          maxLength={20}
          onChange={(event) => set({ timeout: event.currentTarget.value })}
        />
      </Row>
      <Row label="Retries">
        <input
          type="number"
          min={0}
          max={5}
          value={draft.retries}
          onChange={(event) => change({ retries: Number(event.currentTarget.value) })}
        />
      </Row>
      <Row label="Pages">
        <select
          value={paging?.by ?? ""}
          onChange={(event) => {
            const by = event.currentTarget.value as Paging["by"] | "";
            set({ paging: by === "" ? null : suggested?.by === by ? suggested : { ...paging, by } });
          }}
        >
          <option value="">It comes whole</option>
          {Object.entries(PAGINGS).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </Row>
      {paging ? <Pages paging={paging} set={(part) => set({ paging: { ...paging, ...part } })} /> : null}
      <p class="inset">
        <button class="btn" type="button" onClick={again}>
          Try it so
        </button>
      </p>
    </details>
  );
}

function Pages({ paging, set }: { paging: Paging; set: (part: Partial<Paging>) => void }) {
  return (
    <>
      <Row label="Items of a page">
        <input
          value={paging.items ?? ""}
          placeholder="@ or JMESPath"
          maxLength={4000}
          spellcheck={false}
          onChange={(event) => set({ items: event.currentTarget.value.trim() || "@" })}
        />
      </Row>
      {paging.by === "cursor" ? (
        <Row label="Cursor">
          <input
            value={paging.cursor ?? ""}
            placeholder="JMESPath"
            maxLength={4000}
            spellcheck={false}
            onChange={(event) => set({ cursor: event.currentTarget.value.trim() })}
          />
        </Row>
      ) : null}
      {paging.by === "link" ? null : (
        <Row label="Parameter">
          <input
            value={paging.parameter ?? ""}
            placeholder={paging.by === "number" ? "page" : "none: it is a URL"}
            maxLength={100}
            spellcheck={false}
            onChange={(event) => set({ parameter: event.currentTarget.value.trim() })}
          />
        </Row>
      )}
      <Row label="Pages at most">
        <input
          type="number"
          min={1}
          max={200}
          value={paging.max_pages ?? 20}
          onChange={(event) => set({ max_pages: Number(event.currentTarget.value) })}
        />
      </Row>
    </>
  );
}

function Row({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is its child
    <label class="more-r">
      <span>{label}</span>
      {children}
    </label>
  );
}
