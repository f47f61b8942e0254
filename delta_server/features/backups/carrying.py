"""Who was shut out after a backup was taken stays so once it is restored: the database before it, which is kept, knows
which keys were revoked and which users disabled or deleted. Deleted users are there again, disabled."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from delta_server.core.errors import DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.read_only import ReadOnlyDatabase

MOST = 100_000
_AT_ONCE = 200
"""In one transaction, which holds up all others: 5 ms."""

log = structlog.get_logger("delta.backup")


async def carry_over(svc: Services, before: Path) -> dict[str, object]:
    """How many keys and users were shut out again; says so where `before` cannot be read, which may be why it was
    replaced."""
    try:
        keys, barred = await _of(svc, before)
    except DeltaError as error:
        log.warning("what was revoked since the backup is not known", database=before.name, reason=error.message)
        return {"keys": "unknown", "users": "unknown"}
    return {
        "keys": await _in_pieces(svc, accounts.revoke_again, keys),
        "users": await _in_pieces(svc, users.disable_again, barred),
    }


async def _in_pieces(svc: Services, shut_out: Callable[[Tx, int, Sequence[str]], int], names: list[str]) -> int:
    if (account := svc.db.peek(accounts.find_default_account)) is None:
        return 0
    pieces = [names[at : at + _AT_ONCE] for at in range(0, len(names), _AT_ONCE)]
    return sum([await svc.db.write(shut_out, account, piece) for piece in pieces])


async def _of(svc: Services, path: Path) -> tuple[list[str], list[str]]:
    """Keys and users. Raises DeltaError."""
    before = await asyncio.to_thread(ReadOnlyDatabase, path, svc.config.storage, svc.clock, Tuning())
    try:
        return await before.read(_shut_out)
    finally:
        await before.close()


def _shut_out(tx: Tx) -> tuple[list[str], list[str]]:
    account = accounts.find_default_account(tx)
    if account is None:
        return [], []
    return accounts.revoked_keys(tx, account, MOST), users.barred(tx, account, MOST)
