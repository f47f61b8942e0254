import { useEffect, useRef, useState } from "preact/hooks";
import type { Schemas } from "../api.ts";
import { openShared, runShared } from "../boards/requests.ts";
import { TileFrame } from "../boards/TileFrame.tsx";
import { useEvery } from "../boards/useEvery.ts";
import { counted } from "../numbers.ts";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { Gate } from "../parts/Gate.tsx";
import { Loading } from "../parts/Loading.tsx";
import { Problem } from "../problem.ts";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { address } from "../state/location.ts";
import "../charts/charts.css";
import "../style/lists.css";
import "../explore/explore.css";
import "../behaviour/behaviour.css";
import "../boards/boards.css";

type Opened = Schemas["SharedBoard"];

/** A board by a link: the secret stands behind the `#`, so that no server's log has it. */
export default function Shared({ params }: PageProps) {
  const link = params.link as string;
  const token = address.value.hash.slice(1);
  const password = useRef<string | undefined>(undefined);
  const [opened, setOpened] = useState<Opened | null>(null);
  const [asks, setAsks] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  const open = async (signal?: AbortSignal) => {
    const body = { token, ...(password.current === undefined ? {} : { password: password.current }) };
    setOpened(await openShared(link, body, signal));
    setAsks(false);
  };
  const reopen = (signal?: AbortSignal) =>
    open(signal).catch((error: unknown) => {
      if (signal?.aborted) return;
      if (error instanceof Problem && error.status === 401) setAsks(true);
      else setFailed(error);
    });
  useEffect(() => {
    const control = new AbortController();
    void reopen(control.signal);
    return () => control.abort();
  }, [link, token]);
  if (failed) {
    const said = failed instanceof Problem ? failed.message : "the board cannot be opened";
    return <Gate title="No board here" lead={said} children={null} />;
  }
  if (asks) {
    const send = async (data: FormData) => {
      password.current = text(data, "password");
      await open();
    };
    return (
      <Gate title="This board asks for a password">
        <Form send={send} tried="Opening the board">
          {(form) => (
            <>
              <Field
                form={form}
                label="Password"
                name="password"
                type="password"
                required
                autofocus
                autocomplete="current-password"
              />
              <Submit form={form}>Open</Submit>
            </>
          )}
        </Form>
      </Gate>
    );
  }
  if (!opened) return <Loading />;
  return <SharedView link={link} board={opened} reopen={() => void reopen()} />;
}

function SharedView({ link, board, reopen }: { link: string; board: Opened; reopen: () => void }) {
  const turn = useEvery();
  const grid = useRef<HTMLDivElement>(null);
  return (
    <main id="main" class="wrap app explore-page shared-page">
      <header>
        <h1>{board.name}</h1>
        <span class="grow" />
        <button class="btn" type="button" onClick={() => void grid.current?.requestFullscreen()}>
          Full screen
        </button>
      </header>
      {board.hidden_tiles > 0 ? (
        <p class="quiet">{counted(board.hidden_tiles, "tile")} not shown: changed since the board was shared.</p>
      ) : null}
      <div ref={grid} class="board">
        {board.tiles.map((tile) => (
          <SharedTile key={tile.id} link={link} tile={tile} ticket={board.ticket ?? ""} turn={turn} reopen={reopen} />
        ))}
      </div>
    </main>
  );
}

interface TileProps {
  link: string;
  tile: Opened["tiles"][number];
  ticket: string;
  turn: number;
  reopen: () => void;
}

function SharedTile({ link, tile, ticket, turn, reopen }: TileProps) {
  const answer = useLoad((signal) => runShared(link, tile.id, ticket, signal), [link, tile.id, ticket, turn]);
  const isOver = answer.error instanceof Problem && answer.error.status === 401;
  useEffect(() => {
    if (isOver) reopen(); // tickets are for half a day, a wall hangs longer
  }, [isOver]);
  return <TileFrame tile={tile} title={tile.title} answer={answer} />;
}
