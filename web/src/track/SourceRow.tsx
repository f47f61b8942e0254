// biome-ignore-all lint/a11y/useFocusableInteractive: the treegrid has the focus and names its active row
// biome-ignore-all lint/a11y/useSemanticElements: rows stand where they are scrolled to, which no table's do
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the treegrid hears the keys
import { rawText } from "../document/nodes.ts";
import type { Opened } from "../document/opened.ts";
import { type RowView, rowView } from "../document/rowview.ts";
import { Kind } from "../document/scan.ts";
import { bytes } from "../numbers.ts";
import { Icon } from "../parts/Icon.tsx";
import { Marked } from "../parts/Marked.tsx";
import { now } from "../state/now.ts";
import { zone } from "../state/zone.ts";
import { reading } from "../time/clock.ts";
import { type Condition, inRecord } from "./keep.ts";
import type { RowActs, RowFacts } from "./SourceTree.tsx";
import { EACH, type Place } from "./shape.ts";
import { isComparable, isLetIn, placeOf } from "./trialtree.ts";

interface RowProps {
  opened: Opened;
  node: number;
  index: number;
  expanded: boolean | null;
  focused: boolean;
  found: boolean;
  top: number;
  facts: RowFacts;
  acts: RowActs | null;
  focus: () => void;
  fold: () => void;
}

const CHECKED = { all: "true", some: "mixed", none: "false" } as const;
const SHAPES = { all: "box on", some: "box part", none: "box off" } as const;
export const OPERATORS = { "==": "is", ">=": "is at least", "<=": "is at most" } as const;

/** A value of the source: whether it is kept, its size, and whether it was another in the second try. */
export function SourceRow(props: RowProps) {
  const { opened, node, index, expanded, facts, acts } = props;
  const { doc } = opened;
  const view = rowView(opened, node);
  const place = placeOf(doc, node);
  const kept = facts.kept(place);
  const where = view.isElement ? facts.conditions(place.slice(0, -1)) : [];
  const isOut = where.length > 0 && !isLetIn(doc, node, where);
  const noise = expanded === null ? facts.noise(place) : { text: "", isNoise: false };
  const classes = ["row", view.isRecord ? "rec" : "", index === 0 ? "root" : "", noise.isNoise ? "changed" : ""];
  const states = [props.focused ? "focus" : "", isOut ? "out" : "", props.found ? "hit" : ""];
  const choose = () => {
    props.focus();
    acts?.toggle(place);
  };
  return (
    <div
      role="row"
      id={`row-${index}`}
      class={[...classes, ...states].filter(Boolean).join(" ")}
      aria-level={view.level}
      aria-rowindex={index + 1}
      aria-expanded={expanded ?? undefined}
      style={{ transform: `translateY(${props.top}px)` }}
      onClick={choose}
    >
      <span role="gridcell" class="pick-c">
        {kept === null ? null : (
          <button
            class={SHAPES[kept]}
            type="button"
            role="checkbox"
            tabIndex={-1}
            aria-checked={CHECKED[kept]}
            aria-label={`Keep ${view.name}`}
          />
        )}
      </span>
      <span role="gridcell" class="kv" style={{ paddingLeft: `calc(var(--indent) * ${Math.min(view.level - 1, 24)})` }}>
        <Fold {...props} />
        <Named view={view} />
        <Said view={view} called={facts.called(place)} isOut={isOut} />
        {expanded === null ? <Was text={facts.was(node, place)} /> : null}
        {expanded === null ? null : <Where conditions={facts.conditions(place)} />}
        {props.focused && acts && kept !== null && isComparable(doc, node) && inRecord(place)?.field.length ? (
          <OnlyWhere {...props} acts={acts} place={place} />
        ) : null}
      </span>
      <span role="gridcell" class="sz">
        {bytes(facts.size(node, place))}
      </span>
      <span role="gridcell" class="nz">
        {noise.isNoise ? <b>{noise.text}</b> : <span class="quiet">{noise.text}</span>}
      </span>
    </div>
  );
}

function Fold({ expanded, fold, focus }: RowProps) {
  if (expanded === null) return <span class="tw" />;
  const press = (event: MouseEvent) => {
    event.stopPropagation();
    focus();
    fold();
  };
  return (
    <button class="tw" type="button" tabIndex={-1} aria-label={expanded ? "Collapse" : "Expand"} onClick={press}>
      <Icon name={expanded ? "down" : "right"} />
    </button>
  );
}

function Named({ view }: { view: RowView }) {
  return (
    <>
      <span class="k">{view.isElement ? <span class="ix">{view.name}</span> : view.name}</span>
      {view.label === null ? null : <span class="label">{view.label}</span>}
      {view.id === null || view.id === view.label ? null : <code class="id">{view.id}</code>}
    </>
  );
}

/** The value of the first try. */
function Was({ text }: { text: string | null }) {
  return text === null ? null : (
    <span class="was">
      <span class="sr">in the first try </span>
      <del>{text.length > 80 ? `${text.slice(0, 79)}…` : text}</del>
    </span>
  );
}

function Said({ view, called, isOut }: { view: RowView; called: string | null; isOut: boolean }) {
  const { meta } = view;
  return (
    <>
      {meta ? (
        <span class="meta">
          {meta.count.toLocaleString()} {meta.noun}
          {meta.count === 1 ? "" : "s"}
          {meta.by ? ` by ${meta.by.join(", ")}` : ""}
        </span>
      ) : null}
      {view.value.length > 0 ? (
        <span class={`v ${view.kind}`}>
          <Marked pieces={view.value} />
        </span>
      ) : null}
      {view.timeMs === null ? null : <span class="hint">{reading(view.timeMs, zone.value, now.value)}</span>}
      {called === null ? null : (
        <span class="meta">
          as <code>{called}</code>
        </span>
      )}
      {isOut ? <span class="meta">left out</span> : null}
    </>
  );
}

export function conditionText({ field, operator, value }: Condition): string {
  return `${field.join("/")} ${OPERATORS[operator]} ${value}`;
}

function Where({ conditions }: { conditions: readonly Condition[] }) {
  return conditions.length === 0 ? null : (
    <span class="where">where {conditions.map(conditionText).join(" and ")}</span>
  );
}

/** Of a value in a record: only those records are kept that are like it. */
function OnlyWhere({ opened, node, acts, place }: RowProps & { acts: RowActs; place: Place }) {
  const { doc } = opened;
  const value = rawText(doc, node);
  const operators = doc.kind[node] === Kind.Number ? (["==", ">=", "<="] as const) : (["=="] as const);
  if (place.at(-1) === EACH) return null;
  return (
    <span class="only">
      <span class="quiet">only where it</span>
      {operators.map((operator) => (
        <button
          key={operator}
          class="btn ghost"
          type="button"
          tabIndex={-1}
          onClick={(event) => [event.stopPropagation(), acts.where(place, { operator, value })]}
        >
          {OPERATORS[operator]}
        </button>
      ))}
      <span class="quiet">{value.length > 24 ? "this" : value}</span>
    </span>
  );
}
