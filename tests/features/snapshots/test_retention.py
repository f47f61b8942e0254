"""Retention: what no rule keeps goes, the latest stays, and the space is given back."""

import json
import os
from typing import Any

import pytest

from delta_server.core import times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.times import DAY_MS
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.schemas import EndpointChange, RetentionChange
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.snapshots import service, timeline
from delta_server.features.snapshots.feature import FEATURE
from delta_server.features.snapshots.tasks import AT_ONCE, apply_retention_rules
from delta_server.services import Services
from delta_server.storage.contents import maintenance, verification
from tests.features.history.timelines import Version, compute, endpoint_named, fill
from tests.storage.opened import START_MS, FakeClock

AGES = [40, 35, 30, 29, 10, 9.5, 9, 2, 1, 0]
"""Days before now that the snapshots of these tests were captured."""


async def keeping(svc: Services, name: str, **rules: int) -> EndpointRef:
    made = await endpoint_named(svc, name)
    await endpoints.update_endpoint(svc, made.project, name, EndpointChange(retention=RetentionChange(**rules)))
    return made


async def filled(svc: Services, name: str, **rules: int) -> EndpointRef:
    """Snapshots of all `AGES`, every third equal to the one before."""
    endpoint = await keeping(svc, name, **rules)
    bodies = [b"[%d]" % (n - (n % 3 == 2)) for n in range(len(AGES))]
    await fill(svc, endpoint, [Version(at(age), body) for age, body in zip(AGES, bodies, strict=True)])
    await compute(svc)
    return endpoint


def at(age_days: float) -> int:
    return START_MS - round(age_days * DAY_MS)


async def ages(svc: Services, endpoint: EndpointRef) -> list[float]:
    span = TimelineSpan(descending=False)
    rows = await service.list_snapshots(svc, endpoint.project, endpoint, span, limit=1000, changed_only=False)
    found = [(START_MS - row.captured_at) / DAY_MS for row in rows]
    for row, age in zip(rows, found, strict=True):
        n = AGES.index(age)
        assert await service.read_document(svc, row) == b"[%d]" % (n - (n % 3 == 2))
    return found


RULES: list[tuple[dict[str, int], list[float]]] = [
    ({}, AGES),
    ({"keep_days": 30}, AGES[2:]),
    ({"keep_days": 9}, AGES[6:]),
    ({"keep_days": 1}, AGES[8:]),
    ({"keep_last": 1}, AGES[-1:]),
    ({"keep_last": 4}, AGES[-4:]),
    ({"keep_last": 10}, AGES),
    ({"keep_last": 1_000_000_000}, AGES),
    ({"keep_days": 30, "keep_last": 2}, AGES[2:]),
    ({"keep_days": 1, "keep_last": 5}, AGES[-5:]),
]


@pytest.mark.parametrize(("rules", "kept"), RULES, ids=[str(rules) for rules, _ in RULES])
async def test_a_snapshot_stays_when_either_rule_keeps_it(
    services: Services, rules: dict[str, int], kept: list[float]
) -> None:
    other = await filled(services, "other")
    endpoint = await filled(services, "e", **rules)
    for _ in range(2):
        await apply_retention_rules(services)
        assert await ages(services, endpoint) == kept
        await compute(services)
        await maintenance.sweep(services.contents)
        assert await ages(services, endpoint) == kept
    assert await ages(services, other) == AGES
    assert (await verification.verify(services.contents)).broken == []
    await _check_deltas(services, endpoint, kept)


async def _check_deltas(svc: Services, endpoint: EndpointRef, kept: list[float]) -> None:
    found = await deltas.page(
        svc, endpoint.project, endpoint, TimelineSpan(descending=False), limit=100, filter=deltas.DeltaFilter()
    )
    first = AGES.index(kept[0])
    changed = [n for n in range(first + 1, len(AGES)) if n % 3 != 2]
    assert [delta.captured_at for delta in found.deltas] == [times.format(at(AGES[n])) for n in changed]
    counted = svc.db.peek(lambda tx: tx.one("SELECT content_deltas FROM endpoint WHERE id = ?", endpoint.id))
    assert counted == (len(changed),)


async def test_the_latest_stays_however_old_it_is(services: Services, clock: FakeClock) -> None:
    endpoint = await filled(services, "e", keep_days=1)
    clock.advance(1000 * DAY_MS)
    await apply_retention_rules(services)
    assert await ages(services, endpoint) == [0]
    clock.advance(1000 * DAY_MS)
    await apply_retention_rules(services)
    assert await ages(services, endpoint) == [0]


async def test_an_endpoint_without_snapshots_has_nothing_to_lose(services: Services) -> None:
    for name, rules in (("a", {"keep_days": 1}), ("b", {"keep_last": 1}), ("c", {"keep_days": 1, "keep_last": 1})):
        await keeping(services, name, **rules)
    await apply_retention_rules(services)


async def test_deleted_endpoints_are_left_to_the_sweep(services: Services) -> None:
    endpoint = await filled(services, "e", keep_last=1)
    await endpoints.delete_endpoint(services, endpoint.project, "e")
    await apply_retention_rules(services)
    rows = services.db.peek(lambda tx: tx.one("SELECT count(*) FROM snapshot WHERE endpoint = ?", endpoint.id))
    assert rows == (len(AGES),)


async def test_the_space_is_given_back(services: Services) -> None:
    """Of a long history that was packed; the file itself shrinks, and what stays is whole."""
    endpoint = await keeping(services, "e", keep_last=20)
    empty = await size(services)
    count = AT_ONCE + 300
    noise = [os.urandom(600).hex() for _ in range(count)]
    bodies = [json.dumps({"n": n, "noise": noise[n]}).encode() for n in range(count)]
    await fill(services, endpoint, [Version(START_MS + n, body) for n, body in enumerate(bodies)])
    await maintenance.pack_everything(services.contents, endpoint.id)
    full = await size(services)
    await apply_retention_rules(services)
    await maintenance.sweep(services.contents)
    assert await size(services) - empty < (full - empty) / 8
    span = TimelineSpan(descending=False)
    rows = await service.list_snapshots(services, endpoint.project, endpoint, span, limit=1000, changed_only=False)
    assert [await service.read_document(services, row) for row in rows] == bodies[-20:]
    assert (await verification.verify(services.contents)).broken == []


async def test_what_is_dead_is_not_counted(services: Services) -> None:
    endpoint = await filled(services, "e", keep_last=1)
    await apply_retention_rules(services)
    told = await history.get_stats(services, endpoint, interval="1d", from_ms=None, to_ms=None)
    assert (told.totals.contents, told.totals.raw_bytes) == (1, len(b"[9]"))


async def test_retention_gives_its_space_back_at_once(services: Services) -> None:
    endpoint = await filled(services, "e", keep_last=1)
    [periodic] = FEATURE.periodic
    await periodic.run(services)
    rows = services.db.peek(lambda tx: tx.one("SELECT count(*) FROM content WHERE endpoint = ?", endpoint.id))
    assert rows == (1,)


async def size(svc: Services) -> int:
    """Bytes of the database's file, once its log is in it."""
    sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    return int((await svc.db.read(lambda tx: tx.all(sql)))[0][0])


async def test_no_write_of_retention_is_a_long_one(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' writes come between: a snapshot whose delta has hundreds of fields takes 0.3 ms to go."""
    endpoint = await keeping(services, "e", keep_last=1)
    await fill(services, endpoint, [Version(at(1) + n, b"[%d]" % n) for n in range(2 * AT_ONCE + 5)])
    cut, cuts = timeline.cut_before, []

    def cut_noting(*args: Any) -> int:
        cuts.append(cut(*args))
        return cuts[-1]

    monkeypatch.setattr(timeline, "cut_before", cut_noting)
    await apply_retention_rules(services)
    assert cuts == [50, 50, 4]
