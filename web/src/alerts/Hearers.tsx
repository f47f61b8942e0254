// biome-ignore-all lint/suspicious/noThenProperty: as the server names what becomes of quiet hours
import { get, type Schemas } from "../api.ts";
import { useLoad } from "../state/load.ts";
import { zone } from "../state/zone.ts";
import { Clock, Line, type PartProps, Pick } from "./inputs.tsx";
import { hearers, turned } from "./telling.ts";

/** Who is told, at once or in a digest. */
export function Tell({ project, draft, set }: PartProps & { project: string }) {
  const webhooks = useLoad((signal) => get("/v1/webhooks", { in: project, signal }), [project]);
  const tell = draft.tell ?? [];
  const { data, busy } = webhooks;
  const all = data || !busy ? hearers(data?.data ?? [], tell) : [];
  const { digest } = draft;
  const at = digest?.at ?? "08:00";
  return (
    <Line name="Tell">
      {all.length === 0 && !busy ? <span class="quiet">whoever hears of alerts: no webhook yet</span> : null}
      {all.map((each) => (
        <label key={each.id} class="pick">
          <input type="checkbox" checked={each.isTold} onChange={() => set({ tell: turned(each, tell) })} />
          {each.name}
        </label>
      ))}
      {all.length > 0 && tell.length === 0 && !digest ? (
        <span class="quiet"> none chosen: those that hear of alerts</span>
      ) : null}{" "}
      <Pick
        label="Digest"
        value={digest?.every ?? ""}
        options={{ "": "each by itself", hourly: "gathered each hour", daily: "gathered each day" }}
        choose={(every) =>
          set({ digest: every ? { every: every as "hourly" | "daily", at, timezone: zone.value } : null })
        }
      />
      {digest?.every === "daily" ? (
        <Clock label="Digest at" value={at} set={(time) => set({ digest: { ...digest, at: time } })} />
      ) : null}
    </Line>
  );
}

/** When nobody is. */
export function Quiet({ draft, set }: PartProps) {
  const { quiet } = draft;
  const change = (part: Partial<Schemas["Quiet"]>) => quiet && set({ quiet: { ...quiet, ...part } });
  return (
    <Line name="Quiet">
      <Pick
        label="Quiet hours"
        value={quiet?.then ?? ""}
        options={{ "": "never", hold: "held until they end", drop: "told nobody" }}
        choose={(then) =>
          set({
            quiet: then
              ? { ...(quiet ?? { from: "22:00", to: "07:00", timezone: zone.value }), then: then as "hold" | "drop" }
              : null,
          })
        }
      />
      {quiet ? (
        <>
          {" "}
          from <Clock label="Quiet from" value={quiet.from} set={(from) => change({ from })} /> to{" "}
          <Clock label="Quiet to" value={quiet.to} set={(to) => change({ to })} />{" "}
          <span class="quiet">{quiet.timezone}</span>
        </>
      ) : null}
    </Line>
  );
}
