import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { query } from "../state/location.ts";
import { type Pages, usePages } from "../state/pages.ts";
import { useSyncStream } from "../state/stream.ts";
import { ConflictList } from "../sync/ConflictList.tsx";
import { ConflictView } from "../sync/ConflictView.tsx";
import type { Conflict } from "../sync/conflict.ts";
import { DeviceList } from "../sync/DeviceList.tsx";
import { NoDevice } from "../sync/NoDevice.tsx";
import { SpaceBar } from "../sync/SpaceBar.tsx";
import { headersOf, type Space, spaceOf } from "../sync/space.ts";
import { TypeList } from "../sync/TypeList.tsx";
import type { Device } from "../sync/words.ts";
import "../style/lists.css";
import "../style/panel.css";
import "../connect/trio.css";
import "../sync/sync.css";

/** The page looks again so often: how far devices are changes without anything new. */
const AGAIN_MS = 30_000;
/** So long several changes are waited for, to be shown at once. */
const NEWS_MS = 400;
/** Longer lists are looked at again when their reader asks. */
const SHORT = 200;

/** Devices that sync: whether each is up to date, and what two of them disagree about. */
export default function Devices({ params }: PageProps) {
  const project = params.project as string;
  const asked = query.value;
  const space = useMemo(() => spaceOf(asked), [asked.get("person"), asked.get("space")]);
  return (
    <main id="main" class="panel-page wrap app trio-page devices-page">
      <ConnectHead project={project} />
      <SpaceBar project={project} space={space} />
      <OfSpace key={JSON.stringify(space)} project={project} space={space} />
    </main>
  );
}

function OfSpace({ project, space }: { project: string; space: Space }) {
  const headers = headersOf(space);
  const [called, setCalled] = useState("");
  const [turn, setTurn] = useState(0);
  const devices = usePages<Device>(
    (cursor, signal) => {
      const asked = { q: called, sort: "lag" as const, limit: 100, ...(cursor ? { cursor } : {}) };
      return get("/v1/devices", { in: project, query: asked, headers, signal });
    },
    [project, space, called],
  );
  const conflicts = usePages<Conflict>(
    (cursor, signal) => {
      const asked = { limit: 50, ...(cursor ? { cursor } : {}) };
      return get("/v1/sync/conflicts", { in: project, query: asked, headers, signal });
    },
    [project, space],
  );
  const again = () => {
    devices.again();
    conflicts.again();
    setTurn((before) => before + 1);
  };
  const isShown = devices.data !== undefined || conflicts.data !== undefined;
  useAgain(project, headers, isShown, () => {
    if ((devices.data?.length ?? 0) + (conflicts.data?.length ?? 0) <= SHORT) again();
  });
  const error = devices.error ?? conflicts.error;
  const found = devices.data;
  const nobody = found?.length === 0 && called === "" && !devices.more;
  return (
    <>
      {error ? <Failure tried="Loading the devices" error={error} retry={again} /> : null}
      {!found && !error ? <Loading /> : null}
      {nobody ? <NoDevice space={space} /> : null}
      {found && !nobody ? (
        <div class="trio two">
          <section class="step" aria-label="Devices">
            <div class="bar">
              <h2>
                {counted(found.length, "device")}
                {devices.more ? " of more" : ""}
              </h2>
            </div>
            <div class="sum part">
              <DeviceList
                project={project}
                space={space}
                pages={devices}
                find={{ text: called, change: setCalled }}
                again={again}
              />
            </div>
            <div class="bar">
              <h2>Data types</h2>
            </div>
            <div class="sum part">
              <TypeList project={project} space={space} turn={turn} />
            </div>
          </section>
          <Conflicts project={project} space={space} pages={conflicts} again={again} />
        </div>
      ) : null}
    </>
  );
}

interface ConflictsProps {
  project: string;
  space: Space;
  pages: Pages<Conflict>;
  again: () => void;
}

function Conflicts({ project, space, pages, again }: ConflictsProps) {
  const conflicts = pages.data ?? [];
  const asked = query.value.get("conflict");
  const conflict = conflicts.find(({ id }) => id === asked) ?? conflicts[0] ?? null;
  return (
    <section class="doc" aria-label="Conflicts">
      <div class="bar">
        <h2>{conflicts.length > 0 ? counted(conflicts.length, "conflict") : "No conflicts"}</h2>
        {pages.more ? <span class="quiet">the oldest of more</span> : null}
      </div>
      {conflict ? (
        <div class="conflicts">
          <ConflictList pages={pages} chosen={conflict.id} />
          <div class="tree">
            <ConflictView
              key={`${conflict.id} ${conflict.server?.version}`}
              project={project}
              space={space}
              conflict={conflict}
              done={again}
            />
          </div>
        </div>
      ) : (
        <p class="said">
          Nothing waits for a choice. Where both sides of a conflict are kept, what two devices disagree about shows
          here.
        </p>
      )}
    </section>
  );
}

/** Calls `again` now and then while the page is seen, and soon after a device pushed something: before the stream began
 * too, where the page `isShown` already. */
function useAgain(project: string, space: Record<string, string>, isShown: boolean, again: () => void): void {
  const act = useRef(again);
  act.current = again;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const isKnown = useRef(true);
  useEffect(() => {
    const every = setInterval(() => document.visibilityState === "visible" && act.current(), AGAIN_MS);
    return () => {
      clearInterval(every);
      clearTimeout(timer.current);
    };
  }, []);
  useSyncStream(project, space, ({ event }) => {
    if (event !== "news" && event !== "gap") return;
    clearTimeout(timer.current);
    if (isShown) isKnown.current = false; // until then what the stream says, as it begins, is on the page that comes
    timer.current = setTimeout(() => {
      if (!isKnown.current) act.current();
      isKnown.current = false;
    }, NEWS_MS);
  });
}
