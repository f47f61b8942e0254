"""Who was shut out after a backup was taken stays so once it is restored: the database before it, which is kept, knows
which keys were revoked, which users disabled or deleted, and who was removed from a project or given a lower role.
Deleted users are there again, disabled."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from delta_server.core.errors import DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.features.projects.service import Changed
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage import staged_restore
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.read_only import ReadOnlyDatabase

T = TypeVar("T")

MOST = 100_000
MOST_CHANGED = 10_000
"""Of entries of the audit log of each kind, whose users and projects are looked up."""
_AT_ONCE = 200
"""In one transaction, which holds up all others: 5 ms."""

log = structlog.get_logger("delta.backup")


class ShutOut(msgspec.Struct, frozen=True):
    """What a database knows: public ids of revoked keys, ids of users who cannot sign in, and the roles now of those
    whose role was changed, in the instance and in projects."""

    keys: list[str] = []
    users: list[str] = []
    roles: list[tuple[str, str]] = []
    members: list[Changed] = []


async def carry_over(svc: Services, before: Path) -> dict[str, object]:
    """How many keys, users, roles and members of projects were shut out or lowered again; says so where `before` cannot
    be read, which may be why it was replaced."""
    try:
        known = await _of(svc, before)
    except DeltaError as error:
        log.warning("what was revoked since the backup is not known", database=before.name, reason=error.message)
        return dict.fromkeys(ShutOut.__struct_fields__, "unknown")
    return {
        "keys": await _in_pieces(svc, accounts.revoke_again, known.keys),
        "users": await _in_pieces(svc, users.disable_again, known.users),
        "roles": await _in_pieces(svc, users.lower_again, known.roles),
        "members": await _in_pieces(svc, projects.lower_again, known.members),
    }


async def _in_pieces(svc: Services, shut_out: Callable[[Tx, int, Sequence[T]], int], known: Sequence[T]) -> int:
    if (account := svc.db.peek(accounts.find_default_account)) is None:
        return 0
    pieces = [known[at : at + _AT_ONCE] for at in range(0, len(known), _AT_ONCE)]
    return sum([await svc.db.write(shut_out, account, piece) for piece in pieces])


async def _of(svc: Services, path: Path) -> ShutOut:
    """Raises DeltaError."""
    with staged_restore.read_alone(path):
        before = await asyncio.to_thread(ReadOnlyDatabase, path, svc.config.storage, svc.clock, Tuning())
        try:
            return await before.read(_shut_out)
        finally:
            await before.close()


def _shut_out(tx: Tx) -> ShutOut:
    account = accounts.find_default_account(tx)
    if account is None:
        return ShutOut()
    return ShutOut(
        accounts.revoked_keys(tx, account, MOST),
        users.barred(tx, account, MOST),
        users.roles_changed(tx, account, MOST_CHANGED),
        projects.changed_members(tx, account, MOST_CHANGED),
    )
