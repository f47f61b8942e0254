"""/v1/shared-boards and /shared: what a link to a board opens, for who has no key."""

from functools import partial
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from delta_server.features.boards import schemas, visiting
from delta_server.features.boards.schemas import Opening, SharedBoard, TileAsked, TileResult
from delta_server.http import static
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services

_TAGS = ["Boards"]


@get("/shared/{link_id:str}", include_in_schema=False, opt=static.ANY_QUERY)
async def shared_page(
    link_id: FromPath[str], request: Request[Any, Any, Any], services: NamedDependency[Services]
) -> Response[Any]:
    proof = request.query_params.get("frame", "")
    return await static.page(
        request, frame_ancestors=visiting.frames(services, link_id, proof if proof.isascii() else "")
    )


@post(
    "/v1/shared-boards/{link_id:str}/open",
    summary="Open a board by a link",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"token": "dk_board_3f9a1c..."}, answer=schemas.EXAMPLE_OPENED),
)
async def open_shared_board(
    request: Request[Any, Any, Any],
    link_id: FromPath[str],
    data: JSONBody[Opening],
    services: NamedDependency[Services],
) -> SharedBoard:
    """With the token, and the password where there is one. Tiles are asked for with the ticket."""
    return await visiting.open_board(services, link_id, data, str(request.scope["state"]["exchange"].address))


@post(
    "/v1/shared-boards/{link_id:str}/tiles/{tile_id:str}",
    summary="Run a tile of a shared board",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"ticket": "9f2c31..."}, answer=schemas.EXAMPLE_RESULT),
)
async def run_shared_tile(
    request: Request[Any, Any, Any],
    link_id: FromPath[str],
    tile_id: FromPath[str],
    data: JSONBody[TileAsked],
    services: NamedDependency[Services],
) -> TileResult:
    """The question that the tile had when the board was shared; nothing of it can be changed."""
    visit = visiting.admitted(services, link_id, data.ticket)
    in_turn = partial(run_in_turn, request, services, visit.share.project)
    return await visiting.run_tile(services, visit, tile_id, in_turn)


ROUTES = [shared_page, open_shared_board, run_shared_tile]
