"""What streams send, as frames of server-sent events: pure, for a process of its own. The line with the id is added
when a frame is sent, as it tells where all that a stream follows has got to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec
import zstandard

from delta_server.core import times
from delta_server.core.events.event_json import NO_KEYS, EventJson, of_lines


class EventFrame(msgspec.Struct, frozen=True, array_like=True):
    """One event, and what streams choose by."""

    seq: int
    event_type: str
    source: str | None
    sent: bytes


class HappeningFrame(msgspec.Struct, frozen=True):
    """One thing that happened. Several have the seq of the one happening that tells of them."""

    seq: int
    topic: str
    endpoint: str
    sent: bytes
    event_type: str = ""


PIECE_BYTES = 64 << 10
PACKED_ABOVE = 4
"""Pieces. More of one block are compressed until they are sent, which takes the event loop 43 us a piece: 4,000 large
events are 5 MB, which each client that does not read would keep in memory."""

_decompress = zstandard.ZstdDecompressor().decompress
"""For the event loop only."""


class WholeBlock(msgspec.Struct, frozen=True, array_like=True):
    """All events of a block as all streams send them that follow nothing else: with their ids, in pieces of about
    PIECE_BYTES. `last` is the seq of the last one."""

    last: int
    pieces: list[bytes]
    is_packed: bool

    def sent(self) -> Iterator[bytes]:
        return map(_decompress, self.pieces) if self.is_packed else iter(self.pieces)


Step: TypeAlias = Sequence[EventFrame | HappeningFrame] | WholeBlock | bytes
"""What a source has to send next: frames, a block, or a notice as it is; an empty notice when there is no news."""


class _OfEndpoint(msgspec.Struct, frozen=True):
    id: str = ""


class _Happened(msgspec.Struct, frozen=True):
    endpoint: _OfEndpoint | None = None
    event_type: str = ""


_decode = msgspec.json.Decoder(_Happened).decode


def framed(events: Sequence[tuple[int, EventJson]]) -> list[EventFrame]:
    """Frames of (seq, event)."""
    return [
        EventFrame(seq, event.event_type, event.source, b"event: event\ndata: %b\n\n" % msgspec.json.encode(event))
        for seq, event in events
    ]


def event_json(frame: EventFrame) -> bytes:
    """The event in a frame."""
    return frame.sent.partition(b"data: ")[2].rstrip(b"\n")


def of_happening(seq: int, kind: str, at_ms: int, body: bytes) -> HappeningFrame:
    """`body` is a JSON object with members."""
    data = b'{"at":"%b",%b' % (times.format(at_ms).encode(), body[1:])
    sent = b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
    about = _decode(body)
    return HappeningFrame(seq, _topic(kind), about.endpoint.id if about.endpoint else "", sent, about.event_type)


def _topic(kind: str) -> str:
    """The plural of its family."""
    family = kind.partition(".")[0]
    return f"{family[:-1]}ies" if family.endswith("y") else f"{family}s"


def frames_of(lines: bytes, keys: Mapping[int, str] = NO_KEYS) -> list[EventFrame]:
    """Frames of the lines of a hot block; `keys` are the ids of keys by their numbers."""
    return framed(of_lines(lines, keys))


def whole_block(lines: bytes, keys: Mapping[int, str] = NO_KEYS) -> WholeBlock:
    """Of the lines of a hot block, which has at least one."""
    frames = frames_of(lines, keys)
    sent = list(pieces(frames, lambda seq: b"%d" % seq))
    if len(sent) <= PACKED_ABOVE:
        return WholeBlock(frames[-1].seq, sent, is_packed=False)
    compress = zstandard.ZstdCompressor(level=1).compress
    return WholeBlock(frames[-1].seq, list(map(compress, sent)), is_packed=True)


def pieces(frames: Sequence[EventFrame | HappeningFrame], id_at: Callable[[int], bytes]) -> Iterator[bytes]:
    """Of about PIECE_BYTES: what the client has not read yet lies in the connection's buffer besides. `id_at` gives the
    id that stands with the last frame of a seq."""
    piece = bytearray()
    for at, frame in enumerate(frames):
        if at + 1 == len(frames) or frames[at + 1].seq != frame.seq:
            piece += b"id: %b\n" % id_at(frame.seq)
        piece += frame.sent
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
