"""What happens now, as server-sent events (the HTML standard, 9.2).

A stream reads block by block what was stored, at its client's pace: it holds one block, or a few small ones, and no
queue, so a slow client costs little but being late. One that comes back with Last-Event-ID goes on in the block where
it was. Where that has been sealed meanwhile, or it falls behind what is sealed, it gets what it missed by a query; when
that is too much it is told of a gap.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid, TooCostly, Unavailable
from delta_server.core.plan import Condition, Every, Field, Filter, Listing, Span
from delta_server.core.shown_event import ShownEvent, of_lines, shown
from delta_server.services import Services

HEARTBEAT_S = 15.0
MISSED_AT_MOST = 2_000
"""Sealed events that are sent again to a client that comes back: they are all in memory then."""
BLOCKS_AT_ONCE = 16
BYTES_AT_ONCE = 256 << 10
PIECE_BYTES = 64 << 10
ON_THE_LOOP_BYTES = 16 << 10
"""What is decoded on the event loop, in 0.3 ms at most."""

_ALL_TIME = Span(times.EARLIEST_MS, times.LATEST_MS + 1)
_SEQ = Field("seq", "seq", "number")
_RECONNECT = b"retry: 2000\n\n"
_HEARTBEAT = b": nothing new\n\n"
_GAP = b'event: gap\ndata: {"message": "events were missed: GET /v1/events/raw has them"}\n\n'
_END = b'event: end\ndata: {"message": "the key was revoked or has expired"}\n\n'


class Wanted(msgspec.Struct, frozen=True):
    """Which events a client wants to hear of; empty is all."""

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def holds(self, event: ShownEvent) -> bool:
        return (not self.types or event.event_type in self.types) and (not self.sources or event.source in self.sources)

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
        repeated = set[int]()
        _, block = svc.db.peek(svc.eventlog.reach, project)
        place = None if last is None else svc.db.peek(svc.eventlog.place, project, last)
        behind = last is not None and place is None
        if place is not None:
            block, repeated = place
        yield _RECONNECT
        while not svc.live.stopping:
            if not is_allowed():
                yield _END
                return
            heard = topic.count
            sealed, newest = svc.db.peek(svc.eventlog.reach, project)
            if behind or block < sealed:
                missed = await _missed(svc, project, wanted, last)
                if missed is None:
                    yield _GAP
                for piece in _pieces(missed or ()):
                    yield piece
                behind, block, repeated = False, newest, {seq for seq, _ in missed or ()}
            rows = await svc.db.read(svc.eventlog.since, project, block, BLOCKS_AT_ONCE, BYTES_AT_ONCE)
            for number, lines in rows:
                block = number
                found = [(seq, e) for seq, e in await _decoded(svc, lines) if wanted.holds(e) and seq not in repeated]
                last = found[-1][0] if found else last
                for piece in _pieces(found):
                    yield piece
            if not rows and not await topic.wait(HEARTBEAT_S, since=heard):
                yield _HEARTBEAT


async def _missed(svc: Services, project: int, wanted: Wanted, last: int | None) -> list[tuple[int, ShownEvent]] | None:
    """What was stored after `last`; None when that is too much, or nobody knows after what."""
    if last is None:
        return None
    after = Every((Condition("gt", _SEQ, (last,)), *wanted.filters()))
    listing = Listing(_ALL_TIME, after, ascending=True, limit=MISSED_AT_MOST + 1)
    try:
        answer = await svc.eventlog.query(project, listing)
    except (TooCostly, Unavailable):  # raised, it would have the client come back in two seconds, for the same again
        return None
    if len(answer.rows) > MISSED_AT_MOST:
        return None
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return [(row["seq"], shown(row)) for row in sorted(rows, key=lambda row: int(row["seq"]))]


async def _decoded(svc: Services, lines: bytes) -> list[tuple[int, ShownEvent]]:
    return of_lines(lines) if len(lines) <= ON_THE_LOOP_BYTES else await svc.spare_cpu(of_lines, lines)


def _pieces(found: Sequence[tuple[int, ShownEvent]]) -> Iterator[bytes]:
    """Of about PIECE_BYTES: what the client has not read yet lies in the connection's buffer besides."""
    piece = bytearray()
    for seq, event in found:
        piece += b"id: %d\nevent: event\ndata: %b\n\n" % (seq, msgspec.json.encode(event))
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
