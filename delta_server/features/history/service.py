"""What the values of an endpoint's fields were and since when, which fields change, how much there is."""

import time
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import msgspec

from delta_server.core import blame as core_blame
from delta_server.core import buckets, halves, ids, pointer, times
from delta_server.core.blame import Place, Search, Spot, same_value
from delta_server.core.diff_settings import KnownKeys
from delta_server.core.errors import BadRequest, Conflict, Invalid, NotFound
from delta_server.core.pointer import Step
from delta_server.core.span import Position, Span
from delta_server.features.contents import service as contents
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import schemas, store
from delta_server.features.history import walk as walks
from delta_server.features.history.schemas import Bucket, Change, Leaf, Stats
from delta_server.features.history.walk import Version, Walk
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx

SEARCH_S = 1.5
"""A request searches so long, then answers with what it found and where to go on."""

ANSWER_BYTES = 8 << 20
"""Values of one page; a first one that is larger still comes."""

RANGE_MS = 30 * times.DAY_MS


class Found(msgspec.Struct, frozen=True):
    """A page of a field's history; `next` is the position to go on after, None at the end."""

    changes: list[Change]
    next: Position | None


class Resume(msgspec.Struct, frozen=True):
    """Where a blame goes on: the content it is about, its leaves from the one at `first` on.

    While `count` leaves from there are still searched for, `left` has a bit for each of them that is, and `after` is
    the position the search came to.
    """

    content: int
    first: Spot
    count: int
    left: bytes
    after: Position


class Blamed(msgspec.Struct, frozen=True):
    """`snapshot` and `captured_at` are those of the document looked at; `next` is None at the end."""

    snapshot: bytes
    captured_at: int
    leaves: list[Leaf]
    complete: bool
    next: Resume | None


class Deadline:
    """When a search ends. At least one step is always made."""

    def __init__(self) -> None:
        self._at = time.monotonic() + SEARCH_S

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._at


class _At(Protocol):
    @property
    def captured_at(self) -> int: ...
    @property
    def content(self) -> int: ...


# The history of a field


async def history(
    svc: Services, endpoint: EndpointRef, path: str, span: Span, *, limit: int, use_index: bool = True
) -> Found:
    """Up to `limit` changes of the value at `path` along `span`. Raises Invalid for what is no path, Conflict."""
    walk = walks.walk(endpoint, pointer.parse(path), use_index=use_index)
    deadline, visits = Deadline(), walks.FIRST_VISITS
    found: list[Version] = []
    size = 0
    while True:
        versions, next = await walks.read(svc, walk, span, visits=visits)
        for version in await svc.spare_cpu(_changed, versions):
            size += len(version.value or b"")
            if found and (len(found) == limit or size > ANSWER_BYTES):
                return Found(await _changes(svc, endpoint, found), found[-1].at.position)
            found.append(version)
        if next is None or deadline.passed:
            return Found(await _changes(svc, endpoint, found), next)
        span, visits = span.past(next), min(4 * visits, walks.MOST_VISITS)


def _changed(versions: Sequence[Version]) -> list[Version]:
    return [version for version in versions if not same_value(version.value_before, version.value)]


async def _changes(svc: Services, endpoint: EndpointRef, found: Sequence[Version]) -> list[Change]:
    uids = await svc.db.read(_first_snapshots, endpoint.id, [version.at for version in found])
    return [
        Change(
            snapshot_id=ids.text(uids[version.at.content]),
            captured_at=times.format(version.at.captured_at),
            value=msgspec.UNSET if version.value is None else msgspec.Raw(halves.shown(version.value)),
            exists=False if version.value is None else msgspec.UNSET,
        )
        for version in found
    ]


def _first_snapshots(tx: Tx, endpoint: int, found: Sequence[_At]) -> dict[int, bytes]:
    """By content, the ids of the snapshots they first appeared in. Raises Conflict when one vanished meanwhile."""
    uids: dict[int, bytes] = {}
    for at in found:
        uid = uids.get(at.content) or store.first_snapshot(tx, endpoint, at.captured_at)
        if uid is None:
            raise Conflict("the endpoint's history was rewritten while it was read: ask again")
        uids[at.content] = uid
    return uids


# The fields that change


async def fields(
    svc: Services, endpoint: EndpointRef, *, sought: str, after: tuple[int, int] | None, limit: int
) -> tuple[list[store.Field], int]:
    """Field patterns that hold `sought`, those that changed most first, and the number of the endpoint's deltas."""
    return await svc.db.read(_fields, endpoint.id, sought, after, limit)


def _fields(
    tx: Tx, endpoint: int, sought: str, after: tuple[int, int] | None, limit: int
) -> tuple[list[store.Field], int]:
    rows = store.fields(tx, endpoint, sought=sought, after=after, limit=limit)
    return rows, store.content_deltas(tx, endpoint)


# Blame


async def blame(
    svc: Services,
    endpoint: EndpointRef,
    path: str,
    *,
    limit: int,
    snapshot_id: str | None = None,
    time_ms: int | None = None,
    resume: Resume | None = None,
) -> Blamed:
    """For up to `limit` leaves at and under `path`, the snapshot since which each has its value.

    Looked at is a snapshot by id, the one in force at `time_ms`, or the latest. Raises Invalid, NotFound, Conflict.
    """
    steps = pointer.parse(path)
    content = _content(svc, endpoint, snapshot_id, time_ms) if resume is None else resume.content
    looked_at = svc.db.peek(contents.get, endpoint.id, content)
    if looked_at is None or looked_at.dead:
        raise NotFound("the snapshot is not there any more: ask again without a cursor")
    uid = svc.db.peek(_first_snapshots, endpoint.id, [_Visit(looked_at.captured_at, content)])[content]
    resume = resume or Resume(content, (), 0, b"", (looked_at.captured_at, content + 1))
    body = await svc.spare_cpu(halves.hidden, await contents.read(svc, endpoint.id, content))
    wanted = resume.count if resume.left else limit
    known = deltas.known_keys(svc, endpoint.id)
    steps = await svc.spare_cpu(core_blame.followed, body, steps, endpoint.diff, known)
    leaves, following = await svc.spare_cpu(_leaves, body, steps, endpoint, resume.first, wanted, known)
    if not leaves:
        pointer.refuse_unlikely(path)
        raise NotFound(f"there is nothing at {path} in that snapshot")
    search = await svc.spare_cpu(_search, leaves, resume)
    walk = walks.walk(endpoint, steps)
    blamed, stopped = await _search_back(svc, walk, search, resume.after)
    uids = await svc.db.read(_first_snapshots, endpoint.id, list(blamed.values()))
    found = [_leaf(path, leaves[n], blamed[n], uids) for n in sorted(blamed)]
    next: Resume | None = None
    if stopped is not None:
        next = Resume(content, leaves[0].spot(), len(leaves), _bits(search.leaves, len(leaves)), stopped)
    elif following is not None:
        next = Resume(content, following.spot(), 0, b"", (looked_at.captured_at, content + 1))
    return Blamed(uid, looked_at.captured_at, found, stopped is None, next)


class _Visit(msgspec.Struct, frozen=True):
    captured_at: int
    content: int


def _content(svc: Services, endpoint: EndpointRef, snapshot_id: str | None, time_ms: int | None) -> int:
    if snapshot_id is None:
        return snapshots.at(svc, endpoint.project, endpoint, times.LATEST_MS if time_ms is None else time_ms).content
    if time_ms is not None:
        raise Invalid("give snapshot or time, not both", field="time")
    snapshot = snapshots.get(svc, endpoint.project, snapshot_id)
    if snapshot.endpoint != endpoint.id:
        raise NotFound(f"{endpoint.name} has no such snapshot")
    return snapshot.content


def _leaves(
    body: bytes, steps: tuple[Step, ...], endpoint: EndpointRef, first: Spot, count: int, known: KnownKeys
) -> tuple[list[Place], Place | None]:
    """Up to `count` leaves at and under a path from `first` on, and the one after them. Raises Invalid."""
    found = list(islice(core_blame.leaves(body, steps, endpoint.diff, first, known), count + 1))
    return found[:count], found[count] if len(found) > count else None


def _search(leaves: Sequence[Place], resume: Resume) -> Search:
    search = Search(leaves)
    if resume.left:
        if len(resume.left) * 8 < len(leaves):
            raise BadRequest("the cursor does not fit: send the path it was given for", field="cursor")
        search.drop({n for n in range(len(leaves)) if not resume.left[n // 8] >> n % 8 & 1})
    return search


async def _search_back(
    svc: Services, walk: Walk, search: Search, after: Position
) -> tuple[dict[int, store.Passed], Position | None]:
    """By leaf, the content that gave it its value; and where the search stopped, None when nothing is left."""
    span, deadline, visits = Span(after=after), Deadline(), walks.FIRST_VISITS
    blamed: dict[int, store.Passed] = {}
    while search.leaves:
        versions, next = await walks.read(svc, walk, span, visits=visits)
        seen = await svc.spare_cpu(_look_at, search, versions, deadline)
        blamed |= {leaf: at for at, gone in seen for leaf in gone}
        if len(seen) < len(versions):
            next = seen[-1][0].position
        if next is None:
            break
        if search.leaves and deadline.passed:
            return blamed, next
        span, visits = span.past(next), min(4 * visits, walks.MOST_VISITS)
    return blamed, None


def _look_at(search: Search, versions: Sequence[Version], deadline: Deadline) -> list[tuple[store.Passed, list[int]]]:
    """The versions that were looked at in time, at least one, and the leaves that left the search with each."""
    seen: list[tuple[store.Passed, list[int]]] = []
    for version in versions:
        seen.append((version.at, search.look(version.value_before)))
        if deadline.passed or not search.leaves:
            break
    return seen


def _leaf(path: str, leaf: Place, at: store.Passed, uids: dict[int, bytes]) -> Leaf:
    return Leaf(
        path + leaf.path(),
        msgspec.Raw(halves.shown(leaf.raw)),
        ids.text(uids[at.content]),
        times.format(at.captured_at),
    )


def _bits(numbers: set[int], count: int) -> bytes:
    bits = bytearray(-(-count // 8))
    for number in numbers:
        bits[number // 8] |= 1 << number % 8
    return bytes(bits)


# Stats


async def stats(
    svc: Services, endpoint: EndpointRef, *, interval: str, from_ms: int | None, to_ms: int | None
) -> Stats:
    """Totals, and counts by bucket of time. Without a range: 30 days up to the last snapshot. Raises Invalid."""
    return await svc.db.read(_stats, endpoint.id, interval, from_ms, to_ms)


def _stats(tx: Tx, endpoint: int, interval: str, from_ms: int | None, to_ms: int | None) -> Stats:
    interval_ms = times.parse_length(interval, field="interval")
    totals = store.totals(tx, endpoint)
    if to_ms is None:
        to_ms = (from_ms or 0) if totals.last_captured_at is None else totals.last_captured_at + 1
        to_ms = max(to_ms, from_ms or 0)
    if from_ms is None:
        from_ms = buckets.aligned(to_ms - 1 - max(0, RANGE_MS - interval_ms), interval_ms)
    if from_ms > to_ms:
        raise Invalid("from lies after to", field="from")
    wanted = buckets.between(from_ms, to_ms, interval)
    return Stats(schemas.totals(totals), interval, _buckets(tx, endpoint, wanted) if totals.snapshots else [])


def _buckets(tx: Tx, endpoint: int, wanted: buckets.Buckets) -> list[Bucket]:
    spread = {
        "origin_ms": wanted.origin_ms,
        "interval_ms": wanted.interval_ms,
        "first": wanted.first_ms,
        "end": wanted.end_ms,
    }
    snapshots = store.snapshots_by_bucket(tx, endpoint, **spread)
    contents = store.contents_by_bucket(tx, endpoint, **spread)
    return [
        Bucket(times.format(wanted.begins(n)), snapshots.get(n, 0), *contents.get(n, (0, 0)))
        for n in range(wanted.count)
    ]
