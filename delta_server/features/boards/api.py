"""/v1/boards: saved queries as tiles."""

from typing import Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.cursors import row_below
from delta_server.features.boards import schemas, service, sharing
from delta_server.features.boards.schemas import (
    Approval,
    BoardAnswer,
    BoardChange,
    BoardItem,
    BoardShare,
    BoardShareAnswer,
    NewBoard,
    NewBoardShare,
)
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Boards"]
_LIST = "boards"


@post(
    "/v1/boards",
    summary="Make a board",
    tags=_TAGS,
    responses={201: ResponseSpec(BoardAnswer, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_NEW, answer={"board": schemas.EXAMPLE}),
)
async def create_board(
    data: JSONBody[NewBoard],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """Of saved queries, in order; each is up to three columns wide and two rows high."""
    return idempotency.respond(await service.create(services, project, data, idempotency_key), "/v1/boards")


@get(
    "/v1/boards",
    summary="List boards, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_ITEM], "has_more": False, "next_cursor": None}),
)
async def list_boards(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[BoardItem]]:
    below = row_below(_LIST, cursor)
    rows = await service.list_boards(services, project, below=below, limit=limit + 1)
    found = pagination.page_by_row(_LIST, rows, limit=limit)
    return pagination.respond(request, found)


@get(
    "/v1/boards/{board_id:str}",
    summary="Get a board with its queries",
    tags=_TAGS,
    opt=example(answer={"board": schemas.EXAMPLE}),
)
async def get_board(
    board_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> BoardAnswer:
    """Running them takes the scopes of their kinds."""
    return BoardAnswer(await service.get(services, project, board_id))


@patch(
    "/v1/boards/{board_id:str}",
    summary="Change a board",
    tags=_TAGS,
    opt=example(request={"name": "Wall"}, answer={"board": schemas.EXAMPLE}),
)
async def update_board(
    board_id: FromPath[str],
    data: JSONBody[BoardChange],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> BoardAnswer:
    """Links to it show a tile that is new, or whose query was changed, once that is approved."""
    return BoardAnswer(await service.update(services, project, board_id, data))


@delete("/v1/boards/{board_id:str}", summary="Delete a board and its links", tags=_TAGS, opt=example(answer=None))
async def delete_board(
    board_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete(services, project, board_id)


@post(
    "/v1/boards/{board_id:str}/shares",
    summary="Share a board by a link",
    tags=_TAGS,
    responses={201: ResponseSpec(BoardShareAnswer, generate_examples=False)},
    opt=example(
        request={"expires_in": "30d", "frame_ancestors": ["https://intranet.example.com"]},
        answer=schemas.EXAMPLE_SHARED,
    ),
)
async def share_board(
    board_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
    data: JSONBody[NewBoardShare | None] = None,
) -> Response[bytes]:
    """Whoever has it reads what the board's tiles show as they are now, without signing in, and nothing else. It takes
    the scopes of their kinds too. The secret stands behind the `#`, which browsers send to no server."""
    answer = await sharing.share(services, caller, project, board_id, data or NewBoardShare(), idempotency_key)
    return idempotency.respond(answer, f"/v1/boards/{board_id}/shares")


@get(
    "/v1/boards/{board_id:str}/shares",
    summary="List the links to a board",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_SHARE], "has_more": False, "next_cursor": None}),
)
async def list_shares(
    board_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> Page[BoardShare]:
    """A board has 20 at most, so they come on one page."""
    return Page(await sharing.list_shares(services, project, board_id), has_more=False, next_cursor=None)


@post(
    "/v1/boards/{board_id:str}/shares/{share_id:str}/approve",
    summary="Let a link show the board as it is now",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"digest": schemas.EXAMPLE["digest"]}, answer=schemas.EXAMPLE_SHARE),
)
async def approve_share(
    board_id: FromPath[str],
    share_id: FromPath[str],
    data: JSONBody[Approval],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> BoardShare:
    """`digest` is the board's as you saw it: where it was changed since, 409 is the answer and nothing is approved."""
    return await sharing.approve(services, caller, project, board_id, share_id, data.digest)


@delete(
    "/v1/boards/{board_id:str}/shares/{share_id:str}",
    summary="Revoke a link to a board",
    tags=_TAGS,
    opt=example(answer=None),
)
async def revoke_share(
    board_id: FromPath[str],
    share_id: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> None:
    await sharing.revoke(services, project, board_id, share_id)


ROUTES = [
    create_board, list_boards, get_board, update_board, delete_board, share_board, list_shares, approve_share,
    revoke_share,
]  # fmt: skip
