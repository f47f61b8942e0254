"""/v1/backup: all that the server stores, as a file."""

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Stream

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.features.backups import service
from delta_server.http.docs import example
from delta_server.http.leaving import while_allowed, while_connected
from delta_server.services import Services

_MEDIA_TYPE = "application/zstd"


@get(
    "/v1/backup",
    summary="Download a backup of the whole server",
    tags=["Health"],
    opt=example(answer="(an SQLite file, compressed by zstd)", media_type=_MEDIA_TYPE),
    media_type=_MEDIA_TYPE,
)
async def backup(
    request: Request[Any, Any, Any], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Stream:
    """What `delta-server backup` makes and `delta-server restore` takes: everything of all accounts, in one state,
    while the server is written to. For account keys with the scope `admin`, one at a time. Nothing is sent until the
    copy has been made and checked; one that fails on its way, or whose key is revoked, breaks the connection."""
    if request.scope["state"]["exchange"].is_head:  # a whole copy of the database, for its headers
        pieces = _nothing()
    else:
        pieces = while_allowed(request, await while_connected(request, service.begun(services, caller.account)))
    name = f"delta-{times.format(services.clock.now_ms())[:19].replace(':', '')}.db.zst"
    return Stream(
        pieces,
        headers={
            "content-type": _MEDIA_TYPE,
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


async def _nothing() -> AsyncGenerator[bytes, None]:
    yield b""


ROUTES = [backup]
