"""Events in: large calls are encoded on a thread and stored each as a block; small ones share one.

While a write of a project's small calls is on its way to disk, those that come in gather, and go together with the
next. So single events cost a share of a block, and no call waits for others to come.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from delta_server.core.errors import NotFound, QuotaExceeded, Unavailable
from delta_server.core.events.event import Event
from delta_server.storage.companions import NO_COMPANIONS, AdmitEvents, Companions, admit_all, store_companion
from delta_server.storage.database import Clock, Database, Threads, Tx
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.ingest.blocks import Block
from delta_server.storage.events.ingest.dedup_index import DedupIndex, LookedUp, indexes_of

SMALL_REQUEST_EVENTS = 32
"""So many events are encoded in the transaction itself: at 2.5 us each that is less than handing them to a thread."""
BATCH_EVENTS = 1024
"""A write of gathered calls takes no further ones from so many events on."""


LOOKED_UP_EVENTS = 2048
"""From so many on, those that are stored already are looked for before the transaction: ten thousand would hold it for
80 ms, fewer than these not for 16."""


class Encoded(msgspec.Struct, frozen=True):
    """A key or None for each of the events; the indexes of those whose message id came earlier in the same call; what
    is known of those stored already; and the block of the others, None where none is left or seems to be."""

    keys: list[bytes | None]
    repeated: frozenset[int]
    looked_up: LookedUp | None
    block: Block | None


class AppendRequest:
    """One caller's events."""

    __slots__ = ("companion", "events", "stored")

    def __init__(self, events: Sequence[Event], companion: object | None) -> None:
        self.events = events
        self.companion = companion
        self.stored: asyncio.Future[frozenset[int]] = asyncio.get_running_loop().create_future()


class Turns:
    """Lets the calls of a project go to the writer in the order of their seqs, though large ones are encoded before:
    who has read up to a seq has missed none before it. Used on the event loop only."""

    def __init__(self) -> None:
        self._latest: dict[int, asyncio.Future[None]] = {}  # by project: done when its call is on its way

    def take(self, project: int) -> "Turn":
        """To be taken together with the seq."""
        turn = Turn(self._latest.get(project), partial(self._end, project))
        self._latest[project] = turn.over
        return turn

    def _end(self, project: int, over: "asyncio.Future[None]") -> None:
        if self._latest.get(project) is over:
            del self._latest[project]


class Turn:
    __slots__ = ("_end", "_turn_before", "over")

    def __init__(
        self, turn_before: "asyncio.Future[None] | None", end: "Callable[[asyncio.Future[None]], None]"
    ) -> None:
        self._turn_before = turn_before
        self._end = end
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def come(self) -> None:
        """Until those before are over."""
        if self._turn_before is not None and not self._turn_before.done():
            await asyncio.wait([self._turn_before])

    def end(self) -> None:
        """At once before the call goes to the writer, or when it does not. Whoever gave up while it waited is not over
        before those it waited for."""
        if self.over.done():
            return
        if self._turn_before is None or self._turn_before.done():
            self.over.set_result(None)
            self._end(self.over)
        else:
            self._turn_before.add_done_callback(lambda _: self.end())


class Appender:
    """Used on the event loop only."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        cpu: Threads,
        dedup: DedupIndex,
        last_seq: int,
        companions: Companions = NO_COMPANIONS,
        admit: AdmitEvents = admit_all,
    ) -> None:
        self._db = db
        self._clock = clock
        self._cpu = cpu
        self._dedup = dedup
        self._last_seq = last_seq
        self._turns = Turns()
        self._companions = companions
        self._admit = admit
        self._deleted: set[int] = set()
        self._waiting: dict[int, deque[AppendRequest]] = {}  # by project; there while a task works on it
        self._tasks: set[asyncio.Task[None]] = set()
        self.writing: Counter[int] = Counter()
        """Calls that wait for their answer, by project."""

    async def append_events(self, project: int, events: Sequence[Event], companion: object | None) -> frozenset[int]:
        self.writing[project] += 1
        try:
            return await self._append(project, AppendRequest(events, companion))
        finally:
            self.writing[project] -= 1
            if not self.writing[project]:
                del self.writing[project]

    async def _append(self, project: int, request: AppendRequest) -> frozenset[int]:
        if len(request.events) > SMALL_REQUEST_EVENTS:
            return (await self._append_together(project, [request]))[0]
        if project in self._waiting:
            self._waiting[project].append(request)
        else:
            self._waiting[project] = deque([request])
            task = asyncio.create_task(self._serve(project))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await request.stored

    def refuse(self, project: int) -> None:
        """Store nothing of `project` from now on: what a call brings that was on its way would outlive it."""
        self._deleted.add(project)

    async def close(self) -> None:
        """Wait until what was given is stored or refused."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, project: int) -> None:
        """Store what waits for `project`, until nothing does."""
        waiting = self._waiting[project]
        try:
            while waiting:
                await self._append_batch(project, _take_batch(waiting))
        finally:
            del self._waiting[project]

    async def _append_batch(self, project: int, requests: list[AppendRequest]) -> None:
        """Store the calls together and answer them. Should one of them be at fault, each is tried by itself."""
        try:
            results: Sequence[frozenset[int] | BaseException] = await self._append_together(project, requests)
        except Unavailable as error:
            results = [error] * len(requests)
        except Exception as error:
            alone = [self._append_together(project, [request]) for request in requests] if len(requests) > 1 else []
            tried = await asyncio.gather(*alone, return_exceptions=True)
            results = [one if isinstance(one, BaseException) else one[0] for one in tried] or [error]
        for request, result in zip(requests, results, strict=True):
            if request.stored.done():  # its caller is gone
                continue
            if isinstance(result, BaseException):
                request.stored.set_exception(result)
            else:
                request.stored.set_result(result)

    async def _append_together(self, project: int, requests: Sequence[AppendRequest]) -> list[frozenset[int]]:
        """The duplicates of each call, once they are on disk."""
        events = (
            requests[0].events if len(requests) == 1 else [event for request in requests for event in request.events]
        )
        seq, turn = self._next_seq(), self._turns.take(project)
        try:
            encoded = await self._encode(project, seq, events) if len(events) > SMALL_REQUEST_EVENTS else None
            await turn.come()
        finally:
            turn.end()
        try:
            return await self._db.write(self._insert_block, project, seq, requests, events, encoded)
        except QuotaExceeded:  # before anything was noted of them
            raise
        except Exception:  # not when the caller is gone: then it may well be stored
            keys = encoded.keys if encoded else blocks.keys_of(project, events)
            self._dedup.mark_uncertain({seq: b"".join(key for key in keys if key is not None)})
            raise

    async def _encode(self, project: int, seq: int, events: Sequence[Event]) -> Encoded:
        if len(events) < LOOKED_UP_EVENTS:
            return await self._cpu(self._encode_new, project, seq, events)
        keys = await self._cpu(blocks.keys_of, project, events)
        looked_up = await self._db.read(self._dedup.look_up, keys)
        return await self._cpu(_encode_block, seq, events, keys, looked_up)

    def _encode_new(self, project: int, seq: int, events: Sequence[Event]) -> Encoded:
        """Without a block where the events seem to be stored: should some not be, the transaction makes it."""
        keys = blocks.keys_of(project, events)
        if self._dedup.seem_stored(keys):
            return Encoded(keys, blocks.repeated(keys), None, None)
        return _encode_block(seq, events, keys, None)

    def _insert_block(
        self,
        tx: Tx,
        project: int,
        seq: int,
        requests: Sequence[AppendRequest],
        events: Sequence[Event],
        encoded: Encoded | None,
    ) -> list[frozenset[int]]:
        """Store what is new of `events`, and the companions of the calls."""
        if project in self._deleted:
            raise NotFound("the project has been deleted")
        if not events:
            return self._duplicates_by_request(tx, project, requests, frozenset())
        done = encoded or _encode_at_once(project, seq, events)
        excluded = self._dedup.find_duplicates(tx, done.keys, done.looked_up) | done.repeated
        if len(excluded) < len(events):
            block = done.block
            if block is None or block.excluded != excluded:
                block = blocks.encode(seq, events, done.keys, excluded)
            self._admit(tx, project, block.count, len(block.events) + sum(map(len, block.keys)))
            blocks.insert_block(tx, project, block)
            self._dedup.add_block(block.keys, seq)
        return self._duplicates_by_request(tx, project, requests, excluded)

    def _duplicates_by_request(
        self, tx: Tx, project: int, requests: Sequence[AppendRequest], excluded: frozenset[int]
    ) -> list[frozenset[int]]:
        """Each call's own part of `excluded`, with its companion stored."""
        shares, first = [], 0
        for request in requests:
            end = first + len(request.events)
            share = frozenset(index - first for index in excluded if first <= index < end) if excluded else excluded
            store_companion(tx, self._companions, project, request.companion, share)
            shares.append(share)
            first = end
        return shares

    def _next_seq(self) -> int:
        self._last_seq = max(self._last_seq + 1, self._clock.now_ms() << blocks.CLOCK_BITS)
        return self._last_seq


def _encode_at_once(project: int, seq: int, events: Sequence[Event]) -> Encoded:
    return _encode_block(seq, events, blocks.keys_of(project, events), None)


def _encode_block(seq: int, events: Sequence[Event], keys: list[bytes | None], looked_up: LookedUp | None) -> Encoded:
    repeated = blocks.repeated(keys)
    stored = frozenset[bytes]().union(*looked_up.found.values()) if looked_up else frozenset[bytes]()
    excluded = repeated | indexes_of(keys, stored)
    block = blocks.encode(seq, events, keys, excluded) if len(excluded) < len(events) else None
    return Encoded(keys, repeated, looked_up, block)


def _take_batch(waiting: deque[AppendRequest]) -> list[AppendRequest]:
    """Take from the front of `waiting` what goes into the next block; at least one call."""
    requests = [waiting.popleft()]
    count = len(requests[0].events)
    while waiting and count + len(waiting[0].events) <= BATCH_EVENTS:
        requests.append(waiting.popleft())
        count += len(requests[-1].events)
    return requests
