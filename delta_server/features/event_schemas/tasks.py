"""Periodic: what came in is looked at, a sample of each project in turn, and what is known of values does not outlive
the events. Callers who store are let pass."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.event_storage.segment_plan import RetentionCutoffs
from delta_server.features.event_schemas import learning, service, store
from delta_server.features.event_schemas.store import Progress
from delta_server.features.events import service as events
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

RUN_S = 20.0
"""A run; what is left is done in the next one."""
YIELD_FACTOR, MOST_PAUSE_S, QUIET_S = 4, 1.0, 0.05
"""While callers store, it pauses for so many times as long as it took, or until they are quiet."""
HISTORY_BYTES = 16 << 20
"""What is kept of changes of a project's schemas."""
DELETED_AT_ONCE = 50
LOOKED_AT_ONCE = 50
"""Projects, on the event loop."""

log = structlog.get_logger("delta.event_schemas")


class Turn:
    """Which project is the first one."""

    number = 0


async def learn(svc: Services) -> None:
    """From what came in, for a while."""
    if not svc.config.schemas.inference:
        return
    turns = deque(await _with_news(svc))
    until_s = time.monotonic() + RUN_S
    while turns and time.monotonic() < until_s:
        project = turns.popleft()
        began_s = time.monotonic()
        try:
            has_more = await learning.learn_part(svc, project)
        except DeltaError as error:
            log.warning("no schemas are learned from events", project=project, reason=error.message)
            has_more = False
        if has_more:
            turns.append(project)
        pause_s = min(MOST_PAUSE_S, YIELD_FACTOR * (time.monotonic() - began_s))
        await svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=pause_s)


async def _with_news(svc: Services) -> list[int]:
    """Projects with events that were not looked at, in an order that begins elsewhere each time."""
    projects_there = await svc.db.read(projects.ids_of_all)
    known = await svc.db.read(store.all_progress)
    found = []
    for number, project in enumerate(projects_there):
        positions = svc.event_reader.positions(project)
        if positions.newest and positions.seq > known.get(project, Progress()).seq:
            found.append(project)
        if number % LOOKED_AT_ONCE == 0:
            await asyncio.sleep(0)
    turn = svc.state(Turn)
    turn.number += 1
    start = turn.number % max(1, len(found))
    return [*found[start:], *found[:start]]


async def expire(svc: Services) -> None:
    """Types and values of events that are past their retention, and old changes where there are very many."""
    for project in await svc.db.read(store.all_progress):
        cutoffs = events.retention_cutoffs(svc, project, svc.clock.now_ms())
        if await svc.db.read(_has_old_values, project, cutoffs):
            await svc.db.write(service.forget_values, project)
        old = await svc.db.read(_old_types, project, cutoffs)
        for start in range(0, len(old), DELETED_AT_ONCE):
            await svc.db.write(_delete_types, project, old[start : start + DELETED_AT_ONCE])
        while await svc.db.read(store.history_bytes, project) > HISTORY_BYTES:
            if not await svc.db.write(_delete_changes, project):
                break


def _has_old_values(tx: Tx, project: int, cutoffs: RetentionCutoffs) -> bool:
    return any(learning.is_past(cutoffs, name, first_at) for name, first_at in store.oldest_values(tx, project))


def _old_types(tx: Tx, project: int, cutoffs: RetentionCutoffs) -> list[int]:
    return [row for row, name, last_at in store.last_times(tx, project) if learning.is_past(cutoffs, name, last_at)]


@frees_space
def _delete_types(tx: Tx, project: int, rows: Sequence[int]) -> None:
    for row in rows:
        store.delete_type(tx, project, row)


@frees_space
def _delete_changes(tx: Tx, project: int) -> int:
    return store.delete_oldest_changes(tx, project, DELETED_AT_ONCE)
