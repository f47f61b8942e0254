"""What usage does in the background: it counts what was stored before there were counters, looks whether counters have
drifted, and keeps the history."""

import structlog

from delta_server.core import times
from delta_server.features.usage import store
from delta_server.services import Services
from delta_server.storage.database import Tx

COUNT_AGAIN_MS = 7 * times.DAY_MS
HOURS_KEPT_MS = 35 * times.DAY_MS
DAYS_KEPT_MS = 400 * times.DAY_MS
COUNTED_AGAIN_AT_ONCE = 100
"""Projects in one run: each costs up to a second of reading."""
ROWS_AT_ONCE = 200
"""In one write: some milliseconds."""

log = structlog.get_logger("delta.usage")


async def count(svc: Services) -> None:
    """Count what no counter knows, and once a week each project again. It may stop anywhere and begin again."""
    while projects := await svc.db.read(store.to_count, 1, COUNTED_AGAIN_AT_ONCE):
        for project in projects:
            await _count_project(svc, project)
    long_ago = svc.clock.now_ms() - COUNT_AGAIN_MS
    for project in await svc.db.read(store.to_count, long_ago, COUNTED_AGAIN_AT_ONCE):
        if any(drift := await _count_project(svc, project)):
            log.warning("counters had drifted from what is stored", project=project, drift=drift)


async def _count_project(svc: Services, project: int) -> list[int]:
    """By how much its counters were off: how much each endpoint's, and then the project's.

    A drift is read in one state of the database, and added whenever the writer comes to it: rows that come and go in
    between change the counters and what is stored alike.
    """
    await svc.db.write(store.begin_counting, project)
    while await svc.db.write(store.begin_counting_endpoints, project, ROWS_AT_ONCE):
        pass
    total: list[int] = []
    for endpoint in await svc.db.read(store.endpoints_of, project):
        if any(drift := await svc.db.read(store.endpoint_drift, endpoint)):
            await svc.db.write(store.mend_endpoint, endpoint, drift)
            total.extend(drift)
    drift = await svc.db.read(store.project_drift, project)
    if drift:
        await svc.db.write(store.mend_project, project, drift)
    return [*total, *drift]


async def keep_history(svc: Services) -> None:
    """Write down what projects occupy, where it has changed."""
    after = 0
    while projects := await svc.db.read(store.to_note, after, ROWS_AT_ONCE):
        await svc.db.write(_note_all, projects)
        after = projects[-1]


def _note_all(tx: Tx, projects: list[int]) -> None:
    for project in projects:
        store.note_storage(tx, project)


async def expire(svc: Services) -> None:
    """Hours become days, old days go, and so do keys from the counts that duplicates are not known by any more."""
    now_ms = svc.clock.now_ms()
    keys_ms = now_ms - svc.config.events.dedup_days * times.DAY_MS
    while await svc.db.write(store.release_keys, keys_ms, ROWS_AT_ONCE):
        pass
    oldest_ms = now_ms - HOURS_KEPT_MS
    while await svc.db.write(store.roll_up, oldest_ms - oldest_ms % times.DAY_MS, ROWS_AT_ONCE):
        pass
    while await svc.db.write(store.expire_days, now_ms - DAYS_KEPT_MS, ROWS_AT_ONCE):
        pass
