"""Questions about a million and about ten million events, in one run: over HTTP to a real server, to plain DuckDB on a
Parquet file of the same events, and to SQLite rows."""

import asyncio
import contextlib
import itertools
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import apsw
import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core.events.event import Event
from delta_server.core.times import DAY_MS
from delta_server.features.accounts import service as accounts
from delta_server.features.profiles import tasks as profiles
from delta_server.features.projects import service as projects
from delta_server.storage.database import Tx
from delta_server.storage.events.options import Events
from delta_server.storage.sqlite.options import Storage
from tests.bench import event_data
from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import Server, create_key, serving

COUNTS = sized({"1M": 1_000_000, "10M": 10_000_000}, {"1M": 2_000, "10M": 4_000})
DAYS = sized(30, 1)
ROUNDS = sized(9, 1)
TIMES = sized(5, 1)
DASHBOARD_TIMES = sized(40, 2)
AT_ONCE = sized(10_000, 1_000)
SERVER_MEMORY_BYTES = Events().query_memory_bytes + 150_000_000
HOUR, DAY = "time_ms // 3600000", "time_ms // 86400000"


class Question(msgspec.Struct, frozen=True):
    """`ours` is the body of POST /v1/query, or the path of a GET; `sql` the same for DuckDB, and for SQLite unless it
    wants `sqlite`, or cannot (""). `bar` is how many times DuckDB's time ours may take."""

    name: str
    ours: dict[str, Any] | str
    sql: str
    sqlite: str | None = None
    bar: float = 1.5


QUESTIONS = (
    Question(
        "hourly count by type",
        {"metrics": ["count"], "groupBy": ["time:1h", "eventType"]},
        f"SELECT {HOUR}, event_type, count(*) FROM events GROUP BY 1, 2 ORDER BY 1, 2",
        bar=1.4,
    ),
    Question(
        "  the same, asked so that no rollup has it",
        {"metrics": ["count"], "groupBy": ["time:1h", "eventType"], "filters": [["is", "status", ["ok", "error"]]]},
        f"SELECT {HOUR}, event_type, count(*) FROM events WHERE status IN ('ok', 'error') GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Question(
        "p50, p90, p95, p99 by hour",
        {
            "metrics": ["p50_duration", "p90_duration", "p95_duration", "p99_duration"],
            "groupBy": ["time:1h"],
            "filters": [["is", "status", ["ok", "error"]]],
        },
        f"SELECT {HOUR}, quantile_cont(duration, [0.5, 0.9, 0.95, 0.99]) FROM events"
        " WHERE status IN ('ok', 'error') GROUP BY 1 ORDER BY 1",
        f"SELECT {HOUR}, percentile(duration, 50), percentile(duration, 90), percentile(duration, 95),"
        f" percentile(duration, 99) FROM events WHERE status IN ('ok', 'error') GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "distinct users by day",
        {"metrics": ["unique_users"], "groupBy": ["time:1d"], "filters": [["is", "status", ["ok", "error"]]]},
        f"SELECT {DAY}, count(DISTINCT user_id) FROM events WHERE status IN ('ok', 'error') GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "the last 100 events of one user",
        "/v1/events/raw?userId=user-77&limit=100",
        "SELECT * FROM events WHERE user_id = 'user-77' ORDER BY time_ms DESC LIMIT 100",
    ),
    Question(
        "one user's events by type",
        {"metrics": ["count"], "groupBy": ["eventType"], "filters": [["is", "userId", "user-77"]]},
        "SELECT event_type, count(*) FROM events WHERE user_id = 'user-77' GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "group by a data field",
        {"metrics": ["count"], "groupBy": ["data.plan"]},
        "SELECT data->>'$.plan', count(*) FROM events GROUP BY 1 ORDER BY 1",
    ),
)
DASHBOARDS = {
    "count": ["count"],
    "count, unique users, p95 of duration": ["count", "unique_users", "p95_duration"],
}


class Measured(msgspec.Struct, frozen=True):
    """Times are in ms, by what was asked; of questions those of each round, ours and DuckDB's."""

    questions: dict[str, list[tuple[float, float]]]
    dashboards: dict[str, float]
    memory_bytes: int


@bench("analytics: a million and ten million events")
def questions() -> Iterator[Row]:
    dashboards: dict[str, dict[str, float]] = {}
    for size, count in COUNTS.items():
        with tempfile.TemporaryDirectory() as name:
            directory, end_ms = Path(name), time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
            began = time.perf_counter()
            asyncio.run(fill(directory / "delta-data", count, end_ms))
            yield Row(f"{size}: stored, sealed, merged, rolled up", time.perf_counter() - began, "s")
            measured = _measured(directory, count, end_ms)
            rows = _sqlite(directory, count, end_ms)
        dashboards[size] = measured.dashboards
        for question in QUESTIONS:
            rounds, note = measured.questions[question.name], f"SQLite rows: {rows[question.name]:,.0f} ms"
            yield compared(f"{size}: {question.name}", "ms", rounds, "DuckDB on Parquet", bar=question.bar, note=note)
        bar = float(SERVER_MEMORY_BYTES) / 1e6
        yield Row(f"{size}: memory of the server meanwhile", measured.memory_bytes / 1e6, "MB", bar=bar)
    for name in DASHBOARDS:
        small, large = (dashboards[size][name] for size in COUNTS)
        bar_ms = 50.0 if name == "count" else None
        note = f"p95 of {DASHBOARD_TIMES}, none of them cached"
        yield Row(f"30 days by hour at 10M: {name}", large, "ms", bar=bar_ms, note=note)
        yield Row("  against the same at 1M", large, "ms", small, "at 1M", bar=2)


async def fill(data_dir: Path, count: int, end_ms: int) -> None:
    """A data directory with the events, all of them sealed, merged and rolled up, and their users seen."""
    import duckdb

    async with app.open_services(Config(storage=Storage(data_dir=data_dir))) as svc:
        project = await svc.db.write(make_project)
        made = event_data.made(duckdb.connect(), count=count, end_ms=end_ms, days=DAYS, at_once=AT_ONCE)
        for number, rows in enumerate(made):
            assert not await svc.event_writer.append_events(project, [event(row) for row in rows])
            if number % 13 == 12:
                await svc.event_maintenance.run_maintenance(project)
        await svc.event_maintenance.run_maintenance(project, seal=True, compact=True)
        await profiles.read_events(svc, {})  # a server that has taken them in has seen their users by then


def make_project(tx: Tx) -> int:
    return projects.ensure(tx, accounts.default_account(tx), "bench").id


def event(row: tuple[Any, ...]) -> Event:
    at, event_type, source, user, session, duration, status, data, message = row
    return Event(
        at=at,
        received_at=at + 40,
        type=event_type,
        source=source,
        user_id=user,
        session_id=session,
        duration=duration,
        status=status,
        data=msgspec.Raw(data.encode()),
        message_id=message,
    )


def _measured(directory: Path, count: int, end_ms: int) -> Measured:
    key = create_key(directory, "bench")
    plain = _duckdb(directory, count, end_ms)
    with serving(directory, DELTA_LOG_LEVEL="warning") as server, Connection(server.url, key) as connection:
        with _watched(server) as seen:
            found = {
                q.name: _rounds(partial(_ask, connection, q, end_ms), partial(_fetch, plain, q.sql)) for q in QUESTIONS
            }
        dashboards = {}
        for name, metrics in DASHBOARDS.items():
            body = {"metrics": metrics, "groupBy": ["time:1h"]}
            times = _times_ms(
                partial(_query, connection, body, end_ms),
                DASHBOARD_TIMES,
            )
            dashboards[name] = sorted(times)[int(0.95 * (DASHBOARD_TIMES - 1))]
        return Measured(found, dashboards, max(seen))


def _rounds(ours: Callable[[int], object], peer: Callable[[int], object]) -> list[tuple[float, float]]:
    """Both in turn, each once before that is measured: the first answer reads what the others find in memory."""
    turns = [itertools.count(), itertools.count()]

    def measure(ask: Callable[[int], object], turn: Iterator[int]) -> float:
        return _times_ms(ask, 1, first=next(turn))[0]

    sides = [partial(measure, ask, turn) for ask, turn in zip((ours, peer), turns, strict=True)]
    for side in sides:
        side()
    return in_turn(*sides, rounds=ROUNDS)


def _ask(connection: Connection, question: Question, end_ms: int, turn: int) -> None:
    if isinstance(question.ours, str):
        found = msgspec.json.decode(connection.get(f"{question.ours}&endTime={text(end_ms + turn * 1000)}"))["data"]
        assert len(found) == sized(100, len(found))
    else:
        _query(connection, question.ours, end_ms, turn)


def _query(connection: Connection, body: dict[str, Any], end_ms: int, turn: int) -> None:
    """Each turn asks for another limit: no answer can come from the cache."""
    asked = {**body, "range": [end_ms - DAYS * DAY_MS, end_ms], "limit": 9000 + turn}
    asked["range"] = [text(moment) for moment in asked["range"]]
    assert msgspec.json.decode(connection.post("/v1/query", json.dumps(asked).encode(), wanted=200))["rows"]


def text(moment_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment_ms / 1000))


@contextlib.contextmanager
def _watched(server: Server) -> Iterator[list[int]]:
    """The server's memory, looked at all the time: by counters, for a walk through all of its pages takes a third of a
    core from what is measured meanwhile."""
    seen, done = [server.resident_bytes()], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            seen.append(server.resident_bytes())

    with ThreadPoolExecutor(1) as thread:
        thread.submit(watch)
        try:
            yield seen
        finally:
            done.set()


def _duckdb(directory: Path, count: int, end_ms: int) -> Any:
    """A connection of DuckDB's to the same events in a Parquet file."""
    import duckdb

    connection = duckdb.connect()
    path = directory / "peer.parquet"
    event_data.write_parquet(connection, path, count=count, end_ms=end_ms, days=DAYS)
    connection.execute(f"CREATE VIEW events AS FROM '{path}'")
    return connection


def _sqlite(directory: Path, count: int, end_ms: int) -> dict[str, float]:
    import duckdb

    connection = apsw.Connection(str(directory / "peer.db"))
    connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    connection.execute(f"CREATE TABLE events ({', '.join(event_data.SHOWN)})")
    marks = ", ".join("?" * len(event_data.SHOWN))
    with connection:
        for rows in event_data.made(duckdb.connect(), count=count, end_ms=end_ms, days=DAYS):
            connection.executemany(f"INSERT INTO events VALUES ({marks})", rows)
    times = 1 if count > 1_000_000 else 3
    return {q.name: median(_times_ms(partial(_fetch, connection, _of_sqlite(q)), times)) for q in QUESTIONS}


def _fetch(connection: Any, sql: str, _: int) -> object:
    """All rows, by DuckDB or SQLite."""
    return connection.execute(sql).fetchall()


def _of_sqlite(question: Question) -> str:
    """SQLite divides integers by `/`."""
    return (question.sqlite or question.sql).replace(" // ", " / ")


def median_ms(ask: Callable[[int], object]) -> float:
    ask(TIMES)
    return median(_times_ms(ask, TIMES))


def _times_ms(ask: Callable[[int], object], times: int, *, first: int = 0) -> list[float]:
    taken = []
    for turn in range(first, first + times):
        began = time.perf_counter()
        ask(turn)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken
