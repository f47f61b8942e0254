import { useState } from "preact/hooks";
import { post } from "../api.ts";
import { Icon } from "../parts/Icon.tsx";
import { useLoad } from "../state/load.ts";
import { Pick, Typed } from "./inputs.tsx";
import {
  EVERY,
  FIELDS,
  isOfPresence,
  type Query,
  type Question,
  queryOf,
  questionOf,
  WHATS,
  WHERE_OPS,
  type Where,
  withWhat,
} from "./question.ts";
import type { Kind } from "./rule.ts";

interface QuestionFieldProps {
  project: string;
  kind: Kind;
  query: Query;
  set: (query: Query) => void;
}

const WHERE: Where = { field: "eventType", op: "is", value: "" };
const MOST_VALUES = 50;

/** What is counted of the events, as a sentence; what a sentence cannot say, as JSON. */
export function QuestionField({ project, kind, query, set }: QuestionFieldProps) {
  const [typed, setTyped] = useState<Question | null>(null);
  const [asJson, setAsJson] = useState(false);
  // what is typed stands as it is, also where it is not asked yet, until the question becomes another one
  const isTyped = typed !== null && JSON.stringify(queryOf(typed, kind)) === JSON.stringify(query);
  const question = isTyped ? typed : questionOf(query);
  if (question === null || asJson) {
    return (
      <>
        <AsJson query={query} set={set} />
        {question === null ? null : <Other name="As a sentence" run={() => setAsJson(false)} />}
      </>
    );
  }
  const change = (part: Partial<Question>) => {
    const to = { ...question, ...part };
    setTyped(to);
    set(queryOf(to, kind));
  };
  const whereTo = (at: number, to: Where | null) =>
    change({ where: question.where.flatMap((each, i) => (i !== at ? [each] : to === null ? [] : [to])) });
  return (
    <>
      <br />
      <Counted question={question} change={change} />
      {question.where.map((where, i) => (
        <Condition
          key={i}
          project={project}
          number={i + 1}
          where={where}
          change={(to) => whereTo(i, to)}
          remove={() => whereTo(i, null)}
        />
      ))}
      <Other
        name={question.where.length === 0 ? "Only some events" : "And"}
        run={() => change({ where: [...question.where, WHERE] })}
      />
      <br />
      <Often question={question} kind={kind} change={change} />
      <Other name="As JSON" run={() => setAsJson(true)} />
      <br />
    </>
  );
}

interface PartOfQuestion {
  question: Question;
  change: (part: Partial<Question>) => void;
}

function Counted({ question, change }: PartOfQuestion) {
  return (
    <>
      counting{" "}
      <Pick
        label="What is counted"
        value={question.what}
        options={WHATS}
        choose={(what) => change(withWhat(question, what))}
      />
      {question.what === "count" ? null : (
        <Typed
          label="Field that is counted"
          value={question.field}
          placeholder="data.total"
          list="alert-event-fields"
          set={(field) => change({ field })}
        />
      )}
      <datalist id="alert-event-fields">
        {FIELDS.map((field) => (
          <option key={field} value={field} />
        ))}
      </datalist>
    </>
  );
}

function Often({ question, kind, change }: PartOfQuestion & { kind: Kind }) {
  if (kind === "usual") {
    return (
      <>
        each hour of the week, in the time zone{" "}
        <Typed label="Time zone" value={question.timezone} set={(timezone) => change({ timezone })} />
      </>
    );
  }
  return (
    <>
      each{" "}
      <Pick
        label="How often"
        value={question.every}
        options={Object.hasOwn(EVERY, question.every) ? EVERY : { [question.every]: question.every, ...EVERY }}
        choose={(every) => change({ every })}
      />
    </>
  );
}

interface ConditionProps {
  project: string;
  number: number;
  where: Where;
  change: (where: Where) => void;
  remove: () => void;
}

/** Which events are meant. The values that there are, are looked for when somebody is to type one. */
function Condition({ project, number, where, change, remove }: ConditionProps) {
  const [wanted, setWanted] = useState<string | null>(null);
  const values = useLoad(
    (signal) => (wanted ? commonValues(project, wanted, signal) : Promise.resolve([])),
    [project, wanted],
  );
  const list = `alert-event-values-${number}`;
  const look = () => setWanted(where.op === "is" || where.op === "is_not" ? where.field : null);
  return (
    <span class="where">
      {number === 1 ? " where " : " and "}
      <Typed
        label={`Field of condition ${number}`}
        value={where.field}
        placeholder="data.plan"
        list="alert-event-fields"
        set={(field) => change({ ...where, field })}
      />
      <Pick
        label={`Operator of condition ${number}`}
        value={where.op}
        options={WHERE_OPS}
        choose={(op) => change({ ...where, op })}
      />
      {isOfPresence(where.op) ? null : (
        <Typed
          label={`Value of condition ${number}`}
          value={where.value}
          list={list}
          onFocus={look}
          set={(value) => change({ ...where, value })}
        />
      )}
      <datalist id={list}>
        {values.data?.map((value) => (
          <option key={value} value={value} />
        ))}
      </datalist>
      <button class="icon" type="button" aria-label={`Remove condition ${number}`} onClick={remove}>
        <Icon name="close" />
      </button>
    </span>
  );
}

/** Of the last month's events, most first. None where the field is not typed to its end. */
async function commonValues(project: string, field: string, signal: AbortSignal): Promise<string[]> {
  const isKnown = FIELDS.some((each) => each === field);
  if (!isKnown && !/^(data|metadata)(\.[\w-]+)+$/.test(field)) return [];
  const body = { metrics: ["count"], groupBy: [field], range: "30d", orderBy: [["count", "desc"]], limit: MOST_VALUES };
  const answer = await post("/v1/query", { in: project, body, signal }).catch(() => null);
  const rows = (answer?.rows ?? []) as Record<string, unknown>[];
  return rows.flatMap((row) => (row[field] === null || row[field] === undefined ? [] : [String(row[field])]));
}

/** The question as POST /v1/query takes it. */
function AsJson({ query, set }: Pick<QuestionFieldProps, "query" | "set">) {
  return (
    <textarea
      class="pick question"
      aria-label="Question to the events, as POST /v1/query takes it"
      rows={3}
      spellcheck={false}
      onChange={(event) => {
        try {
          set(JSON.parse(event.currentTarget.value));
          event.currentTarget.setCustomValidity("");
        } catch {
          event.currentTarget.setCustomValidity("This is no JSON.");
          event.currentTarget.reportValidity();
        }
      }}
    >
      {JSON.stringify(query)}
    </textarea>
  );
}

function Other({ name, run }: { name: string; run: () => void }) {
  return (
    <button class="pick other" type="button" onClick={run}>
      {name}
    </button>
  );
}
