"""Blame: since when each leaf of a document has its value.

The record index tells of most leaves when they changed last, and of all others the versions in which they may have;
those are looked at, newest first, until all leaves have been seen to change (core/history/blame.py). Where it does not
tell, all versions are, in which something may have changed under the path.
"""

from collections.abc import Sequence
from itertools import islice

import msgspec
import structlog
from msgspec import UNSET

from delta_server.core import ids, times
from delta_server.core.diff.diff_settings import KnownKeys
from delta_server.core.errors import BadRequest, Invalid, NotFound
from delta_server.core.history import blame as core_blame
from delta_server.core.history import path_index, records
from delta_server.core.history.blame import BlameSearch, LeafPlace, Spot
from delta_server.core.history.life_search import LeafSearch
from delta_server.core.history.records import Target
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.json import pointer, surrogates
from delta_server.core.json.pointer import Step
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import previous_values, store
from delta_server.features.history import walk as walks
from delta_server.features.history.schemas import Leaf, PreviousValue
from delta_server.features.history.walk import Deadline, HistoryWalk, WalkVersion
from delta_server.features.lives import service as life_index
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

log = structlog.get_logger()


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


class BackwardSearch(msgspec.Struct, frozen=True):
    """A search on its way back through the versions from `after` on."""

    walk: HistoryWalk
    search: BlameSearch
    after: Position
    deadline: Deadline
    changes: dict[int, int] = {}
    """By leaf, how often it changed for certain, as the record index has it."""


FoundLeaves = tuple[dict[int, store.WalkedContent], Position | None]
"""By leaf, the content that gave it its value; and where the search stopped, None when nothing is left."""


async def blame(
    svc: Services,
    endpoint: EndpointRef,
    path: str,
    *,
    limit: int,
    snapshot_id: str | None = None,
    time_ms: int | None = None,
    resume: Resume | None = None,
    with_previous: bool = False,
) -> Blamed:
    """For up to `limit` leaves at and under `path`, the snapshot since which each has its value; what it was before
    too, as far as that is read in time.

    Looked at is a snapshot by id, the one in force at `time_ms`, or the latest. Raises Invalid, NotFound, Conflict.
    """
    steps = pointer.parse(path)
    content = _content(svc, endpoint, snapshot_id, time_ms) if resume is None else resume.content
    looked_at = svc.db.peek(contents.get, endpoint.id, content)
    if looked_at is None or looked_at.dead:
        raise NotFound("the snapshot is not there any more: ask again without a cursor")
    uid = svc.db.peek(walks.first_snapshots, endpoint.id, [_Visit(looked_at.captured_at, content)])[content]
    resume = resume or Resume(content, (), 0, b"", (looked_at.captured_at, content + 1))
    body = await svc.spare_cpu(surrogates.hide, await contents.read(svc.contents, endpoint.id, content))
    wanted = resume.count if resume.left else limit
    known = deltas.known_keys(svc, endpoint.id)
    steps = await svc.spare_cpu(core_blame.with_keyed_steps, body, steps, endpoint.diff, known)
    leaves, following = await svc.spare_cpu(_leaves, body, steps, endpoint, resume.first, wanted, known)
    if not leaves:
        pointer.refuse_unlikely(path)
        raise NotFound(f"there is nothing at {path} in that snapshot")
    search = await svc.spare_cpu(_search, leaves, resume)
    backward = BackwardSearch(walks.walk(endpoint, steps), search, resume.after, walks.Deadline())
    found_at, stopped = await _search_back(
        svc, endpoint, backward, leaves, await svc.spare_cpu(records.reached, body, steps)
    )
    uids = await svc.db.read(walks.first_snapshots, endpoint.id, list(found_at.values()))
    changes = {} if resume.left else backward.changes  # later pages do not see what was since
    previous: dict[int, PreviousValue | None] = {}
    if with_previous:
        previous = await previous_values.read(svc, backward.walk, leaves, found_at)
    found = await svc.spare_cpu(_shown, path, leaves, found_at, uids, changes, previous)
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
        return snapshots.snapshot_at(
            svc, endpoint.project, endpoint, times.LATEST_MS if time_ms is None else time_ms
        ).content
    if time_ms is not None:
        raise Invalid("give snapshot or time, not both", field="time")
    snapshot = snapshots.get_snapshot(svc, endpoint.project, snapshot_id)
    if snapshot.endpoint != endpoint.id:
        raise NotFound(f"{endpoint.name} has no such snapshot")
    return snapshot.content


def _leaves(
    body: bytes, steps: tuple[Step, ...], endpoint: EndpointRef, first: Spot, count: int, known: KnownKeys
) -> tuple[list[LeafPlace], LeafPlace | None]:
    """Up to `count` leaves at and under a path from `first` on, and the one after them. Raises Invalid."""
    found = list(islice(core_blame.leaves(body, steps, endpoint.diff, first, known), count + 1))
    return found[:count], found[count] if len(found) > count else None


def _search(leaves: Sequence[LeafPlace], resume: Resume) -> BlameSearch:
    search = BlameSearch(leaves)
    if resume.left:
        if len(resume.left) * 8 < len(leaves):
            raise BadRequest("the cursor does not fit: send the path it was given for", field="cursor")
        search.drop({n for n in range(len(leaves)) if not resume.left[n // 8] >> n % 8 & 1})
    return search


async def _search_back(
    svc: Services, endpoint: EndpointRef, backward: BackwardSearch, leaves: Sequence[LeafPlace], base: Target
) -> FoundLeaves:
    """By the record index, else by looking at all versions in which something under the path may have changed."""
    if path_index.is_indexed(backward.walk.steps, endpoint.diff):
        wanted = {number: leaves[number] for number in backward.search.leaves}
        last = await svc.spare_cpu(LeafSearch, base, wanted)
        plan = await svc.db.read(_plan, backward, last)
        if plan is not None:
            backward.changes.update(last.changes)
            return await _search_by_index(svc, backward, plan)
    return await _search_by_walking(svc, backward)


def _shown(
    path: str,
    leaves: Sequence[LeafPlace],
    found_at: dict[int, store.WalkedContent],
    uids: dict[int, bytes],
    changes: dict[int, int],
    previous: dict[int, PreviousValue | None],
) -> list[Leaf]:
    above: dict[LeafPlace, str] = {}
    since = {at.content: (ids.text(uids[at.content]), times.format(at.captured_at)) for at in found_at.values()}
    return [
        Leaf(
            path + leaves[number].path(above),
            msgspec.Raw(surrogates.restore(leaves[number].raw)),
            *since[found_at[number].content],
            changes.get(number) or UNSET,
            previous.get(number, UNSET),
        )
        for number in sorted(found_at)
    ]


def _bits(numbers: set[int], count: int) -> bytes:
    bits = bytearray(-(-count // 8))
    for number in numbers:
        bits[number // 8] |= 1 << number % 8
    return bytes(bits)


# By the record index


class Plan(msgspec.Struct, frozen=True):
    """`last`: by leaf, the content in which it changed last, for certain. `visits`, newest first: those in which some
    leaves may have changed since, and which."""

    last: dict[int, store.WalkedContent]
    visits: list[tuple[store.WalkedContent, set[int]]]


def _plan(tx: Tx, backward: BackwardSearch, last: LeafSearch) -> Plan | None:
    """None where the index does not tell."""
    if not walks.is_indexed(tx, backward.walk):
        return None
    endpoint, (until_ms, until) = backward.walk.endpoint, backward.after
    try:
        life_index.observe_until(tx, endpoint, last, until_ms)
    except life_index.IndexDamaged as error:
        log.error("the record index is damaged", endpoint=endpoint, reason=str(error))
        return None
    candidates = last.candidates()
    if candidates is None:
        return None
    rows = store.contents_at(tx, endpoint, sorted({*last.last.values(), *candidates}))
    if any(at not in rows for at in last.last.values()):
        return None
    visits = [
        (rows[at], candidates[at])
        for at in sorted(candidates, reverse=True)
        if at in rows and rows[at].position < (until_ms, until)
    ]
    return Plan({leaf: rows[at] for leaf, at in last.last.items()}, visits)


async def _search_by_index(svc: Services, backward: BackwardSearch, plan: Plan) -> FoundLeaves:
    found: dict[int, store.WalkedContent] = {}
    certain = sorted(plan.last.items(), key=lambda of: of[1].position)
    waiting, size = plan.visits, walks.FIRST_VISITS
    while backward.search.leaves and waiting:
        some = _together(waiting[:size])
        before = await svc.db.read(_before, backward.walk.endpoint, some)
        known = [content for content in before if content is not None]
        values = iter(await walks.values(svc, backward.walk, known[::-1]))
        rising = [None if content is None else next(values) for content in before[::-1]]
        seen, looked_at = await svc.spare_cpu(_compare_visits, backward, certain, some, rising[::-1])
        found |= seen
        rest = waiting[looked_at:]
        waiting = [(visit, leaves) for visit, leaves in rest if not leaves.isdisjoint(backward.search.leaves)]
        if found and waiting and backward.deadline.passed:
            return found, some[looked_at - 1].position
        size = min(4 * size, walks.MOST_VISITS)
    return found | {leaf: plan.last[leaf] for leaf in backward.search.leaves if leaf in plan.last}, None


def _together(visits: list[tuple[store.WalkedContent, set[int]]]) -> list[store.WalkedContent]:
    """As many as are read at a time."""
    size = 0
    for number, (visit, _) in enumerate(visits):
        size += visit.size
        if number and size > walks.CHUNK_BYTES:
            return [each for each, _ in visits[:number]]
    return [visit for visit, _ in visits]


def _before(tx: Tx, endpoint: int, visits: Sequence[store.WalkedContent]) -> list[int | None]:
    before = [contents.before(tx, endpoint, visit.position) for visit in visits]
    return [None if content is None else content.id for content in before]


def _compare_visits(
    backward: BackwardSearch,
    certain: list[tuple[int, store.WalkedContent]],
    visits: Sequence[store.WalkedContent],
    before: Sequence[bytes | None],
) -> tuple[dict[int, store.WalkedContent], int]:
    """The leaves that leave the search down to the last version looked at, and how many were in time, at least one.
    `certain` ends with the leaf that changed last; it is taken off where the search comes by."""
    found: dict[int, store.WalkedContent] = {}
    for number, (visit, value) in enumerate(zip(visits, before, strict=True), 1):
        passed: dict[int, store.WalkedContent] = {}
        while certain and certain[-1][1].position >= visit.position:
            leaf, at = certain.pop()
            if leaf in backward.search.leaves:
                passed[leaf] = at
        if passed:
            backward.search.drop(set(passed))
        found |= passed
        found |= dict.fromkeys(backward.search.compare_older(value), visit)
        if not backward.search.leaves or (found and backward.deadline.passed):
            return found, number
    return found, len(visits)


# By walking


async def _search_by_walking(svc: Services, backward: BackwardSearch) -> FoundLeaves:
    span, visits = TimelineSpan(after=backward.after), walks.FIRST_VISITS
    found: dict[int, store.WalkedContent] = {}
    while backward.search.leaves:
        versions, next = await walks.read(svc, walks.without_index(backward.walk), span, visits=visits)
        seen = await svc.spare_cpu(_compare_versions, backward, versions)
        found |= {leaf: at for at, gone in seen for leaf in gone}
        if len(seen) < len(versions):
            next = seen[-1][0].position
        if next is None:
            break
        if found and backward.search.leaves and backward.deadline.passed:
            return found, next
        span, visits = span.past(next), min(4 * visits, walks.MOST_VISITS)
    return found, None


def _compare_versions(
    backward: BackwardSearch, versions: Sequence[WalkVersion]
) -> list[tuple[store.WalkedContent, list[int]]]:
    """The versions that were looked at in time, at least one, and the leaves that left the search with each."""
    seen: list[tuple[store.WalkedContent, list[int]]] = []
    for version in versions:
        seen.append((version.at, backward.search.compare_older(version.value_before)))
        if not backward.search.leaves or (backward.deadline.passed and any(gone for _, gone in seen)):
            break
    return seen
