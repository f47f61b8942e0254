"""Reading, refusing what is damaged, and verifying."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from delta_server.config import Packs
from delta_server.core.errors import DatabaseFailed, NotFound
from delta_server.features.contents import reading, service, store, tasks
from delta_server.services import Services
from delta_server.storage.database import Database, Tx
from tests.features.contents.opened import (
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
async def svc(tmp_path: Path) -> AsyncIterator[Services]:
    async with opened(tmp_path) as services:
        yield services


@pytest.fixture
async def endpoint(svc: Services) -> int:
    return await new_endpoint(svc)


async def stored(svc: Services, endpoint: int, *, packed: int, loose: int) -> list[int]:
    """Contents in packs, then contents in frames."""
    ids = [await append(svc, endpoint, at, HISTORY[at]) for at in range(packed)]
    await tasks.pack(svc)
    assert await svc.db.read(count, "pack") == packed // 12
    return ids + [await append(svc, endpoint, packed + at, HISTORY[packed + at]) for at in range(loose)]


def count(tx: Tx, table: str, where: str = "1") -> int:
    row = tx.one(f"SELECT count(*) FROM {table} WHERE {where}")
    assert row is not None
    return int(row[0])


def run_sql(tx: Tx, sql: str, *params: object) -> int:
    return tx.run(sql, *params)


async def readable(svc: Services, endpoint: int, ids: list[int]) -> list[int]:
    """The contents that read back; the others must refuse to."""
    fine = []
    for index, content in enumerate(ids):
        with contextlib.suppress(DatabaseFailed, NotFound):
            assert await service.read(fresh_cache(svc), endpoint, content) == HISTORY[index]
            fine.append(content)
    return fine


async def read_all(svc: Services, endpoint: int, ids: list[int]) -> None:
    async for content, body in service.read_run(svc, endpoint, ids):
        assert body == HISTORY[ids.index(content)]


# Refused


async def test_a_content_that_is_gone_is_not_found(svc: Services, endpoint: int) -> None:
    with pytest.raises(NotFound):
        await service.read(svc, endpoint, 999)
    with pytest.raises(NotFound):
        async for _ in service.read_run(svc, endpoint, [999]):
            pass


async def test_another_endpoints_content_is_not_found(svc: Services, endpoint: int) -> None:
    other = await new_endpoint(svc, "other")
    ids = await stored(svc, endpoint, packed=24, loose=1)
    for content in (ids[0], ids[-1]):
        assert await service.read(svc, endpoint, content)
        for cold_or_warm in (svc, fresh_cache(svc)):
            with pytest.raises(NotFound):
                await service.read(cold_or_warm, other, content)


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
async def test_damage_is_an_error_and_verify_names_it(svc: Services, endpoint: int, sql: str) -> None:
    ids = await stored(svc, endpoint, packed=48, loose=8)
    assert (await service.verify(svc)).broken == []
    assert await svc.db.write(run_sql, sql) == 1
    fine = await readable(svc, endpoint, ids)
    assert len(fine) < len(ids)
    verified = await service.verify(svc)
    assert verified.broken
    assert all(f"endpoint {endpoint}" in sentence for sentence in verified.broken)
    with pytest.raises(DatabaseFailed, match="damaged"):
        await read_all(fresh_cache(svc), endpoint, ids)


async def test_background_work_leaves_what_is_damaged_as_it_is(svc: Services, endpoint: int) -> None:
    """Packing damaged bytes anew would give them a clean frame; another endpoint's work goes on."""
    other = await new_endpoint(svc, "other")
    for each in (endpoint, other):
        for at in range(30):
            await append(svc, each, at, HISTORY[at])
    svc = fresh_cache(svc)
    await svc.db.write(run_sql, "UPDATE frame SET data = zeroblob(5) WHERE endpoint = ? AND content = 5", endpoint)
    await tasks.pack(svc)
    assert await svc.db.read(count, "frame", f"endpoint = {endpoint}") == 30
    assert await svc.db.read(count, "frame", f"endpoint = {other}") < 30


# Verified


async def test_verify_counts_what_it_read(svc: Services, endpoint: int) -> None:
    await stored(svc, endpoint, packed=48, loose=8)
    told: list[tuple[int, int]] = []
    verified = await service.verify(svc, lambda done, of: told.append((done, of)))
    assert (verified.contents, verified.frames) == (56, 8)
    assert verified.packs == await svc.db.read(count, "pack")
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
async def test_verify_finds_what_is_missing_or_left_over(svc: Services, endpoint: int, sql: str, named: str) -> None:
    assert endpoint == 1
    await stored(svc, endpoint, packed=48, loose=8)
    await svc.db.write(run_sql, sql)
    assert any(named in sentence for sentence in (await service.verify(svc)).broken)


MEANWHILE = {
    "packed": lambda svc, _: tasks.pack_everything(svc),
    "swept": lambda svc, endpoint: _kill_and_sweep(svc, endpoint),
    "deleted": lambda svc, endpoint: svc.db.write(_delete, endpoint),
}


async def _kill_and_sweep(svc: Services, endpoint: int) -> None:
    for content in range(1, 54, 2):
        await kill(svc, endpoint, content)
    await tasks.sweep(svc)


def _delete(tx: Tx, endpoint: int) -> None:
    tx.run("UPDATE endpoint SET deleted_at = 1 WHERE id = ?", endpoint)
    service.delete_some(tx, endpoint, 30)


@pytest.mark.parametrize("read", range(1, 24))
@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=list(MEANWHILE))
async def test_what_changes_while_verify_reads_is_no_damage(
    svc: Services, endpoint: int, meanwhile: Callable[[Services, int], Awaitable[Any]], read: int
) -> None:
    """Before the read with the number `read` another process does its part."""
    await stored(svc, endpoint, packed=48, loose=8)

    class Between:
        reads = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(svc.db, name)

        async def read(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
            self.reads += 1
            if self.reads == read:
                await meanwhile(svc, endpoint)
            return await svc.db.read(fn, *args, **kwargs)

    beside = msgspec.structs.replace(svc, db=cast("Database", Between()))
    assert (await service.verify(beside)).broken == []


# Read


@pytest.mark.parametrize("limit_bytes", [1, 1 << 20], ids=["nothing cached", "everything cached"])
async def test_everything_reads_back_in_any_order(svc: Services, endpoint: int, limit_bytes: int) -> None:
    ids = await stored(svc, endpoint, packed=48, loose=9)
    svc = fresh_cache(svc, limit_bytes)
    for wanted in (ids, ids[::-1], ids[::7] + ids[3::7], ids + ids, []):
        got = [item async for item in service.read_run(svc, endpoint, wanted)]
        assert got == [(content, HISTORY[ids.index(content)]) for content in wanted]


async def test_a_run_is_read_while_its_contents_are_packed(svc: Services, endpoint: int) -> None:
    ids = [await append(svc, endpoint, at, HISTORY[at]) for at in range(60)]
    svc = fresh_cache(svc, 1)
    got = []
    async for content, body in service.read_run(svc, endpoint, ids * 20):
        got.append((content, body))
        if len(got) == 100:
            await tasks.pack_everything(svc)
    assert got == [(content, HISTORY[ids.index(content)]) for content in ids * 20]


async def test_what_was_remembered_is_not_decoded(svc: Services, endpoint: int) -> None:
    content = await append(svc, endpoint, 1, HISTORY[0])
    await svc.db.write(run_sql, "DELETE FROM frame")
    assert await service.read(svc, endpoint, content) == HISTORY[0]


# Added


async def test_a_frame_whose_base_is_gone_is_refused(svc: Services, endpoint: int) -> None:
    first = await append(svc, endpoint, 1, HISTORY[0])
    head = await svc.db.read(service.head, endpoint)
    frame = await encode_next(svc, endpoint, head, HISTORY[1])
    run = await service.encode_batch(svc, endpoint, head, [(3, HISTORY[2])])
    await kill(svc, endpoint, first)
    await tasks.sweep(svc)
    assert await svc.db.write(service.add, endpoint, 2, frame) is None
    assert await svc.db.write(service.add_batch, endpoint, run) is None
    assert await svc.db.read(count, "content") == 0


async def test_a_run_whose_pack_before_it_was_rewritten_is_refused(svc: Services, endpoint: int) -> None:
    ids = await append_batch(svc, endpoint, list(enumerate(HISTORY[:20])))
    head = await svc.db.read(service.head, endpoint)
    run = await service.encode_batch(svc, endpoint, head, list(enumerate(HISTORY[20:40], 20)))
    for content in ids:
        await kill(svc, endpoint, content)
    await tasks.sweep(svc)
    assert await svc.db.write(service.add_batch, endpoint, run) is None


async def test_new_contents_and_the_ones_after_them_wait_for_their_deltas(svc: Services, endpoint: int) -> None:
    ids = [await append(svc, endpoint, at * 10, HISTORY[at]) for at in range(4)]
    await svc.db.write(run_sql, "UPDATE content SET pending = 0")
    between = await append(svc, endpoint, 15, HISTORY[9])
    assert await svc.db.read(pending) == [between, ids[2]]
    await svc.db.write(run_sql, "UPDATE content SET pending = 0")
    await kill(svc, endpoint, between)
    assert await svc.db.read(pending) == [ids[2]]
    await svc.db.write(run_sql, "UPDATE content SET pending = 0")
    await append_batch(svc, endpoint, [(21, HISTORY[10]), (22, HISTORY[11])])
    assert len(await svc.db.read(pending)) == 3
    assert ids[3] in await svc.db.read(pending)


def pending(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT id FROM content WHERE pending = 1 ORDER BY captured_at")]


async def test_the_order_is_by_time_then_by_arrival(svc: Services, endpoint: int) -> None:
    late = await append(svc, endpoint, 30, HISTORY[0])
    early = await append(svc, endpoint, 10, HISTORY[1])
    rows = await order(svc, endpoint)
    assert [row.id for row in rows] == [early, late]
    read = svc.db.read
    head = await read(service.head, endpoint)
    assert head == rows[1]
    assert await read(service.at, endpoint, 29) == rows[0]
    assert await read(service.at, endpoint, 9) is None
    assert await read(service.before, endpoint, (rows[1].captured_at, rows[1].id)) == rows[0]
    assert await read(service.after, endpoint, rows[0]) == rows[1]
    assert await read(service.after, endpoint, rows[1]) is None


async def test_large_documents_stay_frames_with_a_keyframe_every_eight(tmp_path: Path) -> None:
    packs = msgspec.structs.replace(SMALL, pack_bytes=1_024, deep_bytes=2_048)
    large = documents(20, items=40)
    assert min(map(len, large)) > 1_024
    async with opened(tmp_path, packs=packs) as svc:
        endpoint = await new_endpoint(svc)
        ids = [await append(svc, endpoint, at, body) for at, body in enumerate(large)]
        ids += await append_batch(svc, endpoint, [(100 + at, body) for at, body in enumerate(large)])
        await tasks.pack_everything(svc)
        assert await svc.db.read(count, "pack") == 0
        assert await svc.db.read(count, "frame", "base IS NULL") == 5
        assert [body async for _, body in service.read_run(fresh_cache(svc, 1), endpoint, ids)] == large * 2


def longest_chain(tx: Tx) -> int:
    row = tx.one("SELECT max(depth) FROM frame")
    assert row is not None
    return int(row[0])


async def test_the_chain_of_frames_is_short_without_any_packing(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs()) as svc:
        endpoint = await new_endpoint(svc)
        history = documents(600, items=2)
        ids = [await append(svc, endpoint, at, body) for at, body in enumerate(history)]
        assert await svc.db.read(count, "frame", "base IS NULL") == 3
        longest = max([len(await svc.db.read(reading.trail, fresh_cache(svc).cache, endpoint, id)) for id in ids])
        assert longest == await svc.db.read(longest_chain) == 256


async def test_sweeping_makes_no_chain_longer(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(pack_contents=1000)) as svc:
        endpoint = await new_endpoint(svc)
        ids = [await append(svc, endpoint, at, body) for at, body in enumerate(documents(260, items=2))]
        await kill(svc, endpoint, ids[256])  # the second keyframe
        await tasks.sweep(svc)
        assert await svc.db.read(longest_chain) == 256
        assert len(await svc.db.read(reading.trail, fresh_cache(svc).cache, endpoint, ids[-1])) == 3


async def test_a_run_makes_packs_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, packs=Packs(deep_contents=50, pack_contents=40)) as svc:
        endpoint = await new_endpoint(svc)
        history = documents(120)
        sizes = [len(body) for body in history]
        assert service.batch_is_full(svc, sum(sizes[:50]), 50)
        assert not service.batch_is_full(svc, sum(sizes[:48]), 48)
        ids = await append_batch(svc, endpoint, list(enumerate(history[:50])))
        ids += await append_batch(svc, endpoint, list(enumerate(history[50:115], 50)))
        ids += await append_batch(svc, endpoint, list(enumerate(history[115:], 115)))
        assert await svc.db.read(count, "pack") == 3
        assert await svc.db.read(count, "frame") == 5
        assert [body async for _, body in service.read_run(fresh_cache(svc, 1), endpoint, ids)] == history


async def test_any_number_of_contents_at_once(svc: Services, endpoint: int) -> None:
    """More than a statement has places for parameters."""
    there = [await append(svc, endpoint, minutes, HISTORY[minutes]) for minutes in range(3)]
    asked = [*range(-300_000, 0), *there]
    found = await svc.db.read(store.many, endpoint, asked)
    assert list(found) == there
    assert await svc.db.read(store.frame_bytes, endpoint, asked) == await svc.db.read(
        store.frame_bytes, endpoint, there
    )
    assert await svc.db.read(store.many, endpoint, []) == {}
