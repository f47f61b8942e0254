import { useEffect } from "preact/hooks";
import { get } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { DeviceList } from "../sync/DeviceList.tsx";
import "../style/panel.css";
import "../connect/trio.css";
import "../sync/sync.css";

/** The page looks again so often. */
const AGAIN_MS = 30_000;

/** Devices that sync: whether each is up to date. */
export default function Devices({ params }: PageProps) {
  const project = params.project as string;
  const found = useLoad((signal) => get("/v1/devices", { in: project, signal }), [project]);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && found.again(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const devices = found.data?.data ?? [];
  return (
    <main id="main" class="panel-page wrap app trio-page devices-page">
      <ConnectHead project={project} />
      {found.error ? <Failure tried="Loading the devices" error={found.error} retry={found.again} /> : null}
      {!found.data && !found.error ? <Loading /> : null}
      {found.data && devices.length === 0 ? <None /> : null}
      {devices.length > 0 ? (
        <div class="trio two">
          <section class="step" aria-label="Devices">
            <div class="bar">
              <h2>Devices</h2>
            </div>
            <DeviceList project={project} devices={devices} again={found.again} />
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
