"""Periodic: what came in is judged hour by hour, some minutes after each has ended. Projects take turns, a part of one
endpoint or of the events each time; callers who store are let pass. How far each has come is in the database."""

import asyncio
import time
from collections import deque

import structlog

from delta_server.core import times
from delta_server.core.errors import DeltaError
from delta_server.core.history.activity import HOUR_MS
from delta_server.features.anomalies import of_endpoints, of_events, store
from delta_server.features.anomalies.following import GRACE_MS
from delta_server.features.endpoints import service as endpoints
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx

RUN_S = 20.0
"""A run; what is left is done in the next one."""
AT_ONCE = 50
YIELD_FACTOR, MOST_PAUSE_S, QUIET_S = 4, 1.0, 0.05
"""While callers store, it pauses for so many times as long as it took, or until they are quiet."""
AGAIN_S = 600.0
"""So long after all of a project was judged up to an hour it is looked at again: deltas may have been missing."""
UNJUDGED_MS = 100 * times.DAY_MS
DELETED_AT_ONCE = 500

log = structlog.get_logger("delta.anomalies")


class Sweep:
    """One project's endpoints, one after the other, up to an hour."""

    def __init__(self, hour: int) -> None:
        self.hour = hour
        self.after = -1
        self.waiting: deque[int] = deque([store.EVENTS])
        self.done_s: float | None = None


class Sweeps:
    """Where each project is. Used on the event loop only."""

    def __init__(self) -> None:
        self.of: dict[int, Sweep] = {}
        self.turn = 0

    def begin(self, found: list[int], hour: int, now_s: float) -> list[int]:
        """Those projects that have something left, in an order that begins elsewhere each time."""
        for project in self.of.keys() - set(found):
            del self.of[project]
        for project in found:
            sweep = self.of.get(project)
            if sweep is None or sweep.hour != hour or (sweep.done_s or now_s) < now_s - AGAIN_S:
                self.of[project] = Sweep(hour)
        self.turn += 1
        start = self.turn % max(1, len(found))
        return [project for project in [*found[start:], *found[:start]] if self.of[project].done_s is None]


async def judge(svc: Services) -> None:
    """What is due, for a while."""
    if not svc.config.anomalies.detection:
        return
    hour = (svc.clock.now_ms() - GRACE_MS) // HOUR_MS
    sweeps = svc.state(Sweeps)
    turns = deque(sweeps.begin(await svc.db.read(projects.ids_of_all), hour, time.monotonic()))
    until_s = time.monotonic() + RUN_S
    while turns and time.monotonic() < until_s:
        project = turns.popleft()
        began_s = time.monotonic()
        if await judge_part(svc, project, sweeps.of[project]):
            turns.append(project)
            pause_s = min(MOST_PAUSE_S, YIELD_FACTOR * (time.monotonic() - began_s))
            await svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=pause_s)
            await asyncio.sleep(0)


async def judge_part(svc: Services, project: int, sweep: Sweep) -> bool:
    """Of one project, a part. False when all is judged."""
    if not sweep.waiting:
        found, sweep.after = await svc.db.read(_next, project, sweep.after, sweep.hour)
        if sweep.after < 0:
            sweep.done_s = time.monotonic()
            return False
        sweep.waiting.extend(found)
        return True
    of = sweep.waiting[0]
    try:
        if of == store.EVENTS:
            has_more = await of_events.judge(svc, project, sweep.hour)
        else:
            has_more = await of_endpoints.judge(svc, project, of, sweep.hour)
    except DeltaError as error:
        log.warning("no anomalies are looked for", project=project, endpoint=of, reason=error.message)
        has_more = False
    if not has_more:
        sweep.waiting.popleft()
    return True


def _next(tx: Tx, project: int, after: int, hour: int) -> tuple[list[int], int]:
    """The next endpoints that are to be judged, and behind which to go on; -1 behind the last."""
    rows = endpoints.rows_after(tx, project, after, AT_ONCE)
    return store.behind(tx, project, rows, hour), rows[-1] if rows else -1


async def expire(svc: Services) -> None:
    """Anomalies are kept for `anomalies.retention_days`."""
    now_ms = svc.clock.now_ms()
    days = svc.config.anomalies.retention_days
    if days:
        while await svc.db.write(store.delete_before, now_ms - round(days * times.DAY_MS), DELETED_AT_ONCE):
            pass
    while await svc.db.write(store.delete_unjudged, now_ms - UNJUDGED_MS, DELETED_AT_ONCE):
        pass
