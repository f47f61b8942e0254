"""Events, and what the outbox tells, as frames of a stream of server-sent events: pure, for a process of its own."""

from collections.abc import Sequence

import msgspec

from delta_server.core import times
from delta_server.core.events.event_json import EventJson, of_lines
from delta_server.storage.outbox import Happening


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One event as it is sent, and what streams choose by."""

    seq: int
    event_type: str
    source: str | None
    sent: bytes


def framed(events: Sequence[tuple[int, EventJson]]) -> list[Frame]:
    """Frames of (seq, event)."""
    return [
        Frame(
            seq,
            event.event_type,
            event.source,
            b"id: %d\nevent: event\ndata: %b\n\n" % (seq, msgspec.json.encode(event)),
        )
        for seq, event in events
    ]


def of_happening(happening: Happening) -> bytes:
    data = b'{"at":"%b",%b' % (times.format(happening.at).encode(), happening.body[1:].encode())
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (happening.seq, happening.kind.encode(), data)


def frames_of(lines: bytes) -> list[Frame]:
    """Frames of the lines of a hot block."""
    return framed(of_lines(lines))
