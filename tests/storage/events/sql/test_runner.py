"""SQL of callers: what it sees, and that it reaches nothing else, tried."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.app import FEATURES
from delta_server.core.errors import Invalid, TooCostly, Unavailable
from delta_server.core.events.event import Event
from delta_server.core.option_types import MIB
from delta_server.core.query.plan import Sql
from delta_server.http.feature import sql_views_of
from delta_server.storage.child_process import Child
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.options import Events
from delta_server.storage.events.sql import check, views
from delta_server.storage.events.sql.runner import SqlProcesses
from delta_server.storage.events.sql.worker import UNCOUNTED_BYTES, SqlRequest, Worker, WorkerSetup
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.turns import Callers
from tests.storage.events.stored import make_project, put_block, seal

AT = 1_767_225_600_000  # 2026-01-01


def some(first_seq: int, kind: str, count: int = 3, *, user: str = "u") -> list[Event]:
    return [
        Event(AT + n, AT + n, kind, first_seq + n, "web", f"{user}{n}", data=msgspec.Raw(b'{"plan": "pro"}'))
        for n in range(count)
    ]


@pytest.fixture
def seconds() -> int:
    """More than any question here takes on a busy machine."""
    return 60


@pytest.fixture
async def sql(db: SqliteDatabase, tmp_path: Path, seconds: int) -> AsyncIterator[SqlProcesses]:
    options = Events(query_memory_bytes=256 * MIB, query_seconds=seconds)
    processes = SqlProcesses(tmp_path / DATABASE_NAME, options, cores=2, views=sql_views_of(FEATURES))
    yield processes
    await processes.close()


@pytest.fixture
async def other(db: SqliteDatabase, engine: Engine, project: int) -> int:
    """A second project; both have events that wait and events that are sealed."""
    made = await db.write(make_project, "other")
    await db.write(put_block, project, some(1, "view"))
    await db.write(put_block, made, some(101, "secret", user="s"))
    await seal(db, engine, project)
    await seal(db, engine, made)
    await db.write(put_block, project, some(11, "buy", 2))
    await db.write(put_block, made, some(111, "secret", user="s"))
    return made


async def ask(sql: SqlProcesses, project: int, text: str, *params: Any, limit: int = 1000) -> list[list[Any]]:
    answer = await sql.run_query(project, Sql(text, limit, params))
    return [list(row.values()) for row in rows_of(answer)]


def rows_of(answer: QueryResult) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(answer.written)
    return found


REFUSED = [
    # files, other places
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'delta.db'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_csv(['/etc/passwd', '/etc/group'])",
    "SELECT * FROM read_json('/proc/self/status')",
    "SELECT * FROM read_ndjson_objects('/etc/passwd')",
    "SELECT * FROM read_parquet('segment://00000000000000000000000000000000/1')",
    "SELECT * FROM 'segment://00000000000000000000000000000000/2'",
    "SELECT * FROM 'hot://00000000000000000000000000000000/0'",
    "SELECT * FROM 'table://00000000000000000000000000000000/snapshots'",
    "SELECT * FROM parquet_metadata('/tmp/a.parquet')",
    "SELECT * FROM read_duckdb('/tmp/a.db')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM glob('/proc/self/fd/*')",
    "SELECT * FROM read_text('/dev/stdin')",
    "SELECT * FROM sqlite_scan('delta.db', 'api_key')",
    "SELECT * FROM 'https://example.com/a.parquet'",
    "SELECT * FROM read_csv('http://127.0.0.1:1/a.csv')",
    "SELECT * FROM 's3://bucket/a.parquet'",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM events JOIN LATERAL (SELECT * FROM read_text('/etc/' || source)) ON true",
    "WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a",
    "WITH \"/etc/passwd\" AS (SELECT 1) SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM query_table('/etc/passwd')",
    "SELECT * FROM query_table(['events'])",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    # Python: variables, objects by address
    "SELECT * FROM request",
    "SELECT * FROM connection",
    "SELECT * FROM self",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(140000000000)",
    "SELECT * FROM python_map_function(1)",
    # settings, secrets, the inside of DuckDB
    "SELECT current_setting('allowed_paths')",
    "SELECT main.current_setting('allowed_paths')",
    "SELECT getenv('HOME')",
    "SELECT getvariable('a')",
    "SELECT version()",
    "SELECT current_query()",
    "SELECT write_log('a')",
    "SELECT sleep_ms(1000)",
    "SELECT pg_sleep(1)",
    "SELECT pg_get_viewdef(1)",
    "SELECT json_serialize_plan('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_settings",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://a', 's3')",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_views",
    "WITH duckdb_views AS (SELECT * FROM duckdb_views) SELECT * FROM duckdb_views",
    "WITH a AS (SELECT * FROM duckdb_views), duckdb_views AS (SELECT 1) SELECT * FROM a",
    "SELECT * FROM (WITH duckdb_views AS (SELECT 1) SELECT * FROM duckdb_views), duckdb_views",
    "SELECT (WITH sqlite_master AS (SELECT 1 AS a) SELECT a FROM sqlite_master), * FROM sqlite_master",
    'WITH "duc\u212adb_views" AS (SELECT 1) SELECT * FROM duckdb_views',
    "WITH RECURSIVE pg_settings AS (SELECT name a FROM pg_settings UNION ALL SELECT a FROM pg_settings WHERE false)"
    " SELECT * FROM pg_settings",
    "WITH RECURSIVE PG_Settings(a) AS (SELECT name FROM pg_SETTINGS UNION SELECT a FROM pg_settings) TABLE pg_settings",
    "WITH RECURSIVE duckdb_views AS ((SELECT sql FROM duckdb_views LIMIT 1) UNION ALL SELECT 'a') FROM duckdb_views",
    "WITH RECURSIVE duckdb_views AS (SELECT (SELECT max(sql) FROM duckdb_views) a UNION ALL SELECT a FROM duckdb_views)"
    " FROM duckdb_views",
    "WITH RECURSIVE pg_settings AS (SELECT 'a' UNION ALL SELECT name FROM pg_settings UNION ALL SELECT 'b')"
    " FROM pg_settings",
    "WITH RECURSIVE t AS (WITH sqlite_master AS (FROM sqlite_master) SELECT sql FROM sqlite_master UNION ALL FROM t)"
    " FROM t",
    "WITH RECURSIVE t(a) USING KEY (a) AS (SELECT name FROM pg_settings UNION SELECT a FROM recurring.t) FROM t",
    "WITH pg_settings AS MATERIALIZED (FROM pg_settings) FROM pg_settings",
    "WITH pg_settings AS NOT MATERIALIZED (FROM pg_settings) FROM pg_settings",
    "WITH a AS (WITH pg_settings AS (SELECT 1) SELECT 1), b AS (FROM pg_settings) FROM b",
    "SELECT 1 UNION ALL (WITH pg_settings AS (SELECT 1) FROM pg_settings) UNION ALL SELECT name FROM pg_settings",
    "FROM (WITH duckdb_tables AS (SELECT 1 a) FROM duckdb_tables) x JOIN duckdb_tables ON true",
    "SELECT * FROM events, LATERAL (SELECT * FROM duckdb_columns)",
    "PIVOT pg_settings ON name USING count(*)",
    "UNPIVOT pg_settings ON name, setting",
    "SELECT EXISTS (FROM pragma_database_list)",
    "SELECT 1; SELECT 2 -- ;",
    "SELECT 1; -- note\nSELECT 2",
    "-- note\n",
    "SELECT 1) -- ",
    "SELECT 1 /* ; */) --",
    ";",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM duckdb_logs",
    "SELECT * FROM duckdb_memory()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM duckdb_external_file_cache()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM pragma_user_agent()",
    "SELECT * FROM pragma_show('events')",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM main.events",
    "SELECT * FROM memory.main.events",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM enable_profiling()",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM register_external_resource('a')",
    "SELECT * FROM repeat_row(1, num_rows = 10)",
    "SELECT * FROM test_all_types()",
    # other statements, several, those inside a SELECT
    "ATTACH 'delta.db'",
    "ATTACH '/tmp/new.db' AS a",
    "COPY events TO '/tmp/out.csv'",
    "COPY (SELECT 1) TO '/tmp/out.csv'",
    "WITH a AS (COPY (SELECT 1) TO '/tmp/out.csv') SELECT 1",
    "WITH a AS (INSERT INTO events VALUES (1) RETURNING *) SELECT * FROM a",
    "WITH a AS (DELETE FROM events RETURNING *) SELECT * FROM a",
    "PRAGMA database_list",
    "PRAGMA threads = 8",
    "SET memory_limit = '10GB'",
    "RESET memory_limit",
    "SET VARIABLE a = 1",
    "USE memory",
    "CALL pragma_version()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/a.duckdb_extension'",
    "EXPORT DATABASE '/tmp/out'",
    "IMPORT DATABASE '/tmp/out'",
    "CREATE TABLE a AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "CREATE MACRO f() AS 1",
    "CREATE FUNCTION f() AS 1",
    "INSERT INTO events VALUES (1)",
    "UPDATE events SET source = 'a'",
    "DELETE FROM events",
    "DROP VIEW events",
    "ALTER VIEW events RENAME TO a",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE a AS SELECT 1",
    "EXECUTE a",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "DESCRIBE sqlite_master",
    "DESCRIBE main.events",
    "DESCRIBE SELECT 1",
    "DESCRIBE 'delta.db'",
    "DESCRIBE events; DESCRIBE events",
    "SHOW events UNION SELECT 1",
    "SUMMARIZE events",
    "SUMMARIZE events",
    "SHOW DATABASES",
    "SHOW TABLES FROM pg_catalog",
    "SELECT * FROM (DESCRIBE events)",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW events",
    "",
    ";",
    "SELECT",
    "nonsense",
    "SELECT 1) AS q; SELECT (2",
    "SELECT 1) AS a, (SELECT 2",
    "SELECT nothing FROM events",
    "SELECT 'a'::INTEGER",
    "SELECT error('mine')",
    "SELECT ?",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "-" * 200 + "1;" * 3,
    "SELECT " + "1+" * 50_000 + "1",
    "SELECT '" + "a" * 100_001 + "'",
    "SELECT \0",
]


HARMLESS = [
    ("SELECT current_user", "duckdb"),
    ("SELECT count(*) FROM events AS other", 5),
    ("WITH secret AS (SELECT 1 AS a) SELECT a FROM secret", 1),
    ("WITH a AS (SELECT 1 AS n), b AS (SELECT n + 1 AS n FROM a) SELECT (SELECT n FROM A) + n FROM b", 3),
    ("WITH a AS (SELECT 1 AS n) SELECT n FROM a UNION ALL (WITH b AS (FROM a) FROM b)", 1),
    ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT max(n) FROM t", 5),
    ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL (WITH b AS (FROM t) SELECT n + 1 FROM b WHERE n < 5)) FROM t", 1),
    ("SELECT count(*) FROM range(10)", 10),
    ("SELECT 1; -- note", 1),
    ("SELECT 1;; /* a;b */ ;\t", 1),
    (";; -- before\n;SELECT 1 -- after\n;", 1),
    ("/* a */ SELECT /* ; */ 1 /* b */ -- c ; é", 1),
    ("SELECT 'é;' --é;\n;--é", "é;"),
    ("SELECT $$a;--b$$; -- $$", "a;--b"),
    ("SELECT ';'", ";"),
    ('SELECT 1 AS ";"', 1),
    ("SELECT 1 -- \r\n;\r\n", 1),
    ("SELECT 1 AS a -- ; DROP VIEW events", 1),
    ("SELECT 1 /* ) */;", 1),
    ("TABLE events LIMIT 0", None),
    ("SELECT 1/0", None),
]

LONG = [
    "SELECT count(*) FROM range(1000000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    "WITH RECURSIVE t(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM t) SELECT count(*) FROM t",
]
LARGE = [
    "SELECT range(1000000000)",
    "SELECT list(range) FROM range(1000000000)",
    "SELECT repeat('x', 4000000000)",
    "SELECT format('{:>1000000000}', 'x')",
    "SELECT list_resize([1], 2000000000)",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
    "SELECT x||x||x||x||x||x||x||x FROM (SELECT x||x||x||x||x||x||x||x AS x FROM"
    " (SELECT x||x||x||x||x||x||x||x AS x FROM (SELECT repeat('a', 1000000) AS x)))",
]


async def test_what_is_refused(sql: SqlProcesses, project: int, other: int, tmp_path: Path) -> None:
    passed = []
    for text in REFUSED:
        with suppress(Invalid):
            await sql.run_query(project, Sql(text, 10))
            passed.append(text)
    assert passed == []
    assert not Path("/tmp/out.csv").exists()


async def test_refusals_name_the_part_and_nothing_inside(
    sql: SqlProcesses, project: int, other: int, tmp_path: Path
) -> None:
    for text in [
        "SELECT nothing FROM events",
        "SELECT 'a'::INTEGER",
        "SELECT * FROM 'delta.db'",
        "SELECT data->'a'->>1 + 1",
    ]:
        with pytest.raises(Invalid) as refusal:
            await sql.run_query(project, Sql(text, 10))
        assert refusal.value.errors[0].field == "sql"
        assert str(tmp_path) not in refusal.value.message
        assert "://" not in refusal.value.message


async def test_duckdb_itself_is_locked(
    db: SqliteDatabase, project: int, other: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second wall: what the check of the text would let through."""
    monkeypatch.setattr(check, "views", lambda connection, text, known: frozenset({"events"}))
    worker = Worker(WorkerSetup(str(tmp_path / DATABASE_NAME), 256 * MIB, 1, 10.0))
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    [(segment,)] = await db.read(lambda tx: tx.all("SELECT id FROM segment WHERE project = ?", other))
    local = [("python", "variable")]
    assert worker.answer(SqlRequest(project, "SELECT count(*) FROM events", (), 1)).rows == b'[{"count_star()":5}]'
    for text in [
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM read_text('{secret}')",
        f"SELECT * FROM read_blob('{tmp_path / DATABASE_NAME}')",
        f"SELECT * FROM glob('{tmp_path}/*')",
        f"SELECT * FROM sniff_csv('{secret}')",
        f"SELECT * FROM read_csv('file://{secret}')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_csv('http://127.0.0.1:1/a.csv')",
        "SELECT * FROM read_text('table://a/snapshots')",
        "SELECT * FROM duckdb_extensions()",
        "SELECT * FROM local",
        "WITH a AS (COPY (SELECT 1) TO '/tmp/out.csv') SELECT 1",
    ]:
        answered = worker.answer(SqlRequest(project, text, (), 10))
        assert answered.refused is not None, (text, answered, local)
        assert answered.invalid
    with ExitStack() as opened:
        connection = opened.enter_context(closing(worker._connect(256 * MIB)))
        read_view = opened.enter_context(worker._read_views.open(project))
        worker._show(connection, read_view, frozenset({"events"}), opened)
        for text in [
            f"SELECT * FROM read_parquet('{read_view.segment_path(segment)}')",
            f"SELECT * FROM read_parquet('{read_view.segment_path(99)}')",
            f"SELECT * FROM read_text('hot://{read_view.token}/1')",
            "SET enable_external_access = true",
            "SET allowed_paths = ['/etc/passwd']",
            "SET threads = 64",
            "RESET allowed_paths",
        ]:
            with pytest.raises(Exception, match=r"disabled by configuration|locked"):
                connection.execute(text)
    assert not Path("/tmp/out.csv").exists()


async def test_another_projects_files_are_not_in_the_snapshot(
    db: SqliteDatabase, engine: Engine, project: int, other: int
) -> None:
    [(segment,)] = await db.read(lambda tx: tx.all("SELECT id FROM segment WHERE project = ?", other))

    def look(session: QuerySession) -> None:
        with pytest.raises(KeyError):
            session.read_view.open("segment", segment)

    await engine.run(project, look)


async def test_what_looks_odd_and_is_harmless(sql: SqlProcesses, project: int, other: int) -> None:
    for text, value in HARMLESS:
        rows = await ask(sql, project, text)
        assert rows == [] if text.startswith("TABLE") else rows[0][0] == value, text


@pytest.mark.parametrize("seconds", [1])
async def test_what_takes_too_long_ends(sql: SqlProcesses, project: int, other: int) -> None:
    """And the next question is answered."""
    for text in LONG:
        with pytest.raises(TooCostly):
            await sql.run_query(project, Sql(text, 10))
        assert await answer_of_next(sql, project) == [[5]]


async def test_what_takes_too_much_memory_ends(sql: SqlProcesses, project: int, other: int) -> None:
    for text in LARGE:
        with pytest.raises(TooCostly):
            await sql.run_query(project, Sql(text, 10))
        assert await ask(sql, project, "SELECT count(*) FROM events") == [[5]]


async def test_while_others_call_a_question_has_a_part_of_the_memory_first(
    db: SqliteDatabase, engine: Engine, project: int, tmp_path: Path
) -> None:
    """And half of it when that is too little, alone. So what all ask for at once does not add up."""
    callers = Callers(lambda: 0.0)
    made = SqlProcesses(
        tmp_path / DATABASE_NAME,
        Events(query_memory_bytes=128 * MIB),
        cores=1,
        views={},
        callers=callers,
        engine=engine,
    )
    asked: list[int | None] = []
    ask_worker = made._workers.ask

    async def noted(question: bytes) -> bytes:
        asked.append(msgspec.msgpack.decode(question, type=SqlRequest).memory_bytes)
        assert engine.needs_all_memory(project) is (asked[-1] == 64 * MIB)
        return await ask_worker(question)

    made._workers.ask = noted  # type: ignore[method-assign]  # in place of the method, which it calls
    callers.note(project)
    assert await ask(made, project, "SELECT 1") == [[1]]
    callers.note(project + 1)
    assert await ask(made, project, "SELECT 1") == [[1]]
    large = "SELECT count(DISTINCT range) FROM range({})"
    assert await ask(made, project, large.format(700_000)) == [[700_000]]
    with pytest.raises(TooCostly, match="more memory than events"):
        await ask(made, project, large.format(9_000_000))
    assert asked == [84 * MIB, 32 * MIB, 32 * MIB, 64 * MIB, 32 * MIB, 64 * MIB]
    await made.close()


async def test_while_others_call_a_process_may_take_little_beside_what_duckdb_counts(
    db: SqliteDatabase, engine: Engine, project: int, tmp_path: Path
) -> None:
    """Who calls alone may take as much again: sets of distinct values are not counted."""
    callers = Callers(lambda: 0.0)
    options = Events(query_memory_bytes=1024 * MIB)
    made = SqlProcesses(tmp_path / DATABASE_NAME, options, cores=1, views={}, callers=callers, engine=engine)
    left: list[int] = []
    for _ in range(2):
        callers.note(project + len(left))
        assert await ask(made, project, "SELECT 1") == [[1]]
        [process] = made._workers._idle
        assert process._process is not None
        soft, _ = resource.prlimit(process._process.pid, resource.RLIMIT_DATA)
        left.append(soft)
    await made.close()
    alone, beside = left
    assert alone > 2 * 672 * MIB
    assert 256 * MIB + UNCOUNTED_BYTES < beside < 2 * 256 * MIB


async def answer_of_next(sql: SqlProcesses, project: int) -> list[list[Any]]:
    """On a busy machine even that may take a second, for a while."""
    for _ in range(60):
        with suppress(TooCostly):
            return await ask(sql, project, "SELECT count(*) FROM events")
    raise AssertionError("nothing is answered any more")


async def test_only_the_projects_own(sql: SqlProcesses, project: int, other: int) -> None:
    mine = await ask(sql, project, "SELECT event_type, count(*) FROM events GROUP BY ALL ORDER BY ALL")
    assert mine == [["buy", 2], ["view", 3]]
    assert await ask(sql, other, "SELECT DISTINCT event_type, count(*) FROM events GROUP BY ALL") == [["secret", 6]]


async def test_columns_of_events(sql: SqlProcesses, project: int, other: int) -> None:
    answer = await sql.run_query(project, Sql("SELECT * FROM events ORDER BY timestamp, message_id LIMIT 1", 10))
    assert rows_of(answer)[0] == {
        "message_id": "e-1", "event_type": "view", "timestamp": "2026-01-01T00:00:00.000Z",
        "received_at": "2026-01-01T00:00:00.000Z", "original_timestamp": None, "source": "web", "user_id": "u0",
        "anonymous_id": None, "session_id": None, "duration": None, "priority": None, "status": None, "tags": None,
        "data": {"plan": "pro"}, "metadata": None, "time_ms": AT, "person": "u0",
    }  # fmt: skip
    assert answer.types[:3] == ("VARCHAR", "VARCHAR", "TIMESTAMP WITH TIME ZONE")
    assert (answer.scanned, answer.truncated) == (5, False)


NIGHT = AT + 23 * 3_600_000 + 1_800_000
"""23:30 of the first of January in UTC, the second in Kolkata."""

TIMES_OF_SQL: dict[str, list[list[Any]]] = {
    "SELECT date_trunc('day', timestamp AT TIME ZONE 'Asia/Kolkata'), count(*) FROM events GROUP BY 1 ORDER BY 1": [
        ["2026-01-01T00:00:00.000Z", 1], ["2026-01-02T00:00:00.000Z", 1]
    ],
    "SELECT (timestamp AT TIME ZONE 'America/New_York')::DATE FROM events ORDER BY 1": [["2025-12-31"], ["2026-01-01"]],
    "SELECT date_trunc('day', timestamp) AS d, count(*) FROM events GROUP BY 1": [["2026-01-01T00:00:00.000Z", 2]],
    "SELECT time_bucket(INTERVAL 1 HOUR, timestamp) FROM events ORDER BY 1": [
        ["2026-01-01T00:00:00.000Z"], ["2026-01-01T23:00:00.000Z"]
    ],
    "SELECT hour(timestamp), epoch_ms(timestamp) - time_ms FROM events ORDER BY 1": [[0, 0], [23, 0]],
    "SELECT strftime(timestamp, '%Y-%m-%d %H:%M') FROM events ORDER BY 1": [["2026-01-01 00:00"], ["2026-01-01 23:30"]],
    "SELECT count(*) FROM events WHERE timestamp > '2026-01-01'": [[1]],
    "SELECT count(*) FROM events WHERE timestamp >= DATE '2026-01-01'": [[2]],
    "SELECT count(*) FROM events WHERE timestamp >= TIMESTAMP '2026-01-01 23:30:00'": [[1]],
    "SELECT count(*) FROM events WHERE timestamp >= '2026-01-02T05:00:00+05:30'": [[1]],
    "SELECT count(*) FROM events WHERE timestamp BETWEEN '2026-01-01' AND '2026-01-02'": [[2]],
    "SELECT max(timestamp) - min(timestamp) FROM events": [["23:30:00"]],
    "SELECT timestamp - INTERVAL 1 DAY FROM events ORDER BY 1 LIMIT 1": [["2025-12-31T00:00:00.000Z"]],
    "SELECT count(*) FROM events WHERE timestamp < now()": [[2]],
    "SELECT typeof(captured_at), (captured_at AT TIME ZONE 'Asia/Kolkata')::VARCHAR FROM snapshots LIMIT 1": [
        ["TIMESTAMP WITH TIME ZONE", "2026-01-01 05:30:00"]
    ],
    "SELECT (captured_at AT TIME ZONE 'Asia/Kolkata')::DATE FROM deltas LIMIT 1": [["2026-01-01"]],
    "SELECT typeof(last_changed_at) FROM fields LIMIT 1": [["TIMESTAMP WITH TIME ZONE"]],
}  # fmt: skip


@pytest.mark.parametrize("text", ["SHOW TABLES", "show all tables ;", " Show\n tables"])
async def test_tables_are_listed(sql: SqlProcesses, project: int, text: str) -> None:
    names = [*views.OWN, *sql_views_of(FEATURES)]
    assert await ask(sql, project, text) == [[name] for name in names]
    assert await ask(sql, project, text, limit=2) == [[name] for name in names[:2]]


async def test_views_are_described_as_they_are_and_documented(sql: SqlProcesses, project: int, other: int) -> None:
    documents = (Path(__file__).parents[4] / "docs" / "events.md").read_text(encoding="utf-8")
    for name in ("events", "records", "field_values", *sql_views_of(FEATURES)):
        read = await sql.run_query(project, Sql(f"SELECT * FROM {name}", 1, ()))
        wanted = [[column, kind] for column, kind in zip(read.columns, read.types, strict=True)]
        for text in (f"DESCRIBE {name}", f'desc "{name.upper()}";', f"SHOW {name}"):
            assert await ask(sql, project, text) == wanted
        [line] = [line for line in documents.splitlines() if line.startswith(f"| `{name}` |")]
        told = [part.strip(" `") for part in line.split("|")[3].split(",")]
        assert told == [f"{column} {kind}" for column, kind in wanted]


async def test_a_description_takes_no_parameters(sql: SqlProcesses, project: int) -> None:
    with pytest.raises(Invalid, match="params"):
        await ask(sql, project, "DESCRIBE events", 1)


async def test_times_are_instants(db: SqliteDatabase, sql: SqlProcesses, project: int) -> None:
    """`AT TIME ZONE` shows a zone's clock; texts without a zone are UTC."""
    await db.write(put_block, project, [Event(at, at, "view", seq) for seq, at in ((1, AT), (2, NIGHT))])
    await db.write(_put_history, project, "mine")
    assert {text: await ask(sql, project, text) for text in TIMES_OF_SQL} == TIMES_OF_SQL


async def test_parameters_and_limits(sql: SqlProcesses, project: int, other: int) -> None:
    text = "SELECT event_type FROM events WHERE event_type = ? OR time_ms > ? ORDER BY time_ms"
    assert sorted(await ask(sql, project, text, "buy", AT + 1)) == [["buy"], ["buy"], ["view"]]
    answer = await sql.run_query(project, Sql("SELECT * FROM range(10)", 3))
    assert (len(rows_of(answer)), answer.truncated) == (3, True)
    answer = await sql.run_query(project, Sql("SELECT repeat('x', 1000000) FROM range(30)", 100))
    assert (len(rows_of(answer)), answer.truncated) == (16, True)


async def test_values(sql: SqlProcesses, project: int) -> None:
    """As JSON has them: a number only where nothing of it is lost."""
    values = {
        "1::TINYINT": 1, "-1::BIGINT": -1, "18446744073709551615::UBIGINT": 2**64 - 1, "1024::HUGEINT": 1024,
        "170141183460469231731687303715884105727::HUGEINT": "170141183460469231731687303715884105727",
        "1.50::DECIMAL(3, 2)": 1.5, "0.1::DECIMAL(30, 1)": 0.1,
        "1234567890123456789.123::DECIMAL(38, 3)": "1234567890123456789.123",
        "1e300": 1e300, "'nan'::DOUBLE": None, "'-inf'::FLOAT": None, "true": True, "NULL": None, "'é'": "é",
        "DATE '2026-05-01'": "2026-05-01", "TIME '10:00:00'": "10:00:00", "INTERVAL 3 DAY": "3 days",
        "TIMESTAMP '2026-05-01 10:00:00.1234'": "2026-05-01T10:00:00.123Z",
        "TIMESTAMPTZ '2026-05-01 10:00:00+02'": "2026-05-01T08:00:00.000Z", "'infinity'::TIMESTAMP": "infinity",
        r"'\xFFa'::BLOB": "/2E=", "[1, NULL]": [1, None], "['nan'::DOUBLE, 1.5]": [None, 1.5],
        "{'a': [1.5]}": {"a": [1.5]}, "MAP {'a': 1}": {"a": 1}, "'[1, {}]'::JSON": [1, {}],
        "'a'::ENUM ('a', 'b')": "a", "'101'::BITSTRING": "101", "union_value(k := 1)": {"k": 1}, "1::VARIANT": 1,
    }  # fmt: skip
    answer = await sql.run_query(project, Sql("SELECT " + ", ".join(values), 1))
    assert list(rows_of(answer)[0].values()) == list(values.values())
    answer = await sql.run_query(project, Sql("SELECT 1 AS a, 2 AS a, 3 AS b", 1))
    assert answer.columns == ("a", "a_1", "b")


async def test_numbers_longer_than_pythons(db: SqliteDatabase, engine: Engine, sql: SqlProcesses, project: int) -> None:
    """One event with such a number was the end of every SELECT that met it."""
    data = msgspec.Raw(b'{"n": ' + b"9" * 5000 + b"}")
    await db.write(put_block, project, [Event(AT, AT, "view", 1, data=data)])
    assert await ask(sql, project, "SELECT data FROM events") == [[{"n": "9" * 5000}]]


async def test_what_else_is_stored(db: SqliteDatabase, sql: SqlProcesses, project: int, other: int) -> None:
    await db.write(_put_history, project, "mine")
    await db.write(_put_history, other, "theirs")
    first, second = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z"
    shots = "SELECT endpoint, captured_at, size_bytes, content_hash, unchanged, metadata->>'region' FROM snapshots"
    assert await ask(sql, project, f"{shots} ORDER BY captured_at") == [
        ["mine", first, 7, "ab", False, "eu"],
        ["mine", second, 7, "ab", False, "eu"],
    ]
    deltas = "SELECT d.endpoint, kind, added, changes_count, similarity_score FROM deltas d JOIN snapshots s"
    assert await ask(sql, project, f"{deltas} ON id = snapshot_id") == [["mine", "content", 1, 10, 0.5]]
    fields = "SELECT endpoint, path, changes, last_changed_at FROM fields"
    assert await ask(sql, project, fields) == [["mine", "/a", 5, second]]
    people = "SELECT kind, id, traits->>'plan', first_seen_at, last_seen_at FROM profiles"
    assert await ask(sql, project, people) == [["user", "mine", "pro", first, second]]
    assert await ask(sql, project, "SELECT len(id), len(endpoint_id) FROM snapshots LIMIT 1") == [[36, 36]]


def _put_history(tx: Tx, project: int, name: str) -> None:
    """An endpoint with two snapshots, the delta between them, a field that changed, and a profile."""
    endpoint = tx.insert(
        "INSERT INTO endpoint (uid, project, name, description, diff, retention, diff_version, created_at, updated_at)"
        " VALUES (?, ?, ?, '', '{}', '{}', 1, 0, 0)", tx.new_id(), project, name,
    )  # fmt: skip
    for n in range(2):
        content = tx.insert(
            "INSERT INTO content (endpoint, captured_at, size, hash, dead, pending) VALUES (?, ?, 7, x'ab', 0, 0)",
            endpoint, AT + n,
        )  # fmt: skip
        tx.run(
            "INSERT INTO snapshot (uid, endpoint, captured_at, content, metadata) VALUES (?, ?, ?, ?, ?)",
            tx.new_id(), endpoint, AT + n, content, '{"region": "eu"}',
        )  # fmt: skip
    tx.run("INSERT INTO delta VALUES (?, ?, 1, 0, 1, 2, 3, 4, 500000, x'', NULL)", content, AT + 1)
    field = tx.insert(
        "INSERT INTO field (endpoint, pattern, changes, deltas, types) VALUES (?, '/a', 5, 1, 4)", endpoint
    )
    tx.run("INSERT INTO field_change (field, captured_at) VALUES (?, ?)", field, AT + 1)
    tx.run(
        "INSERT INTO profile (project, kind, name, traits, first_seen_at, last_seen_at, updated_at)"
        " VALUES (?, 'user', ?, ?, ?, ?, 0)", project, name, '{"plan": "pro"}', AT, AT + 1,
    )  # fmt: skip


async def test_a_question_given_up_ends_its_process(
    sql: SqlProcesses, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
    start = Child.start

    async def observed(*arguments: str, **options: Any) -> Child:
        started.set_result(await start(*arguments, **options))
        return started.result()

    monkeypatch.setattr(Child, "start", observed)
    asking = asyncio.create_task(sql.run_query(project, Sql("SELECT count(*) FROM range(1000000000000)", 1)))
    process = await started
    monkeypatch.undo()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert process.returncode is not None
    assert await ask(sql, project, "SELECT 1") == [[1]]


async def test_a_process_that_was_ended_while_it_rested(sql: SqlProcesses, project: int) -> None:
    assert await ask(sql, project, "SELECT 1") == [[1]]
    process = sql._workers._idle[0]._process
    assert process is not None
    process.kill()
    await process.wait()
    assert await ask(sql, project, "SELECT 1") == [[1]]


async def test_a_process_answers_the_next_question_too(
    whole_starts: None, sql: SqlProcesses, project: int, other: int
) -> None:
    pids = set()
    for _ in range(3):
        await ask(sql, project, "SELECT count(*) FROM events")
        process = sql._workers._idle[0]._process
        assert process is not None
        pids.add(process.pid)
    assert len(pids) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_process_has_nothing_of_the_servers_environment(
    whole_starts: None, sql: SqlProcesses, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTA_SECRET", "1")
    monkeypatch.setenv("_PYI_ARCHIVE_FILE", "/one-file")
    await ask(sql, project, "SELECT 1")
    process = sql._workers._idle[0]._process
    assert process is not None
    environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    assert {line.partition(b"=")[0] for line in environment if line} == {b"PYTHONPATH", b"_PYI_ARCHIVE_FILE"}


async def test_nothing_is_asked_once_it_is_closed(sql: SqlProcesses, project: int) -> None:
    assert await ask(sql, project, "SELECT 1") == [[1]]
    await sql.close()
    with pytest.raises(Unavailable):
        await sql.run_query(project, Sql("SELECT 1", 1))


def test_the_server_does_not_bring_duckdb() -> None:
    module = "delta_server.storage.events.sql.runner"
    script = f"import sys, {module}; print([m for m in ('duckdb', 'fsspec') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_processes_that_answer_queries_bring_no_logger() -> None:
    """With what it imports to look nice it was 6 of 23 MB, and half of the time they take to start."""
    modules = "delta_server.storage.events.sql.worker, delta_server.storage.events.query.worker"
    script = f"import sys, {modules}; print([m for m in ('structlog', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
