"""Runs durable jobs (storage/jobs.py): each kind has a loop of its own, which does one job at a time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from delta_server.core.errors import DeltaError
from delta_server.storage import jobs
from delta_server.storage.database import Clock, Database
from delta_server.storage.jobs import Job, LeaseLost, Retry
from delta_server.tasks.loops import Loop
from delta_server.tasks.topics import Topics

LOOK_AGAIN_S = 60.0
_SHORTEST_WAIT_S = 1.0
_RENEWED_EVERY_S = jobs.LEASE_MS / 3000
_ENDED_AT_ONCE = 500

log = structlog.get_logger("delta.jobs")


class Needs(Protocol):
    """What is used of the services."""

    @property
    def db(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def topics(self) -> Topics: ...


S = TypeVar("S", bound=Needs)


class JobKind(msgspec.Struct, Generic[S], frozen=True, kw_only=True):
    """`run` does the job, of which a part may have been done before. It may finish the job in its last transaction;
    otherwise that is done when it returns. What it raises is a failed attempt."""

    name: str
    loop: str
    run: Callable[[S, Job], Awaitable[None]]
    retry: Retry


def as_loop(kind: JobKind[S]) -> Loop[S]:
    async def work(svc: S) -> None:
        asked = svc.topics.signal("jobs")
        while True:
            seen = asked.count
            due_at = await run_due(svc, kind)
            left_s = LOOK_AGAIN_S if due_at is None else (due_at - svc.clock.now_ms()) / 1000
            await asked.wait(min(LOOK_AGAIN_S, max(_SHORTEST_WAIT_S, left_s)), since=seen)

    return Loop(kind.loop, work)


async def run_due(svc: S, kind: JobKind[S]) -> int | None:
    """Do all jobs that are due, the projects in turn; when the next will be due, None when there is none."""
    if not svc.db.peek(jobs.any_waits, kind.name):
        return None
    after = jobs.BEFORE_ALL
    while due := await svc.db.read(jobs.next_due, kind.name, kind.retry, after=after):
        if not due.is_due:
            return due.at
        after = due.project
        if job := await svc.db.write(jobs.claim, due, kind.retry):
            await _run(svc, kind, job)
    return None


async def release_all(svc: Needs) -> None:
    """Before the loops: what the last server left is due at once."""
    if svc.db.peek(jobs.any_is_open) and (left := await svc.db.read(jobs.running)):
        await svc.db.write(jobs.release, left)


async def delete_ended(svc: Needs) -> None:
    while await svc.db.write(jobs.delete_ended, _ENDED_AT_ONCE):
        pass


async def _run(svc: S, kind: JobKind[S], job: Job) -> None:
    renewing = asyncio.create_task(_renew(svc, job))
    try:
        await kind.run(svc, job)
        await svc.db.write(jobs.finish, job)
    except LeaseLost:
        log.info("job ended elsewhere", kind=kind.name, project=job.project)
    except DeltaError as error:
        log.error("job failed", kind=kind.name, project=job.project, attempts=job.attempts, reason=error.message)
        await _fail(svc, kind, job, error.message)
    except Exception:
        log.exception("job failed", kind=kind.name, project=job.project, attempts=job.attempts)
        await _fail(svc, kind, job, "an error inside the server: its log has more")
    except asyncio.CancelledError:
        await svc.db.write(jobs.give_back, job)
        raise
    finally:
        renewing.cancel()


async def _fail(svc: S, kind: JobKind[S], job: Job, reason: str) -> None:
    """Without a record, on a full disk perhaps, the lease runs out."""
    try:
        await svc.db.write(jobs.fail, job, reason, kind.retry, random.random())  # noqa: S311 - a delay that is spread, no secret
    except (DeltaError, LeaseLost) as error:
        log.error("the failure of a job could not be recorded", kind=kind.name, project=job.project, reason=str(error))


async def _renew(svc: Needs, job: Job) -> None:
    while True:
        await asyncio.sleep(_RENEWED_EVERY_S)
        try:
            await svc.db.write(jobs.renew, job)
        except LeaseLost:
            return
        except DeltaError as error:
            log.warning("a job's lease could not be renewed", project=job.project, reason=error.message)
