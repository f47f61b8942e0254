import "../style/ledger.css";
import { useState } from "preact/hooks";
import { lastPart } from "../addresses.ts";
import { get, type Schemas } from "../api.ts";
import { Pop } from "../compare/Pop.tsx";
import { parted } from "../document/paths.ts";
import { count } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Problem } from "../problem.ts";
import { useLoad } from "../state/load.ts";
import { usePaused } from "../state/paused.ts";

interface PickProps {
  project: string;
  endpoint: string;
  /** Of the array or map whose records are drawn. */
  array: string;
  /** Paths of those that are; all where it is empty. */
  chosen: readonly string[];
  choose: (records: readonly string[]) => void;
}

const SHOWN = 40;
/** The server draws so many by name. */
const MOST = 50;

/** Which records are drawn: found by their key or label, a click adds or takes one. */
export function RecordsPick(props: PickProps) {
  const { chosen } = props;
  const said =
    chosen.length === 0 ? "All records" : chosen.length === 1 ? "One record" : `${count(chosen.length)} records`;
  const [open, setOpen] = useState(false);
  const button = (
    <>
      {said}
      <Icon name="down" />
    </>
  );
  return (
    <div class="records-of" onFocusIn={() => setOpen(true)} onPointerEnter={() => setOpen(true)}>
      <Pop class="btn" label="Which records are drawn" button={button}>
        {() => (open ? <Found {...props} /> : null)}
      </Pop>
    </div>
  );
}

function Found(props: PickProps) {
  const { project, endpoint, array, chosen, choose } = props;
  const [typed, setTyped] = useState("");
  const sought = usePaused(typed);
  const version = useLoad(
    async (signal) => {
      const page = await get("/v1/snapshots", { in: project, query: { endpoint_id: endpoint, limit: 1 }, signal });
      return page.data[0]?.id ?? null;
    },
    [project, endpoint],
  );
  const id = version.data ?? null;
  const found = useLoad(
    async (signal) => {
      if (id === null) return null;
      const query = { q: sought, path: array, count: SHOWN };
      return get("/v1/snapshots/{snapshot_id}/records", { in: project, path: { snapshot_id: id }, query, signal });
    },
    [project, id, array, sought],
  );
  const gone = useGone(props, id);
  const own = (found.data?.rows ?? []).filter((hit) => parted(hit.path).above === array);
  const known = new Map(own.map((hit) => [hit.path, hit]));
  const shown = [...chosen.map((path) => known.get(path) ?? { path, label: null, key: [] }), ...own];
  const listed = shown.filter((hit, i) => (i >= chosen.length ? !chosen.includes(hit.path) : true));
  const toggle = (path: string) =>
    choose(chosen.includes(path) ? chosen.filter((other) => other !== path) : [...chosen, path]);
  const left = (found.data?.of ?? 0) - (found.data?.rows.length ?? 0);
  return (
    <>
      <label>
        Records by key or label
        <input type="search" value={typed} onInput={(event) => setTyped(event.currentTarget.value.slice(0, 200))} />
      </label>
      {found.error ? <Failure tried="Looking for records" error={found.error} retry={found.again} /> : null}
      <ul>
        {listed.map((hit) => (
          <li key={hit.path}>
            <label class="one">
              <input
                type="checkbox"
                checked={chosen.includes(hit.path)}
                disabled={chosen.length >= MOST && !chosen.includes(hit.path)}
                onChange={() => toggle(hit.path)}
              />
              <Named hit={hit} gone={gone.has(hit.path)} />
            </label>
          </li>
        ))}
      </ul>
      {found.data && own.length === 0 ? <p class="quiet">No record of the latest version is called so.</p> : null}
      {left > 0 ? (
        <p class="quiet">
          and {count(left)} more{found.data?.complete === false ? " at least" : ""}
        </p>
      ) : null}
      {chosen.length > 0 ? (
        <button class="btn" type="button" onClick={() => choose([])}>
          All records
        </button>
      ) : null}
    </>
  );
}

/** Those chosen that the latest version no longer has: they came with the address, and only go from here. */
function useGone({ project, chosen }: PickProps, id: string | null): ReadonlySet<string> {
  const looked = useLoad(
    async (signal) => {
      if (id === null) return [];
      const isGone = async (path: string) => {
        try {
          const query = { path, count: 1 };
          await get("/v1/snapshots/{snapshot_id}/records", { in: project, path: { snapshot_id: id }, query, signal });
          return [];
        } catch (error) {
          if (error instanceof Problem && error.status === 404) return [path];
          throw error;
        }
      };
      return (await Promise.all(chosen.map(isGone))).flat();
    },
    [project, id, chosen.join("\n")],
  );
  return new Set(looked.data);
}

function Named({ hit, gone }: { hit: Pick<Schemas["RecordHit"], "path" | "label" | "key">; gone: boolean }) {
  const key = hit.key.map(lastPart).join(", ");
  const name = hit.label ?? (key || parted(hit.path).name);
  return (
    <>
      <bdi class={gone ? "quiet" : undefined}>{name}</bdi>
      {gone ? <small>not in the latest version</small> : key && key !== name ? <small>{key}</small> : null}
    </>
  );
}
