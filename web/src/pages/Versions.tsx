import "../style/lists.css";
import "../versions/versions.css";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Place } from "../compare/data.ts";
import { useView } from "../compare/scroll.ts";
import { counted } from "../numbers.ts";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { at, href, query, setQuery } from "../state/location.ts";
import { allVersions, versionPage } from "../versions/data.ts";
import { VersionRow } from "../versions/Row.tsx";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import { usePages } from "../versions/usePages.ts";
import { useSlice } from "../versions/useSlice.ts";
import { type Marks, marked, usualGap, type Version, type VersionKind } from "../versions/versions.ts";

const LONG = 6;

/** All versions of an endpoint: what each changed, how large it is, when it came; two of them marked are compared. */
export default function Versions({ params }: PageProps) {
  const place = useMemo(
    () => ({ project: params.project ?? "", endpoint: params.endpoint ?? "" }),
    [params.project, params.endpoint],
  );
  const asked = query.value;
  const range = rangeOf(asked.get("range"));
  const kind = asked.get("kind") ?? "all";
  const found = usePages((cursor, signal) => versionPage(place, range, cursor, signal), [place, asked.get("range")]);
  const all = useMemo(() => allVersions(found.pages, range === null), [found.pages, range]);
  const shown = useMemo(() => all.filter((version) => kind === "all" || isOfKind(version.kind, kind)), [all, kind]);
  const [marks, setMarks] = useState<Marks>({ a: null, b: null });
  return (
    <main id="main" class="wrap app versions-page">
      <EndpointHead project={place.project} endpoint={place.endpoint} section="versions">
        <CompareLink place={place} marks={marks} versions={all} />
      </EndpointHead>
      <div class="doc">
        <div class="bar">
          <Kinds kind={kind} />
          <span class="quiet">
            {counted(shown.length, "version")}
            {found.more ? " so far" : ""}
          </span>
          {range && (
            <button type="button" class="fchip" onClick={() => setQuery({ range: null })}>
              {range.from.slice(0, 16)} to {range.to.slice(0, 16)} <span aria-hidden="true">×</span>
            </button>
          )}
          {found.busy && <Loading label="Loading versions" />}
        </div>
        {found.error ? <Failure tried="Loading the versions" error={found.error} retry={found.again} /> : null}
        {!found.busy && all.length === 0 && !found.error ? (
          <None place={place} />
        ) : found.error && all.length === 0 ? null : (
          <List
            place={place}
            versions={shown}
            usual={usualGap(all)}
            marks={marks}
            setMarks={setMarks}
            more={found.more}
          />
        )}
      </div>
    </main>
  );
}

function rangeOf(text: string | null): { from: string; to: string } | null {
  const [from = "", to = ""] = (text ?? "").split("..");
  return from || to ? { from, to } : null;
}

function isOfKind(own: VersionKind, wanted: string): boolean {
  return wanted === "content" ? own === "content" || own === "first" : own !== "content" && own !== "first";
}

function Kinds({ kind }: { kind: string }) {
  const kinds = { all: "All", content: "Changed", quiet: "Without a change" };
  return (
    <div class="seg" role="radiogroup" aria-label="Which versions" data-filters>
      {Object.entries(kinds).map(([name, words]) => (
        // biome-ignore lint/a11y/useSemanticElements: drawn as the other groups of the dashboard are
        <button
          key={name}
          type="button"
          role="radio"
          aria-checked={kind === name}
          onClick={() => setQuery({ kind: name === "all" ? null : name })}
        >
          {words}
        </button>
      ))}
    </div>
  );
}

function None({ place }: { place: Place }) {
  return (
    <div class="none">
      <p>No version is kept yet.</p>
      <a class="btn" href={href(at("p", place.project, "connect"))}>
        Send the first snapshot
      </a>
    </div>
  );
}

function CompareLink({ place, marks, versions }: { place: Place; marks: Marks; versions: Version[] }) {
  const { a, b } = marks;
  if (!a || !b) return <span class="quiet hint">Mark two with x and X to compare them</span>;
  const ms = (id: string) => versions.find((version) => version.id === id)?.ms ?? 0;
  const [first, second] = ms(a) <= ms(b) ? [a, b] : [b, a];
  const to = `${at("p", place.project, "e", place.endpoint, "compare")}?${new URLSearchParams({ a: first, b: second })}`;
  return (
    <a class="btn primary" href={href(to)} data-compare>
      <Icon name="compare" />
      Compare A and B
    </a>
  );
}

interface ListProps {
  place: Place;
  versions: Version[];
  usual: number;
  marks: Marks;
  setMarks: (marks: Marks) => void;
  more: (() => void) | null;
}

function List({ place, versions, usual, marks, setMarks, more }: ListProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  const screen = useView();
  const height = screen.narrow ? 58 : screen.coarse ? 36 : 30;
  const { first, end } = useSlice(body, versions.length, height, more);
  const base = at("p", place.project, "e", place.endpoint);
  const pressed = (event: KeyboardEvent) => {
    const id = (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id;
    if (id && (event.key === "x" || event.key === "X")) setMarks(marked(marks, event.key === "x" ? "a" : "b", id));
    else if (event.key === "c") document.querySelector<HTMLElement>("[data-compare]")?.click();
    else moveBetweenRows(event, body.current);
  };
  useEffect(() => {
    if (versions.length > 0 && versions.length < 40) more?.();
  }, [versions.length, more]);
  return (
    <div class="tree">
      <table class="tb versionlist" aria-rowcount={versions.length + 1}>
        <thead>
          <tr>
            <th scope="col">
              <span class="sr">Mark</span>
            </th>
            <th scope="col">Version</th>
            <th scope="col" class="n">
              After
            </th>
            <th scope="col">What changed</th>
            <th scope="col" class="n">
              Size
            </th>
            <th scope="col" class="n">
              Grown
            </th>
            <th scope="col">Source</th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={pressed}>
          <Gap height={first * height} />
          {versions.slice(first, end).map((version, i) => (
            <VersionRow
              key={version.id}
              index={first + i + 2}
              version={version}
              mark={marks.a === version.id ? "a" : marks.b === version.id ? "b" : null}
              isLong={version.gapMs !== null && usual > 0 && version.gapMs > LONG * usual}
              document={`${base}?${new URLSearchParams({ at: version.id })}`}
              toggle={(letter) => setMarks(marked(marks, letter, version.id))}
            />
          ))}
          <Gap height={(versions.length - end) * height} />
        </tbody>
      </table>
    </div>
  );
}

/** Room for the rows that are not drawn. */
function Gap({ height }: { height: number }) {
  return height > 0 ? <tr class="room" style={{ height: `${height}px` }} /> : null;
}
