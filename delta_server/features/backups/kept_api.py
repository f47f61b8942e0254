"""/v1/backups: those that the server itself takes and keeps."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Stream

from delta_server.core import cursors
from delta_server.core.caller import Caller
from delta_server.core.errors import NotFound
from delta_server.features.audit import service as audit
from delta_server.features.backups import keeper, restoring, schemas, taking
from delta_server.features.backups.keeper import Keeper, KeptBackup, Work
from delta_server.features.backups.schemas import (
    Backup,
    BackupAccepted,
    Backups,
    BackupState,
    NewBackup,
    RestoreRequest,
)
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import while_allowed
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services

_LIST = "backups"
_TAGS = ["Health"]
_MEDIA_TYPE = "application/zstd"


@get(
    "/v1/backups",
    summary="List the backups that the server keeps, the newest first",
    tags=_TAGS,
    opt=example(
        answer={
            "data": [schemas.EXAMPLE],
            "has_more": False,
            "next_cursor": None,
            "state": schemas.EXAMPLE_STATE,
        }
    ),
)
async def list_backups(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Backups]:
    """With when the next one is due (`backups.schedule`), and why the last one failed, if it did."""
    before = cursors.decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else None
    everything = await keeper.stored(services)
    verified = services.state(Keeper).verified

    def shown(row: KeptBackup) -> Backup:
        return schemas.backup(row, verified.get(row.name))

    rows = [row for row in everything if before is None or row.time_ms < before][: limit + 1]
    page = pagination.page(rows, limit=limit, item=shown, cursor=lambda row: cursors.encode_cursor(_LIST, row.time_ms))
    state = await _state(services, everything[0] if everything else None)
    return pagination.respond(request, Backups(page.data, page.has_more, page.next_cursor, state))


@post(
    "/v1/backups",
    summary="Take a backup now",
    tags=_TAGS,
    status_code=202,
    opt=example(request={}, answer={"state": schemas.EXAMPLE_STATE}),
)
async def take_backup(services: NamedDependency[Services], data: JSONBody[NewBackup | None] = None) -> BackupAccepted:
    """Beside all requests; `state` of the list tells when it is done. One that waits already is not taken twice."""
    services.state(Keeper).want(Work("take"))
    return BackupAccepted(await _state(services, None))


@get("/v1/backups/state", summary="When the next backup is due, and whether the last one failed", tags=_TAGS,
     opt=example(answer=schemas.EXAMPLE_STATE))  # fmt: skip
async def backup_state(services: NamedDependency[Services]) -> BackupState:
    stored = await keeper.stored(services) if keeper.schedule(services) else []
    return await _state(services, stored[0] if stored else None)


@post(
    "/v1/backups/{backup:str}/verify",
    summary="Verify a backup: unpack it and check the database in it",
    tags=_TAGS,
    status_code=202,
    opt=example(answer={"state": schemas.EXAMPLE_STATE}),
)
async def verify_backup(
    services: NamedDependency[Services], caller: NamedDependency[Caller], backup: FromPath[str]
) -> BackupAccepted:
    """Needs room for the database beside it meanwhile. The list tells what was found."""
    found = await keeper.named(services, backup)
    await audit.note(services, caller.account, "backup.verify", target=found.name)
    services.state(Keeper).want(Work("verify", found.name))
    return BackupAccepted(await _state(services, None))


@post(
    "/v1/backups/{backup:str}/restore",
    summary="Put a backup in the place of all that the server stores",
    tags=_TAGS,
    status_code=202,
    opt=example(request={"confirm": schemas.EXAMPLE["name"]}, answer={"state": schemas.EXAMPLE_STATE}),
)
async def restore_backup(
    data: JSONBody[RestoreRequest],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    backup: FromPath[str],
) -> BackupAccepted:
    """For an owner of the instance. It is unpacked and checked beside the requests; then the server starts itself
    again on it, within seconds. What was stored since it was taken goes, with the keys, people and settings of since;
    those that were deleted since come back. The database as it was is kept in the data directory. Everybody has to
    sign in again, and devices and streams are asked to begin anew. A backup that is not sound changes nothing:
    `restored` of the state says why."""
    await restoring.ask(services, caller, backup, data.confirm)
    return BackupAccepted(await _state(services, None))


@get(
    "/v1/backups/{backup:str}",
    summary="Download a backup that the server keeps",
    tags=_TAGS,
    opt=example(answer="(an SQLite file, compressed by zstd)", media_type=_MEDIA_TYPE),
    media_type=_MEDIA_TYPE,
)
async def download_backup(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    backup: FromPath[str],
) -> Stream:
    """For `delta-server restore`."""
    found, where = await keeper.named(services, backup), keeper.place(services)
    pieces = await where.blobs.create_read_stream(where.key(found.name))
    if pieces is None:
        raise NotFound("there is no such backup")
    if not request.scope["state"]["exchange"].is_head:
        await audit.note(services, caller.account, "backup.download", target=found.name)

    async def sent() -> Any:
        async for piece in pieces:
            yield piece

    headers = {"content-disposition": f'attachment; filename="{found.name}"', "cache-control": "no-store"}
    return Stream(while_allowed(request, sent()), headers={**headers, "content-type": _MEDIA_TYPE})


async def _state(svc: Services, newest: KeptBackup | None) -> BackupState:
    return schemas.state(
        svc.state(Keeper),
        schedule=svc.config.backups.schedule,
        next_ms=await taking.next_at(svc, newest),
        place=keeper.place(svc).shown,
    )


ROUTES = [list_backups, take_backup, backup_state, verify_backup, restore_backup, download_backup]
