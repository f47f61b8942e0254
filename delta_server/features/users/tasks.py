"""The loop about people: it does the erasures that were asked for, and tells profiles when users were seen by events.

One after the other, so that nothing read before an erasure makes a profile after it.
"""

import asyncio

import msgspec
import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.plan import Aggregate, Condition, Every, Field, Metric
from delta_server.features.profiles import service as profiles
from delta_server.features.projects import service as projects
from delta_server.features.users import store
from delta_server.features.users.service import ALL_TIME, AT, USER_ID
from delta_server.features.users.store import Erasure
from delta_server.services import Services
from delta_server.storage.database import Tx

LOOK_AGAIN_S = 60.0
ROWS_AT_ONCE = 1000
"""One write tells of this many users at most: some milliseconds during which other writes wait."""
OVERLAP_MS = 60_000
"""Events are given their time of arrival a little before they are stored: so far back each round reads again."""

_RECEIVED_AT = Field("receivedAt", "received_at", "time")

log = structlog.get_logger("delta.users")


async def look_after_people(svc: Services) -> None:
    """For ever."""
    known: dict[int, bytes] = {}
    while True:
        seen = svc.erasures_requested.count
        await erase_requested(svc)
        await read_events(svc, known)
        await svc.erasures_requested.wait(LOOK_AGAIN_S, since=seen)


async def erase_requested(svc: Services) -> None:
    """Do all erasures that wait, oldest first; one that a crash or a failure broke off begins again in its turn."""
    after = 0
    while job := await svc.db.read(store.next_open, after):
        after = job.id
        try:
            await _erase(svc, job)
        except DeltaError as error:  # damaged files of one project must not keep the others' people
            log.error("an erasure failed and will be tried again", erasure=job.id, reason=error.message)


async def read_events(svc: Services, known: dict[int, bytes]) -> None:
    """Tell profiles of the users in events that came since the last round.

    `known` is by project the version of what was read: where it is the same, there is nothing to read. A server that
    has no events is not to load DuckDB for them.
    """
    for project in await svc.db.read(projects.ids_of_all):
        _, newest = svc.db.peek(svc.eventlog.reach, project)
        if not newest:
            continue
        plan = _users_since(0)
        version = await svc.eventlog.version(project, plan)
        if known.get(project) != version:
            await _read_events_of(svc, project)
            known[project] = version


async def _read_events_of(svc: Services, project: int) -> None:
    began = svc.clock.now_ms()
    since = await svc.db.read(profiles.read_until, project)
    batches = svc.eventlog.stream(project, _users_since(since - OVERLAP_MS))
    await anext(batches)  # the columns' names
    async for batch in batches:
        for begin in range(0, len(batch), ROWS_AT_ONCE):
            rows = [(name, int(first), int(last)) for name, first, last in batch[begin : begin + ROWS_AT_ONCE]]
            await svc.db.write(profiles.seen, project, rows)
    await svc.db.write(profiles.set_read_until, project, began)


def _users_since(received_at: int) -> Aggregate:
    new = Every((Condition("gte", _RECEIVED_AT, (received_at,)), Condition("exists", USER_ID)))
    return Aggregate(ALL_TIME, (Metric("first", "min", AT), Metric("last", "max", AT)), keys=(USER_ID,), where=new)


async def _erase(svc: Services, job: Erasure) -> None:
    names: list[str] = msgspec.json.decode(await svc.db.write(store.begin, job.project, job.id))
    telling: set[asyncio.Task[None]] = set()

    def told(done: int, total: int) -> None:
        task = asyncio.ensure_future(svc.db.write(store.tell, job.project, job.id, done=done, total=total))
        telling.add(task)
        task.add_done_callback(telling.discard)

    erased = await svc.eventlog.erase(job.project, names, told)
    await asyncio.gather(*telling, return_exceptions=True)
    await svc.db.write(_finish, job, names, erased)
    await svc.db.scrub()  # of the names, which the job kept until now
    log.info("a person was erased", erasure=job.id, events=erased)


def _finish(tx: Tx, job: Erasure, names: list[str], erased: int) -> None:
    """The profile goes once more: events that came before the request may have told of it since."""
    profiles.forget(tx, job.project, names)
    store.finish(tx, job.project, job.id, erased=erased)
