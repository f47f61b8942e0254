"""Packing, merging and sweeping: what is given up, what is given back, and lost races."""

import asyncio
import random
from pathlib import Path
from typing import Any, cast

import pytest

from delta_server.core import times
from delta_server.core.packs import pack_format, pack_plan
from delta_server.features.endpoints import tasks as endpoints_tasks
from delta_server.storage import slices
from delta_server.storage.contents import contents, maintenance, packing, row_sizes, verification
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.contents import ContentStore
from delta_server.storage.contents.options import Packs
from delta_server.storage.contents.packing import Stale
from delta_server.storage.contents.rows import NewPack
from delta_server.storage.database import Tx
from tests.storage.contents.opened import (
    append,
    append_batch,
    documents,
    fresh_cache,
    kill,
    new_endpoint,
    opened,
    opened_services,
    order,
)
from tests.storage.opened import FakeClock

HISTORY = documents(200)


def counts(tx: Tx, *tables: str) -> list[int]:
    return [row[0] for table in tables for row in tx.all(f"SELECT count(*) FROM {table}")]


def pack_rows(tx: Tx) -> list[tuple[Any, ...]]:
    return tx.all("SELECT id, deep, contents FROM pack ORDER BY captured_at")


async def all_readable(store: ContentStore, endpoint: int, wanted: dict[int, bytes]) -> None:
    got = {content async for content in contents.read_run(fresh_cache(store, 1), endpoint, list(wanted))}
    assert got == set(wanted.items())
    assert (await verification.verify(store)).broken == []


async def filled(store: ContentStore, endpoint: int, number: int) -> dict[int, bytes]:
    return {await append(store, endpoint, at, HISTORY[at]): HISTORY[at] for at in range(number)}


# Packing and merging


async def test_no_pack_of_what_does_not_compress_is_written_at_once(tmp_path: Path) -> None:
    """The writer takes 2 ms a MB: a pack of 24 MiB that stay as long as they are would hold it for 50 ms."""
    chance = random.Random(3)
    packs = Packs(pack_bytes=60_000, pack_contents=200, deep_bytes=120_000, deep_contents=800, deep_after_days=7)
    clock = FakeClock()
    async with opened(tmp_path, packs=packs, clock=clock) as store:
        endpoint = await new_endpoint(store)
        wanted: dict[int, bytes] = {}
        for at in range(120):
            body = b'"%s"' % chance.randbytes(1000).hex().encode() if at % 40 > 5 else HISTORY[at]
            wanted[await append(store, endpoint, at, body)] = body
        await maintenance.pack(store)
        clock.advance(30 * times.DAY_MS)
        await maintenance.merge(store)
        sizes = await store.db.read(row_sizes.pack_sizes, endpoint)
        assert len(sizes) >= 3
        assert max(sizes.values()) < 1.1 * packs.deep_bytes / pack_plan.STORED_WEIGHT
        await all_readable(store, endpoint, wanted)


async def test_a_deleted_endpoint_goes_a_slice_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as store:
        endpoint, other = await new_endpoint(store), await new_endpoint(store, "other")
        await filled(store, endpoint, 60)
        await maintenance.pack(store)
        wanted = await filled(store, other, 30)
        frames = await store.db.read(row_sizes.frame_sizes, endpoint)
        packs = await store.db.read(row_sizes.pack_sizes, endpoint)
        largest = max(*frames.values(), *packs.values())
        monkeypatch.setattr(slices.first_within, "__defaults__", (2 * largest,))
        left = sum(frames.values()) + sum(packs.values())
        writes = 0
        while await store.db.write(contents.delete_some, endpoint, 1000):
            sizes = [await store.db.read(of, endpoint) for of in (row_sizes.frame_sizes, row_sizes.pack_sizes)]
            now = sum(sum(of.values()) for of in sizes)
            assert left - now <= 2 * largest
            left, writes = now, writes + 1
        assert left == 0
        assert writes > 3
        got = [content async for content in contents.read_run(fresh_cache(store, 1), other, list(wanted))]
        assert got == list(wanted.items())


async def test_dead_contents_go_a_slice_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 frames of 0.9 MB took the writer 84 ms of processor time."""
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 60)
        for content in list(wanted)[20:]:  # nothing living is based on them
            await kill(store, endpoint, content)
            del wanted[content]
        largest = max((await store.db.read(row_sizes.frame_sizes, endpoint)).values())
        monkeypatch.setattr(slices.first_within, "__defaults__", (2 * largest,))
        deleted: list[int] = []
        delete = maintenance._delete_frames

        def watched(tx: Tx, endpoint: int, contents: list[int]) -> list[int]:
            before = sum(row_sizes.frame_sizes(tx, endpoint).values())
            needed = delete(tx, endpoint, contents)
            deleted.append(before - sum(row_sizes.frame_sizes(tx, endpoint).values()))
            return needed

        monkeypatch.setattr(maintenance, "_delete_frames", watched)
        await maintenance.sweep(store)
        assert len(deleted) > 6
        assert max(deleted) <= 2 * largest
        assert await store.db.read(counts, "content") == [20]
        await all_readable(store, endpoint, wanted)


async def test_nothing_is_packed_below_the_bounds(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(pack_contents=20)) as store:
        endpoint = await new_endpoint(store)
        await filled(store, endpoint, 19)
        await maintenance.pack(store)
        assert await store.db.read(counts, "pack", "frame") == [0, 19]
        await append(store, endpoint, 100, HISTORY[100])
        await maintenance.pack(store)
        assert await store.db.read(counts, "pack", "frame") == [1, 0]


async def test_only_endpoints_with_new_frames_are_looked_at(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(pack_contents=20)) as store:
        old, new = await new_endpoint(store, "old"), await new_endpoint(store, "new")
        await filled(store, old, 25)
        newest = await store.db.read(sql.newest_frame)
        assert await maintenance.pack_since(store, newest) == newest
        wanted = await filled(store, new, 19)
        newest = await maintenance.pack_since(store, newest)
        assert newest == max(wanted)
        assert await store.db.read(counts, "pack", "frame") == [0, 44]
        wanted[await append(store, new, 100, HISTORY[100])] = HISTORY[100]
        assert await maintenance.pack_since(store, newest) == newest + 1
        assert await store.db.read(counts, "pack", "frame") == [1, 25]
        await all_readable(store, new, wanted)
        await maintenance.pack(store)
        assert await store.db.read(counts, "pack", "frame") == [2, 5]


class Planned:
    """A transaction that answers with SQLite's plan."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def all(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return [row[3:] for row in self._tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)]


async def test_a_look_at_new_frames_costs_no_scan_of_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        new = await store.db.read(lambda tx: sql.with_frames_after(cast("Tx", Planned(tx)), 1))
        assert "SEARCH frame USING INTEGER PRIMARY KEY (rowid>?)" in list(map(str, new))


async def test_packs_merge_when_they_are_old(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(
        tmp_path, packs=Packs(pack_contents=10, deep_contents=35, deep_after_days=7), clock=clock
    ) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 60)
        await maintenance.pack(store)
        await maintenance.merge(store)
        assert [row[1:] for row in await store.db.read(pack_rows)] == [(0, 10)] * 6
        clock.advance(7 * times.DAY_MS + 1)
        await maintenance.merge(store)
        deep = await store.db.read(pack_rows)
        assert [row[1:] for row in deep] == [(1, 30), (1, 30)]
        await maintenance.merge(store)
        assert await store.db.read(pack_rows) == deep
        await all_readable(store, endpoint, wanted)


async def test_packing_everything_makes_it_smaller_and_is_done_once(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs()) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 200)
        told: list[tuple[int, int]] = []
        await maintenance.pack_everything(store, progress=lambda done, of: told.append((done, of)))
        assert told[-1] == (1, 1)
        assert await store.db.read(counts, "pack", "frame") == [1, 0]
        packs = await store.db.read(pack_rows)
        await maintenance.pack_everything(store)
        assert await store.db.read(pack_rows) == packs
        await all_readable(store, endpoint, wanted)


async def test_a_few_frames_stay_frames_where_a_pack_would_be_larger(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs()) as store:
        endpoint = await new_endpoint(store)
        await append_batch(store, endpoint, list(enumerate(HISTORY[:150])))
        await append(store, endpoint, 1000, HISTORY[150])
        await maintenance.pack_everything(store)
        assert await store.db.read(counts, "pack", "frame") == [1, 1]


async def test_what_dies_and_is_packed_while_a_sweep_looks_goes_with_its_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted alone, it left a pack that `verify` calls damaged, for ever where nothing living was in it."""
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 40)
        readable, dead = packing._readable, list[int]()

        async def meanwhile(*group: Any) -> dict[int, bytes]:
            bodies = await readable(*group)
            for content in [] if dead else list(wanted)[2:8]:
                await kill(store, endpoint, content)
                del wanted[content]
            dead.extend([] if dead else await store.db.read(maintenance._dead_frames, endpoint, maintenance.LAST_ID))
            return bodies

        monkeypatch.setattr(packing, "_readable", meanwhile)
        await maintenance.pack(store)
        assert len(dead) == 6
        assert await store.db.write(maintenance._delete_frames, endpoint, dead) == []
        await all_readable(store, endpoint, wanted)
        await maintenance.sweep(store)
        await all_readable(store, endpoint, wanted)
        assert await store.db.read(counts, "content") == [len(wanted)]


async def test_work_on_one_endpoint_while_it_is_written_to(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock=clock) as store:
        endpoint = await new_endpoint(store)
        wanted: dict[int, bytes] = {}

        async def write() -> None:
            for at, body in enumerate(HISTORY):
                wanted[await append(store, endpoint, at, body)] = body
                if at % 3 == 0:
                    content = min(wanted)
                    await kill(store, endpoint, content)
                    del wanted[content]

        async def rewrite() -> None:
            while not writing.done():
                clock.advance(3 * times.DAY_MS)
                for task in (maintenance.pack, maintenance.sweep, maintenance.merge):
                    await task(store)

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, rewrite(), rewrite())
        await all_readable(store, endpoint, wanted)
        await maintenance.sweep(store)
        assert await store.db.read(counts, "content") == [len(wanted)]


# Lost races change nothing


async def test_a_pack_of_frames_that_are_gone_is_not_stored(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 20)
        loose = await store.db.read(sql.loose_frames, endpoint, size_limit=10_000)
        ids = [content.id for content in loose]
        packed = pack_format.encode(None, [wanted[content] for content in ids], level=3)
        new = NewPack(0, False, None, 0, [content.size for content in loose], 0, packed)
        await maintenance.pack_everything(store)
        before = await store.db.read(pack_rows)
        with pytest.raises(Stale):
            await store.db.write(packing._frames_to_pack, endpoint, new, ids)
        assert await store.db.read(pack_rows) == before
        await all_readable(store, endpoint, wanted)


async def test_two_rewrites_cannot_base_packs_on_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        await filled(store, endpoint, 80)
        await maintenance.pack(store)
        packs = await store.db.read(sql.packs, endpoint, created_before=1 << 60)
        low, high = packs[0], packs[2]
        assert low.chain < high.chain
        circle = NewPack(0, False, high.members[-1], low.chain, [], 0, pack_format.encode(None, [b"1"], level=3))
        with pytest.raises(Stale):
            await store.db.write(packing._replace_packs, endpoint, [low], circle, [])


async def test_a_content_something_is_based_on_is_not_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 60)
        await maintenance.pack(store)
        packs = await store.db.read(sql.packs, endpoint, created_before=1 << 60)
        with pytest.raises(Stale):
            await store.db.write(packing.delete_packs, endpoint, packs[:1], kept=[])
        await all_readable(store, endpoint, wanted)


# Sweeping


async def test_deleting_gives_the_space_back(tmp_path: Path) -> None:
    noise = [f'"{random.Random(i).randbytes(5_000).hex()}"'.encode() for i in range(60)]  # 5 kB each, compressed
    async with opened(tmp_path, packs=Packs(pack_contents=10, deep_contents=20)) as store:
        endpoint = await new_endpoint(store)
        ids = [await append(store, endpoint, at, body) for at, body in enumerate(noise)]
        await maintenance.pack_everything(store)
        await store.db.checkpoint()
        full = store.db.stats().database_bytes
        for content in ids[:55]:
            await kill(store, endpoint, content)
        await maintenance.sweep(store)
        await store.db.checkpoint()
        stats = store.db.stats()
        assert stats.free_bytes == 0
        assert stats.database_bytes < full - 55 * 5_000 + 20_000
        await all_readable(store, endpoint, dict(zip(ids[55:], noise[55:], strict=True)))


async def test_a_deleted_endpoint_goes_with_all_it_owns_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints_tasks, "ROWS_AT_ONCE", 7)
    owned = ("endpoint", "snapshot", "content", "frame", "pack", "delta", "field", "field_change")
    async with opened_services(tmp_path) as services:
        store = services.contents
        kept = await new_endpoint(store, "kept")
        wanted = await filled(store, kept, 50)
        await maintenance.pack(store)
        await store.db.write(own_a_field, kept)
        before = await store.db.read(counts, *owned)
        gone = await new_endpoint(store, "gone")
        contents = await filled(store, gone, 50)
        await maintenance.pack(store)
        await kill(store, gone, next(iter(contents)))
        await store.db.write(own_a_field, gone)
        await store.db.write(mark_deleted, gone)
        await endpoints_tasks.remove_deleted(services)
        assert await store.db.read(counts, *owned) == before
        await all_readable(store, kept, wanted)


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
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        wanted = await filled(store, endpoint, 60)
        await maintenance.pack(store)
        for content in wanted:
            await kill(store, endpoint, content)
        await maintenance.sweep(store)
        assert await order(store, endpoint) == []
        assert await store.db.read(counts, "content", "frame", "pack") == [0, 0, 0]
