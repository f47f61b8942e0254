"""Lists over a project of many endpoints: what an endpoint does not show costs next to nothing."""

import asyncio
from functools import partial
from typing import Any

import pytest

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import DeltaFilter
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import appending, service
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.features.snapshots.timeline import EndpointLocks
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.features.history.timelines import Version, compute, endpoint_named, fill

QUIET, SHOWN = 300, 20


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Statements run, in order."""
    found: list[str] = []
    execute = SqliteTx._execute

    def execute_noting(tx: SqliteTx, sql: str, params: tuple[Any, ...]) -> Any:
        found.append(sql)
        return execute(tx, sql, params)

    monkeypatch.setattr(SqliteTx, "_execute", execute_noting)
    return found


@pytest.fixture
async def busy(services: Services) -> EndpointRef:
    """In a project of 301 endpoints, the one that has all that is new. The others had their two long before."""
    busy = await endpoint_named(services, "busy")
    for n in range(2):
        new_snapshots = [NewSnapshot(f"quiet {number}", b"[%d]" % n, 1000 * n + number) for number in range(QUIET)]
        await service.create_snapshots(services, busy.project, new_snapshots, IdempotencyKey.none())
    await fill(services, busy, [Version(100_000 + n, b"[%d]" % n) for n in range(200)])
    await compute(services)
    return busy


async def test_lists(services: Services, busy: EndpointRef, ran: list[str]) -> None:
    for descending in (False, True):
        span = TimelineSpan(descending=descending, from_ms=0 if descending else 50_000)
        for changed_only in (False, True):
            listed = partial(service.list_snapshots, span=span, limit=SHOWN, changed_only=changed_only)
            ran.clear()
            rows = await listed(services, busy.project, None)
            assert len(ran) <= 5
            assert rows == await listed(services, busy.project, busy)
        ran.clear()
        found = await deltas.page(services, busy.project, None, span, limit=SHOWN, filter=DeltaFilter())
        walks = [sql for sql in ran if "JOIN delta" in sql]
        assert len(walks) <= 4
        of_one = await deltas.page(services, busy.project, busy, span, limit=SHOWN, filter=DeltaFilter())
        assert (found.deltas, found.next) == (of_one.deltas, of_one.next)


async def test_all_come_in_order_wherever_they_begin(services: Services, busy: EndpointRef) -> None:
    """Ties of several endpoints included: `fill` puts snapshots of all at the same times."""
    for number in range(0, QUIET, 50):
        endpoint = await endpoint_named(services, f"quiet {number}")
        await fill(services, endpoint, [Version(100_000 + n, b"[%d]" % (n // 14)) for n in range(0, 60, 7)])
    for descending in (False, True):
        for changed_only in (False, True):
            span = TimelineSpan(descending=descending)
            rows = await service.list_snapshots(
                services, busy.project, None, span, limit=5000, changed_only=changed_only
            )
            positions = [row.position for row in rows]
            assert positions == sorted(positions, reverse=descending)
            paged: list[Any] = []
            while page := await service.list_snapshots(
                services, busy.project, None, span, limit=37, changed_only=changed_only
            ):
                paged += page
                span = span.past(page[-1].position)
            assert paged == rows
            assert len(rows) == (830 if changed_only else 854)


async def test_first_snapshots_of_two_endpoints_do_not_wait_for_each_other(services: Services) -> None:
    """The lock of one is held, as while a large document is encoded."""
    project = (await endpoint_named(services, "any")).project
    first, second = NewSnapshot("first", b"[1]", 1), NewSnapshot("second", b"[2]", 2)
    async with services.state(EndpointLocks).hold([appending._lock_key(project, first)]):
        waiting = asyncio.create_task(service.create_snapshots(services, project, [first], IdempotencyKey.none()))
        stored = await asyncio.wait_for(
            service.create_snapshots(services, project, [second], IdempotencyKey.none()), 30
        )
        assert len(stored.ids) == 1
        assert not waiting.done()
    assert len((await waiting).ids) == 1
