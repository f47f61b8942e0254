"""Reading, refusing what is damaged, and verifying."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed, NotFound
from delta_server.storage.contents import contents, maintenance, reading, verification
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.contents import ContentStore
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Database, Tx
from tests.often import FUZZ
from tests.storage.contents.opened import (
    SMALL,
    append,
    append_batch,
    documents,
    encode_next,
    fresh_cache,
    kill,
    new_endpoint,
    opened,
    order,
)

HISTORY = documents(60)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ContentStore]:
    async with opened(tmp_path) as services:
        yield services


@pytest.fixture
async def endpoint(store: ContentStore) -> int:
    return await new_endpoint(store)


async def stored(store: ContentStore, endpoint: int, *, packed: int, loose: int) -> list[int]:
    """Contents in packs, then contents in frames."""
    ids = [await append(store, endpoint, at, HISTORY[at]) for at in range(packed)]
    await maintenance.pack(store)
    assert await store.db.read(count, "pack") == packed // 12
    return ids + [await append(store, endpoint, packed + at, HISTORY[packed + at]) for at in range(loose)]


def count(tx: Tx, table: str, where: str = "1") -> int:
    row = tx.one(f"SELECT count(*) FROM {table} WHERE {where}")
    assert row is not None
    return int(row[0])


def run_sql(tx: Tx, sql: str, *params: object) -> int:
    return tx.run(sql, *params)


async def readable(store: ContentStore, endpoint: int, ids: list[int]) -> list[int]:
    """The contents that read back; the others must refuse to."""
    fine = []
    for index, content in enumerate(ids):
        with contextlib.suppress(DatabaseFailed, NotFound):
            assert await contents.read(fresh_cache(store), endpoint, content) == HISTORY[index]
            fine.append(content)
    return fine


async def read_all(store: ContentStore, endpoint: int, ids: list[int]) -> None:
    async for content, body in contents.read_run(store, endpoint, ids):
        assert body == HISTORY[ids.index(content)]


# Refused


async def test_a_content_that_is_gone_is_not_found(store: ContentStore, endpoint: int) -> None:
    with pytest.raises(NotFound):
        await contents.read(store, endpoint, 999)
    with pytest.raises(NotFound):
        async for _ in contents.read_run(store, endpoint, [999]):
            pass


async def test_another_endpoints_content_is_not_found(store: ContentStore, endpoint: int) -> None:
    other = await new_endpoint(store, "other")
    ids = await stored(store, endpoint, packed=24, loose=1)
    for content in (ids[0], ids[-1]):
        assert await contents.read(store, endpoint, content)
        for cold_or_warm in (store, fresh_cache(store)):
            with pytest.raises(NotFound):
                await contents.read(cold_or_warm, other, content)


DAMAGE = {
    "a frame's data": "UPDATE frame SET data = x'28b52ffd' WHERE content = 52",
    "a frame of other bytes": "UPDATE frame SET data = (SELECT data FROM frame WHERE content = 53) WHERE content = 52",
    "a frame is missing": "DELETE FROM frame WHERE content = 52",
    "a frame that is its own base": "UPDATE frame SET base = 52 WHERE content = 52",
    "frames in a circle": "UPDATE frame SET base = 53 WHERE content = 52",
    "a frame's base is missing": "DELETE FROM content WHERE id = 52",
    "an anchor is missing": "DELETE FROM content WHERE id = 48",
    "the anchor of the pack before is missing": "DELETE FROM content WHERE id = 36",
    "a pack's data": "UPDATE pack SET data = zeroblob(100) WHERE id = (SELECT max(id) FROM pack)",
    "a pack's anchor": "UPDATE pack SET anchor = zeroblob(9) WHERE id = (SELECT max(id) FROM pack)",
    "a pack of another's data": "UPDATE pack SET data = (SELECT data FROM pack ORDER BY id LIMIT 1)"
    " WHERE id = (SELECT max(id) FROM pack)",
    "a pack's size": "UPDATE pack SET size = size + 1 WHERE id = (SELECT max(id) FROM pack)",
    "a pack that claims to be huge": "UPDATE pack SET size = 1 << 50 WHERE id = (SELECT max(id) FROM pack)",
    "a pack is missing": "DELETE FROM pack WHERE id = (SELECT max(id) FROM pack)",
    "a position": "UPDATE content SET position = position + 1 WHERE id = 30",
    "a hash": "UPDATE content SET hash = zeroblob(16) WHERE id = 30",
    "a size": "UPDATE content SET size = size - 1 WHERE id = 30",
}


@pytest.mark.parametrize("sql", DAMAGE.values(), ids=list(DAMAGE))
async def test_damage_is_an_error_and_verify_names_it(store: ContentStore, endpoint: int, sql: str) -> None:
    ids = await stored(store, endpoint, packed=48, loose=8)
    assert (await verification.verify(store)).broken == []
    assert await store.db.write(run_sql, sql) == 1
    fine = await readable(store, endpoint, ids)
    assert len(fine) < len(ids)
    verified = await verification.verify(store)
    assert verified.broken
    assert all(f"endpoint {endpoint}" in sentence for sentence in verified.broken)
    with pytest.raises(DatabaseFailed, match="damaged"):
        await read_all(fresh_cache(store), endpoint, ids)


async def test_background_work_leaves_what_is_damaged_as_it_is(store: ContentStore, endpoint: int) -> None:
    """Packing damaged bytes anew would give them a clean frame; another endpoint's work goes on."""
    other = await new_endpoint(store, "other")
    for each in (endpoint, other):
        for at in range(30):
            await append(store, each, at, HISTORY[at])
    store = fresh_cache(store)
    await store.db.write(run_sql, "UPDATE frame SET data = zeroblob(5) WHERE endpoint = ? AND content = 5", endpoint)
    await maintenance.pack(store)
    assert await store.db.read(count, "frame", f"endpoint = {endpoint}") == 30
    assert await store.db.read(count, "frame", f"endpoint = {other}") < 30


# Verified


async def test_verify_counts_what_it_read(store: ContentStore, endpoint: int) -> None:
    await stored(store, endpoint, packed=48, loose=8)
    told: list[tuple[int, int]] = []
    verified = await verification.verify(store, lambda done, of: told.append((done, of)))
    assert (verified.contents, verified.frames) == (56, 8)
    assert verified.packs == await store.db.read(count, "pack")
    assert verified.raw_bytes == sum(map(len, HISTORY[:56]))
    assert told[-1] == (56, 56)


MISPLACED = {
    "snapshot": ("INSERT INTO snapshot (uid, endpoint, captured_at, content) VALUES (x'00', 1, 999, 999)", "snapshot"),
    "another's": (
        "UPDATE snapshot SET content = 3 WHERE content = 9",
        "has not the content that is in force at its time",
    ),
    "dead": ("UPDATE content SET dead = 1 WHERE id = 3", "snapshot 3"),
    "orphan": (
        "INSERT INTO frame (content, endpoint, size, base, depth, data) VALUES (999, 1, 1, NULL, 1, x'00')",
        "frame 999",
    ),
    "member": ("DELETE FROM content WHERE id = 30", "holds contents that are not there"),
}


@pytest.mark.parametrize(("sql", "named"), MISPLACED.values(), ids=list(MISPLACED))
async def test_verify_finds_what_is_missing_or_left_over(
    store: ContentStore, endpoint: int, sql: str, named: str
) -> None:
    assert endpoint == 1
    await stored(store, endpoint, packed=48, loose=8)
    await store.db.write(run_sql, sql)
    assert any(named in sentence for sentence in (await verification.verify(store)).broken)


MEANWHILE = {
    "packed": lambda store, _: maintenance.pack_everything(store),
    "swept": lambda store, endpoint: _kill_and_sweep(store, endpoint),
    "deleted": lambda store, endpoint: store.db.write(_delete, endpoint),
}


async def _kill_and_sweep(store: ContentStore, endpoint: int) -> None:
    for content in range(1, 54, 2):
        await kill(store, endpoint, content)
    await maintenance.sweep(store)


def _delete(tx: Tx, endpoint: int) -> None:
    tx.run("UPDATE endpoint SET deleted_at = 1 WHERE id = ?", endpoint)
    contents.delete_some(tx, endpoint, 30)


@pytest.mark.parametrize("read", range(1, 24, 3 if FUZZ == 1 else 1))
@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=list(MEANWHILE))
async def test_what_changes_while_verify_reads_is_no_damage(
    store: ContentStore, endpoint: int, meanwhile: Callable[[ContentStore, int], Awaitable[Any]], read: int
) -> None:
    """Before the read with the number `read` another process does its part."""
    await stored(store, endpoint, packed=48, loose=8)

    class Between:
        reads = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(store.db, name)

        async def read(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
            self.reads += 1
            if self.reads == read:
                await meanwhile(store, endpoint)
            return await store.db.read(fn, *args, **kwargs)

    beside = msgspec.structs.replace(store, db=cast("Database", Between()))
    assert (await verification.verify(beside)).broken == []


# Read


@pytest.mark.parametrize("limit_bytes", [1, 1 << 20], ids=["nothing cached", "everything cached"])
async def test_everything_reads_back_in_any_order(store: ContentStore, endpoint: int, limit_bytes: int) -> None:
    ids = await stored(store, endpoint, packed=48, loose=9)
    store = fresh_cache(store, limit_bytes)
    for wanted in (ids, ids[::-1], ids[::7] + ids[3::7], ids + ids, []):
        got = [item async for item in contents.read_run(store, endpoint, wanted)]
        assert got == [(content, HISTORY[ids.index(content)]) for content in wanted]


async def test_a_run_is_read_while_its_contents_are_packed(store: ContentStore, endpoint: int) -> None:
    ids = [await append(store, endpoint, at, HISTORY[at]) for at in range(60)]
    store = fresh_cache(store, 1)
    got = []
    async for content, body in contents.read_run(store, endpoint, ids * 20):
        got.append((content, body))
        if len(got) == 100:
            await maintenance.pack_everything(store)
    assert got == [(content, HISTORY[ids.index(content)]) for content in ids * 20]


async def test_what_was_remembered_is_not_decoded(store: ContentStore, endpoint: int) -> None:
    content = await append(store, endpoint, 1, HISTORY[0])
    await store.db.write(run_sql, "DELETE FROM frame")
    assert await contents.read(store, endpoint, content) == HISTORY[0]


# Added


async def test_a_frame_whose_base_is_gone_is_refused(store: ContentStore, endpoint: int) -> None:
    first = await append(store, endpoint, 1, HISTORY[0])
    head = await store.db.read(contents.head, endpoint)
    frame = await encode_next(store, endpoint, head, HISTORY[1])
    run = await contents.encode_batch(store, endpoint, head, [(3, HISTORY[2])])
    await kill(store, endpoint, first)
    await maintenance.sweep(store)
    assert await store.db.write(contents.add, endpoint, 2, frame) is None
    assert await store.db.write(contents.add_batch, endpoint, run) is None
    assert await store.db.read(count, "content") == 0


async def test_a_run_whose_pack_before_it_was_rewritten_is_refused(store: ContentStore, endpoint: int) -> None:
    ids = await append_batch(store, endpoint, list(enumerate(HISTORY[:20])))
    head = await store.db.read(contents.head, endpoint)
    run = await contents.encode_batch(store, endpoint, head, list(enumerate(HISTORY[20:40], 20)))
    for content in ids:
        await kill(store, endpoint, content)
    await maintenance.sweep(store)
    assert await store.db.write(contents.add_batch, endpoint, run) is None


async def test_new_contents_and_the_ones_after_them_wait_for_their_deltas(store: ContentStore, endpoint: int) -> None:
    ids = [await append(store, endpoint, at * 10, HISTORY[at]) for at in range(4)]
    await store.db.write(run_sql, "UPDATE content SET pending = 0")
    between = await append(store, endpoint, 15, HISTORY[9])
    assert await store.db.read(pending) == [between, ids[2]]
    await store.db.write(run_sql, "UPDATE content SET pending = 0")
    await kill(store, endpoint, between)
    assert await store.db.read(pending) == [ids[2]]
    await store.db.write(run_sql, "UPDATE content SET pending = 0")
    await append_batch(store, endpoint, [(21, HISTORY[10]), (22, HISTORY[11])])
    assert len(await store.db.read(pending)) == 3
    assert ids[3] in await store.db.read(pending)


def pending(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT id FROM content WHERE pending = 1 ORDER BY captured_at")]


async def test_the_order_is_by_time_then_by_arrival(store: ContentStore, endpoint: int) -> None:
    late = await append(store, endpoint, 30, HISTORY[0])
    early = await append(store, endpoint, 10, HISTORY[1])
    rows = await order(store, endpoint)
    assert [row.id for row in rows] == [early, late]
    read = store.db.read
    head = await read(contents.head, endpoint)
    assert head == rows[1]
    assert await read(contents.content_at, endpoint, 29) == rows[0]
    assert await read(contents.content_at, endpoint, 9) is None
    assert await read(contents.before, endpoint, (rows[1].captured_at, rows[1].id)) == rows[0]
    assert await read(contents.after, endpoint, rows[0]) == rows[1]
    assert await read(contents.after, endpoint, rows[1]) is None


async def test_large_documents_stay_frames_with_a_keyframe_every_eight(tmp_path: Path) -> None:
    packs = msgspec.structs.replace(SMALL, pack_bytes=1_024, deep_bytes=2_048)
    large = documents(20, items=40)
    assert min(map(len, large)) > 1_024
    async with opened(tmp_path, packs=packs) as store:
        endpoint = await new_endpoint(store)
        ids = [await append(store, endpoint, at, body) for at, body in enumerate(large)]
        ids += await append_batch(store, endpoint, [(100 + at, body) for at, body in enumerate(large)])
        await maintenance.pack_everything(store)
        assert await store.db.read(count, "pack") == 0
        assert await store.db.read(count, "frame", "base IS NULL") == 5
        assert [body async for _, body in contents.read_run(fresh_cache(store, 1), endpoint, ids)] == large * 2


def longest_chain(tx: Tx) -> int:
    row = tx.one("SELECT max(depth) FROM frame")
    assert row is not None
    return int(row[0])


async def test_the_chain_of_frames_is_short_without_any_packing(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs()) as store:
        endpoint = await new_endpoint(store)
        history = documents(600, items=2)
        ids = [await append(store, endpoint, at, body) for at, body in enumerate(history)]
        assert await store.db.read(count, "frame", "base IS NULL") == 3
        longest = max(
            [len(await store.db.read(reading.decode_steps, fresh_cache(store).cache, endpoint, id)) for id in ids]
        )
        assert longest == await store.db.read(longest_chain) == 256


async def test_sweeping_makes_no_chain_longer(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(pack_contents=1000)) as store:
        endpoint = await new_endpoint(store)
        ids = [await append(store, endpoint, at, body) for at, body in enumerate(documents(260, items=2))]
        await kill(store, endpoint, ids[256])  # the second keyframe
        await maintenance.sweep(store)
        assert await store.db.read(longest_chain) == 256
        assert len(await store.db.read(reading.decode_steps, fresh_cache(store).cache, endpoint, ids[-1])) == 3


async def test_a_run_makes_packs_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(deep_contents=50, pack_contents=40)) as store:
        endpoint = await new_endpoint(store)
        history = documents(120)
        sizes = [len(body) for body in history]
        assert contents.batch_is_full(store, sum(sizes[:50]), 50)
        assert not contents.batch_is_full(store, sum(sizes[:48]), 48)
        ids = await append_batch(store, endpoint, list(enumerate(history[:50])))
        ids += await append_batch(store, endpoint, list(enumerate(history[50:115], 50)))
        ids += await append_batch(store, endpoint, list(enumerate(history[115:], 115)))
        assert await store.db.read(count, "pack") == 3
        assert await store.db.read(count, "frame") == 5
        assert [body async for _, body in contents.read_run(fresh_cache(store, 1), endpoint, ids)] == history


async def test_any_number_of_contents_at_once(store: ContentStore, endpoint: int) -> None:
    """More than a statement has places for parameters."""
    there = [await append(store, endpoint, minutes, HISTORY[minutes]) for minutes in range(3)]
    asked = [*range(-300_000, 0), *there]
    found = await store.db.read(sql.by_ids, endpoint, asked)
    assert list(found) == there
    assert await store.db.read(sql.frame_bytes, endpoint, asked) == await store.db.read(
        sql.frame_bytes, endpoint, there
    )
    assert await store.db.read(sql.by_ids, endpoint, []) == {}
