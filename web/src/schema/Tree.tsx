import { useRef, useState } from "preact/hooks";
import { fold } from "../folding.ts";
import { Ago } from "../parts/Ago.tsx";
import { href } from "../state/location.ts";
import { moveBetweenRows, useWayToRows } from "../versions/rows.ts";
import type { SchemaField } from "./data.ts";
import type { Subject } from "./subject.ts";
import { named, open, typeText, valueText } from "./words.ts";

const ROWS = 300;

interface TreeProps {
  subject: Subject;
  fields: readonly SchemaField[];
  sought: string;
}

/** Each place of a schema, behind the one it is in. */
export function Tree({ subject, fields, sought }: TreeProps) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [most, setMost] = useState(ROWS);
  const body = useRef<HTMLTableSectionElement>(null);
  useWayToRows(body);
  const wanted = fold(sought);
  const found = wanted ? fields.filter(({ path }) => fold(path).includes(wanted)) : open(fields, closed);
  const toggle = (path: string) => {
    const next = new Set(closed);
    if (!next.delete(path)) next.add(path);
    setClosed(next);
  };
  if (found.length === 0) return <p class="none">No place holds “{sought}”.</p>;
  return (
    <div class="tree">
      <table class="tb schema-tree">
        <thead>
          <tr>
            <th scope="col">Place</th>
            <th scope="col">Type</th>
            <th scope="col">Values</th>
            <th scope="col" class="when">
              Changed
            </th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={(event) => moveBetweenRows(event, body.current)}>
          {found.slice(0, most).map((field) => (
            <Row
              key={field.path}
              subject={subject}
              field={field}
              isFlat={wanted !== ""}
              isClosed={closed.has(field.path)}
              toggle={holds(field) ? () => toggle(field.path) : null}
            />
          ))}
        </tbody>
      </table>
      {found.length > most && (
        <p class="more">
          <button type="button" class="btn" onClick={() => setMost(most + ROWS)}>
            {(found.length - most).toLocaleString()} more places
          </button>
        </p>
      )}
    </div>
  );
}

function holds({ types }: SchemaField): boolean {
  return types.includes("object") || types.includes("array");
}

interface RowProps {
  subject: Subject;
  field: SchemaField;
  isFlat: boolean;
  isClosed: boolean;
  toggle: (() => void) | null;
}

function Row({ subject, field, isFlat, isClosed, toggle }: RowProps) {
  const { depth, name } = named(field.path, subject.whole);
  const label = isFlat ? field.path || name : name;
  const values = valueText(field);
  return (
    <tr data-row tabIndex={toggle && !isFlat ? undefined : -1}>
      <th scope="row" title={field.path} style={isFlat ? undefined : { "--depth": depth }}>
        {toggle && !isFlat ? (
          <button type="button" class="fold" data-open aria-expanded={!isClosed} onClick={toggle}>
            <code>{label}</code>
          </button>
        ) : (
          <code>{label}</code>
        )}
        {field.optional && <small class="quiet"> optional</small>}
      </th>
      <td class="types">{typeText(field)}</td>
      <td class="values" title={values}>
        {values}
      </td>
      <td class="when">
        {field.changed_at && (
          <a href={href(subject.to(field.changed_at))}>
            <Ago at={field.changed_at} />
          </a>
        )}
      </td>
    </tr>
  );
}
