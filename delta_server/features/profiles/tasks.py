"""The loop that tells profiles what waits for them, and when users were seen by events."""

import asyncio
import time
from contextlib import aclosing

import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.events import persons
from delta_server.core.query.plan import Aggregate, AllOf, Condition, Field, Metric, Negation
from delta_server.features.profiles import service, store
from delta_server.features.profiles.service import ALL_TIME, AT, USER_ID
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.slices import SliceSize

LOOK_AGAIN_S = 60.0
FIRST_ROWS, ROWS_AT_ONCE = 100, 800
"""Users that one write tells of at first, which takes two milliseconds, and at most: other writes wait meanwhile."""
OVERLAP_MS = 60_000
"""Events are given their time of arrival a little before they are stored: so far back each round reads again."""

_RECEIVED_AT = Field("receivedAt", "received_at", "time")

log = structlog.get_logger("delta.profiles")


async def update_profiles(svc: Services) -> None:
    """For ever."""
    known: dict[int, bytes] = {}
    while True:
        await service.apply_all_updates(svc)
        await read_events(svc, known)
        await asyncio.sleep(LOOK_AGAIN_S)


async def read_events(svc: Services, known: dict[int, bytes]) -> None:
    """Tell profiles of the users in events that came since the last round.

    `known` is by project the version of what was read: where it is the same, there is nothing to read. A server that
    has no events is not to load DuckDB for them. One project's failure does not keep the others waiting.
    """
    for project in await svc.db.read(projects.ids_of_all):
        try:
            await _read_new_events_of(svc, project, known)
        except DeltaError as error:
            log.error("the users in events could not be read", project=project, reason=error.message)
        except Exception:
            log.exception("the users in events could not be read", project=project)


async def _read_new_events_of(svc: Services, project: int, known: dict[int, bytes]) -> None:
    newest = svc.event_reader.positions(project).newest
    if not newest:
        return
    version = await svc.event_reader.version(project, _users_since(0))
    if known.get(project) != version:
        async with service.unread(svc, project):
            await _read_events_of(svc, project)
        known[project] = version


async def _read_events_of(svc: Services, project: int) -> None:
    began = svc.clock.now_ms()
    since = await svc.db.read(store.read_until, project)
    if since > began:  # the clock has been set back: what came since then may have any time before
        since = 0
    users, size = _users_since(max(0, since - OVERLAP_MS)), SliceSize(FIRST_ROWS, most=ROWS_AT_ONCE)
    async with aclosing(svc.event_reader.stream_query(project, users, has_caller=False)) as batches:
        await anext(batches)  # the columns' names
        async for batch in batches:
            await _write_seen(svc, project, [(name, int(first), int(last)) for name, first, last in batch], size)
    await svc.db.write(store.set_read_until, project, began)


async def _write_seen(svc: Services, project: int, users: list[tuple[str, int, int]], size: SliceSize) -> None:
    done = 0
    while done < len(users):
        some = users[done : done + size.now]
        size.took(await svc.db.write(_seen, project, some))
        done += len(some)


def _seen(tx: Tx, project: int, users: list[tuple[str, int, int]]) -> float:
    """The seconds it took."""
    began_s = time.monotonic()
    service.seen(tx, project, users)
    return time.monotonic() - began_s


def _users_since(received_at: int) -> Aggregate:
    new = AllOf(
        (
            Condition("gte", _RECEIVED_AT, (received_at,)),
            Condition("exists", USER_ID),
            Negation(Condition("matches", USER_ID, (f"(?i)^{persons.NOBODY}$",))),
        )
    )
    return Aggregate(ALL_TIME, (Metric("first", "min", AT), Metric("last", "max", AT)), keys=(USER_ID,), where=new)
