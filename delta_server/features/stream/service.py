"""What happens now, as server-sent events (the HTML standard, 9.2).

A stream reads what was stored at its client's pace: it holds one block of events, or a few small ones, and no queue, so
a slow client costs little but being late. One that comes back with Last-Event-ID goes on where it was; when more was
missed than is sent again, a gap is reported. The id of a stream of events is an event's seq, that of one of anything
else a happening's, and of one of both the two with a hyphen between. It stands with the last frame of a seq, so who
comes back may hear of a few things again, and misses none.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol

import msgspec

from delta_server.core.errors import Invalid
from delta_server.features.stream.events import Events as Events
from delta_server.features.stream.events import WantedEvents as WantedEvents
from delta_server.features.stream.frames import EventFrame as EventFrame
from delta_server.features.stream.frames import Step, WholeBlock, pieces
from delta_server.features.stream.frames import event_json as event_json
from delta_server.features.stream.happenings import Happenings, WantedHappenings
from delta_server.services import Services

HEARTBEAT_S = 15.0
FILTERED_S = 5.0
"""After so long without a byte there is a heartbeat too when something happens that is not wanted: a source waits anew
for news then, and who is between would take the stream for dead."""

HAPPENING_TOPICS = ("snapshots", "deltas", "endpoints", "polls", "alerts", "anomalies", "schemas", "quotas", "webhooks")
TOPICS = ("events", *HAPPENING_TOPICS)

HEARTBEAT = b": nothing new\n\n"
END = b'event: end\ndata: {"message": "the key was revoked or has expired"}\n\n'


class _Source(Protocol):
    """Something that is followed; `last` is where it has got to before anything is sent."""

    last: int

    def frames(self, is_open: Callable[[], bool], heartbeat_s: float) -> AsyncGenerator[Step, None]: ...


class Wanted(msgspec.Struct, frozen=True):
    """What a client wants to hear of: events, what else happens, or both."""

    events: WantedEvents | None = None
    happenings: WantedHappenings | None = None

    @property
    def sources(self) -> int:
        return (self.events is not None) + (self.happenings is not None)


def parse_last_id(text: str, sources: int = 1) -> tuple[int, ...] | None:
    """The numbers in a Last-Event-ID header, one for each source; None for an empty one. Raises Invalid."""
    if not text:
        return None
    parts = text.split("-")
    if len(parts) != sources or not all(part.isascii() and part.isdigit() and len(part) <= 19 for part in parts):
        raise Invalid("Last-Event-ID must be an id that a stream of these topics has sent", field="Last-Event-ID")
    return tuple(map(int, parts))


async def follow(
    svc: Services,
    project: int,
    wanted: Wanted,
    last: Sequence[int] | None,
    *,
    is_allowed: Callable[[], bool],
    abort: Callable[[], None] | None = None,
) -> AsyncGenerator[bytes, None]:
    """The bytes of the stream, from now on or from behind `last`, until the client or the server goes, or the key is no
    longer allowed to read."""
    with svc.live.reading(project, abort):
        sources = _sources(svc, project, wanted, last)
        reached = [source.last for source in sources]
        yield b"retry: 2000\nid: %b\n\n" % _id(reached)
        steps = [source.frames(lambda: not svc.live.stopping and is_allowed(), HEARTBEAT_S) for source in sources]
        merged = _merged(steps)
        sent_s = time.monotonic()
        try:
            async for number, step in merged:
                if isinstance(step, bytes):
                    yield step or HEARTBEAT
                elif isinstance(step, WholeBlock):
                    reached[number] = step.last
                    for piece in step.sent():
                        yield piece
                elif step:
                    made = pieces(step, partial(_id_at, reached, number))
                    while piece := await svc.live.step(len(step), partial(next, made, b"")):
                        yield piece
                elif time.monotonic() - sent_s >= FILTERED_S:
                    yield HEARTBEAT
                else:
                    continue
                sent_s = time.monotonic()
        finally:
            await merged.aclose()
        if not svc.live.stopping:
            yield END


def _sources(svc: Services, project: int, wanted: Wanted, last: Sequence[int] | None) -> list[_Source]:
    made: list[_Source] = []
    if wanted.events is not None:
        from_here = None if last is None else last[0]
        made.append(Events(svc, project, wanted.events, from_here, is_alone=wanted.happenings is None))
    if wanted.happenings is not None:
        made.append(Happenings(svc, project, wanted.happenings, None if last is None else last[-1]))
    return made


async def _merged(sources: Sequence[AsyncGenerator[Step, None]]) -> AsyncGenerator[tuple[int, Step], None]:
    """(number of the source, what it has to send) as they come, until one ends; each is read on when that was sent."""
    if len(sources) == 1:  # without tasks, which take as long as all the rest
        async with aclosing(sources[0]) as only:
            async for step in only:
                yield 0, step
        return
    waiting = {asyncio.ensure_future(anext(source)): number for number, source in enumerate(sources)}
    try:
        while True:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number = waiting.pop(task)
                try:
                    step = task.result()
                except StopAsyncIteration:
                    return
                yield number, step
                waiting[asyncio.ensure_future(anext(sources[number]))] = number
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for source in sources:
            await source.aclose()


def _id(reached: Sequence[int]) -> bytes:
    return "-".join(map(str, reached)).encode()


def _id_at(reached: list[int], number: int, seq: int) -> bytes:
    """The source with this number has got to `seq`."""
    reached[number] = seq
    return _id(reached)
