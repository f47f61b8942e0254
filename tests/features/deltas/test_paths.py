"""GET /v1/deltas?path= beside the documents: every delta that changed the place, and no other."""

import json
import random
from typing import Any

import pytest

from delta_server.core.history.blame import same_value
from delta_server.core.history.path_filter import parse
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.json import pointer
from delta_server.features.deltas import listing, service, summaries
from delta_server.features.deltas.service import DeltaFilter
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as fields
from delta_server.features.history import service as history
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from tests.features.history.randomly import random_versions
from tests.features.history.test_history import PATHS
from tests.features.history.timelines import Version, compute, endpoint_named, fill
from tests.often import seeds

EVERY = frozenset(("content", "reorder", "format", "ignored"))


async def times(
    svc: Services, endpoint: EndpointRef, path: str, *, limit: int = 1000, descending: bool = False
) -> list[int]:
    """The moments of all deltas at a path, in ms, over all pages."""
    found: list[str] = []
    span = TimelineSpan(descending=descending)
    while True:
        filter = DeltaFilter(EVERY, 0, parse(path))
        page = await service.page(svc, endpoint.project, endpoint, span, limit=limit, filter=filter)
        assert len(page.deltas) <= limit
        found += [delta.captured_at for delta in page.deltas]
        if page.next is None:
            assert found == sorted(found, reverse=descending)
            return [int(float(at[17:23]) * 1000) + 60_000 * int(at[14:16]) for at in found]
        span = span.past(page.next)


def changed(versions: list[Version], path: str) -> list[int]:
    steps = pointer.parse(path)
    values = [pointer.resolve(version.body, steps) for version in versions]
    raw = [None if value is None else bytes(value) for value in values]
    pairs = zip(versions[1:], raw, raw[1:], strict=False)
    return [version.captured_at for version, old, new in pairs if not same_value(old, new)]


def maps(rng: random.Random, members: int) -> list[Version]:
    """A map in which one member, a few, more than 64 or all change from version to version."""
    rates: dict[str, Any] = {f"k{n}": {"v": 0, "w": 0} for n in range(members)}
    versions = []
    for number in range(1, 41):
        share = rng.choice([1, 3, 64, 65, members // 2, members])
        for name in rng.sample(sorted(rates), min(share, len(rates))):
            rates[name] = {"v": number, "w": number // 9}
        if rng.random() < 0.2:
            rates.pop(rng.choice(sorted(rates)))
        body = {"r": rates if rng.random() < 0.95 else None, "n": number // 3, "*": {"**": number // 7}}
        versions.append(Version(1000 * number, json.dumps(body).encode()))
    return versions


@pytest.mark.parametrize("members", [66, 300, 1100])
async def test_a_member_of_a_map_of_any_size(services: Services, members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MOST_FIELDS", 700)
    rng = random.Random(members)
    versions = maps(rng, members)
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, versions)
    await compute(services)
    names = [f"k{n}" for n in rng.sample(range(members), 5)]
    for path in [f"/r/{name}{below}" for name in names for below in ("", "/v")] + ["/n", "/r/none"]:
        wanted = changed(versions, path)
        assert await times(services, endpoint, path) == wanted, path
        assert await times(services, endpoint, path, limit=2, descending=True) == wanted[::-1], path
    for path, one in (("/r/*", "/r"), ("/r/**", "/r"), ("/r/*/v", "/r"), ("/**/v", "/r")):
        found = await times(services, endpoint, path)
        whole = [at for at, old, new in _pairs(versions) if (old is None) != (new is None)]
        assert found == [at for at in changed(versions, one) if at not in whole], path


def _pairs(versions: list[Version]) -> list[tuple[int, Any, Any]]:
    bodies = [json.loads(version.body)["r"] for version in versions]
    return [(v.captured_at, old, new) for v, old, new in zip(versions[1:], bodies, bodies[1:], strict=False)]


async def test_a_member_counts_in_each_delta_that_changed_it(services: Services) -> None:
    versions = [version for version in maps(random.Random(1), 300) if json.loads(version.body)["r"]]
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, versions)
    await compute(services)
    rows, _ = await history.list_fields(services, endpoint, sought="/r/k", after=None, limit=1000)
    counted = {row.pattern: row.deltas for row in rows}
    for name in ("k1", "k7", "k299"):
        inside = set(changed(versions, f"/r/{name}/v"))
        both = set(changed(versions, f"/r/{name}"))
        assert counted.get(f"/r/{name}/v", 0) + counted.get(f"/r/{name}", 0) == len(both)
        assert counted[f"/r/{name}/v"] <= len(inside)
    assert not any(row.pattern.startswith("/r/*") for row in rows)


async def test_patterns_folded_under_their_parents(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "MAX_SINGLE_FIELDS", 0)
    rng = random.Random(3)
    versions = []
    value: dict[str, Any] = {f"a{n}": {f"b{m}": {"c": 0} for m in range(12)} for n in range(40)}
    for number in range(1, 21):
        some = rng.sample(sorted(value), 40 if number % 2 else 2)
        for name in some:
            value[name][f"b{rng.randrange(12)}"]["c"] = number
            value[name] |= {f"b{m}": {"c": number} for m in range(12) if number % 2 and m}
        versions.append(Version(1000 * number, json.dumps(value).encode()))
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, versions)
    await compute(services)
    for path in ("/a7/b3/c", "/a7/b0/c", "/a7/b3", "/a7", "/a39/b0"):
        assert await times(services, endpoint, path) == changed(versions, path), path
    assert await times(services, endpoint, "/*/b0/c") == sorted(
        {at for n in range(40) for at in changed(versions, f"/a{n}/b0/c")}
    )


@pytest.mark.parametrize("seed", seeds(2))
async def test_random_histories_back_dated_and_cut(
    services: Services, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places by name, by index and by key; an array as a whole may change by moves alone, which is no edit of it."""
    monkeypatch.setattr(listing, "FIRST_CANDIDATES", 3)
    rng = random.Random(seed)
    versions = random_versions(rng, 60)
    endpoint = await endpoint_named(services, "e")
    shuffled = rng.sample(versions, 60)
    ids = dict(zip(shuffled, await fill(services, endpoint, shuffled), strict=True))
    await compute(services)
    if seed % 2:
        await maintenance.pack(services.contents)
    for version in rng.sample(versions, 15):
        await snapshots.delete_snapshot(services, endpoint.project, ids.pop(version))
    await compute(services)
    left = sorted(ids)
    for path, steps in PATHS:
        if steps and path not in ("/items", "/numbers") and not path.startswith("/items/["):
            wanted = changed(left, path)
            assert await times(services, endpoint, path) == wanted, path
            assert await times(services, endpoint, path, limit=3, descending=True) == wanted[::-1], path
        if path.startswith("/items/["):
            assert set(await times(services, endpoint, path)) <= set(changed(left, path)), path
