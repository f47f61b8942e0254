"""Reading of what is in cold storage: by range, in pieces that are checked, of which some are kept in memory.

An object is cut into pieces of one length. A range is fetched as the pieces that it touches, with one request for all
that lie side by side; each is compared with its hash, so that nothing else than what was moved is ever handed out.

A store that does not answer is not asked again for PAUSE_MS: who needs what is in it hears so at once. One object that
does not come is no such store.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from delta_server.core.errors import DeltaError, Unavailable
from delta_server.core.packs import codec
from delta_server.storage.blobs.blobs import Blobs, BlobStoreFailed
from delta_server.storage.blobs.opening import open_blobs
from delta_server.storage.cache import Cache
from delta_server.storage.cold.store import HASH_BYTES, ColdObject
from delta_server.storage.database import Clock
from delta_server.storage.sqlite.options import Storage

PIECE_BYTES = 512 << 10
AT_ONCE = 8
"""Pieces of one request at most: to compare and to join them takes the event loop 2 ms."""
ANSWER_S, MARKER_S = 20.0, 5.0
PAUSE_MS = 5_000
LOOK_MS = int((ANSWER_S + MARKER_S) * 1000)
RETRY_S = 30
OF_BLOBS = ": see storage.blobs"
"""What stores say behind a reason, whoever asked."""
MARKER = "of-a-delta-server"
_LOOK_S = 0.1
"""How soon one that waits on a thread hears that it is to stop."""

T = TypeVar("T")


class ColdStorageAway(Unavailable):
    """The store that holds what is asked for does not answer; all that is in the database can be read."""

    code = "COLD_STORAGE_UNAVAILABLE"


class PieceLost(Exception):
    """An object is not there, or is not what was moved; the message says which."""


class ColdReads(msgspec.Struct, frozen=True):
    """What reads on a thread, and whether nobody waits for it any more."""

    pieces: "ColdPieces"
    stopped: Callable[[], bool]

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.pieces.wait(work, self.stopped)


class ColdCounts:
    """Since the start of this process; the first three as the background last saw them."""

    def __init__(self) -> None:
        self.objects = 0
        self.object_bytes = 0
        self.free_objects = 0
        self.requests = 0
        self.read_bytes = 0
        self.failures = 0
        self.moved_bytes = 0
        self.returned_bytes = 0
        self.deleted = 0


class ColdPieces:
    """`read` is for an event loop, `wait` for threads that have none."""

    def __init__(self, data_dir: Path, clock: Clock, *, cache_bytes: int) -> None:
        self.counts = ColdCounts()
        self._data_dir = data_dir
        self._clock = clock
        self._cache = Cache(cache_bytes)
        self._stores: dict[str, Blobs] = {}
        self._away: dict[str, int] = {}
        """Addresses that did not answer, and when one caller may look again."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def uncached(self) -> "ColdPieces":
        """That keeps nothing: each piece is read where it is."""
        fresh = copy(self)
        fresh._cache = Cache(0)
        return fresh

    @property
    def away(self) -> list[str]:
        """Addresses whose last answer was none."""
        return sorted(self._away)

    async def store(self, address: str) -> Blobs:
        """Raises ColdStorageAway."""
        found = self._stores.get(address)
        if found is None:
            try:
                found = self._stores[address] = await asyncio.to_thread(open_blobs, address, self._data_dir)
            except DeltaError as error:
                raise self.failed(address, error.message) from None
        return found

    def _require(self, address: str) -> None:
        """Of an address that did not answer one caller at a time finds out whether it does again: that may hold the
        thread of a query for ANSWER_S. Raises ColdStorageAway."""
        now_ms, at_ms = self._clock.now_ms(), self._away.get(address)
        if at_ms is None:
            return
        if 0 < at_ms - now_ms <= LOOK_MS:
            raise _away()
        self._away[address] = now_ms + LOOK_MS

    def failed(self, address: str, reason: str) -> ColdStorageAway:
        """To be raised."""
        self.counts.failures += 1
        if address not in self._away:
            _log().error("cold storage does not answer", address=address, reason=reason.removesuffix(OF_BLOBS))
        self._away[address] = self._clock.now_ms() + PAUSE_MS
        return _away()

    def answered(self, address: str) -> None:
        if self._away.pop(address, None) is not None:
            _log().info("cold storage answers again", address=address)

    async def read(self, object: ColdObject, start: int, end: int) -> bytes:
        """These bytes. Raises ColdStorageAway, PieceLost."""
        end = min(end, object.size)
        if start >= end:
            return b""
        first, last = start // PIECE_BYTES, (end - 1) // PIECE_BYTES
        found = {number: self._cache.get((object.id, number)) for number in range(first, last + 1)}
        for begin, stop in _runs([number for number, piece in found.items() if piece is None]):
            for number, piece in enumerate(await self._fetch(object, begin, stop), begin):
                found[number] = piece
                self._cache.put((object.id, number), piece)
        whole = b"".join(piece or b"" for piece in found.values())
        return whole[start - first * PIECE_BYTES : end - first * PIECE_BYTES]

    async def _fetch(self, object: ColdObject, begin: int, stop: int) -> list[bytes]:
        """The pieces from `begin` and before `stop`, each as it was moved."""
        address, start, end = object.address, begin * PIECE_BYTES, min(stop * PIECE_BYTES, object.size)
        self._require(address)
        store = await self.store(address)
        try:
            async with asyncio.timeout(ANSWER_S):
                data = await store.get_range(object.key, start, end)
                if data is None and not await store.resource_exists(marker_of(object.key)):
                    raise BlobStoreFailed("this database's folder is not there")
        except TimeoutError:
            raise await self._not_read(object, store, f"no answer within {ANSWER_S:g} s") from None
        except DeltaError as error:
            raise await self._not_read(object, store, error.message) from None
        self.answered(address)
        self.counts.requests += 1
        if data is None:
            raise PieceLost(f"its object {object.key} in cold storage is not there")
        self.counts.read_bytes += len(data)
        pieces = [data[at : at + PIECE_BYTES] for at in range(0, end - start, PIECE_BYTES)]
        for number, piece in enumerate(pieces, begin):
            if codec.digest(piece) != object.hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES]:
                raise PieceLost(f"its object {object.key} in cold storage is not what was moved there")
        return pieces

    async def _not_read(self, object: ColdObject, store: Blobs, reason: str) -> ColdStorageAway:
        """To be raised. Others read on where the store shows its marker: the object is slow, or kept from us."""
        with suppress(TimeoutError, DeltaError):
            async with asyncio.timeout(MARKER_S):
                if await store.resource_exists(marker_of(object.key)):
                    self.counts.failures += 1
                    self.answered(object.address)
                    _log().error("an object in cold storage cannot be read", key=object.key, reason=reason)
                    return _away()
        return self.failed(object.address, reason)

    def wait(self, work: Coroutine[Any, Any, T], stopped: Callable[[], bool] = lambda: False) -> T:
        """`work`'s result, on a thread without an event loop. Raises what it raises, InterruptError once `stopped`."""
        running: Future[T] = asyncio.run_coroutine_threadsafe(work, self._own_loop())
        while True:
            try:
                return running.result(_LOOK_S)
            except StillRunning:
                if running.done():  # meanwhile, or `work` raised it
                    return running.result()
                if stopped():
                    running.cancel()
                    raise apsw.InterruptError("the query was stopped") from None

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="cold storage", daemon=True).start()
            return self._loop


def marker_of(key: str) -> str:
    """What is in a database's folder as long as that can be seen: else all would seem to be deleted where a disk is not
    mounted, or an address leads somewhere else."""
    return f"{key.partition('/')[0]}/{MARKER}"


def of_server(storage: Storage, clock: Clock) -> ColdPieces:
    return ColdPieces(storage.data_dir, clock, cache_bytes=storage.cold_cache_bytes)


def hashes_of(data: bytes) -> bytes:
    """Of the pieces of an object."""
    view = memoryview(data)
    return b"".join(codec.digest(view[at : at + PIECE_BYTES]) for at in range(0, len(data), PIECE_BYTES))


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """(first, end) of those side by side, AT_ONCE at most."""
    begin = 0
    for at, number in enumerate(numbers, 1):
        if at == len(numbers) or numbers[at] != number + 1 or at - begin == AT_ONCE:
            yield numbers[begin], number + 1
            begin = at


def _away() -> ColdStorageAway:
    return ColdStorageAway(
        "what is asked for is in cold storage, which does not answer now: try again later", retry_after_s=RETRY_S
    )


def _log() -> Any:
    """Imported when there is something to say: processes that answer queries start in half the time without it."""
    import structlog

    return structlog.get_logger()
