/** What is asked of the server about boards. */

import { get, patch, post, remove, type Schemas } from "../api.ts";
import { ROUTES, type TileAnswer } from "./tiles.ts";

export type BoardTile = Schemas["BoardTile"];
export type Board = Schemas["Board"];
export type Share = Schemas["BoardShare"];
type Sent = Schemas["NewBoard"]["tiles"];

const of = (project: string, board: string) => ({ in: project, path: { board_id: board } });

export const listBoards = (project: string, cursor: string | undefined, signal: AbortSignal) =>
  get("/v1/boards", { in: project, query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal });
export const makeBoard = async (project: string, name: string) =>
  (await post("/v1/boards", { in: project, body: { name } })).board;
export const getBoard = async (project: string, board: string, signal: AbortSignal) =>
  (await get("/v1/boards/{board_id}", { ...of(project, board), signal })).board;
export const renameBoard = async (project: string, board: string, name: string) =>
  (await patch("/v1/boards/{board_id}", { ...of(project, board), body: { name } })).board;
export const deleteBoard = (project: string, board: string) => remove("/v1/boards/{board_id}", of(project, board));

/** All tiles in their order; what they ask is the saved queries' own. */
export const arrange = async (project: string, board: string, tiles: readonly Omit<BoardTile, "query">[]) => {
  const sent = tiles.map(({ id, query_id, title, width, height }) => ({ id, query_id, title, width, height }));
  return (await patch("/v1/boards/{board_id}", { ...of(project, board), body: { tiles: sent as NonNullable<Sent> } }))
    .board;
};

export const listShares = async (project: string, board: string, signal: AbortSignal) =>
  (await get("/v1/boards/{board_id}/shares", { ...of(project, board), signal })).data;
export const share = (project: string, board: string, body: Schemas["NewBoardShare"]) =>
  post("/v1/boards/{board_id}/shares", { ...of(project, board), body });
export const approve = (project: string, board: string, id: string, digest: string) =>
  post("/v1/boards/{board_id}/shares/{share_id}/approve", {
    in: project,
    path: { board_id: board, share_id: id },
    body: { digest },
  });
export const revoke = (project: string, board: string, id: string) =>
  remove("/v1/boards/{board_id}/shares/{share_id}", { in: project, path: { board_id: board, share_id: id } });

export async function runTile(project: string, tile: BoardTile, signal: AbortSignal): Promise<TileAnswer | null> {
  if (tile.query === null) return null;
  const { kind, spec } = tile.query;
  const answer = await post(ROUTES[kind], { in: project, body: spec as never, signal });
  const columns = "columns" in answer ? (answer.columns as TileAnswer["columns"]) : null;
  return { kind, columns, rows: answer.rows as TileAnswer["rows"] };
}

/** By a link, without a session. */
export const openShared = (link: string, body: Schemas["Opening"], signal?: AbortSignal) =>
  post("/v1/shared-boards/{link_id}/open", {
    path: { link_id: link },
    body,
    open: true,
    ...(signal ? { signal } : {}),
  });

export async function runShared(link: string, tile: string, ticket: string, signal: AbortSignal): Promise<TileAnswer> {
  const path = { link_id: link, tile_id: tile };
  const sent = { path, body: { ticket }, open: true, signal };
  const answer = await post("/v1/shared-boards/{link_id}/tiles/{tile_id}", sent);
  return { ...answer, columns: answer.columns as TileAnswer["columns"], rows: answer.rows as TileAnswer["rows"] };
}
