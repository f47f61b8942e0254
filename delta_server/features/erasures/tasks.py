"""The loop that does the erasures that were asked for."""

import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.events.persons import Ids
from delta_server.features.erasures import service, store
from delta_server.features.erasures.store import Erasure
from delta_server.features.profiles import service as profiles
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

LOOK_AGAIN_S = 60.0

log = structlog.get_logger("delta.erasures")


async def run_erasures(svc: Services) -> None:
    """For ever."""
    requested = svc.topics.signal("erasures")
    while True:
        seen = requested.count
        await erase_requested(svc)
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


async def _erase(svc: Services, job: Erasure) -> None:
    await profiles.settle(svc, job.project)
    ids = service.ids_of(await svc.db.write(_begin, job))

    def progress(done: int, total: int, erased: int, tx: Tx) -> None:
        store.progress(tx, job.project, job.id, done=done, total=total, erased=erased)

    erased = await svc.eventlog.erase(job.project, ids, progress)
    async with profiles.unread(svc, job.project), svc.person_locks.hold([job.project]):
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
