"""Where a snapshot stands among those of its endpoint, and which are beside it."""

import msgspec

from delta_server.core.history.activity import day_of
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS
from delta_server.features.activity import service as activity
from delta_server.features.deltas import service as deltas
from delta_server.features.snapshots import store
from delta_server.features.snapshots.store import Snapshot
from delta_server.storage.database import Tx

AFTER_ALL = LATEST_MS + 1


class Place(msgspec.Struct, frozen=True):
    """`number` is 1 for the oldest of `of` snapshots; the ids are those of the snapshots just before and after it, and
    of the nearest ones that brought a change of the kind `content`, with when these were captured."""

    number: int
    of: int
    previous: bytes | None
    next: bytes | None
    previous_change: bytes | None
    next_change: bytes | None
    previous_change_at: int | None
    next_change_at: int | None


def place(tx: Tx, endpoint: int, at: int) -> Place:
    """Of the snapshot captured at `at`. Whole days are counted already: only its own day's are counted here."""
    is_whole = activity.is_whole(tx, endpoint)
    day = day_of(at) if is_whole else day_of(EARLIEST_MS)
    before = _change_before(tx, endpoint, at, is_whole=is_whole)
    after = _change_after(tx, endpoint, at, is_whole=is_whole)
    return Place(
        activity.snapshots_before(tx, endpoint, day) + store.count_between(tx, endpoint, day * DAY_MS, at),
        _count(tx, endpoint, is_whole=is_whole),
        store.uid_before(tx, endpoint, at),
        store.uid_after(tx, endpoint, at),
        _first_at(tx, endpoint, before),
        _first_at(tx, endpoint, after),
        before,
        after,
    )


def _count(tx: Tx, endpoint: int, *, is_whole: bool) -> int:
    if is_whole:
        return activity.snapshots_before(tx, endpoint, day_of(AFTER_ALL))
    return store.count_between(tx, endpoint, EARLIEST_MS, LATEST_MS)


def _change_before(tx: Tx, endpoint: int, at: int, *, is_whole: bool) -> int | None:
    """When: of its own day, else of the last day before that has any."""
    if not is_whole:
        return deltas.last_change(tx, endpoint, EARLIEST_MS, at - 1)
    day = day_of(at)
    found = deltas.last_change(tx, endpoint, day * DAY_MS, at - 1)
    if found is None and (before := activity.last_with_content(tx, endpoint, day - 1)) is not None:
        return deltas.last_change(tx, endpoint, before * DAY_MS, (before + 1) * DAY_MS - 1)
    return found


def _change_after(tx: Tx, endpoint: int, at: int, *, is_whole: bool) -> int | None:
    if not is_whole:
        return deltas.first_change(tx, endpoint, at + 1, LATEST_MS)
    day = day_of(at)
    found = deltas.first_change(tx, endpoint, at + 1, (day + 1) * DAY_MS - 1)
    if found is None and (after := activity.first_with_content(tx, endpoint, day + 1)) is not None:
        return deltas.first_change(tx, endpoint, after * DAY_MS, (after + 1) * DAY_MS - 1)
    return found


def _first_at(tx: Tx, endpoint: int, at: int | None) -> bytes | None:
    return None if at is None else store.first_at(tx, endpoint, at)


def around(tx: Tx, project: int, endpoint: int, at: int, limit: int) -> list[Snapshot]:
    """Up to `limit` snapshots, newest first: the one in force at a time in their middle, or near it at an end."""
    newer = _beside(tx, project, endpoint, TimelineSpan(from_ms=at + 1, descending=False), limit)
    older = _beside(tx, project, endpoint, TimelineSpan(to_ms=at + 1), limit)
    after = min(len(newer), max((limit - 1) // 2, limit - len(older)))
    return [*reversed(newer[:after]), *older[: limit - after]]


def _beside(tx: Tx, project: int, endpoint: int, span: TimelineSpan, limit: int) -> list[Snapshot]:
    walk = store.walk(tx, project, endpoint, span, changed_only=False, most=limit)
    return [store.from_row(row) for row, _ in zip(walk, range(limit), strict=False)]
