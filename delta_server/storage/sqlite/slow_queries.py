"""Logs reads that take long, with how SQLite goes about them, without their values, which are callers'."""

import re
import threading
import time
from collections.abc import Sequence
from typing import Any

import apsw

AGAIN_S = 60.0
"""One statement is logged so often."""
MOST_KNOWN = 500
_SPACE = re.compile(r"\s+")
_MOST_CHARS = 2000


class SlowQueries:
    """Used from any thread. `limit_s` 0 logs none."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._reported_at: dict[str, float] = {}

    def note(self, connection: apsw.Connection, sql: str, params: Sequence[Any], took_s: float) -> None:
        """Of a statement that has ended, or was ended."""
        if self._is_news(sql):
            plan = _plan(connection, sql, params)
            text = _SPACE.sub(" ", sql).strip()[:_MOST_CHARS]
            import structlog  # not before: processes that answer queries start in half the time without it

            structlog.get_logger("delta.slow").warning("slow query", ms=round(took_s * 1000), sql=text, plan=plan)

    def _is_news(self, sql: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._reported_at.get(sql, -AGAIN_S) < AGAIN_S:
                return False
            if len(self._reported_at) >= MOST_KNOWN:
                self._reported_at.clear()
            self._reported_at[sql] = now
        return True


def _plan(connection: apsw.Connection, sql: str, params: Sequence[Any]) -> list[str]:
    """As EXPLAIN QUERY PLAN has it (sqlite.org/eqp.html), indented; empty where there is none."""
    try:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
    except apsw.Error:
        return []
    depths: dict[Any, int] = {}
    lines = []
    for id, parent, _, detail in rows:
        depths[id] = depths.get(parent, -1) + 1
        lines.append("  " * depths[id] + str(detail))
    return lines
