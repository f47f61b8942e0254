"""Counts of what happened to endpoints by day: kept with the rows they count, filled in the background for those from
before there were counts."""

from collections.abc import Iterator, Sequence

import msgspec

from delta_server.core.history import activity
from delta_server.core.history.activity import Hours, Tally
from delta_server.storage.database import LISTED, Tx, listed

_SUMS = "content, reorder, format, ignored, added, removed, replaced, moved"


class Day(msgspec.Struct, frozen=True):
    day: int
    hours: Hours


# Keeping


def add_snapshots(tx: Tx, endpoint: int, day: int, count: int) -> None:
    tx.run(
        "INSERT INTO activity (endpoint, day, snapshots) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET snapshots = snapshots + excluded.snapshots",
        endpoint,
        day,
        count,
    )
    if count < 0:
        _delete_empty(tx, endpoint, day)


def add_deltas(tx: Tx, endpoint: int, day: int, more: Tally) -> None:
    """Counts by hour of the day; negative ones are taken away."""
    row = tx.one("SELECT hours FROM activity WHERE endpoint = ? AND day = ?", endpoint, day)
    hours = activity.with_more(_hours(row[0]) if row else (), more)
    sums = msgspec.structs.astuple(more.total())
    plus = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS.split(", "))
    tx.run(
        f"INSERT INTO activity (endpoint, day, {_SUMS}, hours) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT DO UPDATE SET {plus}, hours = excluded.hours",
        endpoint,
        day,
        *sums,
        activity.encoded(hours),
    )
    if min(sums) < 0:
        _delete_empty(tx, endpoint, day)


def _hours(blob: bytes) -> Hours:
    """None where they are damaged: the day's sums stand beside them, and nothing that is new is held up."""
    try:
        return activity.decoded(blob)
    except (ValueError, msgspec.MsgspecError):
        return []


def _delete_empty(tx: Tx, endpoint: int, day: int) -> None:
    tx.run("DELETE FROM activity WHERE endpoint = ? AND day = ? AND snapshots = 0 AND hours = x''", endpoint, day)


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint; False when none is left."""
    sql = "DELETE FROM activity WHERE endpoint = ?1 AND day IN (SELECT day FROM activity WHERE endpoint = ?1 LIMIT ?2)"
    return tx.run(sql, endpoint, limit) > 0


# Reading


def days(tx: Tx, endpoints: Sequence[int], first: int, last: int) -> Iterator[tuple[int, Day]]:
    """By endpoint those from `first` to `last` inclusive, with their hours."""
    rows = tx.all(
        f"SELECT endpoint, day, hours FROM activity WHERE endpoint IN {LISTED}"
        " AND day BETWEEN ? AND ? ORDER BY endpoint, day",
        listed(endpoints),
        first,
        last,
    )
    for endpoint, day, blob in rows:
        yield endpoint, Day(day, _hours(blob))


def sums_by_days(
    tx: Tx, endpoints: Sequence[int], first: int, last: int, *, origin: int, each: int
) -> Iterator[tuple[int, int, Sequence[int]]]:
    """By endpoint and number of `each` days from the day `origin` on, the counts (as in `Counts`) of those from `first`
    to `last` inclusive."""
    sums = ", ".join(f"sum({name})" for name in _SUMS.split(", "))
    rows = tx.all(
        f"SELECT endpoint, (day - ?) / ? AS bucket, {sums} FROM activity"
        f" WHERE endpoint IN {LISTED} AND day BETWEEN ? AND ? GROUP BY endpoint, bucket",
        origin,
        each,
        listed(endpoints),
        first,
        last,
    )
    for endpoint, bucket, *counts in rows:
        yield endpoint, bucket, counts


def snapshots_by_days(tx: Tx, endpoint: int, first: int, last: int, *, origin: int, each: int) -> dict[int, int]:
    """As `sums_by_days`, the snapshots."""
    sql = (
        "SELECT (day - ?) / ? AS bucket, sum(snapshots) FROM activity WHERE endpoint = ? AND day BETWEEN ? AND ?"
        " GROUP BY bucket"
    )
    return {row[0]: row[1] for row in tx.all(sql, origin, each, endpoint, first, last)}


def snapshots_before(tx: Tx, endpoint: int, day: int) -> int:
    """How many were captured before a day."""
    row = tx.one("SELECT coalesce(sum(snapshots), 0) FROM activity WHERE endpoint = ? AND day < ?", endpoint, day)
    return int(row[0]) if row else 0


def last_with_content(tx: Tx, endpoint: int, day: int) -> int | None:
    """The last day up to `day` that has a delta of the kind `content`."""
    row = tx.one("SELECT max(day) FROM activity WHERE endpoint = ? AND day <= ? AND content > 0", endpoint, day)
    return row[0] if row else None


def last_days_with_content(tx: Tx, endpoints: Sequence[int]) -> dict[int, int]:
    """Of each that has any, its last day with a delta of the kind `content`."""
    rows = tx.all(
        """SELECT value, (SELECT day FROM activity WHERE endpoint = value AND content > 0 ORDER BY day DESC LIMIT 1)
        FROM json_each(?)""",
        listed(endpoints),
    )
    return {endpoint: day for endpoint, day in rows if day is not None}


def first_with_content(tx: Tx, endpoint: int, day: int) -> int | None:
    """The first day from `day` on that has one."""
    row = tx.one("SELECT min(day) FROM activity WHERE endpoint = ? AND day >= ? AND content > 0", endpoint, day)
    return row[0] if row else None


def first_day(tx: Tx, endpoint: int) -> int | None:
    """None without any."""
    row = tx.one("SELECT min(day) FROM activity WHERE endpoint = ?", endpoint)
    return row[0] if row else None
