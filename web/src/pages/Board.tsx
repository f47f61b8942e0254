import { useRef, useState } from "preact/hooks";
import { AddTile } from "../boards/AddTile.tsx";
import { Arrange } from "../boards/Arrange.tsx";
import { Rename } from "../boards/Rename.tsx";
import {
  arrange,
  type Board as BoardData,
  type BoardTile,
  deleteBoard,
  getBoard,
  renameBoard,
  runTile,
} from "../boards/requests.ts";
import { Shares } from "../boards/Shares.tsx";
import { TileFrame } from "../boards/TileFrame.tsx";
import { MOST_TILES, moved, resized } from "../boards/tiles.ts";
import { useEvery } from "../boards/useEvery.ts";
import { EventsHead } from "../explore/EventsHead.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { at, go } from "../state/location.ts";
import { may } from "../state/may.ts";
import "../charts/charts.css";
import "../style/lists.css";
import "../explore/explore.css";
import "../behaviour/behaviour.css";
import "../boards/boards.css";

type Doing = "add" | "share" | "rename" | "delete" | null;

/** A board: its tiles, arranged by dragging and by keys. */
export default function Board({ params }: PageProps) {
  const [project, id] = [params.project as string, params.board as string];
  const [doing, setDoing] = useState<Doing>(null);
  const [changed, setChanged] = useState<BoardData | null>(null);
  const [error, setError] = useState<unknown>(null);
  const grid = useRef<HTMLDivElement>(null);
  const loaded = useLoad((signal) => getBoard(project, id, signal), [project, id]);
  const board = changed?.id === id ? changed : loaded.data;
  const sending = useRef(Promise.resolve());
  const last = useRef(0);
  const send = (tiles: readonly Omit<BoardTile, "query">[]) => {
    const turn = ++last.current;
    setError(null);
    sending.current = sending.current.then(async () => {
      try {
        const arranged = await arrange(project, id, tiles);
        if (turn === last.current) setChanged(arranged);
      } catch (caught) {
        setError(caught);
        setChanged(null);
        loaded.again();
      }
    });
  };
  /** Shown at once, and sent behind what was done before: the next key goes on from here. */
  const put = (tiles: readonly BoardTile[]) => {
    if (board) setChanged({ ...board, tiles: [...tiles] });
    send(tiles);
  };
  const look = () => {
    setDoing(null);
    setChanged(null);
    loaded.again();
  };
  const add = (query: string) => {
    setDoing(null);
    const tile = { id: crypto.randomUUID(), query_id: query, title: null, width: 1, height: 1 };
    send([...(board?.tiles ?? []), tile]);
  };
  return (
    <main id="main" class="wrap app explore-page board-page">
      <EventsHead project={project}>
        <button class="btn" type="button" onClick={() => void grid.current?.requestFullscreen()}>
          Full screen
        </button>
        {may("boards:admin") ? (
          <button class="btn" type="button" onClick={() => setDoing("share")}>
            Share
          </button>
        ) : null}
        {may("boards:admin") ? (
          <button class="btn" type="button" onClick={() => setDoing("delete")}>
            Delete
          </button>
        ) : null}
        {may("boards:write") && (board?.tiles.length ?? 0) < MOST_TILES ? (
          <button class="btn primary" type="button" onClick={() => setDoing("add")}>
            Add a tile
          </button>
        ) : null}
      </EventsHead>
      {loaded.error ? <Failure tried="Loading the board" error={loaded.error} retry={loaded.again} /> : null}
      {error ? <Failure tried="Arranging the board" error={error} /> : null}
      {!board && !loaded.error ? <Loading /> : null}
      {board ? (
        <>
          <div class="board-name">
            <h2>{board.name}</h2>
            {may("boards:write") ? (
              <button class="btn ghost" type="button" onClick={() => setDoing("rename")}>
                Rename
              </button>
            ) : null}
          </div>
          {board.tiles.length === 0 ? <p class="none">No tiles yet: saved queries become tiles.</p> : null}
          <div ref={grid} class="board">
            <Tiles project={project} tiles={board.tiles} put={put} />
          </div>
        </>
      ) : null}
      {doing === "add" ? <AddTile project={project} add={add} close={() => setDoing(null)} /> : null}
      {doing === "rename" && board ? (
        <Rename
          name={board.name}
          save={async (name) => {
            setChanged(await renameBoard(project, id, name));
            setDoing(null);
          }}
          close={() => setDoing(null)}
        />
      ) : null}
      {doing === "share" && board ? <Shares project={project} board={id} digest={board.digest} close={look} /> : null}
      {doing === "delete" && board ? (
        <Destroy
          title="Delete the board"
          lead="Its links stop working. The saved queries stay."
          name={board.name}
          label="Its name"
          action="Delete"
          run={async () => {
            await deleteBoard(project, id);
            go(at("p", project, "events", "boards"));
          }}
          close={() => setDoing(null)}
        />
      ) : null}
    </main>
  );
}

interface TilesProps {
  project: string;
  tiles: readonly BoardTile[];
  put: (tiles: readonly BoardTile[]) => void;
}

function Tiles({ project, tiles, put }: TilesProps) {
  const dragged = useRef<string | null>(null);
  const turn = useEvery();
  const drop = (to: number) => {
    const from = tiles.findIndex(({ id }) => id === dragged.current);
    dragged.current = null;
    if (from >= 0 && from !== to) put(moved(tiles, from, to));
  };
  return (
    <>
      {tiles.map((tile, place) => (
        <OneTile
          key={tile.id}
          project={project}
          tile={tile}
          turn={turn}
          place={place}
          of={tiles.length}
          start={() => {
            dragged.current = tile.id;
          }}
          drop={() => drop(place)}
          move={(by) => put(moved(tiles, place, place + by))}
          change={(next) => put(tiles.flatMap((one) => (one.id === tile.id ? (next ? [next] : []) : [one])))}
        />
      ))}
    </>
  );
}

interface OneProps {
  project: string;
  tile: BoardTile;
  turn: number;
  place: number;
  of: number;
  start: () => void;
  drop: () => void;
  move: (by: number) => void;
  /** null takes it off the board. */
  change: (next: BoardTile | null) => void;
}

function OneTile({ project, tile, turn, place, of, start, drop, move, change }: OneProps) {
  const title = tile.title ?? tile.query?.name ?? "A deleted query";
  const asked = JSON.stringify(tile.query);
  const answer = useLoad((signal) => runTile(project, tile, signal), [project, asked, turn]);
  const mayArrange = may("boards:write");
  const drag = {
    start,
    over: (event: DragEvent) => event.preventDefault(),
    drop: (event: DragEvent) => {
      event.preventDefault();
      drop();
    },
  };
  return (
    <TileFrame
      tile={tile}
      title={title}
      answer={answer}
      {...(mayArrange ? { drag } : {})}
      acts={
        mayArrange ? (
          <Arrange
            title={title}
            place={place}
            of={of}
            move={move}
            resize={(wider, higher) => change(resized(tile, wider, higher))}
            remove={() => change(null)}
          />
        ) : null
      }
    />
  );
}
