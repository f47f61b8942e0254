import { useEffect, useMemo, useState } from "preact/hooks";
import type { Schemas } from "../api.ts";
import { pointer } from "../document/paths.ts";
import { search } from "../document/reader.ts";
import type { Scan } from "../document/scan.ts";
import type { TreeModel } from "../document/treemodel.ts";
import { Icon } from "../parts/Icon.tsx";
import type { Draft, Source } from "./draft.ts";
import { nameAt, read, written } from "./expression.ts";
import { conditionsAt, inRecord, type Keep, keptAt, toggled, withConditions } from "./keep.ts";
import { noiseOf, noiseText, patternOf, wasText } from "./noise.ts";
import { type ListKept, PartHead, Plan } from "./Plan.tsx";
import { Save } from "./Save.tsx";
import { type RowActs, type RowFacts, SourceTree } from "./SourceTree.tsx";
import { Notes } from "./States.tsx";
import { EACH, type Place, type Shape } from "./shape.ts";
import { letIn, nodeAt, treeOf } from "./trialtree.ts";
import type { Answered, Made } from "./useTrial.ts";

interface TriedProps {
  project: string;
  endpoint: Schemas["Endpoint"] | null;
  draft: Draft;
  tried: Answered;
  made: Made;
  shown: "source" | "kept";
  name: string;
  rename: (name: string) => void;
  /** Patterns of noise. */
  ignored: ReadonlySet<string>;
  ignore: (patterns: ReadonlySet<string>) => void;
  change: (draft: Partial<Draft>) => void;
  ask: (source?: Partial<Source>) => void;
}

/** A source that answered: its tree, in which clicks say what is kept, and the plan beside it. */
export function TriedSource(props: TriedProps) {
  const { project, endpoint, draft, tried, made, shown, name, ignored, change, ask } = props;
  const { told, doc, shape } = tried;
  const { transform } = draft;
  const keep = useMemo(() => keepOf(transform, shape), [transform, shape]);
  const choose = (next: Keep | undefined) => change({ transform: next === undefined ? "" : written(next) });
  const acts: RowActs = {
    toggle: (place) => keep !== null && choose(toggled(keep, shape, place)),
    where: (place, { operator, value }) => {
      const inside = inRecord(place);
      if (inside === null || keep === null) return;
      const others = conditionsAt(keep, inside.list).filter(({ field }) => field.join("/") !== inside.field.join("/"));
      choose(withConditions(keep, shape, inside.list, [...others, { field: inside.field, operator, value }]));
    },
  };
  const lists = useMemo(() => (doc ? listsOf(doc, shape, keep ?? "all") : []), [doc, shape, keep]);
  const ignore = (patterns: readonly string[], on: boolean) => {
    const next = new Set(ignored);
    for (const pattern of patterns) on ? next.add(pattern) : next.delete(pattern);
    props.ignore(next);
  };
  return (
    <>
      <Notes
        project={project}
        told={told}
        source={draft.source}
        endpoint={endpoint?.name ?? null}
        gather={(paging) => ask({ paging })}
      />
      <div class="split">
        {shown === "source" ? (
          <SourcePane {...props} keep={keep} acts={acts} clear={() => choose(undefined)} all={() => choose("all")} />
        ) : (
          <KeptPane made={made} />
        )}
        <Plan
          draft={draft}
          told={told}
          made={made}
          lists={lists}
          noise={noiseOf(told, made.told, transform, keep)}
          ignored={ignored}
          isShown={keep !== null}
          change={change}
          ignore={ignore}
          where={(list, where) => keep !== null && choose(withConditions(keep, shape, list, where))}
          again={() => ask()}
          name={endpoint === null ? <Name name={name} suggested={told.suggested.name} change={props.rename} /> : null}
          foot={
            <Save
              project={project}
              endpoint={endpoint}
              draft={draft}
              name={name}
              ignored={ignored}
              cannot={made.wrong !== null || transform === "" || name.trim() === ""}
            />
          }
        />
      </div>
    </>
  );
}

function Name({ name, suggested, change }: { name: string; suggested: string; change: (name: string) => void }) {
  return (
    <>
      <PartHead title="Name" />
      <div class="inset two">
        <label class="filter">
          <span class="sr">Name</span>
          <input
            value={name}
            maxLength={200}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => change(event.currentTarget.value)}
          />
        </label>
        <span class="quiet">{name === suggested ? "from the address" : ""}</span>
      </div>
    </>
  );
}

/** What the boxes show; null where they cannot. */
function keepOf(transform: string | null, shape: Shape): Keep | undefined | null {
  return transform === null ? "all" : transform === "" ? undefined : read(transform, shape);
}

/** The lists of records that the document has at hand, not within other records. */
function listsOf(doc: Scan, shape: Shape, keep: Keep | undefined, place: Place = []): ListKept[] {
  if (shape.kind === "list" && shape.each !== null) {
    const where = conditionsAt(keep, place);
    return [{ place, where, ...letIn(doc, nodeAt(doc, place), where) }];
  }
  return shape.kind === "map"
    ? [...shape.members].flatMap(([name, below]) => listsOf(doc, below, keep, [...place, name]))
    : [];
}

interface SourceProps extends TriedProps {
  keep: Keep | undefined | null;
  acts: RowActs;
  clear: () => void;
  all: () => void;
}

function SourcePane({ tried, keep, acts, clear, all }: SourceProps) {
  const { told, doc, shape } = tried;
  const model = useMemo(() => (doc ? treeOf(doc, shape, told.keys) : null), [doc]);
  const fields = useMemo(() => new Map(told.fields.map((field) => [field.pattern, field])), [told]);
  const keys = useMemo(() => keyPatterns(told.keys), [told]);
  if (!doc || !model) {
    return (
      <section class="doc" aria-label="Source document">
        <p class="none">It is too large to be shown as a tree. It is kept whole, or as an expression says.</p>
      </section>
    );
  }
  const facts: RowFacts = {
    kept: (place) => (keep === null ? null : keptAt(keep, place)),
    called: (place) => calledAt(keep, place),
    conditions: (place) => (keep ? conditionsAt(keep, place) : []),
    size: (node, place) => {
      const own = (doc.end[node] as number) - (doc.start[node] as number);
      return place.includes(EACH) ? (fields.get(patternOf(place))?.bytes ?? own) : own;
    },
    was: (node, place) => wasText(fields.get(patternOf(place)), pointer(doc, node)),
    noise: (place) => noiseText(fields.get(patternOf(place)), keys.has(patternOf(place))),
  };
  return (
    <section class="doc" aria-label="Source document">
      <div class="bar">
        <Find model={model} id="trial source" />
        <span class="quiet hintt">Click what to keep. One record stands for all.</span>
        <button class="btn ghost" type="button" onClick={keep === "all" ? clear : all}>
          {keep === "all" ? "Keep nothing yet" : "Keep all"}
        </button>
        <div class="cols-h">
          <span>Size</span>
          <span>Between the tries</span>
        </div>
      </div>
      <SourceTree model={model} label="Source document" facts={facts} acts={keep === null ? null : acts} />
    </section>
  );
}

/** Where it is not simply its own name. */
function calledAt(keep: Keep | undefined | null, place: Place): string | null {
  if (keep === null || keep === undefined || keep === "all" || place.length === 0) return null;
  const name = nameAt(keep, place);
  const cut = place.lastIndexOf(EACH);
  return name !== null && (place.length - cut > 2 || name !== place.at(-1)) ? name : null;
}

function keyPatterns(keys: Readonly<Record<string, readonly string[]>>): ReadonlySet<string> {
  return new Set(Object.entries(keys).flatMap(([list, fields]) => fields.map((field) => `${list}/${EACH}/${field}`)));
}

const PLAIN: RowFacts = {
  kept: () => null,
  called: () => null,
  conditions: () => [],
  size: () => 0,
  noise: () => ({ text: "", isNoise: false }),
  was: () => null,
};

function KeptPane({ made }: { made: Made }) {
  const { doc, told } = made;
  const model = useMemo(() => (doc && told ? treeOf(doc, { kind: "value" }, told.keys) : null), [doc]);
  const facts: RowFacts = {
    ...PLAIN,
    size: (node) => (doc ? (doc.end[node] as number) - (doc.start[node] as number) : 0),
  };
  return (
    <section class="doc kept" aria-label="What is kept">
      {model ? (
        <>
          <div class="bar">
            <Find model={model} id="trial result" />
          </div>
          <SourceTree model={model} label="What is kept" facts={facts} acts={null} />
        </>
      ) : (
        <p class="none">{made.busy ? "…" : (made.wrong ?? "Nothing is kept, or too much to be shown as a tree.")}</p>
      )}
    </section>
  );
}

function Find({ model, id }: { model: TreeModel; id: string }) {
  const [text, setText] = useState("");
  useEffect(() => {
    model.query.value = text;
    if (text === "") model.hits.value = null;
    else
      void search(id, text)
        .then((hits) => (model.hits.value = hits))
        .catch(() => undefined);
  }, [text, model]);
  const hits = model.hits.value;
  return (
    <label class="filter wide">
      <Icon name="search" />
      <input
        type="search"
        data-search
        placeholder="Search keys and values"
        aria-label="Search keys and values"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && model.hit(event.shiftKey ? -1 : 1)}
      />
      {text !== "" && hits ? <span class="count">{hits.total.toLocaleString()}</span> : null}
    </label>
  );
}
