"""Documents whose frames are large: their data is stored in parts before they are, and nothing else is different."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.config.plans import Plan, Plans
from delta_server.core.errors import DatabaseFailed, NotFound, QuotaExceeded
from delta_server.features.endpoints import tasks as endpoint_tasks
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import importing, service, timeline
from delta_server.features.snapshots.importing import Version
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.contents import contents, large_frames, maintenance, verification
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.features.history.timelines import endpoint_named
from tests.features.usage.counting import drifts
from tests.storage.contents.opened import SMALL, fresh_cache, opened_services

PART = 500


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_frames, "PART_BYTES", PART)
    monkeypatch.setattr(large_frames, "SMALL_BYTES", PART // 4)
    monkeypatch.setattr(large_frames, "TOGETHER_BYTES", 2 * PART)


@pytest.fixture
async def svc(tmp_path: Path) -> AsyncIterator[Services]:
    async with opened_services(tmp_path) as services:
        yield services


@pytest.fixture
async def endpoint(svc: Services) -> EndpointRef:
    return await endpoint_named(svc, "e")


def large(number: int, stored: int = 3 * PART) -> bytes:
    """About `stored` bytes when compressed; no two have anything in common."""
    return json.dumps({"n": number, "text": random.Random(number).randbytes(stored).hex()}).encode()


async def store(svc: Services, endpoint: EndpointRef, *bodies: bytes, at: int | None = None) -> list[tuple[int, int]]:
    begin = svc.clock.now_ms() if at is None else at
    news = [NewSnapshot(endpoint, body, begin + n, is_latest=at is None) for n, body in enumerate(bodies)]
    return list((await service.create_snapshots(svc, endpoint.project, news, IdempotencyKey.none())).contents)


async def read(svc: Services, stored: Sequence[tuple[int, int]]) -> list[bytes]:
    return [await contents.read(fresh_cache(svc.contents), *each) for each in stored]


async def part_sizes(svc: Services) -> list[int]:
    """Of all parts there are; of a mark, 0."""
    sql = "SELECT iif(id & 65535 = 65535, 0, length(data)) FROM file_part ORDER BY id"
    return [row[0] for row in await svc.db.read(lambda tx: tx.all(sql))]


async def assert_sound(svc: Services) -> None:
    assert not any(any(drift) for drift in (await drifts(svc)).values())
    assert (await verification.verify(fresh_cache(svc.contents))).broken == []
    assert 0 not in await part_sizes(svc)


async def test_no_write_has_more_than_a_part(
    svc: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, after another, before it, two in a request, and imported."""
    largest = 0
    run = SqliteTx.run

    def watched(tx: Any, sql: str, *params: Any) -> int:
        nonlocal largest
        largest = max(largest, *(len(param) for param in params if isinstance(param, bytes)), 0)
        return run(tx, sql, *params)

    monkeypatch.setattr(SqliteTx, "run", watched)
    stored = [
        *await store(svc, endpoint, large(1)),
        *await store(svc, endpoint, large(2)),
        *await store(svc, endpoint, large(3), at=1000),
        *await store(svc, endpoint, large(4), large(5), at=2000),
    ]
    assert await read(svc, stored) == [large(n) for n in (1, 2, 3, 4, 5)]
    too_large_to_pack = [large(n, stored=SMALL.pack_bytes) for n in range(6, 9)]
    versions = [Version(n, body) for n, body in enumerate(too_large_to_pack)]
    done = await importing.import_versions(svc, endpoint.project, "imported", iter(versions), lambda _: None)
    assert done.stored == 3
    assert largest == PART
    assert len(await part_sizes(svc)) >= 5 * 4 + 3 * 13
    await assert_sound(svc)


@pytest.mark.parametrize(
    ("sizes", "ahead"),
    [
        ([PART - 50], 0),
        ([PART + 1], 1),
        ([PART - 50] * 2, 0),
        ([PART - 50] * 5, 3),
        ([PART // 8] * 40, 0),
        ([PART // 8] * 10 + [PART - 50] * 3, 3),
    ],
)
async def test_what_is_stored_at_once_and_is_too_much_together_is_stored_ahead(
    svc: Services, sizes: list[int], ahead: int
) -> None:
    async with contents.storing(svc.db) as store_ahead:
        stored = [await store_ahead(bytes(size)) for size in sizes]
        assert sum(not isinstance(each, bytes) for each in stored) == ahead
    assert await part_sizes(svc) == []


async def test_a_document_again_takes_no_more(svc: Services, endpoint: EndpointRef) -> None:
    [first] = await store(svc, endpoint, large(1))
    before = await part_sizes(svc)
    assert await store(svc, endpoint, large(1)) == [first]
    assert await store(svc, endpoint, large(1), large(1), at=500) == [first] * 2
    assert await part_sizes(svc) == before
    await assert_sound(svc)


async def test_what_a_plan_refuses_leaves_nothing(svc: Services, endpoint: EndpointRef) -> None:
    plans = Plans("tiny", {"tiny": Plan(storage_bytes=10 * PART)})
    svc = msgspec.structs.replace(svc, config=msgspec.structs.replace(svc.config, plans=plans))
    [first] = await store(svc, endpoint, large(1))
    before = await part_sizes(svc)
    with pytest.raises(QuotaExceeded):
        await store(svc, endpoint, large(2, stored=11 * PART))
    await store(svc, endpoint, large(1))  # behind it: what was refused has gone
    assert await part_sizes(svc) == before
    assert await read(svc, [first]) == [large(1)]
    await assert_sound(svc)


async def test_a_lost_race_leaves_nothing(
    svc: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the timeline has changed when the write comes; the third time it is as it was."""
    insert, left = timeline.insert_last, 2

    def changed(*args: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise timeline.TimelineChanged
        return insert(*args)

    monkeypatch.setattr(timeline, "insert_last", changed)
    await store(svc, endpoint, b"{}", at=1)
    stored = await store(svc, endpoint, large(1))
    assert left == -1
    assert await read(svc, stored) == [large(1)]
    assert len(await part_sizes(svc)) == 4
    await assert_sound(svc)


async def test_parts_go_when_frames_are_packed(svc: Services, endpoint: EndpointRef) -> None:
    stored = [(await store(svc, endpoint, large(n, stored=PART * 2)))[0] for n in range(12)]
    await maintenance.pack_everything(svc.contents)
    assert await part_sizes(svc) == []
    assert await read(svc, stored) == [large(n, stored=PART * 2) for n in range(12)]
    await assert_sound(svc)


async def test_parts_go_with_what_is_deleted_and_what_follows_is_encoded_anew(
    svc: Services, endpoint: EndpointRef
) -> None:
    """Each but the first is its predecessor and a little more, so that only the first is large until it goes."""
    bodies = [json.dumps({"more": "x" * n, "text": large(1).hex()}).encode() for n in range(3)]
    stored = [(await store(svc, endpoint, body))[0] for body in bodies]
    once = len(await part_sizes(svc))
    assert once > 3
    await svc.db.write(_kill, endpoint, stored[0][1])
    await contents.sweep(svc.contents)
    assert len(await part_sizes(svc)) == once
    assert await read(svc, stored[1:]) == bodies[1:]
    with pytest.raises(NotFound):
        await read(svc, stored[:1])
    await assert_sound(svc)


def _kill(tx: Tx, endpoint: EndpointRef, content: int) -> None:
    row = tx.one("SELECT id FROM snapshot WHERE content = ?", content)
    assert row is not None
    timeline.remove(tx, endpoint.id, row[0], content)


async def test_parts_go_with_their_endpoint_and_nobody_elses(svc: Services, endpoint: EndpointRef) -> None:
    other = await endpoint_named(svc, "other")
    kept = await store(svc, other, large(1))
    before = await part_sizes(svc)
    for n in range(2, 5):
        await store(svc, endpoint, large(n, stored=6 * PART))
    await svc.db.write(lambda tx: tx.run("UPDATE endpoint SET deleted_at = 1 WHERE id = ?", endpoint.id))
    await endpoint_tasks.remove_deleted(svc)
    assert await part_sizes(svc) == before
    assert await read(svc, kept) == [large(1)]


@pytest.mark.parametrize("change", ["DELETE FROM file_part", "UPDATE file_part SET data = zeroblob(length(data))"])
async def test_a_part_that_is_not_as_it_was_stored_is_damage(svc: Services, endpoint: EndpointRef, change: str) -> None:
    stored = [*await store(svc, endpoint, large(1)), *await store(svc, endpoint, large(2))]
    await svc.db.write(lambda tx: tx.run(f"{change} WHERE id = (SELECT max(id) - 1 FROM file_part)"))
    assert await read(svc, stored[:1]) == [large(1)]
    with pytest.raises(DatabaseFailed, match=f"content {stored[1][1]} .* is damaged"):
        await read(svc, stored[1:])
    assert len((await verification.verify(fresh_cache(svc.contents))).broken) == 1


class Killed(Exception):
    pass


async def test_what_a_process_leaves_that_dies_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever write it dies: what was answered is there, and of the others no part is left."""
    write = SqliteDatabase.write
    left = 1 << 30

    async def write_or_die(db: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return await write(db, *args, **kwargs)

    monkeypatch.setattr(SqliteDatabase, "write", write_or_die)
    answered: dict[tuple[int, int], bytes] = {}
    died = []
    for writes in range(6):
        async with opened_services(tmp_path) as svc:
            endpoint = await endpoint_named(svc, "e")
            left = writes
            try:
                [stored] = await store(svc, endpoint, large(writes))
                answered[stored] = large(writes)
            except Killed:
                died.append(writes)
            left = 1 << 30
        async with opened_services(tmp_path) as svc:
            assert len(await part_sizes(svc)) == 4 * len(answered)
            assert await read(svc, list(answered)) == list(answered.values())
            await assert_sound(svc)
    assert died == [0, 1, 2, 3, 4], "four parts and the snapshot; the last write is none that is waited for"
