"""Packs in cold storage: moved, read by range, brought back, rewritten, deleted; and what fails on the way."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.times import DAY_MS
from delta_server.features.cold import service, tasks
from delta_server.features.usage import store as usage
from delta_server.services import Services
from delta_server.storage.blobs.blobs import BlobStoreFailed
from delta_server.storage.blobs.local import LocalBlobs
from delta_server.storage.cold import moving
from delta_server.storage.cold.pieces import PAUSE_MS, ColdPieces, ColdStorageAway
from delta_server.storage.contents import cold_packs, contents, maintenance, verification
from tests.features.cold.opened import AFTER_DAYS, HISTORY, LEAST, filled, free, fresh, large, moved, read_all, server
from tests.features.cold.stores import KINDS, harm, keys_in, place
from tests.storage.contents.opened import append, append_batch, kill
from tests.storage.opened import FakeClock


async def holds(svc: Services, endpoint: int) -> None:
    """Counters and what is stored say the same."""
    sql = "SELECT project, stored_bytes FROM endpoint_use WHERE endpoint = ?"
    [(project, counted)] = await svc.db.read(lambda tx: tx.all(sql, endpoint))
    assert (await svc.db.read(usage.scanned_usage, project)).stored_bytes == counted


@pytest.mark.parametrize("kind", KINDS)
async def test_there_and_back(tmp_path: Path, kind: str) -> None:
    clock = FakeClock()
    with place(kind, tmp_path) as address:
        async with server(tmp_path, address, clock) as svc:
            endpoint, ids = await filled(svc, clock)
            before = await svc.db.read(large)
            size = svc.db.stats().database_bytes
            await holds(svc, endpoint)
            await tasks.turn(svc)
            found = await svc.db.read(moved)
            assert [row[0] for row in found] == before
            assert all(row[1] >= LEAST and row[2] == 0 for row in found)
            assert len(await keys_in(svc, address)) == len(before) > 1
            await holds(svc, endpoint)
            assert await read_all(fresh(svc), endpoint, ids) == HISTORY
            assert [await contents.read(fresh(svc), endpoint, id) for id in ids[::7]] == HISTORY[::7]
            requests = svc.contents.cold.counts.requests
            assert await contents.read(fresh(svc), endpoint, ids[-1]) == HISTORY[-1]
            assert svc.contents.cold.counts.requests == requests, "anchors are in the database"
            assert (await verification.verify(svc.contents)).broken == []
            assert svc.db.stats().database_bytes <= size
            await tasks.turn(svc)
            assert await svc.db.read(moved) == found, "what has been moved stays where it is"
            state = await service.state(svc)
            assert (state.objects, state.elsewhere, state.free) == (len(before), 0, 0)
            if kind == "memory":  # which a restart empties
                return
        async with server(tmp_path, "", clock) as svc:
            assert (await service.state(svc)).elsewhere == len(before)
            await tasks.turn(svc)
            assert await svc.db.read(moved) == []
            assert await svc.db.read(large) == before
            assert await read_all(fresh(svc), endpoint, ids) == HISTORY
            await holds(svc, endpoint)
            await tasks.turn(svc)
            assert len(await keys_in(svc, address)) == len(before), "a backup may name them"
            clock.advance(7 * DAY_MS)
            await tasks.turn(svc)
            assert await keys_in(svc, address) == []
            assert await svc.db.read(free) == 0


async def test_to_another_place(tmp_path: Path) -> None:
    clock = FakeClock()
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    async with server(tmp_path, first, clock) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        there = len(await keys_in(svc, first))
    async with server(tmp_path, second, clock) as svc:
        await tasks.turn(svc)
        assert len(await keys_in(svc, second)) == there
        assert await read_all(fresh(svc), endpoint, ids) == HISTORY
        assert (await service.state(svc)).elsewhere == 0


async def test_a_place_that_is_away_holds_up_no_other(tmp_path: Path) -> None:
    clock, old, new = FakeClock(), tmp_path / "old", tmp_path / "new"
    async with server(tmp_path, str(old), clock, kept_days=0) as svc:
        await filled(svc, clock)
        await tasks.turn(svc)
        first = len(await svc.db.read(moved))
    old.rename(tmp_path / "away")
    async with server(tmp_path, str(new), clock, kept_days=0) as svc:
        await filled(svc, clock, "later")
        await tasks.keep_moving(svc)
        assert len(await keys_in(svc, str(new))) == len(await svc.db.read(moved)) - first > 0
        await svc.db.write(lambda tx: tx.run("DELETE FROM pack"))
        for _ in range(2):
            await tasks.keep_moving(svc)
            clock.advance(DAY_MS)
        assert await keys_in(svc, str(new)) == []
        assert await svc.db.read(free) == first, "those of the other wait for it"
        assert svc.contents.cold.away == [str(old)]


@pytest.mark.parametrize("age_days", [AFTER_DAYS - 1, AFTER_DAYS + 1])
async def test_only_what_is_old_enough(tmp_path: Path, age_days: int) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        await filled(svc, clock)
        clock.advance((age_days - AFTER_DAYS - 1) * DAY_MS)
        await tasks.turn(svc)
        assert bool(await svc.db.read(moved)) == (age_days > AFTER_DAYS)


async def test_a_turn_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TURN_BYTES", 1)
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        await filled(svc, clock, "a")
        await filled(svc, clock, "b")
        wanted = await svc.db.read(large)
        for number in range(1, len(wanted) + 1):
            await tasks.turn(svc)
            assert [row[0] for row in await svc.db.read(moved)] == wanted[:number]


# What fails on the way


class Ended(BaseException):
    """As a process ends."""


@pytest.mark.parametrize("at", ["begin", "written", "read back", "dropped"])
async def test_an_end_in_the_midst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    clock, address = FakeClock(), str(tmp_path / "cold")

    async def ends(*_: object) -> None:
        raise Ended

    async def ends_reading(*_: object) -> AsyncIterator[bytes]:
        for piece in list[bytes]():
            yield piece
        raise Ended

    async with server(tmp_path, address, clock) as svc:
        endpoint, ids = await filled(svc, clock)
        wanted = await svc.db.read(large)
        with monkeypatch.context() as patched:
            write = moving._write
            if at == "begin":
                patched.setattr(moving, "_write", ends)
            elif at == "written":
                patched.setattr(moving, "_read_steps", ends_reading)
            elif at == "read back":
                patched.setattr(moving, "upload", _after(moving.upload))
            else:
                patched.setattr(cold_packs, "_move_one", _after(cold_packs._move_one))
            assert write is not ends
            with pytest.raises(Ended):
                await tasks.turn(svc)
    async with server(tmp_path, address, clock) as svc:
        assert await read_all(fresh(svc), endpoint, ids) == HISTORY
        assert len(await svc.db.read(large)) + len(await svc.db.read(moved)) == len(wanted)
        await tasks.turn(svc)
        assert [row[0] for row in await svc.db.read(moved)] == wanted
        clock.advance(8 * DAY_MS)
        await tasks.turn(svc)
        assert len(await keys_in(svc, address)) == len(wanted), "what it left goes"
        assert await read_all(fresh(svc), endpoint, ids) == HISTORY
        await holds(svc, endpoint)


def _after(fn: Any) -> Any:
    async def ends(*args: Any, **kwargs: Any) -> None:
        await fn(*args, **kwargs)
        raise Ended

    return ends


async def never(*_: object) -> bool:
    raise BlobStoreFailed("no route")


async def test_one_object_that_does_not_come_is_no_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        with monkeypatch.context() as patched:
            patched.setattr(LocalBlobs, "get_range", never)
            with pytest.raises(ColdStorageAway):
                await contents.read(fresh(svc), endpoint, ids[0])
            assert svc.contents.cold.away == []
        assert await contents.read(fresh(svc), endpoint, ids[0]) == HISTORY[0]


async def test_a_store_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = FakeClock(), []
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        store = fresh(svc)
        with monkeypatch.context() as patched:

            async def away(_: object, *args: object) -> bytes:
                asked.append(args)
                raise BlobStoreFailed("no route")

            patched.setattr(LocalBlobs, "get_range", away)
            patched.setattr(LocalBlobs, "resource_exists", never)
            for _ in range(3):
                with pytest.raises(ColdStorageAway) as raised:
                    await contents.read(store, endpoint, ids[0])
                assert (raised.value.status, raised.value.retry_after_s) == (503, 30)
            assert len(asked) == 1, "it is left alone for some seconds"
            clock.advance(PAUSE_MS)
            many = await asyncio.gather(
                *(contents.read(store, endpoint, ids[0]) for _ in range(9)), return_exceptions=True
            )
            assert {type(each) for each in many} == {ColdStorageAway}
            assert len(asked) == 2, "one looks whether it is there again"
            with pytest.raises(ColdStorageAway):
                await read_all(store, endpoint, ids)
            assert svc.contents.cold.away == [str(tmp_path / "cold")]
            assert await contents.read(store, endpoint, ids[-1]) == HISTORY[-1]
            late = await append(store, endpoint, 3 * DAY_MS, b'{"a":1}')
            early = await append(store, endpoint, 55, b'{"b":1}')
            assert [await contents.read(fresh(svc), endpoint, id) for id in (late, early)] == [b'{"a":1}', b'{"b":1}']
            verified = await verification.verify(svc.contents)
            assert any("does not answer" in sentence and "pack 1" in sentence for sentence in verified.broken)
            await kill(svc.contents, endpoint, ids[0])
            await maintenance.sweep(svc.contents)
        assert svc.contents.cold.away
        await tasks.keep_moving(svc)
        assert svc.contents.cold.away == [], "whether it is there again is found out without a reader"
        clock.advance(PAUSE_MS)
        assert await contents.read(store, endpoint, ids[1]) == HISTORY[1]
        assert svc.contents.cold.away == []
        assert (await verification.verify(svc.contents)).broken == []


async def test_a_folder_that_is_not_mounted(tmp_path: Path) -> None:
    """All would seem to be gone."""
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=0) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(ColdStorageAway):
            await contents.read(fresh(svc), endpoint, ids[0])
        here = len(await svc.db.read(large))
        await filled(svc, clock, "later")
        await tasks.keep_moving(svc)
        assert not folder.exists(), "nothing is written below where it will be mounted"
        assert len(await svc.db.read(large)) > here
        await svc.db.write(lambda tx: tx.run("DELETE FROM pack WHERE endpoint = ?", endpoint))
        for _ in range(2):
            await tasks.keep_moving(svc)
            clock.advance(DAY_MS)
        assert await svc.db.read(free) > 0, "they are known until they can be deleted"
        (tmp_path / "elsewhere").rename(folder)
        await tasks.turn(svc)
        assert await svc.db.read(free) == 0
        assert len(await keys_in(svc, str(folder))) == len(await svc.db.read(moved)) > 0


async def test_one_that_cannot_be_deleted_keeps_no_other(tmp_path: Path) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock, kept_days=0) as svc:
        endpoint, _ = await filled(svc, clock)
        await tasks.turn(svc)
        objects = [folder / key for key in await keys_in(svc, str(folder))]
        assert len(objects) > 1
        await svc.db.write(lambda tx: tx.run("DELETE FROM pack WHERE endpoint = ?", endpoint))
        objects[0].unlink()
        (objects[0] / "in the way").mkdir(parents=True)
        await tasks.turn(svc)
        clock.advance(DAY_MS)
        await tasks.turn(svc)
        assert await svc.db.read(free) == 1
        assert [each for each in objects if each.exists()] == [objects[0]]
        assert svc.contents.cold.away == [], "all that is there can be read"
        (objects[0] / "in the way").rmdir()
        objects[0].rmdir()
        await tasks.turn(svc)
        assert await svc.db.read(free) == 0


async def test_one_that_was_cut_off_is_no_store_that_is_away(tmp_path: Path) -> None:
    clock = FakeClock()
    with place("s3", tmp_path) as address:
        async with server(tmp_path, address, clock) as svc:
            endpoint, ids = await filled(svc, clock)
            await tasks.turn(svc)
            store = await svc.contents.cold.store(address)
            async with store.create_write_stream((await keys_in(svc, address))[0]):
                pass
            with pytest.raises(DatabaseFailed, match="is not what was moved there"):
                await read_all(fresh(svc), endpoint, ids)
            assert svc.contents.cold.away == []


@pytest.mark.parametrize(("how", "said"), [("flip", "is not what was moved there"), ("delete", "is not there")])
async def test_damage_costs_what_is_in_it(tmp_path: Path, how: str, said: str) -> None:
    clock, folder = FakeClock(), tmp_path / "cold"
    async with server(tmp_path, str(folder), clock) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        [(pack, key), *_] = await svc.db.read(
            lambda tx: tx.all("SELECT pack, key FROM cold_object WHERE pack IS NOT NULL ORDER BY pack")
        )
        harm(folder / key, how)
        lost, others = dict[int, str](), []
        for id, body in zip(ids, HISTORY, strict=True):
            try:
                assert await contents.read(fresh(svc), endpoint, id) == body
                others.append(id)
            except DatabaseFailed as error:
                lost[id] = error.message
        assert all(f"the pack {pack} of content {id} " in text and said in text for id, text in lost.items())
        assert lost
        assert len(others) > len(lost)
        [sentence] = (await verification.verify(svc.contents)).broken
        assert f"pack {pack}" in sentence
        assert said in sentence
        # what is moved on, or back, goes on without it
    async with server(tmp_path, "", clock) as svc:
        await tasks.turn(svc)
        assert [row[0] for row in await svc.db.read(moved)] == [pack]


# What is written anew, and what goes


async def test_what_is_swept_comes_back_first(tmp_path: Path) -> None:
    clock, address = FakeClock(), str(tmp_path / "cold")
    async with server(tmp_path, address, clock) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        there = await keys_in(svc, address)
        for id in ids[:3]:
            await kill(svc.contents, endpoint, id)
        await maintenance.sweep(svc.contents)
        assert await read_all(fresh(svc), endpoint, ids[3:]) == HISTORY[3:]
        await holds(svc, endpoint)
        await tasks.turn(svc)
        now = await keys_in(svc, address)
        assert len(now) == len(there), "what came back stays for a while"
        clock.advance(8 * DAY_MS)
        await tasks.turn(svc)
        gone = set(there) - set(await keys_in(svc, address))
        assert gone
        assert await read_all(fresh(svc), endpoint, ids[3:]) == HISTORY[3:]
        assert (await verification.verify(svc.contents)).broken == []


async def test_what_is_read_while_it_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object is gone when it is asked for: the pack is in the database by then."""
    clock, address = FakeClock(), str(tmp_path / "cold")
    async with server(tmp_path, address, clock, kept_days=0) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        get_range, first = LocalBlobs.get_range, True

        async def late(blobs: LocalBlobs, key: str, start: int, end: int) -> bytes | None:
            nonlocal first
            if first:
                first = False
                await kill(svc.contents, endpoint, ids[0])
                await maintenance.sweep(svc.contents)
                await tasks.turn(svc)
                clock.advance(moving.LEAST_WAIT_MS)
                await tasks.turn(svc)
            return await get_range(blobs, key, start, end)

        monkeypatch.setattr(LocalBlobs, "get_range", late)
        assert await contents.read(fresh(svc), endpoint, ids[2]) == HISTORY[2]


async def test_cold_packs_are_not_merged(tmp_path: Path) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        endpoint, ids = await filled(svc, clock, upto=40)
        await tasks.turn(svc)
        there = await svc.db.read(moved)
        ids += await append_batch(svc.contents, endpoint, [(at * 10, HISTORY[at]) for at in range(40, 80)])
        await maintenance.pack_everything(svc.contents)
        assert await svc.db.read(moved) == there
        assert await read_all(fresh(svc), endpoint, ids) == HISTORY


async def test_what_is_deleted_goes_there_too(tmp_path: Path) -> None:
    clock, address = FakeClock(), str(tmp_path / "cold")
    async with server(tmp_path, address, clock, kept_days=0) as svc:
        endpoint, _ = await filled(svc, clock)
        other, ids = await filled(svc, clock, "others")
        await tasks.turn(svc)
        there = len(await keys_in(svc, address))
        while await svc.db.write(contents.delete_some, endpoint, 10):
            pass
        await holds(svc, other)
        await tasks.turn(svc)
        assert len(await keys_in(svc, address)) == there, "somebody may be reading"
        clock.advance(moving.LEAST_WAIT_MS)
        await tasks.turn(svc)
        assert 0 < len(await keys_in(svc, address)) < there
        assert await read_all(fresh(svc), other, ids) == HISTORY


async def test_ranges_are_cached_and_bounded(tmp_path: Path) -> None:
    clock = FakeClock()
    async with server(tmp_path, str(tmp_path / "cold"), clock) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        pieces = ColdPieces(tmp_path, clock, cache_bytes=1 << 20)
        store = msgspec.structs.replace(svc.contents, cache=type(svc.cache)(0), cold=pieces)
        await asyncio.gather(*(contents.read(store, endpoint, id) for id in ids[:4]))
        requests = pieces.counts.requests
        assert [await contents.read(store, endpoint, id) for id in ids[:4]] == HISTORY[:4]
        assert pieces.counts.requests == requests


class _JustDone(Future[bytes]):
    """Ends in the very moment in which a thread stops waiting for it."""

    def result(self, timeout: float | None = None) -> bytes:
        if timeout is not None:
            self.set_result(b"read")
            raise TimeoutError
        return super().result()


def test_what_ends_as_nobody_waits_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(work: Coroutine[Any, Any, bytes], _: object) -> Future[bytes]:
        work.close()
        return _JustDone()

    async def read() -> bytes:
        return b""

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", submit)
    assert ColdPieces(tmp_path, FakeClock(), cache_bytes=0).wait(read()) == b"read"
