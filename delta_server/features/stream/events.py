"""The events of a project, followed block by block as they are stored. Where a block has been sealed before a stream
got to it, what it missed is queried from files with newer events alone; when that is too much a gap is reported."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence, Set
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import msgspec

from delta_server.core import times
from delta_server.core.errors import RateLimited, TooCostly, Unavailable
from delta_server.core.events.event_json import to_json
from delta_server.core.query.plan import AllOf, Condition, Field, Filter, Listing, Span
from delta_server.features.accounts import service as accounts
from delta_server.features.stream.frames import EventFrame, Step, WholeBlock, framed, frames_of, whole_block
from delta_server.services import Services
from delta_server.storage.eventlog import Positions

MISSED_AT_MOST = 2_000
"""Sealed events that are sent again to a client that comes back: they are all in memory then."""
BLOCKS_AT_ONCE = 16
BYTES_AT_ONCE = 256 << 10
ON_THE_LOOP_BYTES = 16 << 10
"""What is decoded on the event loop, in 0.3 ms at most."""

GAP = b'event: gap\ndata: {"message": "events were missed: GET /v1/events/raw has them"}\n\n'

_ALL_TIME = Span(times.EARLIEST_MS, times.LATEST_MS + 1)


class WantedEvents(msgspec.Struct, frozen=True):
    """Which events a client wants to hear of; empty is all."""

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def holds(self, frame: EventFrame) -> bool:
        return (not self.types or frame.event_type in self.types) and (not self.sources or frame.source in self.sources)

    def filters(self) -> list[Filter]:
        fields = {"event_type": self.types, "source": self.sources}
        return [Condition("is", Field(name, name, "text"), tuple(sorted(of))) for name, of in fields.items() if of]


class Events:
    """Followed from now on, or from behind the event `last`, which is where it has got to at first. `is_alone` when
    the stream follows nothing else: then blocks come whole, as all such streams send them."""

    def __init__(
        self, svc: Services, project: int, wanted: WantedEvents, last: int | None, *, is_alone: bool = False
    ) -> None:
        self._svc = svc
        self._project = project
        self._wanted = wanted
        self._takes_whole = is_alone and wanted == WantedEvents()
        self._reach = svc.event_reader.positions(project, last)
        self._comes_back = last is not None
        self.last = self._reach.seq if last is None else min(last, self._reach.seq)
        self._is_of_another = last is not None and last > self.last
        """A larger one is of a log that an older copy has taken the place of."""

    async def frames(self, is_open: Callable[[], bool], heartbeat_s: float) -> AsyncGenerator[Step, None]:
        """As `Happenings.frames`."""
        svc, project, wanted, reach = self._svc, self._project, self._wanted, self._reach
        topic = svc.topics.signal("events", project)
        repeated: Set[int] = frozenset()
        if self._is_of_another:
            yield GAP
        block, behind, last = reach.newest, self._comes_back, self.last
        if reach.resume is not None:
            behind, (block, repeated) = False, reach.resume
        while is_open():
            heard = topic.count
            decode = whole_block if self._takes_whole and not repeated else frames_of
            reach, blocks, _ = await svc.live.shared.get(
                (project, block, decode, svc.event_reader.positions(project)),
                partial(_since, svc, project, block, decode),
                size=_size_of,
            )
            if behind or block < reach.sealed:
                missed = await svc.live.shared.get(
                    (project, wanted, last, reach), partial(_missed, svc, project, wanted, last), keep=False
                )
                yield GAP if missed is None else missed
                behind, block, repeated = False, reach.newest, {frame.seq for frame in missed or ()}
                last = max([reach.seq, *repeated])
                continue
            for number, found in blocks:
                block = number
                if isinstance(found, WholeBlock):
                    last = found.last
                    yield found
                    continue
                yield await svc.live.step(len(found), partial(_chosen, found, wanted, repeated))
                last = max(last, found[-1].seq)
                if repeated and found[-1].seq > max(repeated):  # a block has larger seqs than those before it
                    repeated = frozenset()
            if not blocks and not await topic.wait(heartbeat_s, since=heard):
                yield b""


_Block: TypeAlias = list[EventFrame] | WholeBlock
_Decode: TypeAlias = Callable[[bytes, Mapping[int, str]], _Block]


class _Found(NamedTuple):
    """How far there is what, and some blocks, by number, of so many bytes as they are stored."""

    reach: Positions
    blocks: list[tuple[int, _Block]]
    line_bytes: int


def _size_of(found: _Found) -> int:
    """In memory: names of fields and frames around short lines are twice as much."""
    return 3 * found.line_bytes


async def _since(svc: Services, project: int, block: int, decode: _Decode) -> _Found:
    """The blocks after `block`. All streams of a project read the same ones at about the same time."""
    reach, rows = await svc.event_reader.read_blocks(project, block, limit=BLOCKS_AT_ONCE, size_bytes=BYTES_AT_ONCE)
    keys = await svc.db.read(accounts.key_ids, project) if rows else {}
    blocks = [(number, await _decoded(svc, lines, keys, decode)) for number, lines in rows]
    return _Found(reach, blocks, sum(len(lines) for _, lines in rows))


def _chosen(frames: Sequence[EventFrame], wanted: WantedEvents, repeated: Set[int]) -> list[EventFrame]:
    return [frame for frame in frames if frame.seq not in repeated and wanted.holds(frame)]


async def _missed(svc: Services, project: int, wanted: WantedEvents, last: int) -> list[EventFrame] | None:
    """What was stored after `last`; None when that is too much."""
    where = AllOf(tuple(wanted.filters()))
    listing = Listing(_ALL_TIME, where, ascending=True, limit=MISSED_AT_MOST + 1, after_seq=last)
    try:
        answer = await svc.event_reader.run_query(project, listing)
    except (TooCostly, RateLimited, Unavailable):  # raised, the client would come back in two seconds, for the same
        return None
    if len(answer.rows) > MISSED_AT_MOST:
        return None
    keys = await svc.db.read(accounts.key_ids, project)
    return await svc.spare_cpu(_of_rows, answer.columns, answer.rows, keys)


def _of_rows(columns: Sequence[str], found: Sequence[Sequence[Any]], keys: Mapping[int, str]) -> list[EventFrame]:
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    return framed([(row["seq"], to_json(row, keys)) for row in sorted(rows, key=lambda row: int(row["seq"]))])


async def _decoded(svc: Services, lines: bytes, keys: Mapping[int, str], decode: _Decode) -> _Block:
    if len(lines) <= ON_THE_LOOP_BYTES:
        return decode(lines, keys)
    return await svc.cpu_for(len(lines))(decode, lines, keys)
