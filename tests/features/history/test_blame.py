"""Blame against a search that decodes every version and looks every leaf up in it."""

import asyncio
import random
import threading
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from delta_server.core import times
from delta_server.core.errors import NotFound
from delta_server.core.json import pointer
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import previous_values, service, walk
from delta_server.features.history.schemas import PreviousValue
from delta_server.features.history.service import Resume
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from tests.features.history import timelines
from tests.features.history.randomly import SETTINGS, random_versions
from tests.features.history.timelines import ABSENT, Version, at, comparable
from tests.often import seeds

Told = dict[str, tuple[Any, int]]
"""By path, a leaf's value and since when it has it."""


async def told(svc: Services, endpoint: EndpointRef, path: str = "", *, limit: int = 1000, **options: Any) -> Told:
    """All pages of a blame."""
    leaves: Told = {}
    resume: Resume | None = None
    while True:
        found = await service.blame(svc, endpoint, path, limit=limit, resume=resume, **options)
        assert len(found.leaves) <= limit
        for leaf in found.leaves:
            assert leaf.path not in leaves, "each leaf comes once"
            leaves[leaf.path] = timelines.decoded(bytes(leaf.value)), times.parse(leaf.captured_at, field="at")
        if found.next is None:
            return leaves
        resume = found.next


def wanted(versions: list[Version], key: str, path: str = "") -> Told:
    """What must be told about the last of `versions`, where arrays of objects are keyed by `key`."""
    rising = sorted(versions)
    leaves: Told = {}
    for place, steps, value in leaves_of(timelines.decoded(rising[-1].body), key):
        if place == path or place.startswith(path + "/"):
            since = rising[-1].captured_at
            for version in reversed(rising):
                if comparable(at(*steps)(timelines.decoded(version.body))) != comparable(value):
                    break
                since = version.captured_at
            leaves[place] = value, since
    return leaves


def leaves_of(
    value: Any, key: str, path: str = "", steps: tuple[Any, ...] = ()
) -> list[tuple[str, tuple[Any, ...], Any]]:
    """(path, steps for `at`, value) of every leaf."""
    if isinstance(value, dict) and value:
        below = [(pointer.escape(name), name, member) for name, member in value.items()]
    elif is_keyed(value, key):
        keys = [at(*key.split("/"))(element) for element in value]
        below = [(f"[{key}={k}]", (*key.split("/"), k), element) for k, element in zip(keys, value, strict=True)]
    else:
        return [(path, steps, value)]
    return [leaf for text, step, inner in below for leaf in leaves_of(inner, key, f"{path}/{text}", (*steps, step))]


def is_keyed(value: Any, key: str) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(element, dict) for element in value):
        return False
    values = [at(*key.split("/"))(element) for element in value]
    return all(isinstance(value, str) for value in values) and len(set(values)) == len(values)


def same(a: Told, b: Told) -> bool:
    return {path: (comparable(value), since) for path, (value, since) in a.items()} == {
        path: (comparable(value), since) for path, (value, since) in b.items()
    }


async def test_the_real_history(services: Services) -> None:
    versions = timelines.quakes()
    settings = {"array_keys": {"/features": ["properties/url"]}}
    endpoint = await timelines.endpoint_named(services, "quakes", settings)
    await timelines.fill(services, endpoint, versions)
    await timelines.compute(services)
    flat = [
        {path: value for path, _, value in leaves_of(timelines.decoded(version.body), "properties/url")}
        for version in versions
    ]
    expected: Told = {}
    for path, value in flat[-1].items():
        since = next((n + 1 for n in reversed(range(len(flat))) if flat[n].get(path, ABSENT) != value), 0)
        expected[path] = value, versions[since].captured_at
    assert len(expected) > 1000
    assert len({since for _, since in expected.values()}) > 50
    assert same(await told(services, endpoint), expected)
    assert same(await told(services, endpoint, limit=300), expected)


async def test_a_key_is_found_where_none_is_set(services: Services) -> None:
    endpoint = await timelines.endpoint_named(services, "quakes")
    await timelines.fill(services, endpoint, timelines.quakes()[-30:])
    paths = list(await told(services, endpoint))
    assert paths[0] == "/type"
    assert paths[-1].startswith("/features/[id=")
    assert paths[-1].endswith("/id")


@pytest.mark.parametrize("seed", seeds(4))
async def test_random_histories_back_dated_and_cut(services: Services, seed: int) -> None:
    rng = random.Random(seed)
    settings = SETTINGS[seed % len(SETTINGS)]
    configured = bool(settings and "array_keys" in settings)
    key = "name" if configured else "id"
    endpoint = await timelines.endpoint_named(services, "e", settings)
    versions = random_versions(rng, 60)
    shuffled = versions[:30] + rng.sample(versions[30:], 30)
    ids = dict(zip(shuffled, await timelines.fill(services, endpoint, shuffled), strict=True))
    if seed % 2:
        await timelines.compute(services)
    for version in rng.sample(sorted(ids), 10):
        await snapshots.delete_snapshot(services, endpoint.project, ids.pop(version))
    await maintenance.sweep(services.contents)
    await check(services, endpoint, ids, key)
    await timelines.compute(services)
    await check(services, endpoint, ids, key)


async def check(services: Services, endpoint: EndpointRef, ids: dict[Version, str], key: str) -> None:
    rising = sorted(ids)
    assert same(await told(services, endpoint), wanted(rising, key))
    assert same(await told(services, endpoint, limit=3), wanted(rising, key))
    await check_previous(services, endpoint, rising, key)
    for path in ("/items", "/map", "/count"):
        expected = wanted(rising, key, path)
        if expected:
            assert same(await told(services, endpoint, path), expected), path
    for number in (0, 7, 20):
        before = rising[: number + 1]
        assert same(await told(services, endpoint, snapshot_id=ids[rising[number]]), wanted(before, key))
        assert same(await told(services, endpoint, time_ms=rising[number].captured_at + 1), wanted(before, key))


async def check_previous(services: Services, endpoint: EndpointRef, rising: list[Version], key: str) -> None:
    """Against the version before the one since which a leaf has its value, decoded."""
    documents = [timelines.decoded(version.body) for version in rising]
    place_of = {version.captured_at: place for place, version in enumerate(rising)}
    steps_of = {path: steps for path, steps, _ in leaves_of(documents[-1], key)}
    found = await service.blame(services, endpoint, "", limit=1000, with_previous=True)
    for leaf in found.leaves:
        since = place_of[times.parse(leaf.captured_at, field="at")]
        if not since:
            assert leaf.previous is None
            continue
        assert isinstance(leaf.previous, PreviousValue)
        before = at(*steps_of[leaf.path])(documents[since - 1])
        if before is ABSENT:
            assert (leaf.previous.exists, leaf.previous.value) == (False, UNSET)
        else:
            assert isinstance(leaf.previous.value, msgspec.Raw)
            is_same = comparable(timelines.decoded(bytes(leaf.previous.value))) == comparable(before)
            assert is_same or leaf.previous.cut is True, leaf.path


@pytest.mark.parametrize(("body", "before"), [
    (b'"%b"' % (b"x" * 5000), (b'"%b"' % (b"x" * 400), True)),
    (rb'"half \ud83d"', (rb'"half \ud83d"', UNSET)),
    (b"1.0", (b"1.0", UNSET)),
])  # fmt: skip
async def test_what_was_before_is_as_it_was_written_and_bounded(
    services: Services, body: bytes, before: tuple[bytes, object]
) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    bodies = [b'{"a":%b,"b":1}' % body, b'{"a":7,"b":1,"c":[]}']
    ids = await timelines.fill(services, endpoint, [Version(1000 * (n + 1), each) for n, each in enumerate(bodies)])
    for path in ("", "/a"):
        found = await service.blame(services, endpoint, path, limit=9, with_previous=True)
        previous = {leaf.path: leaf.previous for leaf in found.leaves}
        assert isinstance(previous["/a"], PreviousValue)
        assert (previous["/a"].snapshot_id, previous["/a"].captured_at) == (ids[0], "1970-01-01T00:00:01.000Z")
        assert isinstance(previous["/a"].value, msgspec.Raw)
        assert (bytes(previous["/a"].value), previous["/a"].cut) == before
        assert previous.get("/b") is None
        if not path:
            assert previous["/c"] == PreviousValue(ids[0], "1970-01-01T00:00:01.000Z", exists=False)


async def test_of_very_many_versions_those_of_the_newest_changes_are_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    bodies = [b"{%b}" % b",".join(b'"f%d":%d' % (f, min(f, n)) for f in range(9)) for n in range(9)]
    await timelines.fill(services, endpoint, [Version(1000 * (n + 1), body) for n, body in enumerate(bodies)])
    monkeypatch.setattr(previous_values, "MOST_READ", 3)
    found = await service.blame(services, endpoint, "", limit=9, with_previous=True)
    told = {leaf.path for leaf in found.leaves if leaf.previous is not UNSET}
    assert told == {"/f6", "/f7", "/f8"}
    monkeypatch.setattr(previous_values, "READ_BYTES", 1)
    found = await service.blame(services, endpoint, "", limit=9, with_previous=True)
    assert [leaf.path for leaf in found.leaves if leaf.previous is not UNSET] == ["/f8"]
    alone = await service.blame(services, endpoint, "/f1", limit=9, with_previous=True)
    assert isinstance(alone.leaves[0].previous, PreviousValue)


async def test_a_value_that_came_back_is_blamed_on_its_return(services: Services) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    bodies = [b'{"a":1,"b":[1,2]}', b'{"a":2,"b":[1,2]}', b'{"a":1,"b":[1.0, 2],"c":{}}', b'{"b":[1,2],"a":1e0,"c":{}}']
    versions = [Version(1000 * (n + 1), body) for n, body in enumerate(bodies)]
    await timelines.fill(services, endpoint, versions)
    assert same(await told(services, endpoint), {"/a": (1, 3000), "/b": ([1, 2], 1000), "/c": ({}, 3000)})


@pytest.mark.parametrize("limit", [1, 5, 1000])
async def test_a_search_that_takes_too_long_goes_on_with_a_cursor(
    services: Services, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    varied = random_versions(random.Random(5), 90)
    versions = [Version(at, b'{"fixed":[1],' + body[1:]) for at, body in map(msgspec.structs.astuple, varied)]
    await timelines.fill(services, endpoint, versions)
    monkeypatch.setattr(walk, "SEARCH_S", 0)
    first = await service.blame(services, endpoint, "", limit=1000)
    assert not first.complete
    assert first.next is not None
    assert same(await told(services, endpoint, limit=limit), wanted(versions, "id"))


async def test_what_is_not_there(services: Services) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    other = await timelines.endpoint_named(services, "other")
    with pytest.raises(NotFound, match="no snapshot"):
        await told(services, endpoint)
    ids = await timelines.fill(services, endpoint, [Version(1000, b'{"a":1}'), Version(2000, b'{"a":2}')])
    await timelines.fill(services, other, [Version(1000, b"[]")])
    with pytest.raises(NotFound, match="nothing at /b"):
        await told(services, endpoint, "/b")
    with pytest.raises(NotFound, match="no such snapshot"):
        await told(services, other, snapshot_id=ids[0])
    first = await service.blame(services, endpoint, "", limit=1000)
    latest = snapshots.snapshot_at(services, endpoint.project, endpoint, times.LATEST_MS)
    resume = Resume(latest.content, (), 1, b"", (2000, latest.content + 1))
    assert (await service.blame(services, endpoint, "", limit=1, resume=resume)).leaves == first.leaves
    await snapshots.delete_snapshot(services, endpoint.project, ids[1])
    with pytest.raises(NotFound, match="not there any more"):
        await service.blame(services, endpoint, "", limit=1, resume=resume)


async def test_a_search_stops_between_two_versions(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "SEARCH_S", 0)
    endpoint = await timelines.endpoint_named(services, "e")
    versions = [Version(1000 * (n + 1), b'{"a":1,"b":%d}' % (n == 5)) for n in range(6)]
    await timelines.fill(services, endpoint, versions)
    found = await service.blame(services, endpoint, "", limit=10)
    assert [leaf.path for leaf in found.leaves] == ["/b"]
    assert not found.complete
    assert found.next is not None
    assert found.next.after[0] == 6000
    assert same(await told(services, endpoint), wanted(versions, "id"))


async def test_writes_do_not_wait_for_searches(services: Services) -> None:
    """All threads for reads and the background are taken; with one pool for everything a write would wait too."""
    let_go = threading.Event()
    held = [services.spare_cpu(let_go.wait, 60) for _ in range(100)]
    endpoint = await timelines.endpoint_named(services, "e")
    async with asyncio.timeout(30):
        await timelines.fill(services, endpoint, [Version(1000, b'{"a":1}'), Version(2000, b'{"a":2}')])
    searching = asyncio.create_task(service.blame(services, endpoint, "", limit=1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not searching.done()
    let_go.set()
    assert (await searching).leaves
    await asyncio.gather(*held)


async def test_an_index_follows_the_record_that_stands_there(services: Services) -> None:
    endpoint = await timelines.endpoint_named(services, "e")
    bodies = [
        b'{"a":[{"id":1,"n":1},{"id":2,"n":2}]}',
        b'{"a":[{"id":3,"n":2},{"id":1,"n":1},{"id":2,"n":2}]}',
        b'{"a":[{"id":3,"n":2},{"id":2,"n":2},{"id":1,"n":5}]}',
    ]
    await timelines.fill(services, endpoint, [Version(1000 * (n + 1), body) for n, body in enumerate(bodies)])
    for computed in (False, True):
        if computed:
            await timelines.compute(services)
        assert await told(services, endpoint, "/a/1/n") == {"/a/1/n": (2, 1000)}
        assert await told(services, endpoint, "/a/2") == {"/a/2/id": (1, 1000), "/a/2/n": (5, 3000)}
        assert await told(services, endpoint, "/a/0/n", limit=1) == {"/a/0/n": (2, 2000)}
