"""The index of fields beside plain lists: random deltas counted, counted anew and taken back, in any order of time."""

import random
from collections import Counter
from typing import Any

import pytest

from delta_server.core.history import change_times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.fields import service, store
from delta_server.features.fields import tasks as fields_tasks
from delta_server.features.fields.service import FieldCount
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.features.history.timelines import endpoint_named

Deltas = dict[int, dict[str, int]]
"""By time, what a delta counts: pattern -> changes."""


@pytest.mark.parametrize("seed", range(6))
async def test_the_index_says_what_the_deltas_say(services: Services, seed: int) -> None:
    rng = random.Random(seed)
    endpoint = (await endpoint_named(services, "e")).id
    deltas: Deltas = {}
    ids: dict[int, dict[int, int]] = {}
    if seed % 2:
        await services.db.write(_old_rows, endpoint, deltas, ids, rng)
    for _ in range(25):
        await services.db.write(_step, endpoint, deltas, ids, rng)
        if rng.random() < 0.1:
            await fields_tasks.compact(services)
        services.db.peek(_check, endpoint, deltas, rng)


def _step(tx: Tx, endpoint: int, deltas: Deltas, ids: dict[int, dict[int, int]], rng: random.Random) -> None:
    """Up to 64 deltas at the end or anywhere, some of them again with other fields; others are gone."""
    last = max(deltas, default=0)
    far = rng.choice([1000, 60_000, 86_400_000, 1 << 33])
    new = [last + far * (n + 1) + rng.choice([0, rng.randrange(far // 2)]) for n in range(rng.choice([1, 3, 64]))]
    if deltas and rng.random() < 0.5:
        new = [rng.randrange(-far, max(deltas) + 1) for _ in range(rng.randrange(40))]
    again = rng.sample(sorted(deltas), min(len(deltas), rng.choice([0, 0, 2, 30])))
    gone = rng.sample(sorted(deltas), min(len(deltas), rng.choice([0, 1, 1, 20, 60])))
    added = {at: _counts(rng) if rng.random() < 0.7 else deltas.get(at) or _counts(rng) for at in {*new, *again}}
    removed = {at: ids.pop(at) for at in {*gone, *added} if at in ids}
    for at in gone:
        deltas.pop(at, None)
    deltas |= added
    counted = {at: [FieldCount(pattern, number, 4) for pattern, number in of.items()] for at, of in added.items()}
    ids |= {at: dict(pairs) for at, pairs in service.recount(tx, endpoint, counted, removed).items()}


def _counts(rng: random.Random) -> dict[str, int]:
    names = [name for name, share in (("/always", 1), ("/often", 0.6), ("/seldom", 0.05)) if rng.random() < share]
    return {name: rng.randrange(1, 4) for name in names}


def _old_rows(tx: Tx, endpoint: int, deltas: Deltas, ids: dict[int, dict[int, int]], rng: random.Random) -> None:
    """As they were before there were chunks: a row for each time, and no `changed_at`."""
    for at in range(0, 400_000, 1000):
        deltas[at], ids[at] = _counts(rng), {}
        for pattern, number in deltas[at].items():
            tx.run(
                "INSERT INTO field (endpoint, pattern, changes, deltas, types) VALUES (?, ?, ?, 1, 4) ON CONFLICT"
                " DO UPDATE SET changes = changes + excluded.changes, deltas = deltas + 1",
                endpoint, pattern, number,
            )  # fmt: skip
            field = store.at(tx, endpoint, pattern)
            assert field is not None
            tx.run("INSERT INTO field_change (field, captured_at) VALUES (?, ?)", field, at)
            ids[at][field] = number


def _check(tx: Tx, endpoint: int, deltas: Deltas, rng: random.Random) -> None:
    times: dict[str, list[int]] = {}
    changes: Counter[str] = Counter()
    for at, counts in sorted(deltas.items()):
        changes.update(counts)
        for pattern in counts:
            times.setdefault(pattern, []).append(at)
    rows = tx.all(
        "SELECT pattern, changes, deltas, coalesce(changed_at,"
        " (SELECT max(captured_at) FROM field_change WHERE field = id)) FROM field"
    )
    assert sorted(rows) == sorted((name, changes[name], len(of), of[-1]) for name, of in times.items())
    every = {pattern: field for field, pattern in service.all_fields(tx, endpoint)}
    for name, of in times.items():
        _check_field(tx, endpoint, every[name], of, rng)
    some = list(map(store.at, [tx] * 2, [endpoint] * 2, ["/often", "/seldom"]))
    either = sorted({*times.get("/often", []), *times.get("/seldom", [])})
    assert (
        list(service.along(tx, endpoint, [id for id in some if id], TimelineSpan(-(1 << 62), 1 << 62))) == either[::-1]
    )


def _check_field(tx: Tx, endpoint: int, field: int, times: list[int], rng: random.Random) -> None:
    chunks = tx.all("SELECT captured_at, later FROM field_change WHERE field = ? ORDER BY captured_at", field)
    assert [time for first, later in chunks for time in change_times.decoded(first, later)] == times
    assert all(later is None or len(later) <= change_times.MOST_BYTES for _, later in chunks)
    first, last = sorted(
        rng.choices([*times, times[0] - 1, times[-1] + 1, rng.randrange(times[0], times[-1] + 1)], k=2)
    )
    inside = [time for time in times if first <= time <= last]
    assert service.between(tx, endpoint, [field], first, last) >= set(inside)
    seen: Any = rng.choice(inside) if inside and rng.random() < 0.5 else None
    for descending in (True, False):
        after = None if seen is None else (seen, 1)
        wanted = [t for t in inside if seen is None or (t < seen if descending else t > seen)]
        span = TimelineSpan(first, last + 1, after, descending=descending)
        assert list(service.along(tx, endpoint, [field], span)) == (wanted[::-1] if descending else wanted)


async def test_a_history_stored_backwards_fills_chunks_too(services: Services) -> None:
    endpoint = (await endpoint_named(services, "e")).id

    def backwards(tx: Tx) -> int:
        for at in range(2000, 0, -1):
            service.recount(tx, endpoint, {at * 60_000: [FieldCount("/a", 1)]}, {})
        return len(tx.all("SELECT 1 FROM field_change"))

    assert await services.db.write(backwards) < 2000 // change_times.MOST_OPEN * 2


async def test_old_rows_become_chunks_some_at_a_time(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = (await endpoint_named(services, "e")).id
    deltas: Deltas = {}
    await services.db.write(_old_rows, endpoint, deltas, {}, random.Random(1))
    before = services.db.peek(lambda tx: len(tx.all("SELECT 1 FROM field_change")))
    monkeypatch.setattr(fields_tasks, "ROWS_AT_ONCE", 50)
    await fields_tasks.compact(services)
    after = services.db.peek(lambda tx: len(tx.all("SELECT 1 FROM field_change")))
    assert after * 10 < before
    services.db.peek(_check, endpoint, deltas, random.Random(1))


async def test_members_of_maps_share_a_field_once_there_are_many(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_FIELDS", 5)
    endpoint = (await endpoint_named(services, "e")).id

    def count(tx: Tx, at: int, *names: str) -> list[str]:
        counts = [FieldCount("/title", 1), *(FieldCount(f"/m/{name}", 1, 4, "/m/*") for name in names)]
        ids = service.recount(tx, endpoint, {at: counts}, {})[at]
        return sorted(f"{service.pattern(tx, endpoint, field)} {changes}" for field, changes in ids)

    assert await services.db.write(count, 1, "a", "b") == ["/m/a 1", "/m/b 1", "/title 1"]
    assert await services.db.write(count, 2, "b", "c", "d", "e", "f") == [
        "/m/* 2", "/m/b 1", "/m/c 1", "/m/d 1", "/title 1",
    ]  # fmt: skip
    assert await services.db.write(count, 3, "a", "x", "y", "z") == ["/m/* 3", "/m/a 1", "/title 1"]

    def alone(tx: Tx) -> list[str]:
        of_map, single = FieldCount("/m/x", 1, 4, "/m/*"), FieldCount("/m/x", 1)
        counted = service.recount(tx, endpoint, {4: [of_map], 5: [single]}, {})
        return [service.pattern(tx, endpoint, field) for at in (4, 5) for field, _ in counted[at]]

    assert await services.db.write(alone) == ["/m/x", "/m/x"]
