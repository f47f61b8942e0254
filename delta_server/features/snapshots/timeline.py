"""Where a snapshot goes in its endpoint's timeline, and how the timeline closes when one leaves.

Consecutive equal snapshots form a *run* and share one content; a content's `captured_at` is that of its run's first
snapshot. So a new snapshot either joins the run before it, or pulls the run after it back in time, or begins a run of
its own, which may cut an older run in two; and a removed one may end a run and let two equal neighbours become one.
A stored delta always leads from the content before: where that changes it is forgotten, and computed again behind.

No two snapshots of an endpoint have the same time: one that comes for a taken millisecond gets the next free one.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from delta_server.core.times import EARLIEST_MS, LATEST_MS
from delta_server.features.deltas import service as deltas
from delta_server.features.snapshots import store
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Content, Frame
from delta_server.storage.database import Database, Tx
from delta_server.storage.keyed_locks import KeyedLocks

FOREVER = LATEST_MS + 1
LAST_ID = (1 << 63) - 1


class EndpointLocks(KeyedLocks):
    """A content is encoded against the one before it, so appends to one endpoint take turns."""


class TimelineChanged(Exception):
    """The timeline changed since the frame was made: make it again."""


class Position(msgspec.Struct, frozen=True):
    """Where a new snapshot would go: its time, the content it comes after, whether it would `cut` that one's run."""

    captured_at: int
    content: Content | None
    hash_after: bytes | None
    cut: bool


class PlannedEntry(msgspec.Struct, frozen=True):
    """A snapshot ready to be placed.

    `frame` is None when the document equals the one before it; `based_on` is the entry of the same request whose
    bytes the frame is based on. `splits` are the contents whose runs it may cut, for the run's second part.
    """

    captured_at: int
    hash: bytes
    frame: Frame | None
    based_on: int | None
    splits: Sequence[Frame]
    source: str | None
    metadata: str | None


class TimelineTail(msgspec.Struct, frozen=True):
    """What an endpoint ends with: when its newest snapshot was captured (or the earliest time), and its content."""

    newest: int
    head: Content | None

    @property
    def hash(self) -> bytes | None:
        return None if self.head is None else self.head.hash


class TailSnapshot(msgspec.Struct, frozen=True):
    """A snapshot ready to be placed after all others. `frame` is None when the document equals the one before it, whose
    hash is `before`; else it may be based on that."""

    captured_at: int
    hash: bytes
    frame: Frame | None
    before: bytes | None
    source: str | None
    metadata: str | None


class PlacedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot in its place: its row, its id on the wire, its content; `unchanged` if it equals the one before."""

    id: int
    uid: bytes
    content: int
    unchanged: bool


def neighbour(tx: Tx, endpoint: int, captured_at: int) -> Position:
    at = store.free_time(tx, endpoint, captured_at)
    content, after = contents.content_at(tx, endpoint, at), _next(tx, endpoint, at)
    cut = content is not None and _rest_of_run(tx, endpoint, content, at, after) is not None
    return Position(at, content, None if after is None else after.hash, cut=cut)


def _rest_of_run(tx: Tx, endpoint: int, run: Content, at: int, after: Content | None) -> int | None:
    """When a run goes on after a time within it, None if it does not; `after` is the content that ends it."""
    return store.first_of(tx, endpoint, run.id, at + 1, FOREVER if after is None else after.captured_at)


def insert_entry(tx: Tx, endpoint: int, entry: PlannedEntry, base: int | None) -> PlacedSnapshot:
    """Insert the snapshot, which its caller counts (features/activity), many at once. Raises Moved.

    `base` is the content that the entry `entry.based_on` got.
    """
    if store.has_snapshot_at(tx, endpoint, entry.captured_at):
        raise TimelineChanged
    before = contents.content_at(tx, endpoint, entry.captured_at)
    unchanged = before is not None and before.hash == entry.hash
    content = before.id if before is not None and unchanged else _begin_run(tx, endpoint, entry, base, before)
    row, uid = store.insert_snapshot(tx, endpoint, entry.captured_at, content, entry.source, entry.metadata)
    return PlacedSnapshot(row, uid, content, unchanged)


def _begin_run(tx: Tx, endpoint: int, entry: PlannedEntry, base: int | None, before: Content | None) -> int:
    at = entry.captured_at
    after = _next(tx, endpoint, at)
    rest = None if before is None else _rest_of_run(tx, endpoint, before, at, after)
    if rest is None and after is not None and after.hash == entry.hash:
        deltas.delete_deltas(tx, endpoint, after.id)
        contents.touch(tx, endpoint, after.id, at)
        return after.id
    if rest is None and after is not None:
        deltas.delete_deltas(tx, endpoint, after.id)
    content = _add(tx, endpoint, at, entry.frame, base)
    if before is not None and rest is not None:
        split = next((frame for frame in entry.splits if frame.hash == before.hash), None)
        end = FOREVER if after is None else after.captured_at
        store.move_run(tx, endpoint, before.id, _add(tx, endpoint, rest, split, None), rest, end)
    return content


def _add(tx: Tx, endpoint: int, captured_at: int, frame: Frame | None, base: int | None) -> int:
    if frame is None:
        raise TimelineChanged
    content = contents.add(tx, endpoint, captured_at, frame if base is None else replace(frame, base=base))
    if content is None:
        raise TimelineChanged
    return content


def tail(tx: Tx, endpoint: int) -> TimelineTail:
    newest = store.newest_at(tx, endpoint, 1)
    return TimelineTail(EARLIEST_MS, None) if newest is None else TimelineTail(newest, contents.head(tx, endpoint))


def insert_last(tx: Tx, endpoint: int, tail: TimelineTail, last: TailSnapshot) -> tuple[PlacedSnapshot, TimelineTail]:
    """Insert a snapshot after the endpoint's `tail`, and what it ends with then. Its caller counts it, as those of
    `insert_entry`. Raises Moved, with nothing written, when it was made for another one."""
    if last.captured_at <= tail.newest or last.before != tail.hash:
        raise TimelineChanged
    head = tail.head
    if last.frame is not None:
        head = contents.add_last(tx, endpoint, last.captured_at, last.frame, head)
    assert head is not None, "a snapshot without a frame is equal to the one before it"
    row, uid = store.insert_snapshot(tx, endpoint, last.captured_at, head.id, last.source, last.metadata)
    return PlacedSnapshot(row, uid, head.id, last.frame is None), TimelineTail(last.captured_at, head)


Entry = TypeVar("Entry", PlannedEntry, TailSnapshot)


@asynccontextmanager
async def stored_ahead(db: Database, entries: Sequence[Entry]) -> AsyncIterator[list[Entry]]:
    """With the data of large frames stored ahead. What is not inserted within the block goes."""
    async with contents.storing(db) as ahead:
        yield [
            entry
            if (frame := entry.frame) is None or not isinstance(frame.data, bytes)
            else replace(entry, frame=replace(frame, data=await ahead(frame.data)))
            for entry in entries
        ]


def _next(tx: Tx, endpoint: int, captured_at: int) -> Content | None:
    """The first content of a later time."""
    rows = contents.follow(tx, endpoint, (captured_at, LAST_ID), limit=1)
    return rows[0] if rows else None


def remove(tx: Tx, endpoint: int, snapshot: int, content: int) -> None:
    """Delete one snapshot and mend the run it leaves."""
    store.delete(tx, snapshot)
    run = contents.get(tx, endpoint, content)
    assert run is not None, "a snapshot's content has a row"
    after = contents.after(tx, endpoint, run)
    end = FOREVER if after is None else after.captured_at
    begins = store.first_of(tx, endpoint, content, run.captured_at, end)
    if begins is None:
        _close(tx, endpoint, run, after)
    elif begins != run.captured_at:
        deltas.delete_deltas(tx, endpoint, content)
        contents.touch(tx, endpoint, content, begins)


def _close(tx: Tx, endpoint: int, run: Content, after: Content | None) -> None:
    """Drop a run that has no snapshot left; equal neighbours become one run."""
    before = contents.before(tx, endpoint, (run.captured_at, run.id))
    deltas.delete_deltas(tx, endpoint, run.id)
    contents.mark_dead(tx, endpoint, run)
    if after is not None:
        deltas.delete_deltas(tx, endpoint, after.id)
    if before is None or after is None or before.hash != after.hash:
        return
    last = contents.after(tx, endpoint, after)
    end = FOREVER if last is None else last.captured_at
    store.move_run(tx, endpoint, after.id, before.id, after.captured_at, end)
    contents.mark_dead(tx, endpoint, after)


def cut_before(tx: Tx, endpoint: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` of the oldest snapshots captured before `before_ms`; how many were."""
    rows = store.oldest(tx, endpoint, before_ms, limit)
    deltas.delete_deltas(tx, endpoint, *dict.fromkeys(content for _, _, content in rows))
    for content, run in groupby(rows, key=itemgetter(2)):
        *firsts, (last, _, _) = run
        for snapshot, _, _ in firsts:
            store.delete(tx, snapshot)
        remove(tx, endpoint, last, content)
    return len(rows)
