"""Lists over a million rows beside the same lists over ten thousand: what reads more than it shows gets slower."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core.history.change_times import MOST_OPEN, sealed
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import schemas
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from tests.bench.table import Row, bench
from tests.bench.turns import sized

SMALL, LARGE = sized((10_000, 1_000_000), (200, 400))
ENDPOINTS = sized(1_000, 10)
SHOWN = 100
CALLS = sized(30, 1)
BEGAN_MS = 1_700_000_000_000
EVERY_MS = 10_000
FIELD = "/price"


class _Filled(msgspec.Struct, frozen=True):
    """A database with as many rows in one endpoint of one project as in 1,000 endpoints of another."""

    svc: Services
    rows: int
    project: int
    endpoint: EndpointRef
    crowd: int


Listing = Callable[[_Filled], Awaitable[bytes]]


@bench("lists: 1,000,000 rows, 10,000 rows")
def lists() -> Iterator[Row]:
    measured = asyncio.run(_measure())
    for name, (large, small) in measured.items():
        note = f"median of {CALLS}, from the service to JSON"
        yield Row(f"list {name}", large, "ms", small, "10,000 rows", bar=1.5, note=note)


async def _measure() -> dict[str, tuple[float, float]]:
    """By list: milliseconds over LARGE and over SMALL rows, called by turns."""
    async with AsyncExitStack() as opened:
        databases = []
        for rows in (LARGE, SMALL):
            directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            config = Config(storage=Storage(data_dir=directory))
            svc = await opened.enter_async_context(app.open_services(config, tuning=Tuning(synchronous="OFF")))
            databases.append(await _fill(svc, rows))
        return {name: await _beside(listing, databases) for name, listing in LISTS.items()}


async def _beside(listing: Listing, databases: list[_Filled]) -> tuple[float, float]:
    rounds = [[await _ms(listing, filled) for filled in databases] for _ in range(CALLS + 3)]
    large, small = (median(times) for times in zip(*rounds[3:], strict=True))
    return large, small


async def _ms(listing: Listing, filled: _Filled) -> float:
    started = time.perf_counter()
    answer = await listing(filled)
    seconds = time.perf_counter() - started
    assert len(msgspec.json.decode(answer)) == SHOWN, answer[:200]
    return seconds * 1e3


# The lists


async def _newest(filled: _Filled) -> bytes:
    return await _snapshots(filled, filled.endpoint, TimelineSpan())


async def _middle(filled: _Filled) -> bytes:
    middle = BEGAN_MS + filled.rows // 2 * EVERY_MS
    return await _snapshots(filled, filled.endpoint, TimelineSpan(after=(middle, filled.rows // 2)))


async def _changed(filled: _Filled) -> bytes:
    return await _snapshots(filled, filled.endpoint, TimelineSpan(), changed_only=True)


async def _all_endpoints(filled: _Filled) -> bytes:
    return await _snapshots(filled, None, TimelineSpan())


async def _snapshots(
    filled: _Filled, endpoint: EndpointRef | None, span: TimelineSpan, *, changed_only: bool = False
) -> bytes:
    project = filled.crowd if endpoint is None else filled.project
    rows = await snapshots.list_snapshots(filled.svc, project, endpoint, span, limit=SHOWN, changed_only=changed_only)
    return msgspec.json.encode([schemas.snapshot(row) for row in rows])


async def _newest_deltas(filled: _Filled) -> bytes:
    return await _deltas(filled, filled.endpoint, None)


async def _deltas_of_field(filled: _Filled) -> bytes:
    return await _deltas(filled, filled.endpoint, FIELD)


async def _all_deltas(filled: _Filled) -> bytes:
    return await _deltas(filled, None, None)


async def _deltas(filled: _Filled, endpoint: EndpointRef | None, path: str | None) -> bytes:
    project = filled.crowd if endpoint is None else filled.project
    wanted = deltas.filter_of(kind="content", min_changes=0, path=path)
    found = await deltas.page(filled.svc, project, endpoint, TimelineSpan(), limit=SHOWN, filter=wanted)
    return msgspec.json.encode(found.deltas)


LISTS: dict[str, Listing] = {
    "100 snapshots": _newest,
    "100 snapshots from the middle": _middle,
    "100 snapshots, changed only": _changed,
    "100 snapshots of 1,000 endpoints": _all_endpoints,
    "100 deltas": _newest_deltas,
    "100 deltas in which a field changed": _deltas_of_field,
    "100 deltas of 1,000 endpoints": _all_deltas,
}


# Filling a database: rows as the stores write them, made by SQLite itself, which takes seconds instead of minutes


async def _fill(svc: Services, rows: int) -> _Filled:
    filled = await svc.db.write(_fill_rows, svc, rows)
    await svc.db.optimize()
    await svc.db.checkpoint()
    return filled


def _fill_rows(tx: Tx, svc: Services, rows: int) -> _Filled:
    account = accounts.default_account(tx)
    project, crowd = (projects.ensure(tx, account, name).id for name in ("one", "crowd"))
    one = endpoints.ensure(tx, project, "one")
    _fill_endpoints(tx, first=one.id, endpoints=1, rows=rows, ids_from=1)
    many = [endpoints.ensure(tx, crowd, f"endpoint {number}").id for number in range(ENDPOINTS)]
    _fill_endpoints(tx, first=many[0], endpoints=ENDPOINTS, rows=rows, ids_from=rows + 1)
    return _Filled(svc, rows, project, one, crowd)


def _fill_endpoints(tx: Tx, *, first: int, endpoints: int, rows: int, ids_from: int) -> None:
    """`rows` in all, of each endpoint in turn, EVERY_MS from one row to the next."""
    number = f"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})"
    place = f"{first} + i % {endpoints}, {BEGAN_MS} + i * {EVERY_MS}"
    tx.run(
        "INSERT INTO content (id, endpoint, captured_at, size, hash, dead, pending)"
        f" {number} SELECT {ids_from} + i, {place}, 100, unhex(printf('%032x', i)), 0, 0 FROM n"
    )
    tx.run(
        "INSERT INTO snapshot (id, uid, endpoint, captured_at, content)"
        f" {number} SELECT {ids_from} + i, unhex(printf('%016x%016x', i, {first})), {place}, {ids_from} + i FROM n"
    )
    tx.run(
        "INSERT INTO field (id, endpoint, pattern, changes, deltas, types)"
        f" SELECT id, id, '{FIELD}', 1, 1, 4 FROM endpoint WHERE id BETWEEN {first} AND {first + endpoints - 1}"
    )
    for field in range(first, first + endpoints):
        at = [
            row[0] for row in tx.all("SELECT captured_at FROM content WHERE endpoint = ? ORDER BY captured_at", field)
        ]
        for begin in range(0, len(at), MOST_OPEN):
            chunk = at[begin : begin + MOST_OPEN]
            tx.run(
                "INSERT INTO field_change (field, captured_at, later) VALUES (?, ?, ?)", field, chunk[0], sealed(chunk)
            )
    fields = {first + n: msgspec.msgpack.encode([[first + n, 1], []]).hex() for n in range(endpoints)}
    tx.run("CREATE TEMP TABLE blob (endpoint INTEGER PRIMARY KEY, fields BLOB)")
    tx.many("INSERT INTO blob VALUES (?, unhex(?))", list(fields.items()))
    tx.run(
        "INSERT INTO delta"
        " (content, captured_at, diff_version, kind, added, removed, replaced, moved, similarity, fields)"
        " SELECT id, captured_at, 1, 0, 0, 0, 1, 0, 900000, blob.fields FROM content JOIN blob USING (endpoint)"
        f" WHERE id >= {ids_from}"
    )
    tx.run("DROP TABLE blob")
