import { post, type Schemas } from "../api.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { at, href } from "../state/location.ts";
import { usePages } from "../state/pages.ts";
import "./behind.css";

type Sent = Schemas["PersonsRequest"];
/** A question with the part of its answer; the description of the API knows no members of an open object. */
export type Part = Omit<Sent, "part" | "limit" | "cursor"> & { part: Readonly<Record<string, unknown>> };

/** What was clicked, with the question whose answer it stood in: what is drawn may be another's meanwhile. */
export interface Counted {
  title: string;
  part: Part;
}

interface PersonsProps extends Counted {
  project: string;
  close: () => void;
}

const PAGE = 100;

/** Who is counted in a part of what is drawn. */
export function PersonsDialog({ project, title, part, close }: PersonsProps) {
  const pages = usePages<Schemas["CountedPerson"]>(
    (cursor, signal) => {
      const body = { ...part, limit: PAGE, ...(cursor ? { cursor } : {}) } as unknown as Sent;
      return post("/v1/query/persons", { in: project, body, signal });
    },
    [project, JSON.stringify(part)],
  );
  return (
    <Dialog title={title} close={close}>
      {pages.error ? <Failure tried="Listing people" error={pages.error} retry={pages.again} /> : null}
      {!pages.data && !pages.error ? <Loading /> : null}
      {pages.data?.length === 0 ? <p class="said">Nobody.</p> : null}
      {pages.data && pages.data.length > 0 ? (
        <>
          <ul class="behind">
            {pages.data.map(({ id }) => (
              <li key={id}>
                <a class="link" href={href(at("p", project, "events", "people", id))}>
                  {id}
                </a>
              </li>
            ))}
          </ul>
          {pages.more ? (
            <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
              More
            </button>
          ) : null}
        </>
      ) : null}
      <div class="acts">
        <button class="btn" type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
