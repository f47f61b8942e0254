"""Reads that take long are told of with their plan, and without what callers asked for."""

import apsw
import pytest
from structlog.testing import capture_logs

from delta_server.storage.sqlite import slow_queries
from delta_server.storage.sqlite.slow_queries import SlowQueries
from delta_server.storage.sqlite.transaction import Deadline, ReadTx

SLOW = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    SELECT count(*) FROM n, t WHERE t.a = n.i AND ? = ?"""


def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    made.execute("CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'b')")
    return made


def test_a_slow_one_is_told_of_with_its_plan_once() -> None:
    tx = ReadTx(connection(), 0, Deadline(60), SlowQueries(1e-6))
    with capture_logs() as logs:
        for _ in range(3):
            tx.one(SLOW, 1000, "their secret", "their secret")
    [line] = logs
    assert (line["event"], line["log_level"]) == ("slow query", "warning")
    assert line["sql"].startswith("WITH RECURSIVE n(i)")
    assert any("SCAN" in step for step in line["plan"])
    assert "their secret" not in repr(line)


def test_one_that_was_ended_is_told_of_too() -> None:
    made, deadline = connection(), Deadline(60)
    made.set_progress_handler(lambda: True, 100)
    tx = ReadTx(made, 0, deadline, SlowQueries(1e-6))
    with capture_logs() as logs, pytest.raises(apsw.InterruptError):
        tx.all(SLOW, 10_000_000, "", "")
    assert [line["event"] for line in logs] == ["slow query"]


def test_quick_ones_are_not_nor_any_without_a_limit() -> None:
    with capture_logs() as logs:
        for limit_s in (3600.0, 0.0):
            ReadTx(connection(), 0, Deadline(60), SlowQueries(limit_s)).all("SELECT * FROM t")
    assert logs == []


def test_few_are_remembered() -> None:
    told = SlowQueries(1.0)
    made = connection()
    with capture_logs() as logs:
        for number in range(slow_queries.MOST_KNOWN + 2):
            told.note(made, f"SELECT {number}", (), 2.0)
    assert len(logs) == slow_queries.MOST_KNOWN + 2
    assert len(told._reported_at) <= slow_queries.MOST_KNOWN
