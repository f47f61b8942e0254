"""What keeps the record index right while deltas come, go and come anew; histories beside it are in
tests/features/history/test_lives.py."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from delta_server.core.history.life_search import LeafSearch
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import listing, summaries
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.history import walk
from delta_server.features.lives import service as lives
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.features.history import test_blame, test_history, timelines
from tests.features.history.timelines import Version, at, history_of

PATH = "/[id=2]/n"
PICK = at(("id", 2), "n")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "FOLDED_FROM", 10)


def records(count: int) -> list[Version]:
    """Of nine records the first changes each time, the second now and then."""
    rows = b",".join(b'{"id":%d,"n":0}' % n for n in range(3, 10))
    return [Version(1000 * n, b'[{"id":1,"n":%d},{"id":2,"n":%d},%b]' % (n, n // 40, rows)) for n in range(1, count)]


async def filled(svc: Services, versions: Sequence[Version]) -> tuple[EndpointRef, list[str]]:
    endpoint = await timelines.endpoint_named(svc, "e")
    ids = await timelines.fill(svc, endpoint, versions)
    await timelines.compute(svc)
    return endpoint, ids


def rows(svc: Services) -> list[Any]:
    return svc.db.peek(lambda tx: tx.all("SELECT run, captured_at, last_at FROM life ORDER BY run, captured_at"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The contents that are read."""
    found: list[int] = []
    values = walk.values

    async def counted(svc: Services, way: Any, wanted: Sequence[int]) -> Any:
        found.extend(wanted)
        return await values(svc, way, wanted)

    monkeypatch.setattr(walk, "values", counted)
    return found


async def test_one_record_is_read_of_the_index(services: Services, read: list[int]) -> None:
    versions = records(200)
    endpoint, _ = await filled(services, versions)
    assert sum(1 for run, _, _ in rows(services) if run) >= 1
    assert sum(1 for run, _, _ in rows(services) if not run) < 10
    wanted = history_of(versions, PICK)
    assert len(wanted) == 5
    assert test_history.same(await test_history.told(services, endpoint, PATH), wanted)
    assert len(read) == 1, "the first content, which no delta tells of"
    assert test_history.same(await test_history.told(services, endpoint, PATH, test_history.DOWN), wanted[::-1])


async def test_blame_is_read_of_the_index(services: Services, read: list[int]) -> None:
    endpoint, _ = await filled(services, records(200))
    told = await test_blame.told(services, endpoint)
    assert told["/[id=1]/n"] == (199, 199_000)
    assert told["/[id=2]/n"] == (4, 160_000)
    assert told["/[id=9]/n"] == (0, 1000)
    assert read == []


async def test_a_delta_without_entries_takes_those_of_its_time_from_a_run(services: Services) -> None:
    bodies = [b'[{"id":2,"n":%d},{"id":3,"n":%d}]' % (n == 6, n) for n in range(40)]
    bodies[7] = bodies[5].replace(b",", b", ")
    versions = [Version(1000 * (n + 1), body) for n, body in enumerate(bodies)]
    endpoint, ids = await filled(services, versions)
    assert (1, 2000) in [row[:2] for row in rows(services)]
    await snapshots.delete_snapshot(services, endpoint.project, ids[6])
    await timelines.compute(services)
    assert (0, 8000, 8000) in rows(services)
    wanted = history_of([version for version in versions if version.captured_at != 7000], PICK)
    assert len(wanted) == 1
    assert test_history.same(await test_history.told(services, endpoint, PATH), wanted)
    assert (await test_blame.told(services, endpoint))[PATH] == (0, 1000)


async def test_what_is_written_again_is_put_into_its_run(services: Services) -> None:
    versions = records(200)
    endpoint, ids = await filled(services, versions)
    for number in range(20, 140, 4):
        await snapshots.delete_snapshot(services, endpoint.project, ids[number])
    await timelines.compute(services)
    assert sum(1 for run, _, _ in rows(services) if not run) < 10
    left = [version for number, version in enumerate(versions) if number not in range(20, 140, 4)]
    assert test_history.same(await test_history.told(services, endpoint, PATH), history_of(left, PICK))
    bounds = [row[1:] for row in rows(services) if row[0]]
    assert sorted(bounds) == bounds
    assert all(before[1] < after[0] for before, after in pairwise(bounds))


async def test_a_delta_that_failed_is_looked_at(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = records(120)
    endpoint = await timelines.endpoint_named(services, "e")
    await timelines.fill(services, endpoint, versions)
    summarise, calls = summaries.summarise, 0

    def fails_at_times(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 39 == 0:
            raise ValueError
        return summarise(*args)

    monkeypatch.setattr(summaries, "summarise", fails_at_times)
    await timelines.compute(services)
    assert services.db.peek(lambda tx: tx.one("SELECT count(*) FROM content WHERE pending = 2")) == (3,)
    assert test_history.same(await test_history.told(services, endpoint, PATH), history_of(versions, PICK))
    assert (await test_blame.told(services, endpoint))["/[id=2]/n"] == (2, 80_000)


@pytest.mark.parametrize("run", [0, 1])
async def test_damage_costs_time_only(services: Services, run: int) -> None:
    versions = records(200)
    endpoint, _ = await filled(services, versions)
    damage = "UPDATE life SET entries = unhex('01020304050607') WHERE run = ?"
    assert await services.db.write(lambda tx: tx.run(damage, run))
    assert test_history.same(await test_history.told(services, endpoint, PATH), history_of(versions, PICK))
    assert (await test_blame.told(services, endpoint))[PATH] == (4, 160_000)


async def all_deltas(svc: Services, endpoint: EndpointRef) -> Any:
    wanted = deltas.filter_of(kind="all", min_changes=0, path=None)
    return await deltas.page(svc, endpoint.project, endpoint, TimelineSpan(), limit=500, filter=wanted)


def as_before(tx: Tx) -> None:
    """A database as it was before there was the index."""
    tx.run("DELETE FROM life")
    tx.run("UPDATE endpoint SET reindex_before = 1 << 62")


async def test_an_old_directory_is_indexed_behind_the_requests(services: Services, read: list[int]) -> None:
    versions = records(200)
    endpoint, _ = await filled(services, versions)
    listed = await all_deltas(services, endpoint)
    await services.db.write(as_before)
    wanted = history_of(versions, PICK)
    rounds = 0
    while True:
        assert test_history.same(await test_history.told(services, endpoint, PATH), wanted)
        if not await deltas.compute_queued(services):
            break
        rounds += 1
    assert rounds > 6, "some at a time"
    assert services.db.peek(endpoints.lives_are_whole, endpoint.id)
    again = await all_deltas(services, endpoint)
    assert again == listed
    read.clear()
    assert test_history.same(await test_history.told(services, endpoint, PATH), wanted)
    assert len(read) == 1


async def test_new_settings_are_computed_before_old_endpoints_are_indexed(services: Services) -> None:
    endpoint, _ = await filled(services, records(80))
    await services.db.write(as_before)
    other = await timelines.endpoint_named(services, "other")
    await timelines.fill(services, other, records(80))
    await timelines.compute(services)
    await services.db.write(as_before)
    await services.db.write(lambda tx: tx.run("UPDATE endpoint SET recompute_before = 1 << 62 WHERE id = ?", other.id))
    assert await deltas.compute_queued(services)
    waiting = services.db.peek(lambda tx: tx.all("SELECT DISTINCT endpoint FROM content WHERE pending = 1"))
    assert waiting == [(other.id,)]
    await timelines.compute(services)
    assert all(services.db.peek(endpoints.lives_are_whole, of.id) for of in (endpoint, other))


async def test_a_deleted_endpoint_leaves_nothing(services: Services) -> None:
    endpoint, _ = await filled(services, records(60))
    assert rows(services)
    while await services.db.write(deltas.delete_some, endpoint.id, 7):
        pass
    assert rows(services) == []


async def test_many_that_wait_are_walked_along(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = records(60)
    endpoint, _ = await filled(services, versions)
    monkeypatch.setattr(LeafSearch, "candidates", lambda self: None)
    assert (await test_blame.told(services, endpoint))[PATH] == (1, 40_000)


@pytest.mark.parametrize("settings", [None, {"tolerance": 1e-9}])
async def test_no_page_is_empty_but_the_last(
    services: Services, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any] | None
) -> None:
    """However little time there is, and whether an index tells or not."""
    endpoint = await timelines.endpoint_named(services, "e", settings)
    await timelines.fill(services, endpoint, records(130))
    await timelines.compute(services)
    monkeypatch.setattr(walk, "SEARCH_S", 0)
    monkeypatch.setattr(walk, "FIRST_VISITS", 2)
    monkeypatch.setattr(walk, "MOST_VISITS", 2)
    monkeypatch.setattr(listing, "MAX_SEARCH_S", 0)
    monkeypatch.setattr(listing, "SCAN_LIMIT", 3)
    monkeypatch.setattr(listing, "FIRST_CANDIDATES", 1)
    monkeypatch.setattr(listing, "MAX_CANDIDATES", 1)
    for descending in (True, False):
        span = TimelineSpan(descending=descending)
        pages = [await history.get_history(services, endpoint, PATH, span, limit=3)]
        while (next := pages[-1].next) is not None:
            pages.append(await history.get_history(services, endpoint, PATH, span.past(next), limit=3))
        assert all(page.changes for page in pages[:-1])
        assert sum(len(page.changes) for page in pages) == 4
        wanted = deltas.filter_of(kind="content", min_changes=0, path=PATH)
        lists = [await deltas.page(services, endpoint.project, endpoint, span, limit=3, filter=wanted)]
        while (next := lists[-1].next) is not None:
            lists.append(
                await deltas.page(services, endpoint.project, endpoint, span.past(next), limit=3, filter=wanted)
            )
        assert all(page.deltas for page in lists[:-1])
        assert sum(len(page.deltas) for page in lists) == 3


async def test_a_list_ends_early_where_few_of_many_deltas_match(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await timelines.endpoint_named(services, "e", None)
    bodies = [{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}, *({"a": n, "b": 2, "c": 2} for n in range(3, 12))]
    await timelines.fill(services, endpoint, [Version(n, json.dumps(body).encode()) for n, body in enumerate(bodies)])
    await timelines.compute(services)
    monkeypatch.setattr(listing, "SCAN_LIMIT", 3)
    wanted = deltas.filter_of(kind="content", min_changes=3, path=None)
    first = await deltas.page(
        services, endpoint.project, endpoint, TimelineSpan(descending=False), limit=3, filter=wanted
    )
    assert (len(first.deltas), first.next is None) == (1, False)
