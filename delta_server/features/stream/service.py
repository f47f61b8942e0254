"""What happens now, as server-sent events (the HTML standard, 9.2).

A stream reads block by block what was stored, at its client's pace: it holds one block, or a few small ones, and no
queue, so a slow client costs little but being late. One that comes back with Last-Event-ID goes on in the block where
it was. Where that has been sealed meanwhile, or it falls behind what is sealed, it gets what it missed by a query that
opens only files with newer events; when that is too much a gap is reported.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence, Set
from functools import partial
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid, RateLimited, TooCostly, Unavailable
from delta_server.core.events.event_json import to_json
from delta_server.core.query.plan import AllOf, Condition, Field, Filter, Listing, Span
from delta_server.features.stream.frames import Frame, framed, frames_of, of_happening
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import Positions
from delta_server.storage.outbox import Happening

HEARTBEAT_S = 15.0
MISSED_AT_MOST = 2_000
"""Sealed events that are sent again to a client that comes back: they are all in memory then."""
BLOCKS_AT_ONCE = 16
BYTES_AT_ONCE = 256 << 10
PIECE_BYTES = 64 << 10
HAPPENINGS_AT_ONCE = 100
ON_THE_LOOP_BYTES = 16 << 10
"""What is decoded on the event loop, in 0.3 ms at most."""

_ALL_TIME = Span(times.EARLIEST_MS, times.LATEST_MS + 1)
_RECONNECT = b"retry: 2000\n\n"
_HEARTBEAT = b": nothing new\n\n"
_GAP = b'event: gap\ndata: {"message": "events were missed: GET /v1/events/raw has them"}\n\n'
_GAP_IN_ENDPOINTS = b'event: gap\ndata: {"message": "changes may have been missed: GET /v1/endpoints has them all"}\n\n'
_END = b'event: end\ndata: {"message": "the key was revoked or has expired"}\n\n'


class Wanted(msgspec.Struct, frozen=True):
    """Which events a client wants to hear of; empty is all."""

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def holds(self, frame: Frame) -> bool:
        return (not self.types or frame.event_type in self.types) and (not self.sources or frame.source in self.sources)

    def filters(self) -> list[Filter]:
        fields = {"event_type": self.types, "source": self.sources}
        return [Condition("is", Field(name, name, "text"), tuple(sorted(of))) for name, of in fields.items() if of]


def parse_last_id(text: str) -> int | None:
    """The seq in a Last-Event-ID header, None for an empty one. Raises Invalid."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise Invalid("Last-Event-ID must be the id of an event of this stream", field="Last-Event-ID")
    return int(text)


async def events(
    svc: Services,
    project: int,
    wanted: Wanted,
    last: int | None,
    *,
    is_allowed: Callable[[], bool],
    abort: Callable[[], None] | None = None,
) -> AsyncGenerator[bytes, None]:
    """The bytes of the stream, from now on or from behind the event `last`, until the client or the server goes, or
    the key is no longer allowed to read."""
    with svc.live.reading(project, abort) as topic:
        repeated: Set[int] = frozenset()
        reach = svc.event_reader.positions(project, last)
        block, behind = reach.newest, last is not None
        if reach.resume is not None:
            behind, (block, repeated) = False, reach.resume
        last = reach.seq if last is None else min(last, reach.seq)  # a larger one is not of this database
        yield _RECONNECT
        while not svc.live.stopping:
            if not is_allowed():
                yield _END
                return
            heard = topic.count
            reach, blocks = await svc.live.shared.get(
                (project, block, svc.event_reader.positions(project)), partial(_since, svc, project, block)
            )
            if behind or block < reach.sealed:
                missed = await svc.live.shared.get(
                    (project, wanted, last, reach), partial(_missed, svc, project, wanted, last), keep=False
                )
                if missed is None:
                    yield _GAP
                for piece in _pieces(missed or ()):
                    yield piece
                behind, block, repeated = False, reach.newest, {frame.seq for frame in missed or ()}
                last = max([reach.seq, *repeated])
                continue
            for number, frames in blocks:
                block = number
                last = max([last, *(frame.seq for frame in frames)])
                found = [frame for frame in frames if frame.seq not in repeated and wanted.holds(frame)]
                for piece in _pieces(found):
                    yield piece
            if not blocks and not await topic.wait(HEARTBEAT_S, since=heard):
                yield _HEARTBEAT


async def endpoints(
    svc: Services,
    project: int,
    last: int | None,
    *,
    is_allowed: Callable[[], bool],
    abort: Callable[[], None] | None = None,
) -> AsyncGenerator[bytes, None]:
    """As `events`, of the endpoints that are created, updated and deleted: from the outbox, where their ids are."""
    with svc.live.reading(project, abort, topic="happenings") as topic:
        newest = svc.db.peek(outbox.newest)
        after = newest if last is None else min(last, newest)
        yield _RECONNECT
        while not svc.live.stopping:
            if not is_allowed():
                yield _END
                return
            heard = topic.count
            found, newest, trimmed = svc.db.peek(_read_outbox, project, after)
            if after < trimmed:
                yield _GAP_IN_ENDPOINTS
            after = found[-1].seq if found else max(after, newest)
            if found:
                yield b"".join(map(of_happening, found))
            elif not await topic.wait(HEARTBEAT_S, since=heard):
                yield _HEARTBEAT


def _read_outbox(tx: Tx, project: int, after: int) -> tuple[list[Happening], int, int]:
    """What follows, the newest there is of all projects, and up to where they are gone."""
    return outbox.read_of(tx, project, after, HAPPENINGS_AT_ONCE), outbox.newest(tx), outbox.trimmed(tx)


async def _since(svc: Services, project: int, block: int) -> tuple[Positions, list[tuple[int, list[Frame]]]]:
    """How far there is what, and the blocks after `block`, some of them. All streams of a project read the same ones
    at about the same time."""
    reach, rows = await svc.event_reader.read_blocks(project, block, limit=BLOCKS_AT_ONCE, size_bytes=BYTES_AT_ONCE)
    return reach, [(number, await _frames(svc, lines)) for number, lines in rows]


async def _missed(svc: Services, project: int, wanted: Wanted, last: int) -> list[Frame] | None:
    """What was stored after `last`; None when that is too much."""
    where = AllOf(tuple(wanted.filters()))
    listing = Listing(_ALL_TIME, where, ascending=True, limit=MISSED_AT_MOST + 1, after_seq=last)
    try:
        answer = await svc.event_reader.run_query(project, listing)
    except (TooCostly, RateLimited, Unavailable):  # raised, the client would come back in two seconds, for the same
        return None
    if len(answer.rows) > MISSED_AT_MOST:
        return None
    return await svc.spare_cpu(_of_rows, answer.columns, answer.rows)


def _of_rows(columns: Sequence[str], found: Sequence[Sequence[Any]]) -> list[Frame]:
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    return framed([(row["seq"], to_json(row)) for row in sorted(rows, key=lambda row: int(row["seq"]))])


async def _frames(svc: Services, lines: bytes) -> list[Frame]:
    if len(lines) <= ON_THE_LOOP_BYTES:
        return frames_of(lines)
    return await svc.cpu_for(len(lines))(frames_of, lines)


def _pieces(found: Sequence[Frame]) -> Iterator[bytes]:
    """Of about PIECE_BYTES: what the client has not read yet lies in the connection's buffer besides."""
    piece = bytearray()
    for frame in found:
        piece += frame.sent
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
