"""One damaged frame costs itself and what is based on it, nothing else: writes, packing and sweeping go on."""

from pathlib import Path

import pytest

from delta_server.core.errors import DatabaseFailed, Unavailable
from delta_server.core.packs import codec, pack_format
from delta_server.storage.contents import contents, maintenance, verification
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.contents import ContentStore
from delta_server.storage.database import Tx
from tests.storage.contents.opened import (
    append,
    append_batch,
    documents,
    encode_next,
    fresh_cache,
    kill,
    new_endpoint,
    opened,
)

HISTORY = documents(80)


async def filled(store: ContentStore, endpoint: int, start: int, stop: int) -> list[int]:
    return [await append(store, endpoint, at, HISTORY[at]) for at in range(start, stop)]


async def spoil(store: ContentStore, content: int) -> ContentStore:
    """Damage a frame; what a server that starts then has."""
    await store.db.write(_spoil, content)
    return fresh_cache(store)


def _spoil(tx: Tx, content: int) -> None:
    assert tx.run("UPDATE frame SET data = zeroblob(5) WHERE content = ?", content) == 1


def frames(tx: Tx, endpoint: int) -> list[int]:
    return [row[0] for row in tx.all("SELECT content FROM frame WHERE endpoint = ? ORDER BY content", endpoint)]


async def test_what_follows_a_damaged_frame_stands_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        ids = await filled(store, endpoint, 0, 3)
        store = await spoil(store, ids[-1])
        damaged = await store.db.read(contents.head, endpoint)
        assert (await encode_next(store, endpoint, damaged, HISTORY[3])).alone
        content = await append(store, endpoint, 3, HISTORY[3])
        batch = await append_batch(store, endpoint, [(4, HISTORY[4]), (5, HISTORY[5])])
        store = fresh_cache(store)
        for at, id in enumerate([content, *batch], 3):
            assert await contents.read(store, endpoint, id) == HISTORY[at]


async def test_a_batch_behind_a_damaged_pack_stands_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        await append_batch(store, endpoint, [(at, HISTORY[at]) for at in range(20)])
        await store.db.write(lambda tx: tx.run("UPDATE pack SET anchor = zeroblob(5)"))
        store = fresh_cache(store)
        ids = await append_batch(store, endpoint, [(at, HISTORY[at]) for at in range(20, 40)])
        ids += await filled(store, endpoint, 40, 55)
        await maintenance.pack(store)
        assert await store.db.read(frames, endpoint) == ids[-3:]
        got = [body async for _, body in contents.read_run(fresh_cache(store), endpoint, ids)]
        assert got == HISTORY[20:55]


async def test_packing_leaves_damaged_frames_out_and_tells(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint, other = await new_endpoint(store), await new_endpoint(store, "other")
        before = await filled(store, endpoint, 0, 20)
        store = await spoil(store, before[17])
        after = await filled(store, endpoint, 20, 40)
        fine = await filled(store, other, 0, 20)
        await maintenance.pack(store)
        assert await store.db.read(frames, endpoint) == [*before[17:20], after[-1]]
        with pytest.raises(DatabaseFailed, match=f"frame of content {before[17]}"):
            await maintenance.pack_everything(store)
        assert set(before[17:20]) <= set(await store.db.read(frames, endpoint))
        assert len(await store.db.read(frames, other)) < len(fine) - 12
        for id, body in zip(
            [*before[:17], *after, *fine], [*HISTORY[:17], *HISTORY[20:40], *HISTORY[:20]], strict=True
        ):
            owner = other if id in fine else endpoint
            assert await contents.read(fresh_cache(store), owner, id) == body


async def test_packing_everything_tells_of_every_endpoint_with_damage(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoints = [await new_endpoint(store, name) for name in "abc"]
        ids = [await filled(store, endpoint, 0, 20) for endpoint in endpoints]
        await store.db.write(_spoil, ids[0][5])
        store = await spoil(store, ids[1][5])
        with pytest.raises(DatabaseFailed, match="1 more"):
            await maintenance.pack_everything(store)
        assert await store.db.read(frames, endpoints[2]) == []


async def test_sweeping_leaves_what_damage_is_based_on_and_takes_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        ids = await filled(store, endpoint, 0, 8)
        for id in (ids[1], ids[5]):
            await kill(store, endpoint, id)
        store = await spoil(store, ids[6])
        await maintenance.sweep(store)
        assert await store.db.read(frames, endpoint) == [ids[0], *ids[2:]]
        assert await contents.read(fresh_cache(store), endpoint, ids[4]) == HISTORY[4]


async def test_memory_that_is_short_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def squeezed(base: bytes | None) -> None:
        raise MemoryError

    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        await append_batch(store, endpoint, [(at, HISTORY[at]) for at in range(20)])
        ids = await filled(store, endpoint, 20, 25)
        cold = fresh_cache(store)
        with monkeypatch.context() as patched:
            patched.setattr(codec, "_decompressor", squeezed)
            for read in (contents.read(cold, endpoint, ids[0]), encode_next(cold, endpoint, await _head(store), b"{}")):
                with pytest.raises(Unavailable):
                    await read
            with pytest.raises(Unavailable):
                await verification.verify(store)
        assert await contents.read(cold, endpoint, ids[0]) == HISTORY[20]


async def _head(store: ContentStore) -> contents.Content | None:
    endpoints = await store.db.read(sql.endpoints)
    return await store.db.read(contents.head, endpoints[0])


# Packs of several frames


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_format, "WHOLE_BYTES", 600)
    monkeypatch.setattr(pack_format, "GAP_BYTES", 200)


def spoil_gap(tx: Tx) -> None:
    """The end of the data is that of the last gap."""
    assert tx.run("UPDATE pack SET data = CAST(substr(data, 1, length(data) - 20) || zeroblob(20) AS BLOB)") == 1


@pytest.mark.usefixtures("small_frames")
async def test_a_damaged_gap_is_named_and_the_rest_of_the_pack_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        ids = await append_batch(store, endpoint, [(at, HISTORY[at]) for at in range(20)])
        await store.db.write(spoil_gap)
        lost = []
        for id, body in zip(ids, HISTORY, strict=False):
            try:
                assert await contents.read(fresh_cache(store), endpoint, id) == body
            except DatabaseFailed:
                lost.append(id)
        assert 0 < len(lost) < 8
        assert lost == list(range(lost[0], ids[-1]))
        with pytest.raises(DatabaseFailed, match=r"pack 1 .*frame"):
            [id async for id, _ in contents.read_run(fresh_cache(store), endpoint, lost)]
        whole = [id for id in ids if id not in lost]
        assert [id async for id, _ in contents.read_run(fresh_cache(store), endpoint, whole)] == whole
        broken = " ".join((await verification.verify(store)).broken)
        assert all(f"content {id}" in broken for id in lost[:5])
        assert broken.count("content ") == len(lost)


@pytest.mark.usefixtures("small_frames")
@pytest.mark.parametrize("table", ["x''", "x'c1'", "zeroblob(30)", "NULL"])
async def test_a_damaged_table_of_frames_is_damage_of_the_pack(tmp_path: Path, table: str) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        ids = await append_batch(store, endpoint, [(at, HISTORY[at]) for at in range(20)])
        await store.db.write(lambda tx: tx.run(f"UPDATE pack SET frames = {table}"))
        cold = fresh_cache(store)
        with pytest.raises(DatabaseFailed, match="pack 1 of content"):
            await contents.read(cold, endpoint, ids[3])
        assert await contents.read(cold, endpoint, ids[-1]) == HISTORY[19]
        assert "pack 1" in " ".join((await verification.verify(store)).broken)


async def test_packs_of_one_frame_are_read_and_merged_into_such_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        ids = await filled(store, endpoint, 0, 36)
        await maintenance.pack(store)
        monkeypatch.setattr(pack_format, "WHOLE_BYTES", 600)
        monkeypatch.setattr(pack_format, "GAP_BYTES", 200)
        assert await store.db.read(tables) == [0, 0, 0]
        assert [body async for _, body in contents.read_run(fresh_cache(store), endpoint, ids)] == HISTORY[:36]
        await maintenance.pack_everything(store)
        assert await store.db.read(tables) == [1]
        for id, body in zip(ids, HISTORY, strict=False):
            assert await contents.read(fresh_cache(store), endpoint, id) == body


def tables(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT frames IS NOT NULL FROM pack ORDER BY id")]


@pytest.mark.parametrize(("purge_at", "is_told"), [(2, True), (None, False)], ids=["in the bin", "being removed"])
async def test_verify_reads_what_can_be_restored(tmp_path: Path, purge_at: int | None, is_told: bool) -> None:
    async with opened(tmp_path) as store:
        endpoint = await new_endpoint(store)
        ids = await filled(store, endpoint, 0, 3)
        delete = "UPDATE endpoint SET deleted_at = 1, purge_at = ? WHERE id = ?"
        await store.db.write(lambda tx: tx.run(delete, purge_at, endpoint))
        store = await spoil(store, ids[1])
        found = await verification.verify(store)
        assert (found.contents, f"content {ids[1]}" in " ".join(found.broken)) == (3 if is_told else 0, is_told)
