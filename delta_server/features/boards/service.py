"""Boards: saved queries as tiles, made, arranged and deleted by who is a member. sharing.py has the links to them."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from delta_server.core import ids, names, times
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.core.query import boards
from delta_server.core.query.boards import Tile
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.boards import schemas, store
from delta_server.features.boards.schemas import BoardChange, NewBoard
from delta_server.features.boards.store import Board
from delta_server.features.saved_queries import service as saved_queries
from delta_server.features.saved_queries.service import SavedQuery
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

MOST_BOARDS = 200
"""Of a project."""


async def create(svc: Services, project: int, new: NewBoard, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Raises Invalid, NotFound for a tile's query, Conflict for too many."""
    name, tiles = names.check(new.name), boards.checked_tiles(new.tiles)

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        accounts.check_project(tx, project)
        _check_queries(tx, project, tiles)
        made = _insert(tx, project, name, tiles)
        return idempotency_key.record(tx, 201, msgspec.json.encode(schemas.BoardAnswer(_shown(tx, made))))

    return await svc.db.write(write)


async def move(svc: Services, project: int, name: str, tiles: list[Tile]) -> None:
    """Make it unless a board of that name is there. A tile whose query was deleted goes along. Raises Invalid, Conflict
    for too many."""
    name, tiles = names.check(name), boards.checked_tiles(tiles)

    def write(tx: Tx) -> None:
        accounts.check_project(tx, project)
        if all(board.name != name for board in all_of(tx, project)):
            _insert(tx, project, name, tiles)

    await svc.db.write(write)


def all_of(tx: Tx, project: int) -> list[Board]:
    """The oldest first."""
    return store.page(tx, project, below=1 << 62, limit=MOST_BOARDS)[::-1]


def _insert(tx: Tx, project: int, name: str, tiles: list[Tile]) -> Board:
    """Raises Conflict for too many."""
    if store.count(tx, project, most=MOST_BOARDS) >= MOST_BOARDS:
        raise Conflict(f"the project has {MOST_BOARDS} boards, as many as it may: delete some")
    return store.insert(tx, project, name=name, tiles=_text(tiles))


async def list_boards(svc: Services, project: int, *, below: int, limit: int) -> list[tuple[int, schemas.BoardItem]]:
    """With their rows, the newest first."""
    rows = await svc.db.read(store.page, project, below=below, limit=limit)
    return [(row.id, _item(row)) for row in rows]


async def get(svc: Services, project: int, text: str) -> schemas.Board:
    """Raises NotFound."""
    return await svc.db.read(lambda tx: _shown(tx, find(tx, project, text)))


async def update(svc: Services, project: int, text: str, change: BoardChange) -> schemas.Board:
    """Raises NotFound, Invalid. Links to the board go on with what they were approved for."""
    name = UNSET if change.name is UNSET else names.check(change.name)
    tiles = UNSET if change.tiles is UNSET else boards.checked_tiles(change.tiles)

    def write(tx: Tx) -> schemas.Board:
        accounts.check_project(tx, project)
        before = find(tx, project, text)
        if tiles is not UNSET:
            _check_queries(tx, project, tiles, known={tile.query_id for tile in tiles_of(before)})
        store.update(
            tx,
            project,
            before.id,
            name=before.name if name is UNSET else name,
            tiles=before.tiles if tiles is UNSET else _text(tiles),
        )
        return _shown(tx, find(tx, project, text))

    return await svc.db.write(write)


async def delete(svc: Services, project: int, text: str) -> None:
    """With the links to it. Raises NotFound."""
    await svc.db.write(_delete, project, text)


def find(tx: Tx, project: int, text: str) -> Board:
    """Raises NotFound."""
    found = store.by_uid(tx, project, ids.parse(text, "board"))
    if found is None:
        raise NotFound("there is no such board in this project: GET /v1/boards lists them")
    return found


def tiles_of(board: Board) -> list[Tile]:
    return msgspec.json.decode(board.tiles, type=list[Tile])


def query_of(tx: Tx, project: int, tile: Tile) -> SavedQuery | None:
    """None where it has been deleted."""
    try:
        return saved_queries.find(tx, project, tile.query_id)
    except NotFound:
        return None


@frees_space
def _delete(tx: Tx, project: int, text: str) -> None:
    found = find(tx, project, text)
    store.delete(tx, project, found.id)
    audit.record_in(tx, project, "board.delete", target=f"board {ids.text(found.uid)}", name=found.name)


def _check_queries(tx: Tx, project: int, tiles: list[Tile], known: set[str] | None = None) -> None:
    """A tile whose query was deleted may stay. Raises Invalid."""
    for n, tile in enumerate(tiles):
        if tile.query_id not in (known or ()) and query_of(tx, project, tile) is None:
            raise Invalid("there is no such saved query in this project", field=f"tiles[{n}].query_id")


def _text(tiles: list[Tile]) -> str:
    return msgspec.json.encode(tiles).decode()


def _item(row: Board) -> schemas.BoardItem:
    return schemas.BoardItem(
        id=ids.text(row.uid),
        name=row.name,
        tiles_count=len(tiles_of(row)),
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


def questions_of(tx: Tx, board: Board) -> dict[str, SavedQuery]:
    """What the board asks now, by tile."""
    asked = {tile.id: query_of(tx, board.project, tile) for tile in tiles_of(board)}
    return {tile: query for tile, query in asked.items() if query is not None}


def digests_of(questions: Mapping[str, SavedQuery]) -> dict[str, str]:
    return {tile: boards.digest(query.kind, query.spec) for tile, query in questions.items()}


def _shown(tx: Tx, row: Board) -> schemas.Board:
    questions = questions_of(tx, row)
    return schemas.Board(
        id=ids.text(row.uid),
        name=row.name,
        tiles=[_tile(tile, questions.get(tile.id)) for tile in tiles_of(row)],
        digest=boards.digest_of_all(digests_of(questions)),
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


def _tile(tile: Tile, query: SavedQuery | None) -> schemas.BoardTile:
    shown = None
    if query is not None:
        spec = msgspec.Raw(query.spec.encode())
        shown = schemas.TileQuery(query.name, saved_queries.kind_of(query), spec, query.view)
    return schemas.BoardTile(**msgspec.structs.asdict(tile), query=shown)
