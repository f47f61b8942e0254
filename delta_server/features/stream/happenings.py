"""What the outbox tells of a project, followed: endpoints, snapshots and deltas as they come and go."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from delta_server.features.deltas import service as deltas
from delta_server.features.snapshots import service as snapshots
from delta_server.features.stream.frames import HappeningFrame, Step, of_happening
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.storage.outbox import Happening
from delta_server.tasks.shared import LastLooks

HAPPENINGS_AT_ONCE = 50
"""Each may be about `outbox.ROWS_AT_ONCE` rows."""

GAP = (
    b'event: gap\ndata: {"message": "changes may have been missed: GET /v1/endpoints, /v1/snapshots and /v1/deltas have'
    b' them all"}\n\n'
)

_BY_ROWS: Mapping[str, Callable[[Tx, int, Sequence[int]], Sequence[msgspec.Struct]]] = {
    snapshots.CREATED: snapshots.describe,
    deltas.CREATED: deltas.describe,
}
"""Kinds whose happenings hold rows, and what looks these up."""


_Look: TypeAlias = tuple[list[Happening], int, int]


class WantedHappenings(msgspec.Struct, frozen=True):
    """Which a client wants to hear of: `topics` are those of the API, `endpoints` ids; of all when these are empty.
    `types` choose among what is about types of events alone."""

    topics: frozenset[str]
    endpoints: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def holds(self, frame: HappeningFrame) -> bool:
        if self.types and frame.event_type and frame.event_type not in self.types:
            return False
        return frame.topic in self.topics and (not self.endpoints or frame.endpoint in self.endpoints)


class Happenings:
    """Followed from now on, or from behind the happening `last`, which is where it has got to at first."""

    def __init__(self, svc: Services, project: int, wanted: WantedHappenings, last: int | None) -> None:
        self._svc = svc
        self._project = project
        self._wanted = wanted
        newest = svc.db.peek(outbox.newest)
        self.last = newest if last is None else min(last, newest)
        self._is_of_another = last is not None and last > newest
        """As for events: of a database before a restore."""

    async def frames(self, is_open: Callable[[], bool], heartbeat_s: float) -> AsyncGenerator[Step, None]:
        """What is to be sent, while it `is_open`; an empty notice after `heartbeat_s` without news, and
        nothing but a turn for what is not wanted."""
        svc, project, after = self._svc, self._project, self.last
        topic, looks = svc.topics.signal("happenings", project), svc.state(_Looks)
        if self._is_of_another:
            yield GAP
        while is_open():
            heard = topic.count
            found, newest, trimmed = looks.get(topic, after, partial(svc.db.peek, _read_outbox, project, after))
            if after < trimmed:
                yield GAP
                after = trimmed
                continue
            if found:
                key = ("happenings", project, after, found[-1].seq)
                frames = await svc.live.shared.get(key, partial(svc.db.read, _framed, project, found))
                after = found[-1].seq
                yield [frame for frame in frames if self._wanted.holds(frame)]
                continue
            after = max(after, newest)
            if not await topic.wait(heartbeat_s, since=heard):
                looks.forget(topic)
                yield b""


class _Looks(LastLooks[_Look]):
    """Into the outbox."""


def _read_outbox(tx: Tx, project: int, after: int) -> _Look:
    """What follows, the newest there is of all projects, and up to where they are gone."""
    return outbox.read_of(tx, project, after, HAPPENINGS_AT_ONCE), outbox.newest(tx), outbox.trimmed(tx)


def _framed(tx: Tx, project: int, found: Sequence[Happening]) -> list[HappeningFrame]:
    frames: list[HappeningFrame] = []
    for one in found:
        look_up = _BY_ROWS.get(one.kind)
        if look_up is None:
            bodies = [one.body.encode()]
        else:
            bodies = [msgspec.json.encode(shown) for shown in look_up(tx, project, outbox.rows_of(one))]
        frames += [of_happening(one.seq, one.kind, one.at, body) for body in bodies]
    return frames
