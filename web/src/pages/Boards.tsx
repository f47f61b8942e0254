import { useState } from "preact/hooks";
import type { Schemas } from "../api.ts";
import { listBoards, makeBoard } from "../boards/requests.ts";
import { EventsHead } from "../explore/EventsHead.tsx";
import { count } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { at, go, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import "../style/lists.css";
import "../explore/explore.css";

/** The boards of a project. */
export default function Boards({ params }: PageProps) {
  const project = params.project as string;
  const [making, setMaking] = useState(false);
  const close = () => setMaking(false);
  const pages = usePages<Schemas["BoardItem"]>((cursor, signal) => listBoards(project, cursor, signal), [project]);
  const make = async (data: FormData) => {
    const made = await makeBoard(project, text(data, "name"));
    go(at("p", project, "events", "boards", made.id));
  };
  return (
    <main id="main" class="wrap app explore-page boards-page">
      <EventsHead project={project}>
        {may("boards:write") && pages.data && pages.data.length > 0 ? <New open={() => setMaking(true)} /> : null}
      </EventsHead>
      {pages.error ? <Failure tried="Listing boards" error={pages.error} retry={pages.again} /> : null}
      {!pages.data && !pages.error ? <Loading /> : null}
      {pages.data?.length === 0 ? (
        <div class="none">
          <p>No boards yet. A board has saved queries as tiles, for a wall or for others by a link.</p>
          {may("boards:write") ? <New open={() => setMaking(true)} /> : null}
        </div>
      ) : null}
      {pages.data && pages.data.length > 0 ? (
        <section class="doc" aria-label="Boards">
          <div class="tree">
            <table class="tb">
              <thead>
                <tr>
                  <th scope="col">Board</th>
                  <th scope="col" class="n">
                    Tiles
                  </th>
                  <th scope="col">Changed</th>
                </tr>
              </thead>
              <tbody>
                {pages.data.map((board) => (
                  <tr key={board.id}>
                    <th scope="row">
                      <a class="link" href={href(at("p", project, "events", "boards", board.id))}>
                        {board.name}
                      </a>
                    </th>
                    <td class="n">{count(board.tiles_count)}</td>
                    <td>
                      <Ago at={board.updated_at} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {pages.more ? (
            <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
              More
            </button>
          ) : null}
        </section>
      ) : null}
      {making ? (
        <Dialog title="New board" close={close}>
          <Form send={make} tried="Making the board">
            {(form) => (
              <>
                <Field form={form} label="Name" name="name" required maxLength={200} autofocus autocomplete="off" />
                <SubmitOrCancel form={form} close={close}>
                  Make
                </SubmitOrCancel>
              </>
            )}
          </Form>
        </Dialog>
      ) : null}
    </main>
  );
}
function New({ open }: { open: () => void }) {
  return (
    <button class="btn primary" type="button" onClick={open}>
      New board
    </button>
  );
}
