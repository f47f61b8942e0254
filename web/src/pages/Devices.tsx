import { useEffect } from "preact/hooks";
import { get } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { counted } from "../numbers.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { query } from "../state/location.ts";
import { ConflictList } from "../sync/ConflictList.tsx";
import { ConflictView } from "../sync/ConflictView.tsx";
import { DataTypes } from "../sync/DataTypes.tsx";
import { DeviceList } from "../sync/DeviceList.tsx";
import "../style/lists.css";
import "../style/panel.css";
import "../connect/trio.css";
import "../sync/sync.css";

/** The page looks again so often. */
const AGAIN_MS = 30_000;

/** Devices that sync: whether each is up to date, and what two of them disagree about. */
export default function Devices({ params }: PageProps) {
  const project = params.project as string;
  const found = useLoad((signal) => get("/v1/devices", { in: project, signal }), [project]);
  const disagreed = useLoad((signal) => get("/v1/sync/conflicts", { in: project, signal }), [project]);
  const types = useLoad((signal) => get("/v1/sync/types", { in: project, signal }), [project]);
  const again = () => {
    found.again();
    types.again();
    disagreed.again();
  };
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && again(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const devices = found.data?.data ?? [];
  const conflicts = disagreed.data?.data ?? [];
  const asked = query.value.get("conflict");
  const conflict = conflicts.find(({ id }) => id === asked) ?? conflicts[0] ?? null;
  const error = found.error ?? disagreed.error ?? types.error;
  return (
    <main id="main" class="panel-page wrap app trio-page devices-page">
      <ConnectHead project={project} />
      {error ? <Failure tried="Loading the devices" error={error} retry={again} /> : null}
      {!found.data && !error ? <Loading /> : null}
      {found.data && devices.length === 0 ? <None /> : null}
      {devices.length > 0 ? (
        <div class="trio two">
          <section class="step" aria-label="Devices">
            <div class="bar">
              <h2>{counted(devices.length, "device")}</h2>
            </div>
            <div class="sum">
              <DeviceList project={project} devices={devices} again={again} />
              <div class="part-h">
                <h3>Data types</h3>
              </div>
              <DataTypes project={project} types={types.data?.data ?? []} again={again} />
            </div>
          </section>
          <section class="doc" aria-label="Conflicts">
            <div class="bar">
              <h2>{conflicts.length > 0 ? counted(conflicts.length, "conflict") : "No conflicts"}</h2>
              {disagreed.data?.has_more ? <span class="quiet">the oldest of more</span> : null}
            </div>
            <div class="tree">
              {conflict ? (
                <>
                  <ConflictList conflicts={conflicts} chosen={conflict.id} />
                  <ConflictView
                    key={`${conflict.id} ${conflict.server?.version}`}
                    project={project}
                    conflict={conflict}
                    done={again}
                  />
                </>
              ) : (
                <p class="whole">
                  Nothing waits for a choice. Data types whose conflicts are `manual` keep here what two devices
                  disagree about.
                </p>
              )}
            </div>
          </section>
        </div>
      ) : null}
    </main>
  );
}

function None() {
  return (
    <div class="none">
      <p>No device yet. Apps keep records offline and sync them here: each device shows with its first push.</p>
      <p class="quiet">POST /v1/sync/notes/delta pushes, GET /v1/sync/notes/delta pulls.</p>
    </div>
  );
}
