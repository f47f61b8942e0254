"""The audit log over a hundred thousand entries beside the same over a thousand, and what an entry costs."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import process_time

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import schemas
from delta_server.features.audit import service as audit
from delta_server.features.audit.service import Filters
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from tests.bench.table import Row, bench
from tests.bench.turns import compared, sized

SMALL, LARGE = sized((1_000, 100_000), (120, 240))
CALLS = sized(20, 1)
ROUNDS = sized(9, 2)
SHOWN = 50
ALL = Filters(0, 1 << 50)
LISTS = {
    "the newest": ALL,
    "of one actor": msgspec.structs.replace(ALL, actor="key 1"),
    "of one action": msgspec.structs.replace(ALL, action="login"),
    "of one target": msgspec.structs.replace(ALL, target="user 1"),
    "of one project": msgspec.structs.replace(ALL, projects=("p1",)),
}


@bench("audit log: 100,000 entries, 1,000 entries")
def lists() -> Iterator[Row]:
    measured = asyncio.run(_measure())
    for name, rounds in measured.items():
        note = "processor time from the service to JSON"
        yield compared(f"list {SHOWN} entries, {name}", "ms", rounds, "1,000 entries", bar=1.5, note=note)


async def _measure() -> dict[str, list[tuple[float, float]]]:
    async with AsyncExitStack() as opened:
        filled = []
        for rows in (LARGE, SMALL):
            directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            config = Config(storage=Storage(data_dir=directory))
            svc = await opened.enter_async_context(app.open_services(config, tuning=Tuning(synchronous="OFF")))
            filled.append((svc, await svc.db.write(_fill, rows)))
        return {name: [await _turn(filled, filters) for _ in range(ROUNDS)] for name, filters in LISTS.items()}


async def _turn(filled: list[tuple[Services, int]], filters: Filters) -> tuple[float, float]:
    large, small = [await _ms(svc, account, filters) for svc, account in filled]
    return large, small


async def _ms(svc: Services, account: int, filters: Filters) -> float:
    started = process_time()
    for _ in range(CALLS):
        rows = await audit.list_entries(svc, account, filters, before=None, limit=SHOWN)
        assert len(msgspec.json.decode(msgspec.json.encode([schemas.entry(row) for row in rows]))) == SHOWN
    return (process_time() - started) * 1e3 / CALLS


def _fill(tx: Tx, rows: int) -> int:
    """Two actors, actions, targets and projects, by turns: in the order of time none is further apart than another."""
    account = accounts.default_account(tx)
    tx.run(
        f"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= {rows})"
        " INSERT INTO audit (account, seq, at, actor, address, request_id, action, project, target, name, outcome,"
        " repeats, detail, hash) SELECT ?, i, i, 'key ' || (i % 2), '', '', iif(i % 2, 'login', 'logout'),"
        " 'p' || (i % 2), 'user ' || (i % 2), '', 'ok', 1, '{}', zeroblob(32) FROM n",
        account,
    )
    return account
