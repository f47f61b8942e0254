"""The loop that learns schemas behind the writes. Which endpoints have new versions, it hears from the outbox; each has
its place in its timeline, so at the start those are looked at that are behind."""

import asyncio
import time
from itertools import chain, islice

from delta_server.features.schemas import learning, store
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx

LOOK_AGAIN_S = 60.0
HAPPENINGS_AT_ONCE = 256
PEEKED = 16
"""So few happenings are read on the event loop."""
YIELD_FACTOR, MOST_PAUSE_S, QUIET_S = 4, 1.0, 0.05
"""While callers store, it pauses for so many times as long as it took, or until they are quiet."""
PROJECTS_AT_ONCE, ENDPOINTS_AT_ONCE = 2, 32
GATHERED_S = 5.0
"""What happens within so long is learned from together."""


class Waiting:
    """Endpoints that may have versions to learn from, by project, and the last happening that was heard of. Used on the
    event loop only."""

    def __init__(self) -> None:
        self.seq: int | None = None
        self._of: dict[int, dict[int, None]] = {}

    def add(self, project: int, endpoint: int) -> None:
        self._of.setdefault(project, {})[endpoint] = None

    def next_turn(self) -> list[list[tuple[int, int]]]:
        """Some endpoints of each of the projects whose turn it is, which wait no longer."""
        turn = []
        for project in list(self._of)[:PROJECTS_AT_ONCE]:
            waiting = self._of.pop(project)
            some = list(islice(waiting, ENDPOINTS_AT_ONCE))
            for endpoint in some:
                del waiting[endpoint]
            if waiting:
                self._of[project] = waiting  # to the end
            turn.append([(project, endpoint) for endpoint in some])
        return turn


async def follow(svc: Services) -> None:
    """For ever."""
    if not svc.config.schemas.inference:
        await asyncio.Event().wait()
    happened = svc.topics.signal("happenings")
    while True:
        seen = happened.count
        if not await learn_some(svc):
            await happened.wait(LOOK_AGAIN_S, since=seen)
            await asyncio.sleep(GATHERED_S)


async def learn_some(svc: Services) -> bool:
    """A part of some endpoints of each of several projects. False when nothing more is there. Callers who store are let
    pass."""
    waiting = svc.state(Waiting)
    await svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=MOST_PAUSE_S)
    is_behind = False
    newest = svc.db.peek(outbox.newest)
    if waiting.seq is None or waiting.seq != newest:
        has_none = waiting.seq is None and not svc.db.peek(store.any_learned)
        if has_none or (waiting.seq is not None and 0 < newest - waiting.seq <= PEEKED):
            waiting.seq, found, is_behind = svc.db.peek(_hear, waiting.seq)
        else:
            waiting.seq, found, is_behind = await svc.db.read(_hear, waiting.seq)
        for project, endpoint in found:
            waiting.add(project, endpoint)
    if not (turn := waiting.next_turn()):
        return is_behind
    began_s = time.monotonic()
    learned = await asyncio.gather(*(learning.learn_parts(svc, some) for some in turn))
    for project, endpoint in chain.from_iterable(learned):
        waiting.add(project, endpoint)
    pause_s = min(MOST_PAUSE_S, YIELD_FACTOR * (time.monotonic() - began_s))
    await svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=pause_s)
    return True


def _hear(tx: Tx, after: int | None) -> tuple[int, list[tuple[int, int]], bool]:
    """Up to which happening, the endpoints that have new versions, and whether more happened."""
    if after is None or after < outbox.trimmed(tx):
        return outbox.newest(tx), _behind(tx), False
    happened = outbox.read(tx, after, HAPPENINGS_AT_ONCE)
    found: dict[tuple[int, int], None] = {}
    for each in happened:
        if each.kind == snapshots.CREATED:
            rows = outbox.rows_of(each)
            found |= dict.fromkeys((each.project, id) for id in snapshots.changed_endpoints(tx, each.project, rows))
    return happened[-1].seq if happened else after, list(found), len(happened) == HAPPENINGS_AT_ONCE


def _behind(tx: Tx) -> list[tuple[int, int]]:
    """(project, endpoint) of those that have a later snapshot than was learned from."""
    known = store.all_times(tx)
    ends = snapshots.extents(tx, [endpoint for _, endpoint, _ in known])
    return [(project, endpoint) for project, endpoint, at in known if endpoint in ends and ends[endpoint][1] > at]
