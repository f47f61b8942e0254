"""Keys of a project that has very many, beside those of one that has few; and what a scope costs at each request."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core.caller import Caller
from delta_server.core.scopes import opened
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts import store
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from tests.bench.table import Row, bench
from tests.bench.turns import ROUNDS, compared, sized

SMALL, LARGE = sized((1_000, 100_000), (20, 40))
CALLS = sized(30, 1)
CHECKS = sized(200_000, 10)
SHOWN = 100
UNTIL_MS = 4_000_000_000_000


class _Owner(msgspec.Struct, frozen=True):
    """A project with keys: half of them revoked, every tenth an admin's, of which one alone has not expired."""

    svc: Services
    caller: Caller
    keys: int


Question = Callable[[_Owner], Awaitable[object]]


@bench("keys: 100,000 of a project, 1,000 of another")
def keys() -> Iterator[Row]:
    for name, rounds in asyncio.run(_measure()).items():
        note = f"{CALLS} calls, time of the processor"
        yield compared(name, "ms", rounds, "1,000 keys", bar=1.5, note=note)


@bench("keys: whether a caller may")
def may() -> Iterator[Row]:
    caller = Caller(1, 1, opened("snapshots:read events:write sql:read"), "key")
    began = time.process_time()
    for _ in range(CHECKS):
        caller.may("snapshots:write")
    us = (time.process_time() - began) / CHECKS * 1e6
    yield Row("one check of a scope", us, "us", bar=1.0, bar_on="ours")


async def _measure() -> dict[str, list[tuple[float, float]]]:
    async with AsyncExitStack() as opened_:
        directory = Path(opened_.enter_context(tempfile.TemporaryDirectory()))
        config = Config(storage=Storage(data_dir=directory))
        svc = await opened_.enter_async_context(app.open_services(config, tuning=Tuning(synchronous="OFF")))
        small, large = [await _filled(svc, f"project of {count}", count) for count in (SMALL, LARGE)]
        return {name: [await _round(ask, large, small, n) for n in range(ROUNDS)] for name, ask in QUESTIONS.items()}


async def _round(ask: Question, large: _Owner, small: _Owner, number: int) -> tuple[float, float]:
    if number % 2:
        after = await _ms(ask, small)
        return await _ms(ask, large), after
    before = await _ms(ask, large)
    return before, await _ms(ask, small)


async def _ms(ask: Question, owner: _Owner) -> float:
    began = time.process_time()
    for _ in range(CALLS):
        await ask(owner)
    return (time.process_time() - began) * 1000 / CALLS


async def _filled(svc: Services, name: str, count: int) -> _Owner:
    account = await svc.db.write(accounts.default_account)
    project = (await svc.db.write(projects.ensure, account, name)).id
    for first in range(0, count, 2000):
        await svc.db.write(_fill, account, project, range(first, min(first + 2000, count)))
    return _Owner(svc, Caller(account, project, opened("admin"), "key"), count)


def _fill(tx: Tx, account: int, project: int, numbers: range) -> None:
    tx.many(
        "INSERT INTO api_key (public_id, secret_hash, account, project, name, scopes, created_at, expires_at,"
        " revoked_at) VALUES (?, x'00', ?, ?, 'key', ?, 0, ?, ?)",
        [
            (
                _id(project, number),
                account,
                project,
                "admin" if number % 10 == 1 else "read",
                None if number == 1 else 1,
                None if number % 2 else 1,
            )
            for number in numbers
        ],
    )


def _id(project: int, number: int) -> str:
    return f"{project}-{number}"


async def _first_page(owner: _Owner) -> object:
    return await accounts.list_key_page(owner.svc, owner.caller, below=None, limit=SHOWN)


async def _last_page(owner: _Owner) -> object:
    """By the cursor of its oldest keys."""
    oldest = await owner.svc.db.read(_row, owner.caller, 0)
    return await accounts.list_key_page(owner.svc, owner.caller, below=oldest + SHOWN, limit=SHOWN)


async def _last_admin(owner: _Owner) -> object:
    found = await owner.svc.db.read(_is_last_admin, owner.caller, _id(owner.caller.project or 0, 1))
    assert found, "all others have expired"
    return found


def _row(tx: Tx, caller: Caller, number: int) -> int:
    found = store.key(tx, _id(caller.project or 0, number))
    assert found is not None
    return found.id


def _is_last_admin(tx: Tx, caller: Caller, public_id: str) -> bool:
    return store.is_last_admin(tx, caller.account, caller.project, public_id, until_ms=UNTIL_MS)


QUESTIONS: dict[str, Question] = {
    "list the newest keys": _first_page,
    "list the oldest keys": _last_page,
    "is it the last admin key": _last_admin,
}
