"""Projects and members of an account that has very many, beside those of one that has few."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core import names
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.features.projects import store
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from tests.bench.table import Row, bench
from tests.bench.turns import ROUNDS, compared, sized

SMALL, LARGE = sized((1_000, 100_000), (20, 40))
CALLS = sized(200, 1)
SHOWN = 100
_ANY_NAME = names.page_range("", None)
ALL, TEN = 1, 2
"""Users: a member of every project, and of ten. The first project has as many members as there are projects."""


class _Filled(msgspec.Struct, frozen=True):
    svc: Services
    account: int
    rows: int


Question = Callable[[Tx, _Filled], list[object]]


@bench("members: 100,000 projects and members, 1,000")
def members() -> Iterator[Row]:
    for name, rounds in asyncio.run(_measure()).items():
        yield compared(name, "ms", rounds, "1,000", bar=1.5, note=f"{CALLS} calls, time of the thread")


async def _measure() -> dict[str, list[tuple[float, float]]]:
    async with AsyncExitStack() as opened_:
        small, large = [await _filled(opened_, rows) for rows in (SMALL, LARGE)]
        return {name: [_round(ask, large, small, n) for n in range(ROUNDS)] for name, ask in QUESTIONS.items()}


def _round(ask: Question, large: _Filled, small: _Filled, number: int) -> tuple[float, float]:
    if number % 2:
        after = _ms(ask, small)
        return _ms(ask, large), after
    before = _ms(ask, large)
    return before, _ms(ask, small)


def _ms(ask: Question, filled: _Filled) -> float:
    """On this thread: others have work of their own meanwhile."""
    assert filled.svc.db.peek(ask, filled)
    began = time.thread_time()
    for _ in range(CALLS):
        filled.svc.db.peek(ask, filled)
    return (time.thread_time() - began) * 1000 / CALLS


async def _filled(stack: AsyncExitStack, rows: int) -> _Filled:
    config = Config(storage=Storage(data_dir=Path(stack.enter_context(tempfile.TemporaryDirectory()))))
    svc = await stack.enter_async_context(app.open_services(config, tuning=Tuning(synchronous="OFF")))
    account = await svc.db.write(accounts.default_account)
    for first in range(1, rows + 1, 2000):
        await svc.db.write(_fill, account, range(first, min(first + 2000, rows + 1)))
    await svc.db.write(_join, rows)
    return _Filled(svc, account, rows)


def _fill(tx: Tx, account: int, numbers: range) -> None:
    columns = "uid, account, email, name, role, created_at, updated_at"
    tx.many(
        f"INSERT INTO user ({columns}) VALUES (?, ?, ?, '', 'member', 0, 0)",
        [(tx.new_id(), account, f"{number}@example.com") for number in numbers],
    )
    tx.many(
        "INSERT INTO project (uid, account, name, description, created_at, updated_at) VALUES (?, ?, ?, '', ?, ?)",
        [(tx.new_id(), account, f"project {number:06}", tx.now_ms, tx.now_ms) for number in numbers],
    )


def _join(tx: Tx, rows: int) -> None:
    for wanted in (
        f"SELECT id, {ALL}, 'viewer', id FROM project",
        f"SELECT 1, id, 'viewer', id FROM user WHERE id > {ALL}",
        f"SELECT id, {TEN}, 'viewer', id FROM project WHERE id > {rows - 10}",
    ):
        tx.run(f"INSERT INTO member (project, user, role, created_at) {wanted}")


def _projects(tx: Tx, filled: _Filled) -> list[object]:
    return [*store.page(tx, filled.account, names=_ANY_NAME, limit=SHOWN)]


def _projects_of(user: int) -> Question:
    def listed(tx: Tx, filled: _Filled) -> list[object]:
        return [*store.page_of_member(tx, filled.account, user=user, names=_ANY_NAME, limit=SHOWN)]

    return listed


def _first_members(tx: Tx, _: _Filled) -> list[object]:
    return [*store.members(tx, 1, after=projects.FIRST_MEMBER, limit=SHOWN)]


def _last_members(tx: Tx, filled: _Filled) -> list[object]:
    return [*store.members(tx, 1, after=(filled.rows - 10, 0), limit=SHOWN)]


QUESTIONS: dict[str, Question] = {
    "list projects": _projects,
    "list the projects of a member of all": _projects_of(ALL),
    "list the projects of a member of ten": _projects_of(TEN),
    "list the first members": _first_members,
    "list the last members": _last_members,
}
