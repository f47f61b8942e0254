"""Who runs durable jobs: each once, the failed ones later, whatever they raise."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed, Unavailable
from delta_server.storage import jobs
from delta_server.storage.database import Database
from delta_server.storage.jobs import Job, LeaseLost, Retry
from delta_server.tasks import jobs as running
from delta_server.tasks.jobs import JobKind, run_due
from delta_server.tasks.topics import Topics
from tests.storage.opened import FakeClock, opened
from tests.storage.test_jobs import KIND, add_projects, enqueue

INSIDE = "an error inside the server: its log has more"


class Svc(msgspec.Struct, frozen=True):
    db: Database
    clock: FakeClock
    topics: Topics


class Runner:
    """Notes the arguments it is given, and raises what is planned for them."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.raising: dict[str, BaseException] = {}
        self.kind = JobKind[Svc](name=KIND, loop="poll", run=self.run, retry=Retry(delays_s=(10.0,)))

    async def run(self, svc: Svc, job: Job) -> None:
        self.ran.append(job.arguments)
        if (error := self.raising.pop(job.arguments, None)) is not None:
            raise error


@pytest.fixture
async def svc(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Svc]:
    async with opened(tmp_path, clock) as db:
        await db.write(add_projects)
        yield Svc(db, clock, Topics())


async def found(svc: Svc, id: bytes) -> Job:
    job = await svc.db.read(jobs.find, 1, id)
    assert job is not None
    return job


@pytest.mark.parametrize(
    ("error", "reason"),
    [(DatabaseFailed("the file is damaged"), "the file is damaged"), (RuntimeError("a mistake"), INSIDE)],
)
async def test_one_that_fails_is_retried_later_and_the_others_go_on(svc: Svc, error: Exception, reason: str) -> None:
    runner = Runner()
    runner.raising = {"bad": error}
    bad = await enqueue(svc.db, arguments="bad")
    svc.clock.advance(1)
    good = await enqueue(svc.db, arguments="good")
    due_at = await run_due(svc, runner.kind)
    assert due_at == (await found(svc, bad)).due_at
    assert (runner.ran, (await found(svc, good)).state) == (["bad", "good"], "done")
    assert ((await found(svc, bad)).state, (await found(svc, bad)).error) == ("failed", reason)
    svc.clock.advance(12_000)
    assert await run_due(svc, runner.kind) is None
    assert (runner.ran, (await found(svc, bad)).state) == (["bad", "good", "bad"], "done")


async def test_after_the_last_attempt_it_is_dead_with_its_reason(svc: Svc) -> None:
    runner = Runner()
    bad = await enqueue(svc.db, arguments="bad")
    for _ in range(3):
        runner.raising = {"bad": DatabaseFailed("gone")}
        await run_due(svc, runner.kind)
        svc.clock.advance(12_000)
    job = await found(svc, bad)
    assert (runner.ran, job.state, job.error, job.arguments) == (["bad", "bad"], "dead", "gone", "bad")


async def test_one_that_was_cancelled_while_it_ran_stays_cancelled(svc: Svc) -> None:
    id = await enqueue(svc.db)

    async def run(svc: Svc, job: Job) -> None:
        await svc.db.write(jobs.cancel, 1, id)
        await svc.db.write(jobs.progress, job, done=1, total=2)

    await run_due(svc, JobKind[Svc](name=KIND, loop="poll", run=run, retry=Retry(delays_s=(1.0,))))
    assert (await found(svc, id)).state == "cancelled"


async def test_a_stop_gives_the_job_back_to_whoever_comes_next(svc: Svc) -> None:
    id, began = await enqueue(svc.db), asyncio.Event()

    async def hang(svc: Svc, job: Job) -> None:
        began.set()
        await asyncio.Event().wait()

    kind = JobKind[Svc](name=KIND, loop="poll", run=hang, retry=Retry(delays_s=(1.0,)))
    task = asyncio.ensure_future(running.as_loop(kind).run(svc))
    await began.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    job = await found(svc, id)
    assert (job.attempts, job.due_at) == (0, svc.clock.now_ms())
    runner = Runner()
    await run_due(svc, runner.kind)
    assert (await found(svc, id)).state == "done"


async def test_a_failure_that_cannot_be_recorded_is_made_good_when_the_lease_runs_out(
    svc: Svc, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, id = Runner(), await enqueue(svc.db, arguments="bad")
    runner.raising = {"bad": RuntimeError("a mistake")}

    def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "fail", full)
        await run_due(svc, runner.kind)
    assert (await found(svc, id)).state == "running"
    svc.clock.advance(jobs.LEASE_MS)
    await run_due(svc, runner.kind)
    assert (await found(svc, id)).state == "done"


async def test_the_lease_is_renewed_while_a_job_runs_until_it_is_lost(
    svc: Svc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_RENEWED_EVERY_S", 0)
    id, renewed = await enqueue(svc.db), asyncio.Event()
    renew = jobs.renew

    def noting(tx: object, job: Job) -> None:
        try:
            renew(tx, job)  # type: ignore[arg-type]  # a stand-in without a transaction
        except LeaseLost:
            loop.call_soon_threadsafe(renewed.set)
            raise

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(jobs, "renew", noting)

    async def run(svc: Svc, job: Job) -> None:
        svc.clock.advance(jobs.LEASE_MS - 1)
        while (await found(svc, id)).due_at < svc.clock.now_ms() + jobs.LEASE_MS:
            pass
        await svc.db.write(jobs.cancel, 1, id)
        await renewed.wait()

    await run_due(svc, JobKind[Svc](name=KIND, loop="poll", run=run, retry=Retry(delays_s=(1.0,))))
    assert (await found(svc, id)).state == "cancelled"


async def test_the_loop_wakes_for_what_is_asked_for(svc: Svc) -> None:
    runner, ran = Runner(), asyncio.Event()

    async def run(svc: Svc, job: Job) -> None:
        ran.set()

    kind = msgspec.structs.replace(runner.kind, run=run)
    task = asyncio.ensure_future(running.as_loop(kind).run(svc))
    while not svc.topics._signals:
        await asyncio.sleep(0)
    await enqueue(svc.db)
    svc.topics.wake("jobs")
    await asyncio.wait_for(ran.wait(), 10)
    task.cancel()
    await asyncio.wait([task])


class Waits:
    """A signal that notes how long it is waited for, and ends the loop."""

    count = 0

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []

    async def wait(self, timeout_s: float, *, since: int | None = None) -> bool:
        self.timeouts_s.append(timeout_s)
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("delay_s", "longest_s", "shortest_s"),
    [(None, 60.0, 60.0), (10.0, 12.0, 8.0), (500.0, 60.0, 60.0), (0.01, 1.0, 1.0)],
)
async def test_the_loop_looks_again_when_the_next_is_due_and_every_minute(
    svc: Svc, delay_s: float | None, longest_s: float, shortest_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, waits = Runner(), Waits()
    monkeypatch.setattr(svc.topics, "signal", lambda topic: waits)
    if delay_s is not None:
        runner.raising = {"bad": RuntimeError("a mistake")}
        await enqueue(svc.db, arguments="bad")
    kind = msgspec.structs.replace(runner.kind, retry=Retry(delays_s=(delay_s or 1.0,)))
    with pytest.raises(asyncio.CancelledError):
        await running.as_loop(kind).run(svc)
    [waited_s] = waits.timeouts_s
    assert shortest_s <= waited_s <= longest_s


async def test_what_ended_is_deleted_in_steps(svc: Svc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_ENDED_AT_ONCE", 2)
    ids = [await enqueue(svc.db, arguments=str(n)) for n in range(5)]
    await run_due(svc, Runner().kind)
    svc.clock.advance(jobs.KEPT_MS)
    await running.delete_ended(svc)
    assert [await svc.db.read(jobs.find, 1, id) for id in ids] == [None] * 5
