"""One damaged frame costs itself and what is based on it, nothing else: writes, packing and sweeping go on."""

from pathlib import Path

import pytest

from delta_server.core.errors import DatabaseFailed, Unavailable
from delta_server.core.packs import codec, pack_frames
from delta_server.features.contents import service, store, tasks
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.features.contents.opened import (
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


async def filled(svc: Services, endpoint: int, start: int, stop: int) -> list[int]:
    return [await append(svc, endpoint, at, HISTORY[at]) for at in range(start, stop)]


async def spoil(svc: Services, content: int) -> Services:
    """Damage a frame; what a server that starts then has."""
    await svc.db.write(_spoil, content)
    return fresh_cache(svc)


def _spoil(tx: Tx, content: int) -> None:
    assert tx.run("UPDATE frame SET data = zeroblob(5) WHERE content = ?", content) == 1


def frames(tx: Tx, endpoint: int) -> list[int]:
    return [row[0] for row in tx.all("SELECT content FROM frame WHERE endpoint = ? ORDER BY content", endpoint)]


async def test_what_follows_a_damaged_frame_stands_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        ids = await filled(svc, endpoint, 0, 3)
        svc = await spoil(svc, ids[-1])
        damaged = await svc.db.read(service.head, endpoint)
        assert (await encode_next(svc, endpoint, damaged, HISTORY[3])).alone
        content = await append(svc, endpoint, 3, HISTORY[3])
        batch = await append_batch(svc, endpoint, [(4, HISTORY[4]), (5, HISTORY[5])])
        svc = fresh_cache(svc)
        for at, id in enumerate([content, *batch], 3):
            assert await service.read(svc, endpoint, id) == HISTORY[at]


async def test_a_batch_behind_a_damaged_pack_stands_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        await append_batch(svc, endpoint, [(at, HISTORY[at]) for at in range(20)])
        await svc.db.write(lambda tx: tx.run("UPDATE pack SET anchor = zeroblob(5)"))
        svc = fresh_cache(svc)
        ids = await append_batch(svc, endpoint, [(at, HISTORY[at]) for at in range(20, 40)])
        ids += await filled(svc, endpoint, 40, 55)
        await tasks.pack(svc)
        assert await svc.db.read(frames, endpoint) == ids[-3:]
        got = [body async for _, body in service.read_run(fresh_cache(svc), endpoint, ids)]
        assert got == HISTORY[20:55]


async def test_packing_leaves_damaged_frames_out_and_tells(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint, other = await new_endpoint(svc), await new_endpoint(svc, "other")
        before = await filled(svc, endpoint, 0, 20)
        svc = await spoil(svc, before[17])
        after = await filled(svc, endpoint, 20, 40)
        fine = await filled(svc, other, 0, 20)
        await tasks.pack(svc)
        assert await svc.db.read(frames, endpoint) == [*before[17:20], after[-1]]
        with pytest.raises(DatabaseFailed, match=f"frame of content {before[17]}"):
            await tasks.pack_everything(svc)
        assert set(before[17:20]) <= set(await svc.db.read(frames, endpoint))
        assert len(await svc.db.read(frames, other)) < len(fine) - 12
        for id, body in zip(
            [*before[:17], *after, *fine], [*HISTORY[:17], *HISTORY[20:40], *HISTORY[:20]], strict=True
        ):
            owner = other if id in fine else endpoint
            assert await service.read(fresh_cache(svc), owner, id) == body


async def test_packing_everything_tells_of_every_endpoint_with_damage(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoints = [await new_endpoint(svc, name) for name in "abc"]
        ids = [await filled(svc, endpoint, 0, 20) for endpoint in endpoints]
        await svc.db.write(_spoil, ids[0][5])
        svc = await spoil(svc, ids[1][5])
        with pytest.raises(DatabaseFailed, match="1 more"):
            await tasks.pack_everything(svc)
        assert await svc.db.read(frames, endpoints[2]) == []


async def test_sweeping_leaves_what_damage_is_based_on_and_takes_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        ids = await filled(svc, endpoint, 0, 8)
        for id in (ids[1], ids[5]):
            await kill(svc, endpoint, id)
        svc = await spoil(svc, ids[6])
        await tasks.sweep(svc)
        assert await svc.db.read(frames, endpoint) == [ids[0], *ids[2:]]
        assert await service.read(fresh_cache(svc), endpoint, ids[4]) == HISTORY[4]


async def test_memory_that_is_short_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def squeezed(base: bytes | None) -> None:
        raise MemoryError

    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        await append_batch(svc, endpoint, [(at, HISTORY[at]) for at in range(20)])
        ids = await filled(svc, endpoint, 20, 25)
        cold = fresh_cache(svc)
        with monkeypatch.context() as patched:
            patched.setattr(codec, "_decompressor", squeezed)
            for read in (service.read(cold, endpoint, ids[0]), encode_next(cold, endpoint, await _head(svc), b"{}")):
                with pytest.raises(Unavailable):
                    await read
            with pytest.raises(Unavailable):
                await service.verify(svc)
        assert await service.read(cold, endpoint, ids[0]) == HISTORY[20]


async def _head(svc: Services) -> service.Content | None:
    endpoints = await svc.db.read(store.endpoints)
    return await svc.db.read(service.head, endpoints[0])


# Packs of several frames


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_frames, "WHOLE_BYTES", 600)
    monkeypatch.setattr(pack_frames, "GAP_BYTES", 200)


def spoil_gap(tx: Tx) -> None:
    """The end of the data is that of the last gap."""
    assert tx.run("UPDATE pack SET data = CAST(substr(data, 1, length(data) - 20) || zeroblob(20) AS BLOB)") == 1


@pytest.mark.usefixtures("small_frames")
async def test_a_damaged_gap_is_named_and_the_rest_of_the_pack_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        ids = await append_batch(svc, endpoint, [(at, HISTORY[at]) for at in range(20)])
        await svc.db.write(spoil_gap)
        lost = []
        for id, body in zip(ids, HISTORY, strict=False):
            try:
                assert await service.read(fresh_cache(svc), endpoint, id) == body
            except DatabaseFailed:
                lost.append(id)
        assert 0 < len(lost) < 8
        assert lost == list(range(lost[0], ids[-1]))
        with pytest.raises(DatabaseFailed, match=r"pack 1 .*frame"):
            [id async for id, _ in service.read_run(fresh_cache(svc), endpoint, lost)]
        whole = [id for id in ids if id not in lost]
        assert [id async for id, _ in service.read_run(fresh_cache(svc), endpoint, whole)] == whole
        broken = " ".join((await service.verify(svc)).broken)
        assert all(f"content {id}" in broken for id in lost[:5])
        assert broken.count("content ") == len(lost)


@pytest.mark.usefixtures("small_frames")
@pytest.mark.parametrize("table", ["x''", "x'c1'", "zeroblob(30)", "NULL"])
async def test_a_damaged_table_of_frames_is_damage_of_the_pack(tmp_path: Path, table: str) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        ids = await append_batch(svc, endpoint, [(at, HISTORY[at]) for at in range(20)])
        await svc.db.write(lambda tx: tx.run(f"UPDATE pack SET frames = {table}"))
        cold = fresh_cache(svc)
        with pytest.raises(DatabaseFailed, match="pack 1 of content"):
            await service.read(cold, endpoint, ids[3])
        assert await service.read(cold, endpoint, ids[-1]) == HISTORY[19]
        assert "pack 1" in " ".join((await service.verify(svc)).broken)


async def test_packs_of_one_frame_are_read_and_merged_into_such_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as svc:
        endpoint = await new_endpoint(svc)
        ids = await filled(svc, endpoint, 0, 36)
        await tasks.pack(svc)
        monkeypatch.setattr(pack_frames, "WHOLE_BYTES", 600)
        monkeypatch.setattr(pack_frames, "GAP_BYTES", 200)
        assert await svc.db.read(tables) == [0, 0, 0]
        assert [body async for _, body in service.read_run(fresh_cache(svc), endpoint, ids)] == HISTORY[:36]
        await tasks.pack_everything(svc)
        assert await svc.db.read(tables) == [1]
        for id, body in zip(ids, HISTORY, strict=False):
            assert await service.read(fresh_cache(svc), endpoint, id) == body


def tables(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT frames IS NOT NULL FROM pack ORDER BY id")]
