import { chipName } from "../compare/values.ts";
import { count, percent } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { href } from "../state/location.ts";
import type { Field } from "./data.ts";

export type FieldState = "shown" | "tried" | "ignored";

const SAID: Record<FieldState, string> = { shown: "Ignore", tried: "Trying", ignored: "Ignored" };

export interface FieldRowProps {
  field: Field;
  state: FieldState;
  spark: number[] | undefined;
  links: { document: string | null; changes: string; chart: string | null };
  toggle: () => void;
}

export function FieldRow({ field, state, spark, links, toggle }: FieldRowProps) {
  const { lead, last: name } = chipName(field.path);
  const share = field.share_of_deltas;
  const when = field.last_changed_at && <Ago at={field.last_changed_at} />;
  return (
    <tr class={state} data-row>
      <th scope="row" title={field.path}>
        <a href={href(links.changes)} data-open>
          <code>
            {lead && <span class="quiet">{lead}</span>}
            {name}
          </code>
        </a>
      </th>
      <td class="n">{count(field.changes)}</td>
      <td class="shr">
        <svg class="ratio" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="all" width="100" height="4" />
          <rect class="ink-f" width={Math.max(0.5, share * 100)} height="4" />
        </svg>
        <small>{percent(share)}</small>
      </td>
      <td class="spc">{spark && <Spark bars={spark} />}</td>
      <td class="when">{when && (links.document ? <a href={href(links.document)}>{when}</a> : when)}</td>
      <td class="types">
        {field.types.join(", ")}
        {links.chart && (
          <>
            {" "}
            <a class="quiet" href={href(links.chart)}>
              chart
            </a>
          </>
        )}
      </td>
      <td class="act">
        <button
          type="button"
          class="btn"
          aria-pressed={state !== "shown"}
          disabled={state === "ignored"}
          onClick={toggle}
        >
          {SAID[state]}
          <span class="sr"> {field.path}</span>
        </button>
      </td>
    </tr>
  );
}

const HEIGHT = 18;

function Spark({ bars }: { bars: number[] }) {
  const most = Math.max(1, ...bars);
  return (
    <svg class="spark" viewBox={`0 0 ${bars.length * 3} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {bars.map((count, i) => {
        const height = count === 0 ? 0 : Math.max(1.5, (count / most) * HEIGHT);
        return height > 0 && <rect key={i} x={i * 3} width="2.2" y={HEIGHT - height} height={height} />;
      })}
    </svg>
  );
}
