"""Packing, merging and sweeping: what is given up, what is given back, and lost races."""

import asyncio
import random
from pathlib import Path
from typing import Any, cast

import pytest

from delta_server.config import Packs
from delta_server.core import times
from delta_server.core.packs import pack_frames
from delta_server.features.contents import packing, service, store, tasks
from delta_server.features.contents.packing import Stale
from delta_server.features.contents.rows import NewPack
from delta_server.features.endpoints import tasks as endpoints_tasks
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.features.contents.opened import (
    append,
    append_batch,
    documents,
    fresh_cache,
    kill,
    new_endpoint,
    opened,
    order,
)
from tests.storage.opened import FakeClock

HISTORY = documents(200)


def counts(tx: Tx, *tables: str) -> list[int]:
    return [row[0] for table in tables for row in tx.all(f"SELECT count(*) FROM {table}")]


def pack_rows(tx: Tx) -> list[tuple[Any, ...]]:
    return tx.all("SELECT id, deep, contents FROM pack ORDER BY captured_at")


async def all_readable(svc: Services, endpoint: int, wanted: dict[int, bytes]) -> None:
    got = {content async for content in service.read_run(fresh_cache(svc, 1), endpoint, list(wanted))}
    assert got == set(wanted.items())
    assert (await service.verify(svc)).broken == []


async def filled(svc: Services, endpoint: int, number: int) -> dict[int, bytes]:
    return {await append(svc, endpoint, at, HISTORY[at]): HISTORY[at] for at in range(number)}


# Packing and merging


async def test_nothing_is_packed_below_the_bounds(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(pack_contents=20)) as svc:
        endpoint = await new_endpoint(svc)
        await filled(svc, endpoint, 19)
        await tasks.pack(svc)
        assert await svc.db.read(counts, "pack", "frame") == [0, 19]
        await append(svc, endpoint, 100, HISTORY[100])
        await tasks.pack(svc)
        assert await svc.db.read(counts, "pack", "frame") == [1, 0]


async def test_only_endpoints_with_new_frames_are_looked_at(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(pack_contents=20)) as svc:
        old, new = await new_endpoint(svc, "old"), await new_endpoint(svc, "new")
        await filled(svc, old, 25)
        newest = await svc.db.read(store.newest_frame)
        assert await tasks.pack_since(svc, newest) == newest
        wanted = await filled(svc, new, 19)
        newest = await tasks.pack_since(svc, newest)
        assert newest == max(wanted)
        assert await svc.db.read(counts, "pack", "frame") == [0, 44]
        wanted[await append(svc, new, 100, HISTORY[100])] = HISTORY[100]
        assert await tasks.pack_since(svc, newest) == newest + 1
        assert await svc.db.read(counts, "pack", "frame") == [1, 25]
        await all_readable(svc, new, wanted)
        await tasks.pack(svc)
        assert await svc.db.read(counts, "pack", "frame") == [2, 5]


class Planned:
    """A transaction that answers with SQLite's plan."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def all(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return [row[3:] for row in self._tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)]


async def test_a_look_at_new_frames_costs_no_scan_of_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        new = await svc.db.read(lambda tx: store.with_frames_after(cast("Tx", Planned(tx)), 1))
        assert "SEARCH frame USING INTEGER PRIMARY KEY (rowid>?)" in list(map(str, new))


async def test_new_contents_wake_the_packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "GATHERED_S", 0)
    async with opened(tmp_path, packs=Packs(pack_contents=20)) as svc:
        endpoint = await new_endpoint(svc)
        loop = asyncio.create_task(tasks.keep_packed(svc))
        await filled(svc, endpoint, 20)
        async with asyncio.timeout(60):
            while await svc.db.read(counts, "pack") == [0]:
                svc.topics.wake("contents")
        loop.cancel()
        await asyncio.wait({loop})


async def test_packs_merge_when_they_are_old(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, packs=Packs(pack_contents=10, deep_contents=35, deep_after_days=7), clock=clock) as svc:
        endpoint = await new_endpoint(svc)
        wanted = await filled(svc, endpoint, 60)
        await tasks.pack(svc)
        await tasks.merge(svc)
        assert [row[1:] for row in await svc.db.read(pack_rows)] == [(0, 10)] * 6
        clock.advance(7 * times.DAY_MS + 1)
        await tasks.merge(svc)
        deep = await svc.db.read(pack_rows)
        assert [row[1:] for row in deep] == [(1, 30), (1, 30)]
        await tasks.merge(svc)
        assert await svc.db.read(pack_rows) == deep
        await all_readable(svc, endpoint, wanted)


async def test_packing_everything_makes_it_smaller_and_is_done_once(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs()) as svc:
        endpoint = await new_endpoint(svc)
        wanted = await filled(svc, endpoint, 200)
        told: list[tuple[int, int]] = []
        await tasks.pack_everything(svc, progress=lambda done, of: told.append((done, of)))
        assert told[-1] == (1, 1)
        assert await svc.db.read(counts, "pack", "frame") == [1, 0]
        packs = await svc.db.read(pack_rows)
        await tasks.pack_everything(svc)
        assert await svc.db.read(pack_rows) == packs
        await all_readable(svc, endpoint, wanted)


async def test_a_few_frames_stay_frames_where_a_pack_would_be_larger(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs()) as svc:
        endpoint = await new_endpoint(svc)
        await append_batch(svc, endpoint, list(enumerate(HISTORY[:150])))
        await append(svc, endpoint, 1000, HISTORY[150])
        await tasks.pack_everything(svc)
        assert await svc.db.read(counts, "pack", "frame") == [1, 1]


async def test_work_on_one_endpoint_while_it_is_written_to(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock=clock) as svc:
        endpoint = await new_endpoint(svc)
        wanted: dict[int, bytes] = {}

        async def write() -> None:
            for at, body in enumerate(HISTORY):
                wanted[await append(svc, endpoint, at, body)] = body
                if at % 3 == 0:
                    content = min(wanted)
                    await kill(svc, endpoint, content)
                    del wanted[content]

        async def rewrite() -> None:
            while not writing.done():
                clock.advance(3 * times.DAY_MS)
                for task in (tasks.pack, tasks.sweep, tasks.merge):
                    await task(svc)

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, rewrite(), rewrite())
        await all_readable(svc, endpoint, wanted)
        await tasks.sweep(svc)
        assert await svc.db.read(counts, "content") == [len(wanted)]


# Lost races change nothing


async def test_a_pack_of_frames_that_are_gone_is_not_stored(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        wanted = await filled(svc, endpoint, 20)
        loose = await svc.db.read(store.loose, endpoint, size_limit=10_000)
        ids = [content.id for content in loose]
        packed = pack_frames.encode(None, [wanted[content] for content in ids], level=3)
        new = NewPack(0, False, None, 0, [content.size for content in loose], 0, packed)
        await tasks.pack_everything(svc)
        before = await svc.db.read(pack_rows)
        with pytest.raises(Stale):
            await svc.db.write(packing._frames_to_pack, endpoint, new, ids)
        assert await svc.db.read(pack_rows) == before
        await all_readable(svc, endpoint, wanted)


async def test_two_rewrites_cannot_base_packs_on_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        await filled(svc, endpoint, 80)
        await tasks.pack(svc)
        packs = await svc.db.read(store.packs, endpoint, created_before=1 << 60)
        low, high = packs[0], packs[2]
        assert low.chain < high.chain
        circle = NewPack(0, False, high.members[-1], low.chain, [], 0, pack_frames.encode(None, [b"1"], level=3))
        with pytest.raises(Stale):
            await svc.db.write(packing._replace_packs, endpoint, [low], circle, [])


async def test_a_content_something_is_based_on_is_not_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        wanted = await filled(svc, endpoint, 60)
        await tasks.pack(svc)
        packs = await svc.db.read(store.packs, endpoint, created_before=1 << 60)
        with pytest.raises(Stale):
            await svc.db.write(packing.delete_packs, endpoint, packs[:1], kept=[])
        await all_readable(svc, endpoint, wanted)


# Sweeping


async def test_deleting_gives_the_space_back(tmp_path: Path) -> None:
    noise = [f'"{random.Random(i).randbytes(5_000).hex()}"'.encode() for i in range(60)]  # 5 kB each, compressed
    async with opened(tmp_path, packs=Packs(pack_contents=10, deep_contents=20)) as svc:
        endpoint = await new_endpoint(svc)
        ids = [await append(svc, endpoint, at, body) for at, body in enumerate(noise)]
        await tasks.pack_everything(svc)
        await svc.db.checkpoint()
        full = svc.db.stats().database_bytes
        for content in ids[:55]:
            await kill(svc, endpoint, content)
        await tasks.sweep(svc)
        await svc.db.checkpoint()
        stats = svc.db.stats()
        assert stats.free_bytes == 0
        assert stats.database_bytes < full - 55 * 5_000 + 20_000
        await all_readable(svc, endpoint, dict(zip(ids[55:], noise[55:], strict=True)))


async def test_a_deleted_endpoint_goes_with_all_it_owns_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints_tasks, "ROWS_AT_ONCE", 7)
    owned = ("endpoint", "snapshot", "content", "frame", "pack", "delta", "field", "field_change")
    async with opened(tmp_path) as svc:
        kept = await new_endpoint(svc, "kept")
        wanted = await filled(svc, kept, 50)
        await tasks.pack(svc)
        await svc.db.write(own_a_field, kept)
        before = await svc.db.read(counts, *owned)
        gone = await new_endpoint(svc, "gone")
        contents = await filled(svc, gone, 50)
        await tasks.pack(svc)
        await kill(svc, gone, next(iter(contents)))
        await svc.db.write(own_a_field, gone)
        await svc.db.write(mark_deleted, gone)
        await endpoints_tasks.remove_deleted(svc)
        assert await svc.db.read(counts, *owned) == before
        await all_readable(svc, kept, wanted)


def own_a_field(tx: Tx, endpoint: int) -> None:
    columns = [row[1] for row in tx.all("SELECT * FROM pragma_table_info('delta')")]
    first = tx.all("SELECT id, captured_at FROM content WHERE endpoint = ? AND dead = 0", endpoint)
    names = ", ".join(columns)
    values = ", ".join("x''" if name == "fields" else "?1" if name == "content" else "0" for name in columns)
    tx.many(f"INSERT INTO delta ({names}) VALUES ({values})", [row[:1] for row in first])
    field = tx.insert(
        "INSERT INTO field (endpoint, pattern, changes, deltas, types) VALUES (?, '/a', 1, 1, 1)", endpoint
    )
    columns = [row[1] for row in tx.all("SELECT * FROM pragma_table_info('field_change')")]
    values = ", ".join({"field": "?1", "captured_at": "?2"}.get(name, "NULL") for name in columns)
    tx.many(f"INSERT INTO field_change ({', '.join(columns)}) VALUES ({values})", [(field, at) for _, at in first])


def mark_deleted(tx: Tx, endpoint: int) -> None:
    tx.run("UPDATE endpoint SET deleted_at = 1 WHERE id = ?", endpoint)


async def test_an_endpoint_whose_every_content_died_is_empty(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        wanted = await filled(svc, endpoint, 60)
        await tasks.pack(svc)
        for content in wanted:
            await kill(svc, endpoint, content)
        await tasks.sweep(svc)
        assert await order(svc, endpoint) == []
        assert await svc.db.read(counts, "content", "frame", "pack") == [0, 0, 0]
