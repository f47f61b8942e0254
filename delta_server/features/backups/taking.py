"""The server's own backups: taken by the clock or when somebody asks, read back, and the old ones deleted. What else is
asked for takes its turn here, too: verifying one, restoring one.

A backup gets its name when it is whole: a server that is killed on the way leaves a draft, which the next one deletes.
"""

import asyncio
from contextlib import suppress

import structlog
from xxhash import xxh3_128

from delta_server.core import backup_plan
from delta_server.core.errors import DeltaError, Unavailable
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.backups import keeper, notices, restoring, service
from delta_server.features.backups.keeper import Failed, Keeper, KeptBackup, Verified, Work
from delta_server.features.backups.verifying import fault_of
from delta_server.services import Services

LOOK_S = 60.0
RETRY_MS = 900_000
"""After one that failed."""
_READ_S = 300.0
"""How long a blob store may keep the backup waiting."""

log = structlog.get_logger("delta.backup")


async def follow(svc: Services) -> None:
    state = svc.state(Keeper)
    with suppress(DeltaError):  # what is due finds it out, too, and says so
        await keeper.place(svc).blobs.delete_unfinished()
        await keeper.stored(svc)
    while True:
        await run_wanted(svc)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await state.is_wanted.wait()


async def run_wanted(svc: Services) -> None:
    """What was asked for, then what is due."""
    state = svc.state(Keeper)
    state.is_wanted.clear()
    while state.wanted:
        await _run(svc, state, state.wanted.popleft())
    if await _is_due(svc, state):
        await _run(svc, state, Work("take"))


async def next_at(svc: Services, newest: KeptBackup | None) -> int | None:
    """When the next one is due, None where none is scheduled."""
    schedule, failed = keeper.schedule(svc), svc.state(Keeper).failed
    if schedule is None:
        return None
    due = schedule.next_after(newest.time_ms if newest else None, svc.clock.now_ms())
    return due if failed is None else max(due, failed.last_ms + RETRY_MS)


async def _is_due(svc: Services, state: Keeper) -> bool:
    if keeper.schedule(svc) is None or service.stream(svc).is_taken:
        return False
    if state.failed is not None and svc.clock.now_ms() < state.failed.last_ms + RETRY_MS:
        return False
    try:
        due = await next_at(svc, next(iter(await keeper.stored(svc)), None))
    except DeltaError as error:
        await _note_failure(svc, state, error.message)
        return False
    return due is not None and due <= svc.clock.now_ms()


async def _run(svc: Services, state: Keeper, work: Work) -> None:
    state.doing = work
    try:
        if work.kind == "take":
            taken = await take(svc)
            state.verified[taken.name] = Verified(svc.clock.now_ms(), None)
            state.failed = None
        elif work.kind == "restore":
            await restoring.stage(svc, state, work)
        else:
            fault = await fault_of(svc, work.name)
            state.verified[work.name] = Verified(svc.clock.now_ms(), fault)
            if fault is not None:
                log.error("a backup is damaged", name=work.name, reason=fault)
    except (DeltaError, OSError) as error:
        if service.stream(svc).is_stopped:  # the server goes down: the next one takes it
            return
        reason = keeper.reported(svc, error) if isinstance(error, DeltaError) else f"{error.filename}: {error.strerror}"
        if work.kind == "take":
            await _note_failure(svc, state, reason)
        elif work.kind == "restore":
            await restoring.note_failure(svc, state, work, reason)
        else:
            state.verified[work.name] = Verified(svc.clock.now_ms(), f"it cannot be read: {reason}")
    finally:
        state.doing = None


async def _note_failure(svc: Services, state: Keeper, reason: str) -> None:
    now_ms, before = svc.clock.now_ms(), state.failed
    state.failed = Failed(before.since_ms if before else now_ms, now_ms, reason)
    log.error("a backup was not taken", reason=reason, retry_in_s=RETRY_MS // 1000)
    if before is None:
        with suppress(DeltaError):  # a full disk: the log says so
            await notices.enqueue(svc, reason)


async def take(svc: Services) -> KeptBackup:
    """Raises DeltaError: Unavailable, BlobStoreFailed."""
    where = keeper.place(svc)
    await where.blobs.delete_unfinished()
    name = backup_plan.name_of(svc.clock.now_ms())
    size, digest = await _write(svc, where.key(name))
    if await _digest(where, name) != digest:
        await where.blobs.delete_resource(where.key(name))
        raise Unavailable("the backup does not read back as it was written: check where it is kept")
    await _delete_superfluous(svc)
    if (account := await svc.db.read(accounts.find_default_account)) is not None:
        await audit.note(svc, account, "backup.create", target=name)
    log.info("a backup was taken", name=name, size_bytes=size)
    time_ms = backup_plan.time_of(name)
    assert time_ms is not None
    return KeptBackup(name, time_ms, size)


async def _write(svc: Services, key: str) -> tuple[int, bytes]:
    """Its size and its hash."""
    pieces, digest, size = service.stream(svc).pieces(read_s=_READ_S), xxh3_128(), 0
    try:
        first = await anext(pieces)  # there when the copy has been made and checked: a draft is not old before it grows
        async with keeper.place(svc).blobs.create_write_stream(key) as out:
            piece: bytes | None = first
            while piece is not None:
                digest.update(piece)
                size += len(piece)
                await out.write(piece)
                piece = await anext(pieces, None)
    finally:
        await pieces.aclose()
    return size, digest.digest()


async def _digest(where: keeper.Place, name: str) -> bytes:
    digest, pieces = xxh3_128(), await where.blobs.create_read_stream(where.key(name))
    if pieces is not None:
        async for piece in pieces:
            digest.update(piece)
    return digest.digest()


async def _delete_superfluous(svc: Services) -> None:
    where, found = keeper.place(svc), await keeper.stored(svc)
    goes = backup_plan.superfluous((one.time_ms for one in found), keeper.kept(svc))
    for one in found:
        if one.time_ms in goes:
            await where.blobs.delete_resource(where.key(one.name))
            svc.state(Keeper).verified.pop(one.name, None)
