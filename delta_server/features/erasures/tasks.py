"""The job that erases a person's events."""

import msgspec
import structlog

from delta_server.core.events.persons import PersonIds
from delta_server.features.erasures import service, store
from delta_server.features.event_schemas import service as event_schemas
from delta_server.features.profiles import service as profiles
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.eventlog import ErasedSegment
from delta_server.storage.jobs import Job, Retry
from delta_server.tasks.jobs import JobKind

log = structlog.get_logger("delta.erasures")


class ErasureJob(msgspec.Struct, frozen=True):
    """What the event log hands back, segment by segment: its progress is written with what it erases."""

    job: Job


async def erase(svc: Services, job: Job) -> None:
    """One that a crash or a failure broke off begins again, and finds what is left."""
    await profiles.apply_updates(svc, job.project)
    ids = service.ids_of(job)
    erased = await svc.event_maintenance.erase_person(job.project, ids, ErasureJob(job))
    async with profiles.unread(svc, job.project), svc.person_locks.hold([job.project]):
        await svc.db.write(_finish, job, ids)
    await svc.db.scrub()  # of the ids, which the job kept until now
    log.info("a person was erased", project=job.project, events=erased)


def record(tx: Tx, project: int, erasure: ErasureJob, segment: ErasedSegment) -> None:
    """In the transaction in which the segment's events go."""
    jobs.progress(tx, erasure.job, done=segment.done, total=segment.total)
    store.add_erased(tx, project, erasure.job.id, segment.events)


@frees_space
def _finish(tx: Tx, job: Job, ids: PersonIds) -> None:
    """The profile goes once more: events that came before the request may have updated it since. Schemas may hold
    what stood in the events."""
    profiles.delete_profiles(tx, job.project, ids)
    event_schemas.forget_values(tx, job.project)
    reported = jobs.find(tx, job.project, job.id) or job
    store.finish(tx, job.project, job.id, done=reported.done, total=reported.total)
    jobs.finish(tx, job)


JOB = JobKind(name=service.JOB, loop="run erasures", run=erase, retry=Retry(delays_s=(5.0, 15.0, 50.0), for_ever=True))
