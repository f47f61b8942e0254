"""Segments in cold storage: queried by range, brought back, merged around, rewritten by erasure and retention."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.query.plan import Listing, Span
from delta_server.core.times import DAY_MS
from delta_server.features.cold import tasks
from delta_server.services import Services
from delta_server.storage.blobs.blobs import BlobStoreFailed
from delta_server.storage.blobs.local import LocalBlobs
from delta_server.storage.cold import moving
from delta_server.storage.cold.pieces import PAUSE_MS, ColdStorageAway
from delta_server.storage.database import Tx
from delta_server.storage.events.segments import cold_segments, parts
from tests.features.cold.opened import AFTER_DAYS, server
from tests.features.cold.stores import KINDS, harm, keys_in, place
from tests.storage.contents.opened import new_endpoint
from tests.storage.opened import START_MS, FakeClock

EVENTS = 600
GONE = "gone"


async def filled(svc: Services, clock: FakeClock, *, months: int = 2) -> int:
    """A project with a segment of each month, sealed and old."""
    await new_endpoint(svc.contents)
    project: int = await svc.db.read(lambda tx: tx.all("SELECT id FROM project")[0][0])
    rng = random.Random(1)
    for month in range(months):
        every = [
            Event(
                at=clock.now_ms() - n * 60_000,
                received_at=clock.now_ms(),
                type=f"type {n % 3}",
                source="web",
                user_id=GONE if n % 10 == month else f"user {n % 40}",
                message_id=rng.randbytes(12).hex(),
            )
            for n in range(EVENTS)
        ]
        await svc.event_writer.append_events(project, every)
        await svc.event_maintenance.run_maintenance(project, seal=True)
        clock.advance(30 * DAY_MS)
    clock.advance((AFTER_DAYS + 1) * DAY_MS)
    return project


async def users(svc: Services, project: int, begin_ms: int = 0) -> Counter[str]:
    answer = await svc.event_reader.run_query(project, Listing(Span(begin_ms, 1 << 53)))
    return Counter(row[answer.columns.index("user_id")] for row in answer.rows)


def there(tx: Tx) -> tuple[int, int, int]:
    """Segments in cold storage; files here, whole and in parts."""
    row = tx.one(
        "SELECT (SELECT count(segment) FROM cold_object), (SELECT count(*) FROM segment_data),"
        " (SELECT count(*) FROM file_part)"
    )
    assert row is not None
    return row[0], row[1], row[2]


async def verified(svc: Services, project: int) -> list[str]:
    return (await svc.event_maintenance.verify(project, lambda _done, _of: None)).broken


@pytest.mark.parametrize("kind", KINDS)
async def test_there_and_back(tmp_path: Path, kind: str) -> None:
    clock = FakeClock()
    with place(kind, tmp_path) as address:
        async with server(tmp_path, address, clock) as svc:
            project = await filled(svc, clock)
            before = await users(svc, project)
            assert before.total() == 2 * EVENTS
            await tasks.turn(svc)
            assert await svc.db.read(there) == (2, 0, 0)
            assert await users(svc, project) == before
            assert await verified(svc, project) == []
            await svc.event_maintenance.run_maintenance(project, seal=True, compact=True)
            assert await svc.db.read(there) == (2, 0, 0), "they are not merged"
            if kind == "memory":  # which a restart empties
                return
        async with server(tmp_path, "", clock) as svc:
            assert await users(svc, project) == before
            await tasks.turn(svc)
            assert await svc.db.read(there) == (0, 2, 0)
            assert await users(svc, project) == before
            assert await verified(svc, project) == []
            clock.advance(8 * DAY_MS)
            await tasks.turn(svc)
            clock.advance(8 * DAY_MS)
            await tasks.turn(svc)
            assert await keys_in(svc, address) == []


async def test_those_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 4000)
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        project = await filled(svc, clock)
        before, here = await users(svc, project), await svc.db.read(there)
        sql = "SELECT count(*) FROM file_part AS p JOIN segment AS s ON p.id >> 16 = s.file"
        [(of_segments,)] = await svc.db.read(lambda tx: tx.all(sql))
        assert of_segments > 2
        await tasks.turn(svc)
        assert await svc.db.read(there) == (2, 0, here[2] - of_segments), "others are of rollups"
        assert await users(svc, project) == before
    async with server(tmp_path, "", clock) as svc:
        await tasks.turn(svc)
        assert await svc.db.read(there) == here
        assert await users(svc, project) == before
        assert await verified(svc, project) == []


async def test_only_what_is_asked_for_is_fetched(tmp_path: Path) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
        fetched: list[str] = []
        svc.contents.cold._cache.limit_bytes = 0
        get_range = LocalBlobs.get_range

        async def noting(blobs: LocalBlobs, key: str, start: int, end: int) -> bytes | None:
            fetched.append(key)
            return await get_range(blobs, key, start, end)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(LocalBlobs, "get_range", noting)
            assert (await users(svc, project, START_MS + 15 * DAY_MS)).total() == EVENTS
        assert len(set(fetched)) == 1


async def test_an_erased_person_is_nowhere(tmp_path: Path) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=365) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
        wanted = await users(svc, project)
        gone = wanted.pop(GONE)
        assert await svc.event_maintenance.erase_person(project, PersonIds((GONE,))) == gone
        assert await users(svc, project) == wanted
        assert await svc.db.read(there) == (0, 2, 0), "what was written anew is here"
        assert len(await keys_in(svc, str(folder))) == 2
        clock.advance(moving.LEAST_WAIT_MS)
        await tasks.turn(svc)
        assert await keys_in(svc, str(folder)) == [], "and is not kept for backups"
        assert await verified(svc, project) == []


async def test_an_erased_person_is_not_in_what_came_back_either(tmp_path: Path) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=365) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
    async with server(tmp_path, "", clock, kept_days=365) as svc:
        await tasks.turn(svc)
        assert await svc.db.read(there) == (0, 2, 0)
        assert await svc.event_maintenance.erase_person(project, PersonIds((GONE,))) > 0
        await tasks.turn(svc)
        assert len(await keys_in(svc, str(folder))) == 2, "somebody may be reading"
        clock.advance(moving.LEAST_WAIT_MS)
        await tasks.turn(svc)
        assert await keys_in(svc, str(folder)) == []


async def test_a_person_who_is_erased_as_a_segment_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=365) as svc:
        project = await filled(svc, clock)
        write = moving._write

        async def late(*args: Any) -> None:
            await write(*args)
            await svc.event_maintenance.erase_person(project, PersonIds((GONE,)))

        with monkeypatch.context() as patched:
            patched.setattr(moving, "_write", late)
            await tasks.turn(svc)
        assert len(await keys_in(svc, str(folder))) == 1
        assert GONE not in await users(svc, project)
        clock.advance(moving.LEAST_WAIT_MS)
        await tasks.turn(svc)
        assert await keys_in(svc, str(folder)) == []


async def test_an_erasure_waits_for_a_store_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
        svc.contents.cold._cache.limit_bytes = 0
        with monkeypatch.context() as patched:

            async def away(*_: object) -> bytes:
                raise BlobStoreFailed("no route")

            patched.setattr(LocalBlobs, "get_range", away)
            patched.setattr(LocalBlobs, "resource_exists", away)
            with pytest.raises(ColdStorageAway):
                await svc.event_maintenance.erase_person(project, PersonIds((GONE,)))
            with pytest.raises(ColdStorageAway):
                await users(svc, project)
            assert any("does not answer" in sentence for sentence in await verified(svc, project))
            await svc.event_writer.append_events(
                project, [Event(at=clock.now_ms(), received_at=clock.now_ms(), type="new", source="web")]
            )
            assert (await users(svc, project, clock.now_ms() - 1)).total() == 1
        clock.advance(PAUSE_MS)
        assert await svc.event_maintenance.erase_person(project, PersonIds((GONE,))) > 0
        assert GONE not in await users(svc, project)


async def test_retention_reaches_them(tmp_path: Path) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=0) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
        days = (clock.now_ms() - START_MS) // DAY_MS - 15  # the first is past its time, the second is not
        retention = f'{{"days": {days}}}'
        assert EventRetention(days=days)
        await svc.db.write(
            lambda tx: tx.run(
                "INSERT INTO event_settings (project, retention) VALUES (?1, ?2)"
                " ON CONFLICT (project) DO UPDATE SET retention = ?2",
                project,
                retention,
            )
        )
        await svc.event_maintenance.run_maintenance(project)
        assert (await svc.db.read(there))[0] == 1
        assert (await users(svc, project)).total() == EVENTS
        await tasks.turn(svc)
        clock.advance(moving.LEAST_WAIT_MS)
        await tasks.turn(svc)
        assert len(await keys_in(svc, str(folder))) == 1


async def test_a_deleted_project_leaves_nothing(tmp_path: Path) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=0) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
        while await svc.event_maintenance.delete_batch(project, 100):
            pass
        await tasks.turn(svc)
        clock.advance(moving.LEAST_WAIT_MS)
        await tasks.turn(svc)
        assert await keys_in(svc, str(folder)) == []


@pytest.mark.parametrize(("how", "said"), [("flip", "is not what was moved there"), ("delete", "is not there")])
async def test_damage_costs_one_segment(tmp_path: Path, how: str, said: str) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock) as svc:
        project = await filled(svc, clock)
        await tasks.turn(svc)
        [(segment, key), *_] = await svc.db.read(
            lambda tx: tx.all("SELECT segment, key FROM cold_object WHERE segment IS NOT NULL ORDER BY segment")
        )
        harm(folder / key, how)
        with pytest.raises(DatabaseFailed, match=f"segment {segment} of events is damaged: .*{said}"):
            await users(svc, project)
        assert (await users(svc, project, START_MS + 15 * DAY_MS)).total() == EVENTS
        [sentence] = await verified(svc, project)
        assert f"segment {segment} " in sentence
        assert said in sentence


async def test_each_has_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_segments, "LISTED_AT_ONCE", 1)
    monkeypatch.setattr(tasks, "TURN_BYTES", 1)
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        await filled(svc, clock)
        [(count,)] = await svc.db.read(lambda tx: tx.all("SELECT count(*) FROM segment WHERE rolled = 1"))
        assert count > 1
        for number in (*range(1, count + 1), count):
            await tasks.turn(svc)
            assert (await svc.db.read(there))[0] == number


async def test_damage_is_not_moved(tmp_path: Path) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        await filled(svc, clock)
        await svc.db.write(lambda tx: tx.run("UPDATE segment_data SET parquet = zeroblob(9000) WHERE segment = 1"))
        await tasks.turn(svc)
        assert await svc.db.read(there) == (1, 1, 0)


async def test_one_that_is_merged_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock) as svc:
        project = await filled(svc, clock)
        before, upload = await users(svc, project), cold_segments.moving.upload  # type: ignore[attr-defined]

        async def late(*args: object, **options: object) -> object:
            object = await upload(*args, **options)
            await svc.event_maintenance.run_maintenance(project, compact=True)
            return object

        monkeypatch.setattr(moving, "upload", late)
        await tasks.turn(svc)
        assert (await svc.db.read(there))[0] == 0, "what it is of is gone"
        assert await users(svc, project) == before
