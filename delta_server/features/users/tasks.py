"""The loop about people: it does the erasures that were asked for, and tells profiles when users were seen by events.

One after the other, so that nothing read before an erasure makes a profile after it.
"""

from contextlib import aclosing

import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.events import persons
from delta_server.core.events.persons import Ids
from delta_server.core.query.plan import Aggregate, Condition, Every, Field, Metric, Not
from delta_server.features.profiles import service as profiles
from delta_server.features.projects import service as projects
from delta_server.features.users import service, store
from delta_server.features.users.service import ALL_TIME, AT, USER_ID
from delta_server.features.users.store import Erasure
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

LOOK_AGAIN_S = 60.0
ROWS_AT_ONCE = 100
"""One write tells of this many users at most: two milliseconds during which other writes wait."""
OVERLAP_MS = 60_000
"""Events are given their time of arrival a little before they are stored: so far back each round reads again."""

_RECEIVED_AT = Field("receivedAt", "received_at", "time")

log = structlog.get_logger("delta.users")


async def look_after_people(svc: Services) -> None:
    """For ever."""
    known: dict[int, bytes] = {}
    requested = svc.topics.signal("erasures")
    while True:
        seen = requested.count
        await profiles.settle_all(svc)
        await erase_requested(svc)
        await read_events(svc, known)
        await requested.wait(LOOK_AGAIN_S, since=seen)


async def erase_requested(svc: Services) -> None:
    """Do all erasures that wait, oldest first; one that a crash or a failure broke off begins again in its turn. Its
    record tells of the failure until then, and the others go on, whatever it was."""
    after = 0
    while job := await svc.db.read(store.next_open, after):
        after = job.id
        try:
            await _erase(svc, job)
        except DeltaError as error:
            log.error("an erasure failed and will be retried", erasure=job.id, reason=error.message)
            await _fail(svc, job, error.message)
        except Exception:
            log.exception("an erasure failed and will be retried", erasure=job.id)
            await _fail(svc, job, "an error inside the server: its log has more")


async def _fail(svc: Services, job: Erasure, reason: str) -> None:
    try:
        await svc.db.write(store.fail, job.project, job.id, error=reason)
    except DeltaError as error:  # a full disk, perhaps the very reason
        log.error("the failure of an erasure could not be recorded", erasure=job.id, reason=error.message)


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
    newest = svc.db.peek(svc.eventlog.reach, project).newest
    if not newest:
        return
    version = await svc.eventlog.version(project, _users_since(0))
    if known.get(project) != version:
        await _read_events_of(svc, project)
        known[project] = version


async def _read_events_of(svc: Services, project: int) -> None:
    began = svc.clock.now_ms()
    since = await svc.db.read(profiles.read_until, project)
    if since > began:  # the clock has been set back: what came since then may have any time before
        since = 0
    async with aclosing(svc.eventlog.stream(project, _users_since(max(0, since - OVERLAP_MS)))) as batches:
        await anext(batches)  # the columns' names
        async for batch in batches:
            for begin in range(0, len(batch), ROWS_AT_ONCE):
                rows = [(name, int(first), int(last)) for name, first, last in batch[begin : begin + ROWS_AT_ONCE]]
                await svc.db.write(profiles.seen, project, rows)
    await svc.db.write(profiles.set_read_until, project, began)


def _users_since(received_at: int) -> Aggregate:
    new = Every(
        (
            Condition("gte", _RECEIVED_AT, (received_at,)),
            Condition("exists", USER_ID),
            Not(Condition("matches", USER_ID, (f"(?i)^{persons.NOBODY}$",))),
        )
    )
    return Aggregate(ALL_TIME, (Metric("first", "min", AT), Metric("last", "max", AT)), keys=(USER_ID,), where=new)


async def _erase(svc: Services, job: Erasure) -> None:
    ids = service.ids_of(await svc.db.write(_begin, job))

    def progress(done: int, total: int, erased: int, tx: Tx) -> None:
        store.progress(tx, job.project, job.id, done=done, total=total, erased=erased)

    erased = await svc.eventlog.erase(job.project, ids, progress)
    async with svc.person_locks.hold([job.project]):
        await svc.db.write(_finish, job, ids)
    await svc.db.scrub()  # of the names, which the job kept until now
    log.info("a person was erased", erasure=job.id, events=erased)


@frees_space
def _begin(tx: Tx, job: Erasure) -> Erasure:
    """The job as it is: nothing is added to it from now on."""
    store.begin(tx, job.project, job.id)
    return store.find(tx, job.project, job.uid) or job


@frees_space
def _finish(tx: Tx, job: Erasure, ids: Ids) -> None:
    """The profile goes once more: events that came before the request may have told of it since."""
    profiles.forget(tx, job.project, ids)
    store.finish(tx, job.project, job.id)
