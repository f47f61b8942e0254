"""The contract of durable jobs, with a clock that stands still."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from delta_server.storage import jobs
from delta_server.storage.database import Database, Tx
from delta_server.storage.jobs import Due, Job, LeaseLost, Retry
from tests.storage.opened import START_MS, FakeClock, opened

KIND = "poll"
RETRY = Retry(delays_s=(10.0, 100.0))
FOR_EVER = Retry(delays_s=(10.0, 100.0), for_ever=True)
PROJECTS = (1, 2, 3)
MIDDLE = 0.5
"""The chance that changes no delay."""


def add_projects(tx: Tx) -> None:
    tx.run("INSERT INTO account (id, uid, name, created_at) VALUES (1, x'01', 'a', 0)")
    for project in PROJECTS:
        columns = "id, uid, account, name, description, created_at, updated_at"
        sql = f"INSERT INTO project ({columns}) VALUES (?, ?, 1, ?, '', 0, 0)"
        tx.run(sql, project, bytes([project]), str(project))


@pytest.fixture
async def db(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    async with opened(tmp_path, clock) as db:
        await db.write(add_projects)
        yield db


async def enqueue(db: Database, project: int = 1, arguments: str = "{}", **more: Any) -> bytes:
    return (await db.write(jobs.enqueue, project, KIND, arguments, **more))[0]


async def due(db: Database, *, after: int = 0, retry: Retry = RETRY) -> Due | None:
    return await db.read(jobs.next_due, KIND, retry, after=after)


async def claim(db: Database, *, after: int = 0, retry: Retry = RETRY) -> Job | None:
    found = await due(db, after=after, retry=retry)
    return await db.write(jobs.claim, found, retry) if found and found.is_due else None


async def claimed(db: Database, retry: Retry = RETRY) -> Job:
    job = await claim(db, retry=retry)
    assert job is not None
    return job


async def state(db: Database, id: bytes, project: int = 1) -> tuple[str, str | None]:
    job = await db.read(jobs.find, project, id)
    assert job is not None
    return job.state, job.error


class TestRefusals:
    async def test_another_project_neither_finds_nor_changes_a_job(self, db: Database) -> None:
        id = await enqueue(db, 1, "[1]")
        assert await db.read(jobs.find, 2, id) is None
        assert not await db.write(jobs.cancel, 2, id)
        await db.write(jobs.set_arguments, 2, id, "[2]")
        assert not await db.write(jobs.delete_some, 2, 10)
        assert (await claimed(db)).arguments == "[1]"

    async def test_a_job_that_has_begun_gets_no_other_arguments(self, db: Database) -> None:
        id = await enqueue(db, arguments="[1]")
        await claimed(db)
        await db.write(jobs.set_arguments, 1, id, "[2]")
        found = await db.read(jobs.find, 1, id)
        assert found is not None
        assert found.arguments == "[1]"

    async def test_a_transaction_that_is_undone_leaves_no_job(self, db: Database) -> None:
        def fail(tx: Tx) -> None:
            jobs.enqueue(tx, 1, KIND, "{}")
            raise RuntimeError("a mistake")

        with pytest.raises(RuntimeError):
            await db.write(fail)
        assert await due(db) is None

    async def test_another_kind_is_left_alone(self, db: Database) -> None:
        await db.write(jobs.enqueue, 1, "erasure", "{}")
        assert await due(db) is None

    @pytest.mark.parametrize("ended", ["done", "cancelled", "claimed by another", "deleted"])
    async def test_whoever_lost_the_lease_changes_nothing(self, db: Database, clock: FakeClock, ended: str) -> None:
        id = await enqueue(db)
        job = await claimed(db)
        if ended == "done":
            await db.write(jobs.finish, job)
        elif ended == "cancelled":
            assert await db.write(jobs.cancel, 1, id)
        elif ended == "deleted":
            assert await db.write(jobs.delete_some, 1, 10)
        else:
            clock.advance(jobs.LEASE_MS)
            await claimed(db)
        before = await db.read(jobs.find, 1, id)
        attempts: list[tuple[Any, ...]] = [
            (jobs.renew, job),
            (jobs.fail, job, "late", RETRY, MIDDLE),
            *([] if ended == "done" else [(jobs.finish, job)]),
        ]
        for fn, *args in attempts:
            with pytest.raises(LeaseLost):
                await db.write(fn, *args)
        with pytest.raises(LeaseLost):
            await db.write(jobs.progress, job, done=9, total=9)
        await db.write(jobs.give_back, job)
        assert await db.read(jobs.find, 1, id) == before


class TestOneJob:
    async def test_it_runs_once_and_its_arguments_go(self, db: Database) -> None:
        id = await enqueue(db, arguments='{"a":1}')
        job = await claimed(db)
        assert (job.id, job.arguments, job.attempts, job.state) == (id, '{"a":1}', 1, "running")
        await db.write(jobs.progress, job, done=2, total=3)
        for _ in range(2):  # in the transaction of the job's effect, and by who ran it
            await db.write(jobs.finish, job)
        found = await db.read(jobs.find, 1, id)
        assert found is not None
        assert (found.state, found.arguments, found.done, found.total, found.finished_at) == (
            "done", "", 2, 3, START_MS,
        )  # fmt: skip
        assert await due(db) is None

    async def test_a_failed_one_waits_for_its_delays_and_is_dead_after_the_last(
        self, db: Database, clock: FakeClock
    ) -> None:
        id = await enqueue(db, arguments="[7]")
        for delay_ms in (10_000, 100_000):
            assert await db.write(jobs.fail, await claimed(db), "no answer", RETRY, MIDDLE) == "failed"
            assert await state(db, id) == ("failed", "no answer")
            assert await due(db) == Due(1, id, clock.now_ms() + delay_ms, False)
            clock.advance(delay_ms - 1)
            assert await claim(db) is None
            clock.advance(1)
        assert await db.write(jobs.fail, await claimed(db), "refused", RETRY, MIDDLE) == "dead"
        assert await state(db, id) == ("dead", "refused")
        dead = await db.read(jobs.find, 1, id)
        assert dead is not None
        assert (dead.arguments, dead.attempts, dead.finished_at) == ("[7]", 3, clock.now_ms())
        assert await due(db) is None

    async def test_one_that_is_retried_for_ever_never_dies(self, db: Database, clock: FakeClock) -> None:
        id = await enqueue(db)
        for _ in range(20):
            job = await claimed(db, FOR_EVER)
            assert await db.write(jobs.fail, job, "no", FOR_EVER, MIDDLE) == "failed"
            clock.advance(100_000)
        assert await state(db, id) == ("failed", "no")

    async def test_a_duplicate_is_the_job_that_waits_and_a_new_one_once_that_has_begun(
        self, db: Database, clock: FakeClock
    ) -> None:
        first = await db.write(jobs.enqueue, 1, KIND, "[1]", key=b"k")
        assert await db.write(jobs.enqueue, 1, KIND, "[2]", key=b"k") == (first[0], False)
        rows = [(2, KIND, b"k"), (1, "other", b"k"), (1, KIND, b"l"), (1, KIND, None), (1, KIND, None)]
        clock.advance(1)
        others = [await db.write(jobs.enqueue, project, kind, "[3]", key=key) for project, kind, key in rows]
        assert all(is_new for _, is_new in others)
        job = await claimed(db)
        assert (job.id, job.arguments) == (first[0], "[1]")
        assert (await db.write(jobs.enqueue, 1, KIND, "[4]", key=b"k"))[1]
        assert await db.write(jobs.fail, job, "no", RETRY, MIDDLE) == "failed"  # beside the one that waits

    async def test_a_cancelled_one_is_not_claimed(self, db: Database) -> None:
        id = await enqueue(db)
        assert await db.write(jobs.cancel, 1, id)
        assert not await db.write(jobs.cancel, 1, id)
        assert (await state(db, id), await claim(db)) == (("cancelled", None), None)

    async def test_one_that_is_cancelled_or_begun_before_the_claim_comes_is_not_claimed(self, db: Database) -> None:
        for end in (jobs.cancel, jobs.delete_some):
            await enqueue(db)
            seen = await due(db)
            assert seen is not None
            await db.write(end, 1, seen.id if end is jobs.cancel else 10)  # type: ignore[arg-type]  # one of several functions, whose arguments differ
            assert await db.write(jobs.claim, seen, RETRY) is None

    async def test_what_ended_goes_after_a_week_and_what_is_open_stays(self, db: Database, clock: FakeClock) -> None:
        done, waiting = await enqueue(db), await enqueue(db, 2)
        await db.write(jobs.finish, await claimed(db))
        clock.advance(jobs.KEPT_MS - 1)
        assert not await db.write(jobs.delete_ended, 10)
        clock.advance(1)
        assert await db.write(jobs.delete_ended, 10)
        assert await db.read(jobs.find, 1, done) is None
        assert await state(db, waiting, 2) == ("waiting", None)


class TestCrashes:
    async def test_a_lease_that_ran_out_is_anothers(self, db: Database, clock: FakeClock) -> None:
        id = await enqueue(db)
        first = await claimed(db)
        clock.advance(jobs.LEASE_MS - 1)
        assert await claim(db) is None
        await db.write(jobs.renew, first)
        clock.advance(jobs.LEASE_MS - 1)
        assert await claim(db) is None
        clock.advance(1)
        second = await claimed(db)
        assert (second.id, second.attempts) == (id, 2)
        await db.write(jobs.finish, second)

    async def test_a_job_that_ends_the_server_each_time_is_dead(self, db: Database, clock: FakeClock) -> None:
        id = await enqueue(db)
        for _ in range(3):
            await claimed(db)
            clock.advance(jobs.LEASE_MS)
        assert await claim(db) is None
        assert await state(db, id) == ("dead", "the server ended while the job ran")

    async def test_a_stop_and_a_start_cost_no_attempt_and_no_time(self, db: Database) -> None:
        await enqueue(db)
        for _ in range(5):
            await db.write(jobs.give_back, await claimed(db))
        assert (await claimed(db)).attempts == 1
        assert await claim(db) is None
        await db.write(jobs.release, await db.read(jobs.running))
        assert (await claimed(db)).attempts == 2

    async def test_two_workers_never_have_the_same_job(self, db: Database) -> None:
        await enqueue(db)
        seen = await due(db)
        assert seen is not None
        both = [await db.write(jobs.claim, seen, RETRY) for _ in range(2)]
        assert [job is None for job in both] == [False, True]

    async def test_a_clock_that_is_set_back_holds_nothing_up(self, db: Database, clock: FakeClock) -> None:
        clock.advance(9 * 86_400_000)
        waiting, failed = await enqueue(db, 1), await enqueue(db, 2)
        await db.write(jobs.fail, await claimed_of(db, 2), "no", RETRY, MIDDLE)
        clock.advance(-9 * 86_400_000)
        assert {(await claimed_of(db, project)).id for project in (1, 2)} == {waiting, failed}

    async def test_a_process_that_is_killed_leaves_its_job_to_the_next(self, tmp_path: Path) -> None:
        """It dies by SIGKILL right after the claim was committed."""
        script = (
            "import asyncio, os, signal, sys, pathlib\n"
            "from delta_server.storage import jobs\n"
            "from tests.storage.opened import opened, FakeClock\n"
            "from tests.storage.test_jobs import add_projects, claimed, enqueue\n"
            "async def main():\n"
            "    async with opened(pathlib.Path(sys.argv[1]), FakeClock()) as db:\n"
            "        await db.write(add_projects)\n"
            "        print((await enqueue(db, arguments='[5]')).hex(), flush=True)\n"
            "        await claimed(db)\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "asyncio.run(main())\n"
        )
        done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, check=False)
        assert done.returncode == -9
        async with opened(tmp_path, FakeClock()) as db:
            assert await claim(db) is None  # its lease may still be held, for all that is known
            await db.write(jobs.release, await db.read(jobs.running))  # the directory's lock is ours: it is not
            job = await claimed(db)
            assert (job.id.hex(), job.arguments, job.attempts) == (done.stdout.decode().strip(), "[5]", 2)


async def claimed_of(db: Database, project: int) -> Job:
    return next(job for job in [await claim(db, after=project - 1)] if job and job.project == project)


class TestTurns:
    async def test_projects_take_turns_however_much_one_asks_for(self, db: Database, clock: FakeClock) -> None:
        for project in (1, 1, 1, 1, 3, 2):
            clock.advance(1)
            await enqueue(db, project)
        order, after = [], 0
        while job := await claim(db, after=after):
            order.append(after := job.project)
        assert order == [1, 2, 3, 1, 1, 1]

    async def test_jobs_of_no_project_have_their_turn(self, db: Database) -> None:
        for project in (jobs.NO_PROJECT, 1, jobs.NO_PROJECT):
            await enqueue(db, project)
        order, after = [], jobs.BEFORE_ALL
        while job := await claim(db, after=after):
            order.append(after := job.project)
        assert order == [jobs.NO_PROJECT, 1, jobs.NO_PROJECT]

    async def test_within_a_project_the_oldest_is_first(self, db: Database, clock: FakeClock) -> None:
        ids = []
        for _ in range(4):
            ids.append(await enqueue(db))
            clock.advance(1)
        assert [(await claimed(db)).id for _ in range(4)] == ids

    async def test_what_failed_holds_up_nothing_else(self, db: Database, clock: FakeClock) -> None:
        await enqueue(db)
        await db.write(jobs.fail, await claimed(db), "no", RETRY, MIDDLE)
        clock.advance(1)
        behind = await enqueue(db)
        assert (await claimed(db)).id == behind

    async def test_many_jobs_of_a_project_cost_the_others_one_look(self, db: Database) -> None:
        """Every step goes by the index, and none along a project's jobs."""

        def plans(tx: Tx) -> list[str]:
            found: list[str] = []
            one = tx.one

            def explain(sql: str, *params: Any) -> Any:
                found.extend(str(row[3]) for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *params))
                return one(sql, *params)

            class Explained:
                now_ms = tx.now_ms
                one = staticmethod(explain)

            jobs.next_due(Explained(), KIND, RETRY, after=0)  # type: ignore[arg-type]  # a stand-in that only explains
            return found

        await enqueue(db)
        steps = [step for step in await db.read(plans) if " job " in step]
        assert len(steps) >= 4
        assert all(step.startswith("SEARCH job USING") and "kind=?" in step for step in steps)
        assert sum("project" in step for step in steps) >= 3


@pytest.mark.parametrize(
    ("attempts", "chance", "delay_ms"),
    [(1, 0.0, 8_000), (1, 0.5, 10_000), (1, 1.0, 12_000), (2, 0.5, 100_000), (3, 0.5, None)],
)
def test_delays_grow_and_differ_by_chance(attempts: int, chance: float, delay_ms: int | None) -> None:
    assert RETRY.delay_ms(attempts, chance) == delay_ms
    assert FOR_EVER.delay_ms(attempts, chance) == (delay_ms or 100_000)
