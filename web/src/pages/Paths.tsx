import { useMemo, useState } from "preact/hooks";
import { post } from "../api.ts";
import { AskedFrame } from "../behaviour/AskedFrame.tsx";
import { FlowView } from "../behaviour/FlowView.tsx";
import { DEPTHS, flowOf, GAPS, MOST_MOVES, type Move, movesOf, nameOf } from "../behaviour/flow.ts";
import { AddressPick, TypePick } from "../behaviour/TypePick.tsx";
import { oneOf, useAsked } from "../behaviour/useAsked.ts";
import { useTypes } from "../behaviour/useTypes.ts";
import { type Counted, PersonsDialog } from "../behind/PersonsDialog.tsx";
import { findFields } from "../explore/asking.ts";
import { Conditions } from "../explore/Conditions.tsx";
import { figure } from "../explore/names.ts";
import type { Row } from "../explore/rows.ts";
import { counted } from "../numbers.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query } from "../state/location.ts";

const NOTHING = { groups: [], numbers: [] };
const USUAL = "7d";
const WAYS = { next: "what comes next", previous: "what came before" } as const;

/** What people do after something, or did before it. */
export default function Paths({ params }: PageProps) {
  const project = params.project as string;
  const { question, range, saved, filters, zone, key } = useAsked(USUAL);
  const types = useTypes(project, range);
  const [open, setOpen] = useState<Counted | null>(null);
  const start = query.value.get("start") ?? "";
  const by = query.value.get("by") || "eventType";
  const direction = oneOf<keyof typeof WAYS>(query.value.get("way"), WAYS, "next");
  const depth = oneOf(query.value.get("depth"), DEPTHS, "3");
  const gap = oneOf(query.value.get("gap"), GAPS, "30m");
  const spec = {
    ...(start ? { start } : {}),
    by,
    direction,
    depth: Number(depth),
    gap,
    timezone: zone,
    filters,
    limit: MOST_MOVES,
  };
  const fields = useLoad((signal) => findFields(project, question, signal), [project, range.join()]);
  const found = useLoad(
    async (signal) => {
      const answer = await post("/v1/query/paths", { in: project, body: { ...spec, range }, signal });
      return { moves: movesOf(answer.rows as readonly Row[]), query: answer.query };
    },
    [project, key, range.join()],
  );
  const openMove = ({ step, from, to, users }: Move) => {
    if (!found.data) return;
    const title = `${nameOf(from)} to ${nameOf(to)}: ${counted(users, "person", "people")}`;
    setOpen({ title, part: { paths: found.data.query, part: { step, from, to } } });
  };
  const flow = useMemo(() => flowOf(found.data?.moves ?? []), [found.data]);
  const groups = (fields.data ?? NOTHING).groups.filter((field) => field !== "tags");
  const names = Object.fromEntries([...new Set(["eventType", by, ...groups])].map((field) => [field, field]));
  return (
    <AskedFrame
      project={project}
      kind="paths"
      spec={() => ({ ...spec, range: saved })}
      range={question.range}
      usual={USUAL}
      picks={
        <>
          <AddressPick label="Direction" name="way" value={direction} usual="next" options={WAYS} />
          <TypePick label="Start" name="start" value={start} types={types} none="after a pause" />
          <span class="word">by</span>
          <AddressPick label="By" name="by" value={by} usual="eventType" options={names} />
          <span class="word">where</span>
          <Conditions found={fields.data ?? NOTHING} />
          <span class="word">for</span>
          <AddressPick label="Depth" name="depth" value={depth} usual="3" options={DEPTHS} />
          <span class="word">until a pause of</span>
          <AddressPick label="Pause" name="gap" value={gap} usual="30m" options={GAPS} />
        </>
      }
      label="Paths"
      found={found}
      tried="Following people"
      empty={
        found.data?.moves.length === 0
          ? "Nobody went from one to another in this time: take a longer pause, or another start."
          : null
      }
      isSilent={fields.data?.groups.length === 0}
    >
      {flow.nodes.length > 0 ? <FlowView flow={flow} open={openMove} /> : null}
      {found.data && found.data.moves.length > 0 ? <Moves moves={found.data.moves} open={openMove} /> : null}
      {open ? <PersonsDialog project={project} {...open} close={() => setOpen(null)} /> : null}
    </AskedFrame>
  );
}

function Moves({ moves, open }: { moves: readonly Move[]; open: (move: Move) => void }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long ones scroll
    <section class="tree" tabIndex={0} aria-label="Moves">
      <table class="tb">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" class="n">
              Times
            </th>
            <th scope="col" class="n">
              People
            </th>
          </tr>
        </thead>
        <tbody>
          {moves.map((move) => (
            <tr key={`${move.step} ${nameOf(move.from)} ${nameOf(move.to)}`}>
              <td>{move.step}</td>
              <td>{nameOf(move.from)}</td>
              <td>{nameOf(move.to)}</td>
              <td class="n">{figure(move.times)}</td>
              <td class="n">
                <button class="btn ghost" type="button" onClick={() => open(move)}>
                  {counted(move.users, "person", "people")}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
