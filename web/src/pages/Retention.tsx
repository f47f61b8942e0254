import { useState } from "preact/hooks";
import { post } from "../api.ts";
import { AskedFrame } from "../behaviour/AskedFrame.tsx";
import { AddressPick, TypePick } from "../behaviour/TypePick.tsx";
import {
  averages,
  type Cell,
  type Cohort,
  cohortsOf,
  EVERY,
  type Every,
  PERIODS,
  shadeOf,
} from "../behaviour/triangle.ts";
import { oneOf, useAsked } from "../behaviour/useAsked.ts";
import { useTypes } from "../behaviour/useTypes.ts";
import { type Counted, PersonsDialog } from "../behind/PersonsDialog.tsx";
import { Conditions } from "../explore/Conditions.tsx";
import { figure } from "../explore/names.ts";
import type { Row } from "../explore/rows.ts";
import { counted, percent } from "../numbers.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query, setQuery } from "../state/location.ts";
import { longDay } from "../time/clock.ts";

const NOTHING = { groups: [], numbers: [] };
const USUAL = "30d";

/** Who comes back: persons by the time they began, and the share of them in each period after. */
export default function Retention({ params }: PageProps) {
  const project = params.project as string;
  const { question, range, saved, filters, zone, key } = useAsked(USUAL);
  const types = useTypes(project, range);
  const [open, setOpen] = useState<Counted | null>(null);
  const [start, again] = [query.value.get("start") ?? "", query.value.get("again") ?? ""];
  const every = oneOf<Every>(query.value.get("every"), EVERY, "1d");
  const periods = oneOf(query.value.get("periods"), PERIODS, "8");
  const isFirst = query.value.get("first") === "1";
  const spec = {
    ...(start ? { start } : {}),
    ...(again ? { again } : {}),
    every,
    periods: Number(periods),
    firstEver: isFirst,
    timezone: zone,
    filters,
  };
  const found = useLoad(
    async (signal) => {
      const answer = await post("/v1/query/retention", { in: project, body: { ...spec, range }, signal });
      return { cohorts: cohortsOf(answer.rows as readonly Row[]), query: answer.query };
    },
    [project, key, range.join()],
  );
  const answer = found.data;
  return (
    <AskedFrame
      project={project}
      kind="retention"
      spec={() => ({ ...spec, range: saved })}
      range={question.range}
      usual={USUAL}
      picks={
        <>
          <span class="word">began with</span>
          <TypePick label="Began with" name="start" value={start} types={types} none="any event" />
          <button
            class="fchip"
            type="button"
            aria-pressed={isFirst}
            onClick={() => setQuery({ first: isFirst ? null : "1" })}
          >
            for the first time ever
          </button>
          <span class="word">came back with</span>
          <TypePick label="Came back with" name="again" value={again} types={types} none="any event" />
          <span class="word">where</span>
          <Conditions found={NOTHING} />
          <span class="word">each</span>
          <AddressPick label="Each" name="every" value={every} usual="1d" options={EVERY} />
          <span class="word">for</span>
          <AddressPick label="Periods" name="periods" value={periods} usual="8" options={PERIODS} />
        </>
      }
      label="Who came back"
      found={found}
      tried="Counting who came back"
      empty={found.data?.cohorts.length === 0 ? "Nobody began in this time." : null}
      isSilent={types.length === 0}
    >
      {answer && answer.cohorts.length > 0 ? (
        <Triangle
          cohorts={answer.cohorts}
          every={every}
          zone={zone}
          open={({ users, cohort, period }) =>
            setOpen({
              title: `${counted(users, "person", "people")}, ${EVERY[every]} ${period}`,
              part: { retention: answer.query, part: { cohort, period } },
            })
          }
        />
      ) : null}
      {open ? <PersonsDialog project={project} {...open} close={() => setOpen(null)} /> : null}
    </AskedFrame>
  );
}

interface TriangleProps {
  cohorts: readonly Cohort[];
  every: Every;
  zone: string;
  open: (cell: Cell) => void;
}

function Triangle({ cohorts, every, zone, open }: TriangleProps) {
  const means = averages(cohorts);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: wide ones scroll
    <section class="tree" tabIndex={0} aria-label="Cohorts">
      <table class="tb triangle">
        <thead>
          <tr>
            <th scope="col">Began</th>
            <th scope="col" class="n">
              People
            </th>
            {means.map((_, period) => (
              <th key={period} scope="col" class="n">
                {period === 0 ? `This ${EVERY[every]}` : `+${period}`}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">All, where it is over</th>
            <td class="n">{figure(cohorts.reduce((sum, { size }) => sum + size, 0))}</td>
            {means.map((mean, period) => (
              <td key={period} class="n">
                {mean === null ? "" : percent(mean)}
              </td>
            ))}
          </tr>
          {cohorts.map(({ at, size, cells }) => (
            <tr key={at}>
              <th scope="row">{longDay(Date.parse(at), zone)}</th>
              <td class="n">{figure(size)}</td>
              {cells.map((cell) => (
                <td key={cell.period}>
                  <button
                    class={`cell heat-${shadeOf(cell.share)}${cell.isComplete ? "" : " open"}`}
                    type="button"
                    disabled={cell.users === 0}
                    title={`${figure(cell.users)} of ${figure(size)}${cell.isComplete ? "" : ", so far"}`}
                    onClick={() => open(cell)}
                  >
                    {percent(cell.share)}
                  </button>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
