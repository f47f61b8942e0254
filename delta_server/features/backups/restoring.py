"""A kept backup in the place of the database: unpacked and checked beside the running server, which then starts itself
again and puts it there (storage/staged_restore.py). What was there before is kept, all sessions end, and who was shut
out since the backup stays so (carrying.py).
"""

import asyncio

import msgspec
import structlog

from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden, Invalid
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.backups import carrying, keeper, service
from delta_server.features.backups.keeper import Keeper, Work
from delta_server.features.backups.verifying import fault_of
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage import outbox, staged_restore
from delta_server.storage.database import ACTING, Tx, frees_space
from delta_server.storage.staged_restore import STAGED_NAME, Note, kept_name
from delta_server.tasks.restart import Restart

_SESSIONS_AT_ONCE = 5_000

log = structlog.get_logger("delta.backup")


async def ask(svc: Services, caller: Caller, name: str, confirm: str) -> None:
    """Raises Forbidden, Invalid, NotFound, Conflict."""
    if caller.user is not None and users.me(svc, caller).role != "owner":
        raise Forbidden("only an owner of the instance restores a backup")
    if confirm != name:
        raise Invalid("confirm must be the backup's name: what was stored since it was taken goes", field="confirm")
    found, state = await keeper.named(svc, name), svc.state(Keeper)
    if svc.state(Restart).is_wanted or any(
        work is not None and work.kind == "restore" for work in (state.doing, *state.wanted)
    ):
        raise Conflict("a backup is being restored")
    await audit.note(svc, caller.account, "backup.restore", target=found.name)
    state.want(Work("restore", found.name, ACTING.get(), svc.clock.now_ms()))


async def stage(svc: Services, state: Keeper, work: Work) -> None:
    """Everything but putting it in its place. Raises NotFound, BlobStoreFailed, Unavailable, OSError."""
    data_dir, note = svc.config.storage.data_dir, _note(work)
    await asyncio.to_thread(staged_restore.write_note, data_dir, note)
    fault = await fault_of(svc, work.name, stays_as=STAGED_NAME)
    if fault is not None:
        await note_failure(svc, state, work, fault)
        return
    state.restored = note
    log.warning("a backup is put in the place of the database", name=work.name, kept=note.kept)
    svc.state(Restart).is_wanted = True


async def note_failure(svc: Services, state: Keeper, work: Work, reason: str) -> None:
    log.error("a backup was not restored", name=work.name, reason=reason)
    state.restored = msgspec.structs.replace(_note(work), kept="", fault=reason)
    await _write_note(svc, state.restored)


def _note(work: Work) -> Note:
    return Note(work.name, work.actor, work.asked_ms, kept_name(work.asked_ms))


async def begin(svc: Services) -> None:
    """At each start."""
    await service.delete_unfinished(svc)
    await finish(svc)


async def finish(svc: Services) -> None:
    """Where the database is a restored one that no server has run on, nobody stays signed in by it."""
    data_dir = svc.config.storage.data_dir
    note = await asyncio.to_thread(staged_restore.read_note, data_dir)
    svc.state(Keeper).restored = note
    if note is None or not note.is_waiting:
        return
    if note.kept and not (data_dir / note.kept).is_file():  # it was never staged
        svc.state(Keeper).restored = None
        return
    ended = 0
    while some := await svc.db.write(_end_sessions):
        ended += some
    await svc.db.write(outbox.begin_again)
    barred = await carrying.carry_over(svc, data_dir / note.kept) if note.kept else {}
    await svc.db.write(_record, note, {"kept": note.kept, "sessions": ended, **barred})
    done = msgspec.structs.replace(note, finished_ms=svc.clock.now_ms())
    svc.state(Keeper).restored = done
    log.warning(
        "the database was restored from a backup", name=note.backup, kept=note.kept, sessions_ended=ended, **barred
    )
    await _write_note(svc, done)


async def _write_note(svc: Services, note: Note) -> None:
    try:
        await asyncio.to_thread(staged_restore.write_note, svc.config.storage.data_dir, note)
    except OSError as error:  # a full disk, as likely as not: it is known until the server ends
        log.warning("a restore cannot be noted", reason=str(error))


@frees_space
def _end_sessions(tx: Tx) -> int:
    return users.revoke_all_sessions(tx, _SESSIONS_AT_ONCE)


@frees_space
def _record(tx: Tx, note: Note, detail: dict[str, object]) -> None:
    if (account := accounts.find_default_account(tx)) is not None:
        audit.record(tx, account, "backup.restore", target=note.backup, detail=detail, actor=note.actor)
