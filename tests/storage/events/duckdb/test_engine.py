"""DuckDB over one state of the database: deadlines, cancellation, memory, what it may not reach."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from delta_server.core.errors import DatabaseFailed, DeltaError, Invalid, RateLimited, TooCostly, Unavailable
from delta_server.core.events.event import Event
from delta_server.core.option_types import MIB
from delta_server.storage.events.duckdb import engine as engine_module
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.failures import NoMemory
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.options import Events
from delta_server.storage.priority import WITH_LOCK
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.turns import Callers
from tests.storage.events.stored import make_project, put_block, put_segment, seal
from tests.storage.opened import FAST

WAIT_S = 60
"""Only a deadlock waits this long."""

FOREVER = "SELECT count(*) FROM range(100000000000) WHERE range % 7 = 8"
EVENTS = [Event(at=i, received_at=i, type="a" if i % 2 else "b", seq=i + 1) for i in range(100)]


def lines_of(session: QuerySession, *, blocks: list[Any] | None = None) -> str:
    path = session.read_view.hot_path(session.read_view.blocks() if blocks is None else blocks)
    return f"read_ndjson('{path}', columns = {{t: 'BIGINT', e: 'VARCHAR'}})"


def sealed(session: QuerySession) -> str:
    paths = ", ".join(f"'{session.read_view.segment_path(segment.id)}'" for segment in session.read_view.segments())
    return f"read_parquet([{paths}])"


async def test_waiting_blocks_are_one_file_of_lines(engine: Engine, db: SqliteDatabase, project: int):
    for start in range(0, 100, 10):
        await db.write(put_block, project, EVENTS[start : start + 10])

    def work(session: QuerySession) -> Any:
        return session.rows(f"SELECT e, count(*), sum(t) AS total FROM {lines_of(session)} GROUP BY 1 ORDER BY 1")

    assert await engine.run(project, work) == (
        ("e", "count_star()", "total"),
        [("a", 50, sum(range(1, 100, 2))), ("b", 50, sum(range(0, 100, 2)))],
    )


async def test_a_new_file_is_given_back_and_read_as_a_segment(engine: Engine, db: SqliteDatabase, project: int):
    await db.write(put_block, project, EVENTS)
    await seal(db, engine, project)
    sql = "SELECT count(*), min(time_ms), max(seq) FROM {}"
    _, rows = await engine.run(project, lambda session: session.rows(sql.format(sealed(session))))
    assert rows == [(100, 0, 100)]
    assert await engine.run(project, lambda session: session.read_view.blocks()) == []


async def test_a_query_sees_one_state_whatever_is_written_meanwhile(engine: Engine, db: SqliteDatabase, project: int):
    await db.write(put_block, project, EVENTS)
    loop = asyncio.get_running_loop()

    def work(session: QuerySession) -> list[Any]:
        begun = session.rows(f"SELECT count(*) FROM {lines_of(session)}")[1]
        asyncio.run_coroutine_threadsafe(db.write(lambda tx: tx.run("DELETE FROM event_block")), loop).result()
        return [begun, session.rows(f"SELECT count(*) FROM {lines_of(session)}")[1]]

    assert await engine.run(project, work) == [[(100,)], [(100,)]]
    assert await engine.run(project, lambda session: session.read_view.blocks()) == []


async def test_no_path_leads_to_another_projects_files(engine: Engine, db: SqliteDatabase, project: int):
    other = await db.write(make_project, "other")
    await db.write(put_block, other, EVENTS)
    await seal(db, engine, other)
    [theirs] = await engine.run(other, lambda session: session.read_view.segments())

    def steal(session: QuerySession) -> Any:
        return session.rows(f"SELECT * FROM read_parquet('{session.read_view.segment_path(theirs.id)}')")

    with pytest.raises(Invalid, match="a file that is not there"):
        await engine.run(project, steal)


OFF = "file system operations are disabled"
LOCKED = "the configuration has been locked"
OUTSIDE = [
    ("SELECT * FROM read_csv('/etc/passwd')", OFF),
    ("SELECT * FROM read_text('{database}')", OFF),
    ("SELECT * FROM glob('/*')", OFF),
    ("SELECT * FROM read_parquet('segment://0123456789abcdef0123456789abcdef/1')", "a file that is not there"),
    ("SELECT * FROM read_parquet('hot://../../etc/passwd')", "a file that is not there"),
    ("ATTACH '{database}' AS other", OFF),
    ("COPY (SELECT 1) TO '/tmp/x.csv'", OFF),
    ("COPY (SELECT 1) TO 'segment://x/1' (USE_TMP_FILE false)", "PermissionError"),
    ("SET memory_limit = '100GB'", LOCKED),
    ("SET enable_external_access = true", LOCKED),
    ("RESET lock_configuration", LOCKED),
    ("INSTALL httpfs", OFF),
    ("LOAD httpfs", "Loading external extensions is disabled"),
]


@pytest.mark.parametrize(("sql", "said"), OUTSIDE)
async def test_sql_reaches_nothing_outside(engine: Engine, project: int, tmp_path: Path, sql: str, said: str):
    text = sql.format(database=tmp_path / DATABASE_NAME)
    with pytest.raises((Invalid, duckdb.Error), match=said):
        await engine.run(project, lambda session: session.rows(text))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT regexp_matches('a', '(')", "missing"),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert string 'x'"),
        ("SELECT 9223372036854775807::BIGINT + range FROM range(1, 3)", "Overflow"),
    ],
)
async def test_what_cannot_be_computed_is_the_askers_to_mend(engine: Engine, project: int, sql: str, said: str):
    with pytest.raises(Invalid, match=said):
        await engine.run(project, lambda session: session.rows(sql))


async def test_memory_is_left_for_what_duckdb_does_not_count(db: SqliteDatabase, project: int, tmp_path: Path):
    engine = Engine(tmp_path / DATABASE_NAME, Events(query_threads=1, query_memory_bytes=512 * MIB), FAST)
    told, let_go = threading.Event(), threading.Event()
    limit = "SELECT current_setting('memory_limit')"

    def held(session: QuerySession) -> Any:
        told.set()
        let_go.wait(WAIT_S)
        return session.rows(limit)[1]

    first = asyncio.create_task(engine.run(project, held))
    await asyncio.to_thread(told.wait, WAIT_S)
    _, other = await engine.run(project + 1, lambda session: session.rows(limit))
    let_go.set()
    assert (await first, other) == ([("336.0 MiB",)], [("112.0 MiB",)])
    await engine.close()


LIMIT = "SELECT current_setting('memory_limit')"


class Needy:
    """Work of the background that finds no memory the first time; then the limit under which it ran, once `let_go`."""

    def __init__(self) -> None:
        self.tried, self.begun, self.let_go = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, session: QuerySession) -> Any:
        if not self.tried.is_set():
            self.tried.set()
            raise NoMemory("there is no memory left")
        self.begun.set()
        self.let_go.wait(WAIT_S)
        return session.rows(LIMIT)[1]


async def test_the_background_has_the_smaller_share_but_for_what_does_not_fit(
    db: SqliteDatabase, project: int, tmp_path: Path
) -> None:
    engine = Engine(tmp_path / DATABASE_NAME, Events(query_threads=1, query_memory_bytes=512 * MIB), FAST)
    work = Needy()
    work.let_go.set()
    assert (await engine.run_background(project, lambda session: session.rows(LIMIT)))[1] == [("112.0 MiB",)]
    assert await engine.run_background(project, work) == [("336.0 MiB",)]
    await engine.close()


async def test_a_caller_has_the_larger_share_while_the_background_works(
    db: SqliteDatabase, project: int, tmp_path: Path
) -> None:
    engine = Engine(tmp_path / DATABASE_NAME, Events(query_threads=1, query_memory_bytes=512 * MIB), FAST)
    begun, let_go = threading.Event(), threading.Event()

    def hold(_: QuerySession) -> None:
        begun.set()
        let_go.wait(WAIT_S)

    running = asyncio.create_task(engine.run_background(project, hold))
    await asyncio.to_thread(begun.wait, WAIT_S)
    assert (await engine.run(project, lambda session: session.rows(LIMIT)))[1] == [("336.0 MiB",)]
    let_go.set()
    await running
    await engine.close()


async def test_the_background_waits_with_much_memory_while_a_process_has_half(engine: Engine, project: int) -> None:
    work = Needy()
    work.let_go.set()
    async with engine.all_memory(project):
        running = asyncio.create_task(engine.run_background(project + 1, work))
        await asyncio.to_thread(work.tried.wait, WAIT_S)
        assert (await engine.run_background(project + 2, lambda session: session.rows("SELECT 1")))[1] == [(1,)]
        assert not work.begun.is_set()
    await running


async def test_half_of_the_memory_waits_while_the_background_has_much(
    db: SqliteDatabase, project: int, tmp_path: Path
) -> None:
    engine = await impatient(tmp_path)
    work = Needy()
    running = asyncio.create_task(engine.run_background(project, work))
    await asyncio.to_thread(work.begun.wait, WAIT_S)
    with pytest.raises(Unavailable, match="other queries need the memory"):
        async with engine.all_memory(project):
            raise AssertionError("both had it")
    work.let_go.set()
    await running
    async with engine.all_memory(project):
        pass
    await engine.close()


@pytest.mark.parametrize("is_evictable", [True, False])
async def test_what_may_let_go_ends_when_it_is_asked_to(
    db: SqliteDatabase, project: int, tmp_path: Path, is_evictable: bool
) -> None:
    engine = Engine(tmp_path / DATABASE_NAME, Events(query_threads=1), FAST)
    told, asked = threading.Event(), threading.Event()

    def hold(session: QuerySession) -> Any:
        told.set()
        asked.wait(WAIT_S)
        return session.rows("SELECT 1")[1]

    holding = asyncio.create_task(engine.run_background(project, hold, is_evictable=is_evictable))
    await asyncio.to_thread(told.wait, WAIT_S)
    engine.release(0.0)
    asked.set()
    if is_evictable:
        with pytest.raises(Unavailable, match="so much was written"):
            await holding
    else:
        assert await holding == [(1,)]
    await engine.close()


async def test_a_query_past_the_memory_limit_is_told_so(db: SqliteDatabase, project: int, tmp_path: Path):
    engine = Engine(tmp_path / DATABASE_NAME, Events(query_threads=1, query_memory_bytes=32 * MIB), FAST)
    sql = "SELECT list(range || 'some more text to fill the memory') FROM range(3000000)"
    with pytest.raises(TooCostly, match=r"needs more than events\.query_memory_bytes"):
        await engine.run(project, lambda session: session.rows(sql))
    assert (await engine.run(project, lambda session: session.rows("SELECT 1")))[1] == [(1,)]
    await engine.close()


@pytest.fixture
async def filled(
    db: SqliteDatabase, project: int, tmp_path: Path
) -> AsyncIterator[tuple[Engine, asyncio.Task[Any], threading.Event]]:
    """An engine whose memory is held by a query of `project`, until the event is set."""
    engine = Engine(tmp_path / DATABASE_NAME, Events(query_threads=1, query_memory_bytes=128 * MIB), FAST)
    full, let_go = threading.Event(), threading.Event()

    def fill(session: QuerySession) -> Any:
        session.run(f"CREATE TEMP TABLE held AS SELECT {MUCH} AS texts FROM range(500000)")
        full.set()
        let_go.wait(WAIT_S)
        return session.rows("SELECT len(texts) FROM held")[1]

    holding = asyncio.create_task(engine.run(project, fill))
    await asyncio.to_thread(full.wait, WAIT_S)
    yield engine, holding, let_go
    let_go.set()
    await holding
    await engine.close()


MUCH = "list(range || 'some more text to fill the memory')"


@pytest.mark.parametrize("of", [0, 1], ids=["its own project's", "another's"])
async def test_a_query_that_needs_more_waits_for_the_others_to_end(
    filled: tuple[Engine, asyncio.Task[Any], threading.Event], project: int, of: int
) -> None:
    engine, holding, let_go = filled
    tries = 0

    def need(session: QuerySession) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            asyncio.run_coroutine_threadsafe(_set(let_go), loop)
            if not of:  # what DuckDB keeps of a table it can put on disk
                raise NoMemory("there is no memory left")
        return session.rows(f"SELECT len({MUCH}) FROM range(500000)")[1]

    loop = asyncio.get_running_loop()
    assert await engine.run(project + of, need) == [(500_000,)]
    assert (tries, holding.done()) == (2, True)


async def _set(event: threading.Event) -> None:
    event.set()


async def test_what_needs_more_than_there_is_is_told_so_though_it_was_not_alone(
    filled: tuple[Engine, asyncio.Task[Any], threading.Event], project: int
) -> None:
    engine, _, let_go = filled
    let_go.set()
    with pytest.raises(TooCostly, match="query_memory_bytes"):
        await engine.run(project + 1, lambda session: session.rows(f"SELECT len({MUCH}) FROM range(9000000)"))


async def impatient(tmp_path: Path) -> Engine:
    return Engine(tmp_path / DATABASE_NAME, Events(query_seconds=1, query_threads=1), FAST)


async def test_a_query_past_its_deadline_is_ended(db: SqliteDatabase, project: int, tmp_path: Path):
    engine = await impatient(tmp_path)
    with pytest.raises(TooCostly, match=r"events\.query_seconds \(1 s\)"):
        await engine.run(project, lambda session: session.rows(FOREVER))
    await engine.close()  # waits for the threads: would hang if the query went on


async def test_waiting_for_a_thread_counts(db: SqliteDatabase, project: int, tmp_path: Path):
    engine = await impatient(tmp_path)
    released = threading.Event()
    asked = [engine.run(project, lambda _: released.wait()) for _ in range(engine_module.MAX_QUERIES + 1)]
    failures = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(failure) for failure in failures] == [TooCostly] * (engine_module.MAX_QUERIES - 1) + [Unavailable] * 2
    released.set()
    await engine.close()


async def test_a_cancelled_query_is_ended(engine: Engine, project: int):
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    ended: asyncio.Future[Exception] = loop.create_future()

    def work(session: QuerySession) -> None:
        loop.call_soon_threadsafe(begun.set)
        try:
            session.rows(FOREVER)
        except Exception as error:
            loop.call_soon_threadsafe(ended.set_result, error)
            raise

    asking = asyncio.create_task(engine.run(project, work))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert "Interrupted" in str(await ended) or isinstance(await ended, DeltaError)


@pytest.mark.parametrize("ending", ["its caller left", "the engine is closed"])
async def test_what_does_not_hear_the_first_stop_is_stopped_again(engine: Engine, project: int, ending: str):
    """A statement that only just began to run does not hear it."""
    begun, heard, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    stops: list[DeltaError] = []

    def work(session: QuerySession) -> None:
        stop = session.stop

        def hear(reason: DeltaError) -> None:
            stops.append(reason)
            if len(stops) > 1:
                stop(reason)
                heard.set()

        session.stop = hear  # type: ignore[method-assign]  # to hear when it is called
        loop.call_soon_threadsafe(begun.set)
        heard.wait(WAIT_S)
        session.rows("SELECT 1")

    asking = asyncio.create_task(engine.run(project, work))
    await begun.wait()
    if ending == "its caller left":
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.to_thread(heard.wait, WAIT_S)
    else:
        await engine.close()
        with pytest.raises(Unavailable, match="shutting down"):
            await asking
    assert heard.is_set()


async def test_closing_ends_what_runs_and_refuses_what_comes(engine: Engine, project: int, tmp_path: Path):
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def work(session: QuerySession) -> None:
        loop.call_soon_threadsafe(begun.set)
        session.rows(FOREVER)

    asking = asyncio.create_task(engine.run(project, work))
    await begun.wait()
    assert (tmp_path / "query-spill").stat().st_mode & 0o777 == 0o700
    await engine.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await asking
    with pytest.raises(Unavailable, match="shutting down"):
        await engine.run(project, lambda session: session.rows("SELECT 1"))
    await engine.close()
    assert not (tmp_path / "query-spill").exists()


def numbers(session: QuerySession) -> Iterator[list[Any]]:
    yield from session.batches("SELECT range FROM range(1000000000)", rows=1000)


async def test_a_stream_gives_batches_as_they_are_asked_for(engine: Engine, project: int):
    stream = engine.stream(project, numbers)
    seen = [len(await anext(stream)) for _ in range(5)]
    await stream.aclose()
    assert seen == [1000] * 5
    # its connection is given back: as many may be opened again, one after the other
    for _ in range(engine_module.MAX_STREAMS + 1):
        again = engine.stream(project, numbers)
        await anext(again)
        await again.aclose()


async def test_too_many_streams_are_refused(engine: Engine, project: int):
    """Who calls alone may have half of those that may be open."""
    most = engine_module.MAX_STREAMS
    streams = [engine.stream(project, numbers) for _ in range(most // 2)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(RateLimited, match="of this project are running"):
        await anext(engine.stream(project, numbers))
    others = [engine.stream(project + 1 + n // 2, numbers) for n in range(most // 2)]
    for stream in others:
        await anext(stream)
    with pytest.raises(Unavailable, match="exports are running"):
        await anext(engine.stream(project + 9, numbers))
    for stream in (*streams, *others):
        await stream.aclose()


async def test_while_others_call_a_project_may_have_a_quarter_of_the_streams(engine: Engine, project: int):
    engine._turns._callers = Callers(lambda: 0.0)  # lately, however long this takes
    await engine.run(project + 1, lambda session: None)
    streams = [engine.stream(project, numbers) for _ in range(engine_module.MAX_STREAMS // 4)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(RateLimited, match="2 exports of this project are running"):
        await anext(engine.stream(project, numbers))
    streams.append(engine.stream(project, numbers, has_caller=False))
    await anext(streams[-1])
    for stream in streams:
        await stream.aclose()


async def test_a_stream_that_nobody_reads_is_ended(engine: Engine, project: int, monkeypatch: pytest.MonkeyPatch):
    """Its time begins anew with each item."""
    loop, due = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    later = loop.call_later

    def noted(delay_s: float, ending: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        timer = later(delay_s, ending, *args)
        if delay_s == engine._seconds and ending == engine._end:
            due.append(timer)
        return timer

    monkeypatch.setattr(loop, "call_later", noted)
    stream = engine.stream(project, numbers)
    await anext(stream)
    await anext(stream)
    assert [timer.cancelled() for timer in due] == [True, False]
    due[1]._run()
    with pytest.raises(TooCostly, match=f"nothing was read for {engine._seconds} s"):
        await anext(stream)


async def test_a_damaged_segment_is_told_as_one(engine: Engine, db: SqliteDatabase, project: int):
    await db.write(put_segment, project, b"no Parquet at all", 1, 0, 1)
    with pytest.raises(
        DatabaseFailed, match=r"the segment 1 of events is damaged: it cannot be decoded \(from 1970-01"
    ):
        await engine.run(project, lambda session: session.rows(f"SELECT * FROM {sealed(session)}"))


async def test_a_damaged_block_is_told_with_its_times(engine: Engine, db: SqliteDatabase, project: int):
    for start in (0, 50):
        await db.write(put_block, project, EVENTS[start : start + 50])
    await db.write(lambda tx: tx.run("UPDATE event_block SET events = zeroblob(20) WHERE id = 2"))
    with pytest.raises(DatabaseFailed, match=r"waiting block 2 .* \(from 1970-01-01T00:00:00.050Z to .*\.099Z\)"):
        await engine.run(project, lambda session: session.rows(f"SELECT count(*) FROM {lines_of(session)}"))
    first = await engine.run(project, lambda session: [session.read_view.blocks()[0].events_count])
    assert first == [50]


async def test_queries_of_who_has_had_more_than_its_share_run_behind_those_of_the_others(engine: Engine, project: int):
    def where(_session: QuerySession) -> tuple[str, int]:
        name, _, _ = threading.current_thread().name.rpartition("_")
        return name, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    first = await engine.run(project, where)
    assert first == ("delta-query", os.getpriority(os.PRIO_PROCESS, 0))
    engine._turns._use.add(project, 100.0)
    assert await engine.run(project, where) == first  # nobody else asks
    engine._turns._use.add(project + 1, 1.0)
    assert await engine.run(project + 1, where) == first
    behind = max(WITH_LOCK, first[1]) if sys.platform == "linux" else first[1]
    assert await engine.run(project, where) == ("delta-later-query", behind)
