"""Boards and the links to them on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.json_schema import documented
from delta_server.core.names import Name
from delta_server.core.query.boards import MOST_FRAMES, MOST_TILES, Tile
from delta_server.core.query.saved import Kind

Tiles = Annotated[list[Tile], documented(maxItems=MOST_TILES)]


class NewBoard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    tiles: Tiles = []


class BoardChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tiles` takes the place of all there are."""

    name: Name | UnsetType = UNSET
    tiles: Tiles | UnsetType = UNSET


class BoardItem(msgspec.Struct, frozen=True):
    id: str
    name: str
    tiles_count: int
    created_at: str
    updated_at: str


class TileQuery(msgspec.Struct, frozen=True):
    name: str
    kind: Kind
    spec: msgspec.Raw
    view: str | None


class BoardTile(msgspec.Struct, frozen=True):
    """`query` is null where the saved query has been deleted."""

    id: str
    query_id: str
    title: str | None
    width: int
    height: int
    query: TileQuery | None


class Board(msgspec.Struct, frozen=True):
    """`digest` names what its tiles ask, wherever they stand."""

    id: str
    name: str
    tiles: list[BoardTile]
    digest: str
    created_at: str
    updated_at: str


class BoardAnswer(msgspec.Struct, frozen=True):
    board: Board


class NewBoardShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`expires_in` is a length such as 30d. `frame_ancestors` are the sites that may embed the page. `digest` is the
    board's as it was seen, to share no other."""

    password: Annotated[str, documented(minLength=10, maxLength=256)] | None = None
    expires_in: str | None = None
    frame_ancestors: Annotated[list[str], documented(maxItems=MOST_FRAMES)] = []
    digest: Annotated[str, documented(maxLength=64)] | None = None


class BoardShare(msgspec.Struct, frozen=True):
    """`outdated_tiles`: added or changed since somebody approved what the link shows."""

    id: str
    has_password: bool
    expires_at: str | None
    frame_ancestors: list[str]
    outdated_tiles: int
    created_at: str


class BoardShareAnswer(msgspec.Struct, frozen=True):
    """The address is shown this once."""

    share: BoardShare
    token: str | None
    url: str | None


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`digest` is that of the board as whoever approves it has seen it."""

    digest: Annotated[str, documented(maxLength=64)]


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, documented(maxLength=200)]
    password: Annotated[str, documented(maxLength=256)] | None = None


class SharedTile(msgspec.Struct, frozen=True):
    id: str
    title: str
    kind: Kind
    width: int
    height: int


class SharedBoard(msgspec.Struct, frozen=True):
    """`hidden_tiles` are not shown: added or changed since the board was shared."""

    name: str
    tiles: list[SharedTile]
    hidden_tiles: int
    ticket: str = ""
    ticket_expires_at: str = ""


class TileAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ticket: Annotated[str, documented(maxLength=400)]


class TileResult(msgspec.Struct, frozen=True):
    kind: Kind
    columns: list[dict[str, str]] | None
    rows: msgspec.Raw


EXAMPLE_TILE: dict[str, Any] = {
    "id": "a1", "query_id": "01890a5d-ac96-774b-bcce-b302099a8070", "title": None, "width": 2, "height": 1,
}  # fmt: skip
EXAMPLE_NEW: dict[str, Any] = {"name": "Wall", "tiles": [EXAMPLE_TILE]}
EXAMPLE_ITEM: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8072",
    "name": "Wall",
    "tiles_count": 1,
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
}
_QUERY = {"name": "Visitors", "kind": "explorer", "spec": {"metrics": ["unique_users"]}, "view": "m=unique_users"}
EXAMPLE: dict[str, Any] = {
    **{name: value for name, value in EXAMPLE_ITEM.items() if name != "tiles_count"},
    "tiles": [{**EXAMPLE_TILE, "query": _QUERY}],
    "digest": "5f0c1e5b8f1d4f6a9d0a3b6c7e8f9012",
}
EXAMPLE_SHARE: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8073",
    "has_password": True,
    "expires_at": "2026-06-01T12:00:00.000Z",
    "frame_ancestors": ["https://intranet.example.com"],
    "outdated_tiles": 0,
    "created_at": "2026-05-01T12:00:00.000Z",
}
EXAMPLE_SHARED: dict[str, Any] = {
    "share": EXAMPLE_SHARE,
    "token": "dk_board_3f9a1c...",
    "url": "https://delta.example.com/shared/01890a5d-ac96-774b-bcce-b302099a8073#dk_board_3f9a1c...",
}
EXAMPLE_OPENED: dict[str, Any] = {
    "name": "Wall",
    "tiles": [{"id": "a1", "title": "Visitors", "kind": "explorer", "width": 2, "height": 1}],
    "hidden_tiles": 0,
    "ticket": "9f2c31...",
    "ticket_expires_at": "2026-05-02T00:00:00.000Z",
}
EXAMPLE_RESULT: dict[str, Any] = {"kind": "explorer", "columns": None, "rows": [{"unique_users": 318}]}

FIELDS = {
    "BoardItem.id": "Its id",
    "tiles_count": "How many tiles it has",
    "BoardAnswer.board": "The board",
    "Board.id": "Its id",
    "Board.tiles": "Its tiles, in order",
    "Board.digest": "Names what its tiles ask: another where a tile was added, removed or its query changed",
    "Approval.digest": "The board's `digest`, as it was when it was looked at",
    "NewBoardShare.digest": "The same; without it the board is shared as it is",
    "BoardTile.id": "The tile's id within the board",
    "BoardTile.query_id": "The saved query that it draws",
    "BoardTile.title": "What stands over it; null for the query's name",
    "BoardTile.width": "How many of three columns wide",
    "BoardTile.height": "How many rows high",
    "BoardTile.query": "The saved query; null where it has been deleted",
    "TileQuery.kind": "What it asks",
    "TileQuery.spec": "The body of the kind's route",
    "TileQuery.view": "The query of the dashboard's address that draws it",
    "BoardShareAnswer.share": "The link",
    "BoardShareAnswer.token": "The secret in the address, shown this once; null when the request is repeated",
    "BoardShareAnswer.url": "The address, likewise; only the path where the server does not know its address",
    "BoardShare.id": "The link's id",
    "has_password": "Whether it asks for a password",
    "BoardShare.expires_at": "Until when it works; null for until it is revoked",
    "BoardShare.frame_ancestors": "The sites that may embed the page",
    "outdated_tiles": "Tiles that the link does not show: added or changed since it was approved",
    "SharedBoard.tiles": "The tiles that the link shows, in order",
    "SharedBoard.hidden_tiles": "How many tiles it does not show",
    "SharedBoard.ticket": "What the tiles are asked for with",
    "SharedBoard.ticket_expires_at": "Until when the ticket is valid",
    "SharedTile.id": "The tile's id within the board",
    "SharedTile.title": "What stands over it",
    "SharedTile.kind": "What it asks",
    "SharedTile.width": "How many of three columns wide",
    "SharedTile.height": "How many rows high",
    "TileResult.kind": "What was asked",
    "TileResult.columns": "Name and type of each column of SQL; null of other kinds",
    "TileResult.rows": "The rows, as the kind's route answers them",
}
"""What the API's description says of the fields of answers."""
