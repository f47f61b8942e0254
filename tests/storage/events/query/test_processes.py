"""Queries in processes of their own: the same answers and errors as in the server, and an end to each process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DeltaError, Invalid, TooCostly, Unavailable
from delta_server.core.events.event import Event
from delta_server.core.option_types import MIB
from delta_server.core.query.plan import (
    Aggregate,
    Condition,
    Field,
    Funnel,
    Interval,
    Listing,
    Metric,
    Paths,
    Plan,
    Retention,
    Span,
    Step,
)  # fmt: skip
from delta_server.storage.child_process import Child
from delta_server.storage.events import workers
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.failures import NoMemory
from delta_server.storage.events.options import Events
from delta_server.storage.events.query import funnels, processes
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.processes import QueryProcesses
from delta_server.storage.events.query.runner import QueryRunner
from delta_server.storage.events.query.worker import AHEAD, BEHIND, QueryQuestion, QuerySetup, Worker
from delta_server.storage.events.rollups import cover
from delta_server.storage.priority import NICENESS
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.turns import Callers
from delta_server.tasks.threads import ThreadPool
from tests.storage.events.stored import make_project, put_block, seal

AT = 1_767_225_600_000  # 2026-01-01
ALWAYS = Span(AT - 1, AT + 10_000)
TYPE = Field("eventType", "event_type", "text")
USER = Field("userId", "user_id", "text")
NUMBER = Field("data.n", "data", "json", ("n",))
COUNT = (Metric("count", "count"),)
DAY = Interval("1d", 86_400_000, ((2**62, 0),))
STEPS = tuple(Step(name, Condition("is", TYPE, (name,))) for name in ("a", "b"))
HUGE = b'{"n": 123456789012345678901234567890}'


def sent(first: int, count: int, *, data: bytes = b'{"n": 1.5}') -> list[Event]:
    return [
        Event(AT + n, AT + n, "ab"[n % 2], n, "web", f"u{n % 5}", data=msgspec.Raw(data))
        for n in range(first, first + count)
    ]


PLANS: dict[str, Plan] = {
    "a count": Aggregate(ALWAYS, COUNT),
    "groups": Aggregate(ALWAYS, (*COUNT, Metric("users", "unique", USER)), (DAY, TYPE)),
    "numbers": Aggregate(ALWAYS, (Metric("sum", "sum", NUMBER), Metric("p", "quantile", NUMBER, 0.5)), (TYPE,)),
    "events": Listing(ALWAYS, Condition("is", USER, ("u1",)), limit=5),
    "a large answer": Listing(ALWAYS, ascending=True),
    "nothing": Listing(Span(0, 1)),
    "a funnel": Funnel(ALWAYS, STEPS, window_ms=1_000, by=USER),
    "retention": Retention(ALWAYS, DAY, 3),
    "paths": Paths(ALWAYS, STEPS[0].where, TYPE, depth=2, gap_ms=1_000, limit=3),
}
"""One of each kind, and what answers differ in."""


@pytest.fixture
async def apart(db: SqliteDatabase, tmp_path: Path) -> AsyncIterator[QueryProcesses]:
    """Two projects call."""
    callers, cpu = Callers(lambda: 0.0), ThreadPool(1, "cpu")
    made = QueryProcesses(
        tmp_path / DATABASE_NAME, Events(query_memory_bytes=256 * MIB), cores=2, callers=callers, cpu=cpu
    )
    callers.note(1)
    callers.note(2)
    yield made
    await made.close()
    await cpu.close()


@pytest.fixture
def here(db: SqliteDatabase, engine: Engine) -> QueryRunner:
    return QueryRunner(db, engine, Answers(funnels.COMPILERS, cover.compile_from_rollups))


@pytest.fixture
def there(db: SqliteDatabase, engine: Engine, apart: QueryProcesses) -> QueryRunner:
    return QueryRunner(db, engine, Answers({}, _in_the_server), apart)


def _in_the_server(*_: Any) -> Any:
    raise AssertionError("answered in the server")


async def ready(apart: QueryProcesses, kind: str = AHEAD) -> Any:
    """A process of the kind that waits for a question."""
    pool = apart._shared[kind]
    pool.prepare()
    assert pool._starting is not None
    await pool._starting
    return pool._idle[0]


@pytest.fixture
async def filled(db: SqliteDatabase, engine: Engine, project: int) -> int:
    await db.write(put_block, project, sent(0, 1_000))
    await seal(db, engine, project)
    await db.write(put_block, project, sent(1_000, 500))
    await db.write(put_block, project, sent(1_500, 2, data=HUGE))
    await db.write(put_block, await db.write(make_project, "other"), sent(0, 7))
    return project


async def test_answers_are_those_of_the_server(
    here: QueryRunner, there: QueryRunner, apart: QueryProcesses, filled: int
) -> None:
    process = await ready(apart)
    for name, plan in PLANS.items():
        assert await there.run_query(filled, plan) == await here.run_query(filled, plan), name
    assert process.questions == len(PLANS)


async def test_what_was_stored_since_the_last_question_is_in_the_answer(
    db: SqliteDatabase, there: QueryRunner, apart: QueryProcesses, project: int
) -> None:
    await ready(apart)
    for count in (1, 2):
        await db.write(put_block, project, sent(0, 1))
        assert (await there.run_query(project, PLANS["a count"])).rows == [(count,)]


async def test_errors_are_those_of_the_server(
    here: QueryRunner, there: QueryRunner, apart: QueryProcesses, filled: int
) -> None:
    await ready(apart)
    plan = Listing(ALWAYS, Condition("matches", TYPE, ("(",)))
    said = [await _error(runner, filled, plan) for runner in (here, there)]
    assert (type(said[0]), said[0].message) == (type(said[1]), said[1].message) == (Invalid, said[0].message)
    assert apart._shared[AHEAD].is_ready


async def _error(runner: QueryRunner, project: int, plan: Plan) -> DeltaError:
    with pytest.raises(DeltaError) as raised:
        await runner.run_query(project, plan)
    return raised.value


async def test_damage_is_named(db: SqliteDatabase, there: QueryRunner, apart: QueryProcesses, filled: int) -> None:
    await ready(apart)
    await db.write(lambda tx: tx.run("UPDATE segment_data SET parquet = zeroblob(length(parquet))"))
    assert "segment 1 of events is damaged" in (await _error(there, filled, PLANS["groups"])).message


async def test_who_calls_alone_is_answered_in_the_server(
    db: SqliteDatabase, engine: Engine, apart: QueryProcesses, here: QueryRunner, filled: int
) -> None:
    apart._callers = Callers()
    runner = QueryRunner(db, engine, here._answers, apart)
    assert (await runner.run_query(filled, PLANS["a count"])).rows == [(1_502,)]
    assert not [pool for pool in apart._shared.values() if pool._starting or pool._idle]


async def test_the_first_question_is_answered_in_the_server_while_a_process_starts(
    db: SqliteDatabase, engine: Engine, apart: QueryProcesses, here: QueryRunner, filled: int
) -> None:
    runner = QueryRunner(db, engine, here._answers, apart)
    assert (await runner.run_query(filled, PLANS["a count"])).rows == [(1_502,)]
    if (starting := apart._shared[AHEAD]._starting) is not None:  # it may be faster than the answer
        await starting
    assert (await runner.run_query(filled, PLANS["a count"])).rows == [(1_502,)]
    assert apart._shared[AHEAD]._idle[0].questions == 1


async def test_who_is_behind_waits_for_a_process(apart: QueryProcesses, filled: int) -> None:
    """In the server it would keep the others waiting."""
    asked = apart.answering(filled, PLANS["nothing"])
    assert asked is not None
    assert asked.shared(is_behind=False) is None
    answer = asked.shared(is_behind=True)
    assert answer is not None
    assert (await answer).rows == []


def _small(pool: workers.Workers) -> None:
    """Its processes have little memory."""
    setup = msgspec.msgpack.decode(pool._setup, type=QuerySetup)
    pool._setup = msgspec.msgpack.encode(msgspec.structs.replace(setup, memory_bytes=MIB, threads=1))


async def test_what_needs_more_memory_is_answered_by_a_process_of_its_own(
    here: QueryRunner, there: QueryRunner, apart: QueryProcesses, filled: int, tmp_path: Path
) -> None:
    _small(apart._shared[AHEAD])
    process = await ready(apart)
    assert await there.run_query(filled, PLANS["groups"]) == await here.run_query(filled, PLANS["groups"])
    assert process.questions == 1
    assert not apart._alone._idle, "the system has its memory back"
    assert not list(tmp_path.glob("query-spill-alone*"))
    _small(apart._alone)
    assert isinstance(await _error(there, filled, PLANS["groups"]), NoMemory)


async def test_all_else_of_the_project_ends_before_a_query_has_more_memory(engine: Engine, project: int) -> None:
    """And nothing of others."""
    began = asyncio.Event()

    async def alone() -> None:
        async with engine.all_memory(project):
            began.set()

    with engine.apart(project + 1), engine.apart(project):
        waiting = asyncio.ensure_future(alone())
        while not engine.needs_all_memory(project):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not began.is_set()
    with engine.apart(project + 1):
        await waiting
    assert not engine.needs_all_memory(project)


@pytest.mark.parametrize("kind", [AHEAD, BEHIND])
@pytest.mark.parametrize(("left_s", "is_kept"), [(workers.LEFT_S * 60, True), (0, False)])
async def test_a_question_given_up_ends_its_process_unless_it_is_answered_soon(
    apart: QueryProcesses, filled: int, kind: str, left_s: float, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LEFT_S", left_s)
    process = await ready(apart, kind)
    asked = apart.answering(filled, PLANS["a funnel"])
    assert asked is not None
    answer = asked.shared(is_behind=kind == BEHIND)
    assert answer is not None
    asking = asyncio.ensure_future(answer)
    while process._exchanging is None:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert process.alive is is_kept
    assert apart._shared[kind].is_ready is is_kept


async def test_a_question_past_the_deadline_ends_its_process(
    there: QueryRunner, apart: QueryProcesses, filled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await ready(apart)
    monkeypatch.setattr(workers, "_GRACE_S", -30)
    assert isinstance(await _error(there, filled, PLANS["a funnel"]), TooCostly)
    assert not process.alive


async def test_what_keeps_the_log_long_is_ended(
    there: QueryRunner, apart: QueryProcesses, filled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await ready(apart)
    asking = asyncio.ensure_future(there.run_query(filled, PLANS["a funnel"]))
    while process._asked_s is None:
        await asyncio.sleep(0)
    apart.release(-1)
    with pytest.raises(Unavailable, match="so much was written"):
        await asking


async def test_a_process_that_was_ended_while_it_rested(
    db: SqliteDatabase, engine: Engine, apart: QueryProcesses, here: QueryRunner, filled: int
) -> None:
    process = await ready(apart)
    process._process.kill()
    await process._process.wait()
    runner = QueryRunner(db, engine, here._answers, apart)
    assert (await runner.run_query(filled, PLANS["a count"])).rows == [(1_502,)]


async def test_a_process_that_does_not_start_is_done_without(
    db: SqliteDatabase, engine: Engine, apart: QueryProcesses, here: QueryRunner, filled: int,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    tried = []

    async def refused(*arguments: str, **_: Any) -> Child:
        tried.append(arguments)
        raise OSError("no more processes")

    monkeypatch.setattr(Child, "start", refused)
    runner = QueryRunner(db, engine, here._answers, apart)
    for _ in range(3):
        assert (await runner.run_query(filled, PLANS["a count"])).rows == [(1_502,)]
    assert len(tried) == 1


async def test_nothing_is_asked_once_it_is_closed(there: QueryRunner, apart: QueryProcesses, filled: int) -> None:
    process = await ready(apart)
    await apart.close()
    assert not process.alive
    assert not apart._shared[AHEAD].is_ready


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of processes are Linux's")
async def test_who_has_computed_more_than_its_share_goes_behind_the_others(
    apart: QueryProcesses,
) -> None:
    found = {kind: os.getpriority(os.PRIO_PROCESS, (await ready(apart, kind))._process.pid) for kind in (AHEAD, BEHIND)}
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert found == {AHEAD: own, BEHIND: max(own, NICENESS)}


def test_a_mistake_of_ours_is_logged_and_told_as_one(
    db: SqliteDatabase, project: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(QuerySetup(str(tmp_path / DATABASE_NAME), 64 * MIB, 1))
    with pytest.raises(RuntimeError, match="TypeError"):
        processes._result(worker.answer(QueryQuestion(project, object())))  # type: ignore[arg-type]  # no plan, on purpose
    assert "Traceback" in capsys.readouterr().err
