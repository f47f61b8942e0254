"""Walking along an endpoint's versions, looking only at those in which the value at a path may have changed.

A walk goes in chunks. Of a stretch of the timeline the field index says which contents may differ at the path from the
ones before them; those are read, and the one before the oldest of them as well. Between two of them the value stays,
so it is known for the whole stretch. Where the index cannot tell (core/watch.py), all contents are looked at.
"""

from collections.abc import Sequence

import msgspec

from delta_server.core import halves, pointer, watch
from delta_server.core.errors import Conflict, NotFound
from delta_server.core.pointer import Step
from delta_server.core.span import Position, Span
from delta_server.core.watch import Place
from delta_server.features.contents import service as contents
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as field_index
from delta_server.features.history import store
from delta_server.features.history.store import Passed
from delta_server.services import Services
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


class Walk(msgspec.Struct, frozen=True):
    """`watched` is None when all contents must be looked at."""

    endpoint: int
    steps: tuple[Step, ...]
    watched: list[Place] | None
    diff_version: int


class Chunk(msgspec.Struct, frozen=True):
    """`visits` along the walk; `before` is the content before the oldest; `next` is where to go on, None at the end."""

    visits: list[Passed]
    before: int | None
    next: Position | None


class Version(msgspec.Struct, frozen=True):
    """A content, the slice at the path in it and in the content before it; None where there is nothing."""

    at: Passed
    value: bytes | None
    value_before: bytes | None


def walk(endpoint: EndpointRef, steps: tuple[Step, ...], *, use_index: bool = True) -> Walk:
    watched = watch.places(steps, endpoint.diff) if use_index else None
    return Walk(endpoint.id, steps, watched, endpoint.diff_version)


async def read(svc: Services, walk: Walk, span: Span, *, visits: int) -> tuple[list[Version], Position | None]:
    """The next versions along `span` that may differ from the ones before them, and where to go on, None at the end.

    Raises Conflict when contents vanish meanwhile.
    """
    chunk = await svc.db.read(_chunk, walk, span, visits)
    if not chunk.visits:
        return [], chunk.next
    rising = chunk.visits[::-1] if span.descending else chunk.visits
    wanted = [visit.content for visit in rising]
    if chunk.before is None:
        values = [None, *await _values(svc, walk, wanted)]
    else:
        values = await _values(svc, walk, [chunk.before, *wanted])
    versions = [Version(visit, values[n + 1], values[n]) for n, visit in enumerate(rising)]
    return versions[::-1] if span.descending else versions, chunk.next


def _chunk(tx: Tx, walk: Walk, span: Span, limit: int) -> Chunk:
    fields = _fields(tx, walk)
    length = limit if fields is None else limit * STRETCH
    passed = store.passed(tx, walk.endpoint, span, length)
    if not passed:
        return Chunk([], None, None)
    changed: set[int] = set()
    if fields is not None:
        first_ms, last_ms = sorted((passed[0].captured_at, passed[-1].captured_at))
        changed = field_index.between(tx, walk.endpoint, fields, first_ms, last_ms)
    visits: list[Passed] = []
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
        return Chunk([], None, next)
    oldest = visits[-1 if span.descending else 0]
    before = contents.before(tx, walk.endpoint, oldest.position)
    return Chunk(visits, None if before is None else before.id, next)


def _fields(tx: Tx, walk: Walk) -> set[int] | None:
    """The fields that tell of changes at the path, None when not all deltas can be trusted to have counted them."""
    if walk.watched is None or store.settings_version(tx, walk.endpoint) != walk.diff_version:
        return None
    found: set[int] = set()
    for place in walk.watched:
        near = field_index.near(tx, walk.endpoint, place, MAX_FIELDS)
        if near is None or len(found | near) > MAX_FIELDS:
            return None
        found |= near
    return found


async def _values(svc: Services, walk: Walk, wanted: Sequence[int]) -> list[bytes | None]:
    values: list[bytes | None] = []
    batch: list[bytes] = []
    size = 0
    try:
        async for _, body in contents.read_run(svc, walk.endpoint, wanted):
            batch.append(body)
            size += len(body)
            if size >= BATCH_BYTES:
                values += await svc.spare_cpu(_resolve, batch, walk.steps)
                batch, size = [], 0
    except NotFound:
        raise Conflict("the endpoint's history was rewritten while it was read: ask again") from None
    return values + await svc.spare_cpu(_resolve, batch, walk.steps)


def _resolve(bodies: Sequence[bytes], steps: tuple[Step, ...]) -> list[bytes | None]:
    if not steps:
        return [halves.hidden(body) for body in bodies]
    found = [halves.reading(lambda body: pointer.resolve(body, steps), body) for body in bodies]
    return [None if raw is None else bytes(raw) for raw in found]
