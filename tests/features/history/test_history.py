"""The history of fields against decoding every version, on the packaged history and on random ones."""

import random
from typing import Any

import msgspec
import pytest

from delta_server.core import times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service, walk
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from tests.features.history import timelines
from tests.features.history.randomly import SETTINGS, random_versions
from tests.features.history.timelines import ABSENT, Version, at, comparable, history_of
from tests.often import seeds

UP, DOWN = TimelineSpan(descending=False), TimelineSpan(descending=True)


async def told(
    svc: Services,
    endpoint: EndpointRef,
    path: str,
    span: TimelineSpan = UP,
    *,
    limit: int = 1000,
    use_index: bool = True,
) -> list[tuple[int, Any]]:
    """All pages of a history, as `history_of` has it."""
    rows: list[tuple[int, Any]] = []
    while True:
        found = await service.get_history(svc, endpoint, path, span, limit=limit, use_index=use_index)
        assert len(found.changes) <= limit
        for change in found.changes:
            value = ABSENT if change.value is msgspec.UNSET else timelines.decoded(bytes(change.value))
            rows.append((times.parse(change.captured_at, field="at"), value))
        if found.next is None:
            return rows
        span = span.past(found.next)


def same(a: list[tuple[int, Any]], b: list[tuple[int, Any]]) -> bool:
    return [(when, comparable(value)) for when, value in a] == [(when, comparable(value)) for when, value in b]


async def test_magnitudes_of_the_real_history(services: Services) -> None:
    versions = timelines.quakes()
    endpoint = await timelines.endpoint_named(services, "quakes")
    await timelines.fill(services, endpoint, versions)
    await timelines.compute(services)
    wanted = magnitudes(versions)
    assert len(wanted) > 100
    assert any(len([mag for _, mag in rows if mag is not ABSENT]) > 1 for rows in wanted.values()), "some are revised"
    for number, (url, rows) in enumerate(wanted.items()):
        if number % 20 and len(rows) <= 2:  # of those that only came and went, each twentieth
            continue
        path = f"/features/[properties/url={url}]/properties/mag"
        assert same(await told(services, endpoint, path), rows), path
        if number % 20 == 0:
            assert same(await told(services, endpoint, path, DOWN, limit=2), rows[::-1]), path
            assert same(await told(services, endpoint, path, use_index=False), rows), path


def magnitudes(versions: list[Version]) -> dict[str, list[tuple[int, Any]]]:
    """By the earthquake's URL, all its magnitudes: decoded, put side by side, compared."""
    histories: dict[str, list[tuple[int, Any]]] = {}
    for version in versions:
        quakes = timelines.decoded(version.body)["features"]
        now = {quake["properties"]["url"]: quake["properties"]["mag"] for quake in quakes}
        for url in histories.keys() | now.keys():
            rows = histories.setdefault(url, [])
            if (rows[-1][1] if rows else ABSENT) != now.get(url, ABSENT):
                rows.append((version.captured_at, now.get(url, ABSENT)))
    return histories


async def test_snapshots_named_are_those_where_the_value_appeared(services: Services) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    bodies = [b'{"a":1}', b'{"a":1,"b":0}', b'{"a":1.0,"b":0}', b'{"b":0}', b'{"a":10e-1}', b'{"a":2}']
    ids = await timelines.fill(services, endpoint, [Version(1000 * (n + 1), body) for n, body in enumerate(bodies)])
    found = await service.get_history(services, endpoint, "/a", UP, limit=10)
    assert [(change.snapshot_id, change.value) for change in found.changes] == [
        (ids[0], msgspec.Raw(b"1")),
        (ids[3], msgspec.UNSET),
        (ids[4], msgspec.Raw(b"10e-1")),
        (ids[5], msgspec.Raw(b"2")),
    ]


@pytest.mark.parametrize("indexed", [True, False])
async def test_ranges(services: Services, indexed: bool) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    versions = [Version(1000 * n, b'{"a":%d,"n":%d}' % (n // 3, n)) for n in range(1, 31)]
    await timelines.fill(services, endpoint, versions)
    await timelines.compute(services)
    wanted = history_of(versions, at("a"))
    for first, end in [(0, 40_000), (5_000, 20_000), (6_000, 6_001), (7_000, 9_000), (30_001, 50_000), (3_000, 3_000)]:
        inside = [row for row in wanted if first <= row[0] < end]
        for descending in (True, False):
            span = TimelineSpan(first, end, descending=descending)
            got = await told(services, endpoint, "/a", span, limit=2, use_index=indexed)
            assert same(got, inside[::-1] if descending else inside)


async def test_the_index_saves_reading(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    versions = [Version(1000 * n, b'{"rare":%d,"often":%d}' % (n // 100, n)) for n in range(1, 301)]
    await timelines.fill(services, endpoint, versions)
    await timelines.compute(services)
    visited = 0
    read = walk.read

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal visited
        versions, next = await read(*args, **kwargs)
        visited += len(versions)
        return versions, next

    monkeypatch.setattr(walk, "read", counted)
    assert len(await told(services, endpoint, "/rare")) == 4
    assert visited == 4


async def test_a_search_that_takes_too_long_goes_on_with_a_cursor(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    versions = [Version(1000 * n, b'{"a":%d,"n":%d}' % (n // 80, n)) for n in range(1, 200)]
    await timelines.fill(services, endpoint, versions)
    monkeypatch.setattr(walk, "SEARCH_S", 0)
    found = await service.get_history(services, endpoint, "/a", UP, limit=100)
    assert len(found.changes) == 1
    assert found.next is not None
    for span in (UP, DOWN):
        wanted = history_of(versions, at("a"))[:: -1 if span.descending else 1]
        assert same(await told(services, endpoint, "/a", span), wanted)


async def test_answers_are_bounded_in_bytes(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    versions = [Version(1000 * n, b'{"a":"%d%s"}' % (n, b"x" * 1000)) for n in range(1, 20)]
    await timelines.fill(services, endpoint, versions)
    monkeypatch.setattr(service, "ANSWER_BYTES", 3500)
    found = await service.get_history(services, endpoint, "/a", UP, limit=100)
    assert len(found.changes) == 3
    monkeypatch.setattr(service, "ANSWER_BYTES", 10)
    assert same(await told(services, endpoint, "/a"), history_of(versions, at("a")))


PATHS: list[tuple[str, tuple[Any, ...]]] = [
    ("", ()),
    ("/title", ("title",)),
    ("/count", ("count",)),
    ("/items", ("items",)),
    ("/items/0", ("items", 0)),
    ("/items/0/price", ("items", 0, "price")),
    ("/items/2/tags/1", ("items", 2, "tags", 1)),
    ("/items/[id=i3]", ("items", ("id", "i3"))),
    ("/items/[id=i3]/price", ("items", ("id", "i3"), "price")),
    ("/items/[id=i4]/name", ("items", ("id", "i4"), "name")),
    ("/items/[name=red]/price", ("items", ("name", "red"), "price")),
    ("/items/[id=i5]/tags", ("items", ("id", "i5"), "tags")),
    ("/items/[meta/code=7]/price", ("items", ("meta", "code", 7), "price")),
    ("/map", ("map",)),
    ("/map/k1", ("map", "k1")),
    ("/map/k2/n", ("map", "k2", "n")),
    ("/map/7/n", ("map", "7", "n")),
    ("/numbers", ("numbers",)),
    ("/numbers/1", ("numbers", 1)),
    ("/shape/a", ("shape", "a")),
    ("/shape/1", ("shape", 1)),
    ("/odd~1na~0me/a", ("odd/na~me", "a")),
    ("/nothing/at/all", ("nothing", "at", "all")),
]


@pytest.mark.parametrize("seed", seeds(4))
async def test_random_histories_back_dated_and_cut(services: Services, seed: int) -> None:
    rng = random.Random(seed)
    endpoint = await timelines.endpoint_named(services, "e", SETTINGS[seed % len(SETTINGS)])
    versions = random_versions(rng, 30)
    shuffled = versions[:15] + rng.sample(versions[15:], 15)
    ids = dict(zip(shuffled, await timelines.fill(services, endpoint, shuffled[:20]), strict=False))
    await timelines.compute(services)
    ids |= dict(zip(shuffled[20:], await timelines.fill(services, endpoint, shuffled[20:]), strict=True))
    if seed % 2:
        await maintenance.pack(services.contents)
    for version in rng.sample(sorted(ids), 6):
        await snapshots.delete_snapshot(services, endpoint.project, ids.pop(version))
    await check_all(services, endpoint, list(ids))  # with deltas that wait
    await timelines.compute(services)
    await maintenance.sweep(services.contents)
    await check_all(services, endpoint, list(ids))


async def check_all(services: Services, endpoint: EndpointRef, versions: list[Version]) -> None:
    for path, steps in PATHS:
        wanted = history_of(versions, at(*steps))
        assert same(await told(services, endpoint, path), wanted), path
        assert same(await told(services, endpoint, path, DOWN, limit=3), wanted[::-1]), path
        assert same(await told(services, endpoint, path, use_index=False), wanted), path
