"""Walking along an endpoint's versions, looking only at those in which the value at a path may have changed.

A walk goes in chunks. The record index says at which times the value may have changed; of the contents of those times
the ones are read whose value it does not know, and the one before the oldest of them as well. Between two of them the
value stays, so it is known for the whole chunk.
While that index is not whole, the field index says which contents of a stretch of the
timeline may differ at the path. Where no index can tell (core/history/path_index.py), all contents are looked at.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from delta_server.core.errors import Conflict, NotFound
from delta_server.core.history import lives, path_index, records
from delta_server.core.history.path_index import Place
from delta_server.core.history.records import Target
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.json import pointer, surrogates
from delta_server.core.json.pointer import Step
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as field_index
from delta_server.features.history import store
from delta_server.features.history.store import WalkedContent
from delta_server.features.lives import service as life_index
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

FIRST_VISITS = 16
MOST_VISITS = 512
CHUNK_BYTES = 32 << 20
STRETCH = 8
"""A stretch has so many contents for each that may be visited: 4,096 at most, 12 ms to read their rows."""

MAX_FIELDS = 64
"""Past it, too much has changed around the path for the index to save anything."""

BATCH_BYTES = 4 << 20
"""Resolved at a time on a thread."""

BODIES_KEPT = 4
"""So few contents that are read are kept in the cache."""

FEW_CANDIDATES = 16
"""So many contents are read rather than looked up in the field index."""

SEARCH_S = 1.5
"""A request searches so long, then answers with what it found, if that is anything, and where to go on."""

log = structlog.get_logger()


class Deadline:
    """When a search ends. At least one step is always made."""

    def __init__(self) -> None:
        self._at = time.monotonic() + SEARCH_S

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._at


class HistoryWalk(msgspec.Struct, frozen=True):
    """`watched` is None when all contents must be looked at, `targets` when the record index is of no use."""

    endpoint: int
    steps: tuple[Step, ...]
    watched: list[Place] | None
    diff_version: int
    targets: list[Target] | None = None


class WalkChunk(msgspec.Struct, frozen=True):
    """`visits` along the walk; `before` is the content before the oldest; `next` is where to go on, None at the end.
    `known`: by content, the values that need not be read, of those in which it surely changed."""

    visits: list[WalkedContent]
    before: int | None
    next: Position | None
    known: dict[int, bytes] = {}


class WalkVersion(msgspec.Struct, frozen=True):
    """A content, the slice at the path in it and in the content before it; None where there is nothing.
    `is_change`: surely one, and `value_before` may not have been looked for."""

    at: WalkedContent
    value: bytes | None
    value_before: bytes | None
    is_change: bool = False


def walk(endpoint: EndpointRef, steps: tuple[Step, ...], *, use_index: bool = True) -> HistoryWalk:
    watched = path_index.watched_places(steps, endpoint.diff) if use_index else None
    targets = None if watched is None else records.targets(steps)
    return HistoryWalk(endpoint.id, steps, watched, endpoint.diff_version, targets)


def without_index(walk: HistoryWalk) -> HistoryWalk:
    """The walk that reads what a version has and what the one before it has, whatever an index knows of that."""
    return msgspec.structs.replace(walk, targets=None)


async def read(
    svc: Services, walk: HistoryWalk, span: TimelineSpan, *, visits: int
) -> tuple[list[WalkVersion], Position | None]:
    """The next versions along `span` that may differ from the ones before them, and where to go on, None at the end.

    Raises Conflict when contents vanish meanwhile.
    """
    chunk = await svc.db.read(_chunk, walk, span, visits)
    if not chunk.visits:
        return [], chunk.next
    rising = chunk.visits[::-1] if span.descending else chunk.visits
    wanted = [visit.content for visit in rising if visit.content not in chunk.known]
    if chunk.before is not None:
        wanted.insert(0, chunk.before)
    read = dict(zip(wanted, await values(svc, walk, wanted), strict=True))
    versions: list[WalkVersion] = []
    before = None if chunk.before is None else read[chunk.before]
    for visit in rising:
        known = chunk.known.get(visit.content)
        value = read[visit.content] if known is None else None if known == lives.ABSENT else known
        versions.append(WalkVersion(visit, value, before, known is not None))
        before = value
    return versions[::-1] if span.descending else versions, chunk.next


def _chunk(tx: Tx, walk: HistoryWalk, span: TimelineSpan, limit: int) -> WalkChunk:
    if walk.targets is not None and is_indexed(tx, walk):
        try:
            return _chunk_of_lives(tx, walk, walk.targets, span, limit)
        except life_index.IndexDamaged as error:
            log.error("the record index is damaged", endpoint=walk.endpoint, reason=str(error))
    return _chunk_of_fields(tx, walk, span, limit)


def is_indexed(tx: Tx, walk: HistoryWalk) -> bool:
    """Whether all deltas were computed with the endpoint's settings and are in the record index."""
    version = endpoints.settings_version(tx, walk.endpoint)
    return version == walk.diff_version and endpoints.lives_are_whole(tx, walk.endpoint)


def _chunk_of_lives(tx: Tx, walk: HistoryWalk, targets: Sequence[Target], span: TimelineSpan, limit: int) -> WalkChunk:
    length = limit * STRETCH
    seen = life_index.changes(tx, walk.endpoint, targets, span, length)
    at = store.contents_at(tx, walk.endpoint, [each.at for each in seen])
    known = {at[each.at].content: each.value for each in seen if each.value is not None and each.at in at}
    passed = [at[each.at] for each in seen if each.at in at]
    if len(passed) - len(known) > FEW_CANDIDATES:
        passed = _perhaps_changed(tx, walk, passed, known)
    visits, stopped = _visits(passed, known, limit)
    next = stopped
    if stopped is None and len(seen) == length:
        last = at.get(seen[-1].at)
        next = (seen[-1].at, 0) if last is None else last.position
    if not visits:
        return WalkChunk([], None, next)
    oldest = visits[-1 if span.descending else 0]
    before = None if oldest.content in known else contents.before(tx, walk.endpoint, oldest.position)
    return WalkChunk(visits, None if before is None else before.id, next, known)


def _perhaps_changed(
    tx: Tx, walk: HistoryWalk, passed: Sequence[WalkedContent], known: Mapping[int, bytes]
) -> list[WalkedContent]:
    """Those of which the field index does not rule out that the value changed."""
    fields = _fields(tx, walk)
    if fields is None:
        return list(passed)
    first_ms, last_ms = sorted((passed[0].captured_at, passed[-1].captured_at))
    changed = field_index.between(tx, walk.endpoint, fields, first_ms, last_ms)
    return [each for each in passed if each.content in known or each.sure or each.captured_at in changed]


def _visits(
    passed: Sequence[WalkedContent], known: Mapping[int, bytes], limit: int
) -> tuple[list[WalkedContent], Position | None]:
    """The first of them, with up to `limit` to be read, and where to go on, None if that is all."""
    size = count = 0
    for number, content in enumerate(passed):
        if content.content in known:
            continue
        size += content.size
        count += 1
        if number and (count > limit or size > CHUNK_BYTES):
            return list(passed[:number]), passed[number - 1].position
    return list(passed), None


def _chunk_of_fields(tx: Tx, walk: HistoryWalk, span: TimelineSpan, limit: int) -> WalkChunk:
    fields = _fields(tx, walk)
    length = limit if fields is None else limit * STRETCH
    passed = store.contents_along(tx, walk.endpoint, span, length)
    if not passed:
        return WalkChunk([], None, None)
    changed: set[int] = set()
    if fields is not None:
        first_ms, last_ms = sorted((passed[0].captured_at, passed[-1].captured_at))
        changed = field_index.between(tx, walk.endpoint, fields, first_ms, last_ms)
    visits: list[WalkedContent] = []
    next = passed[-1].position if len(passed) == length else None
    size = 0
    for seen, content in enumerate(passed):
        if fields is not None and not content.sure and content.captured_at not in changed:
            continue
        size += content.size
        if visits and (len(visits) == limit or size > CHUNK_BYTES):
            next = passed[seen - 1].position
            break
        visits.append(content)
    if not visits:
        return WalkChunk([], None, next)
    oldest = visits[-1 if span.descending else 0]
    before = contents.before(tx, walk.endpoint, oldest.position)
    return WalkChunk(visits, None if before is None else before.id, next)


def _fields(tx: Tx, walk: HistoryWalk) -> set[int] | None:
    """The fields that tell of changes at the path, None when not all deltas can be trusted to have counted them."""
    if walk.watched is None or endpoints.settings_version(tx, walk.endpoint) != walk.diff_version:
        return None
    found: set[int] = set()
    for place in walk.watched:
        near = field_index.near(tx, walk.endpoint, place, MAX_FIELDS)
        if near is None or len(found | near) > MAX_FIELDS:
            return None
        found |= near
    return found


async def values(svc: Services, walk: HistoryWalk, wanted: Sequence[int]) -> list[bytes | None]:
    """What is at the path in some contents. Raises Conflict when one vanished meanwhile."""
    found: list[bytes | None] = []
    batch: list[bytes] = []
    size = 0
    try:
        async for body in _bodies(svc, walk.endpoint, wanted):
            batch.append(body)
            size += len(body)
            if size >= BATCH_BYTES:
                found += await svc.spare_cpu(_resolve, batch, walk.steps)
                batch, size = [], 0
    except NotFound:
        raise Conflict("the endpoint's history was rewritten while it was read: ask again") from None
    return found + await svc.spare_cpu(_resolve, batch, walk.steps)


async def _bodies(svc: Services, endpoint: int, wanted: Sequence[int]) -> AsyncIterator[bytes]:
    """A few are kept at hand: every record that an endpoint begins with is looked up in its first content."""
    if len(wanted) <= BODIES_KEPT:
        for content in wanted:
            yield await contents.read(svc.contents, endpoint, content)
        return
    async for _, body in contents.read_run(svc.contents, endpoint, wanted):
        yield body


def _resolve(bodies: Sequence[bytes], steps: tuple[Step, ...]) -> list[bytes | None]:
    if not steps:
        return [surrogates.hide(body) for body in bodies]
    found = [surrogates.with_hidden(lambda body: pointer.resolve(body, steps), body) for body in bodies]
    return [None if raw is None else bytes(raw) for raw in found]


class _Timed(Protocol):
    @property
    def captured_at(self) -> int: ...
    @property
    def content(self) -> int: ...


def first_snapshots(tx: Tx, endpoint: int, found: Sequence[_Timed]) -> dict[int, bytes]:
    """By content, the ids of the snapshots they first appeared in. Raises Conflict when one vanished meanwhile."""
    uids: dict[int, bytes] = {}
    for at in found:
        uid = uids.get(at.content) or snapshots.first_at(tx, endpoint, at.captured_at)
        if uid is None:
            raise Conflict("the endpoint's history was rewritten while it was read: ask again")
        uids[at.content] = uid
    return uids
