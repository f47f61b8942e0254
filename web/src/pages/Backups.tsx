import { useEffect, useState } from "preact/hooks";
import { get, post, type Schemas } from "../api.ts";
import { bytes } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { InstanceFrame, Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { announce } from "../state/announce.ts";
import { usePages } from "../state/pages.ts";

type Backup = Schemas["Backup"];
type State = Schemas["BackupState"];
type LastRestore = Schemas["LastRestore"];

/** So often it is asked anew while a backup is taken or verified, and else, in ms. */
const SOON_MS = 1000;
const ANEW_MS = 60_000;

const COLUMNS = [
  { title: "Taken" },
  { title: "Size", number: true },
  { title: "Verified" },
  { title: "Actions", hidden: true },
];

/** The backups that the server keeps, for its owner: when the next is due, what failed, taking and verifying one. */
export default function Backups() {
  const [state, setState] = useState<State | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [chosen, setChosen] = useState<Backup | null>(null);
  const pages = usePages<Backup>(async (cursor, signal) => {
    const answer = await get("/v1/backups", { query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal });
    setState(answer.state);
    return answer;
  }, []);
  const isRestoring = state?.restored !== undefined && state?.restored !== null && isGoingOn(state.restored);
  const isBusy = state !== null && (state.doing !== null || state.waiting > 0 || isRestoring);
  useEffect(() => {
    if (pages.busy) return;
    const timer = setTimeout(pages.again, isBusy ? SOON_MS : ANEW_MS);
    return () => clearTimeout(timer);
  }, [pages.busy, pages.data, isBusy]);
  const ask = async (sent: Promise<{ state: State }>, said: string) => {
    setError(null);
    try {
      setState((await sent).state);
      announce(said);
      pages.again();
    } catch (caught) {
      setError(caught);
    }
  };
  const verify = (name: string) =>
    ask(post("/v1/backups/{backup}/verify", { path: { backup: name } }), "The backup is being verified");
  const take = (
    <button
      class="btn primary"
      type="button"
      aria-disabled={isBusy}
      onClick={() => isBusy || void ask(post("/v1/backups", { body: {} }), "A backup is being taken")}
    >
      {(state?.doing && DOING[state.doing]) ?? (isRestoring ? DOING.restore : "Take one now")}
    </button>
  );
  return (
    <InstanceFrame>
      <Part
        title="Backups"
        lead={
          <>
            Each is everything of all projects in one state. Restoring one puts it in the place of all that is stored.{" "}
            {state ? <Schedule state={state} /> : null}
          </>
        }
        acts={take}
      >
        {state?.failure ? (
          <p class="wrong" role="alert">
            No backup since <Ago at={state.failure.since} />: {state.failure.reason}
          </p>
        ) : null}
        {state?.restored ? <Restored restored={state.restored} /> : null}
        {error ? <Failure tried="Asking for it" error={error} /> : null}
        <Table
          name="Backups"
          pages={pages}
          columns={COLUMNS}
          keyOf={(backup) => backup.name}
          row={(backup) => <Row backup={backup} verify={verify} restore={setChosen} isBusy={isBusy} />}
          empty={<p>There is none yet.</p>}
        />
      </Part>
      {chosen ? (
        <Destroy
          title="Restore this backup"
          lead={
            <>
              The server starts anew with what was stored <Ago at={chosen.taken_at} />. What came since goes, with the
              keys, people and settings of since; what was deleted since is back. Keys that were revoked, people who
              were disabled, deleted or removed from a project, and roles that were lowered since stay so. Everybody has
              to sign in again, devices that sync begin anew. The database as it is now is kept beside it.
            </>
          }
          name={chosen.name}
          label="Type the backup's name"
          action="Restore it"
          run={async () => {
            const { name } = chosen;
            const answer = await post("/v1/backups/{backup}/restore", {
              path: { backup: name },
              body: { confirm: name },
            });
            setState(answer.state);
            setChosen(null);
            announce("The backup is being restored");
            pages.again();
          }}
          close={() => setChosen(null)}
        />
      ) : null}
    </InstanceFrame>
  );
}

const DOING = { take: "Taking one…", verify: "Verifying one…", restore: "Restoring one…" } as const;

const isGoingOn = (restored: LastRestore) => restored.finished_at === null && restored.fault === null;

function Restored({ restored }: { restored: LastRestore }) {
  const { backup, asked_at, finished_at, kept, fault } = restored;
  if (fault)
    return (
      <p class="wrong" role="alert">
        <Ago at={asked_at} /> {backup} could not be restored, and nothing was changed: {fault}
      </p>
    );
  if (!finished_at) return <p role="status">{backup} is being restored: the server starts anew in a moment.</p>;
  return (
    <p class="quiet">
      Restored from {backup} <Ago at={finished_at} />.
      {kept ? (
        <>
          {" "}
          What was stored before is <code>{kept}</code> in the data directory: delete it when you are content.
        </>
      ) : null}
    </p>
  );
}

function Schedule({ state }: { state: State }) {
  if (state.next_at)
    return (
      <>
        The next one is due <Ago at={state.next_at} />, and kept in <code>{state.place}</code>.
      </>
    );
  return (
    <>
      None is scheduled: set <code>backups.schedule</code>, such as <code>03:30</code>. They are kept in{" "}
      <code>{state.place}</code>.
    </>
  );
}

interface RowProps {
  backup: Backup;
  verify: (name: string) => Promise<void>;
  restore: (backup: Backup) => void;
  isBusy: boolean;
}

function Row({ backup, verify, restore, isBusy }: RowProps) {
  return (
    <>
      <th scope="row">
        <Ago at={backup.taken_at} />
        <small>{backup.name}</small>
      </th>
      <td class="n" data-name="Size">
        {bytes(backup.bytes)}
      </td>
      <td data-name="Verified" class={backup.fault ? "wrong" : undefined}>
        {backup.fault ?? (backup.verified_at ? <Ago at={backup.verified_at} /> : <span class="quiet">not lately</span>)}
      </td>
      <td class="row-acts">
        <button
          class="btn"
          type="button"
          aria-label={`Verify ${backup.name}`}
          aria-disabled={isBusy}
          onClick={() => isBusy || void verify(backup.name)}
        >
          Verify
        </button>
        <button class="btn" type="button" aria-label={`Restore ${backup.name}`} onClick={() => restore(backup)}>
          Restore
        </button>
      </td>
    </>
  );
}
