import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { PLACES, type SavedItem } from "../saved/kinds.ts";
import { listSaved } from "../saved/requests.ts";
import { usePages } from "../state/pages.ts";
import "../saved/saved.css";

/** Which saved query becomes a tile. */
export function AddTile({ project, add, close }: { project: string; add: (id: string) => void; close: () => void }) {
  const pages = usePages<SavedItem>((cursor, signal) => listSaved(project, null, cursor, signal), [project]);
  return (
    <Dialog title="A saved query as a tile" close={close}>
      {pages.error ? <Failure tried="Listing saved queries" error={pages.error} retry={pages.again} /> : null}
      {!pages.data && !pages.error ? <Loading /> : null}
      {pages.data?.length === 0 ? (
        <p class="said">Nothing is saved yet: the explorer, funnels, retention, paths and SQL have Save.</p>
      ) : null}
      <ul class="saved-list">
        {pages.data?.map(({ id, name, kind }) => (
          <li key={id} class="bar">
            <button class="btn ghost" type="button" onClick={() => add(id)}>
              {name}
            </button>
            <span class="quiet">{PLACES[kind][0]}</span>
          </li>
        ))}
      </ul>
      <div class="acts">
        {pages.more ? (
          <button class="btn" type="button" disabled={pages.busy} onClick={pages.next}>
            More
          </button>
        ) : null}
        <button class="btn" type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
