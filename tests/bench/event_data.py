"""Events for the benches: what a shop's site and app send, about 280 bytes of JSON each, the same in every run.

DuckDB makes them, a million in seconds. Times go evenly over the days before `end_ms`; types, users and paths are as
uneven as in life, a session is one of a user's half hours, and message ids are random UUIDs, as clients send them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.times import DAY_MS

SHOWN = ("time_ms", "event_type", "source", "user_id", "session_id", "duration", "status", "data", "message_id")

_ROWS = """
SELECT time_ms, event_type, source, 'user-' || u AS user_id,
  's-' || u || '-' || time_ms // 1800000 AS session_id,
  round(exp(4.2 + 0.9 * z), 1) AS duration, CASE WHEN chance[4] < 0.05 THEN 'error' ELSE 'ok' END AS status,
  '{"path":"/items/' || floor(400 * chance[5] ** 3)::INT || '","plan":"' || ['free', 'pro', 'team'][1 + (u % 3)]
    || '","position":' || floor(50 * chance[6])::INT || ',"from":"' ||
    ['google.com', 'news.example', 'direct'][1 + floor(3 * chance[7] ** 2)::INT] || '"}' AS data,
  lower(substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-'
    || substr(h, 21, 12)) AS message_id
FROM (
  SELECT *, md5(i || ' id') AS h, floor(users * chance[3] ** 2)::BIGINT AS u,
    sqrt(-2 * ln(1 - chance[8] * 0.999999)) * cos(2 * pi() * chance[9]) AS z,
    ['page_view', 'click', 'search', 'api_call', 'login', 'signup', 'purchase', 'logout', 'download', 'error'][
      1 + floor(10 * chance[1] ** 1.7)::INT] AS event_type,
    ['web', 'ios', 'android', 'api', 'worker'][1 + floor(5 * chance[2] ** 1.5)::INT] AS source
  FROM (
    SELECT i, ($begin + i * $step)::BIGINT AS time_ms, $users AS users,
      [(hash(i, k) % 1000003) / 1000003.0 for k in range(1, 10)] AS chance
    FROM range($first, $end) AS numbers(i)
  )
)
"""


def made(
    connection: Any, *, count: int, end_ms: int, days: int = 30, at_once: int = 100_000
) -> Iterator[list[tuple[Any, ...]]]:
    """`count` rows of SHOWN in the order of their times, a batch at a time; `connection` is DuckDB's."""
    for first in range(0, count, at_once):
        end = min(first + at_once, count)
        yield connection.execute(_ROWS, _parameters(first, end, count, end_ms, days)).fetchall()


def write_parquet(connection: Any, path: Path, *, count: int, end_ms: int, days: int = 30) -> None:
    """The same rows as DuckDB writes them to a Parquet file left to itself but for zstd."""
    connection.execute(
        f"COPY (SELECT * REPLACE (data::JSON AS data) FROM ({_ROWS})) TO '{path}' (FORMAT parquet, COMPRESSION zstd)",
        _parameters(0, count, count, end_ms, days),
    )


def _parameters(first: int, end: int, count: int, end_ms: int, days: int) -> dict[str, float]:
    span_ms = days * DAY_MS
    return {"first": first, "end": end, "begin": end_ms - span_ms, "step": span_ms / count, "users": count // 20 + 100}


def wire(row: tuple[Any, ...]) -> dict[str, Any]:
    """A row as clients send it."""
    at, event_type, source, user, session, duration, status, data, message = row
    return {
        "messageId": message,
        "timestamp": times.format(at),
        "eventType": event_type,
        "source": source,
        "userId": user,
        "sessionId": session,
        "duration": duration,
        "status": status,
        "data": msgspec.Raw(data.encode()),
    }
