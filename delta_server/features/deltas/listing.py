"""Lists of stored deltas: of one endpoint or of a project in order of time, by kind, size and what changed."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import msgspec

from delta_server.core.diff.compare import DiffSettings
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.core.history import path_filter
from delta_server.core.history.path_filter import PathFilter
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.json import pointer
from delta_server.features.deltas import schemas, store
from delta_server.features.deltas.rows import KINDS
from delta_server.features.deltas.schemas import Delta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as fields
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Row, Tx
from delta_server.storage.paging import merged

SCAN_LIMIT = 20_000
"""Deltas one list request looks at before it answers with what it found, if that is anything, and a cursor."""
MAX_SEARCH_S = 1.5
"""A list whose rows are found by reading documents ends after this, once it has one."""
FIRST_CANDIDATES, MAX_CANDIDATES = 16, 256
"""Deltas whose documents are read before the list goes on."""
MOST_FIELDS = 4096


class DeltaFilter(msgspec.Struct, frozen=True):
    """Which deltas a list wants; `path` is what must have changed."""

    kinds: frozenset[str] = frozenset({"content"})
    min_changes: int = 0
    path: PathFilter | None = None

    def matches(self, row: Row) -> bool:
        return KINDS[row[3]] in self.kinds and sum(row[4:8]) >= self.min_changes


def filter_of(*, kind: str, min_changes: int, path: str | None) -> DeltaFilter:
    """Raises Invalid for an unknown kind or a path that is none."""
    kinds = frozenset(KINDS if kind == "all" else kind.split(","))
    if not kinds <= set(KINDS):
        raise Invalid(f"kind must be {', '.join(KINDS)}, several of them with commas between, or all", field="kind")
    return DeltaFilter(kinds, min_changes, None if path is None else path_filter.parse(path))


class DeltaPage(msgspec.Struct, frozen=True):
    """A page of a list; `next` is the position to go on after, None at the end. `positions` are those of `deltas`."""

    deltas: list[Delta]
    next: Position | None
    positions: list[Position]


class _RelevantFields(msgspec.Struct, frozen=True):
    """The fields of an endpoint that tell of a path: `certain` for certain, `possible` perhaps, and those `above` it
    perhaps where a delta has so many edits that some are counted under their parents. `moves`: so may every delta in
    which elements moved, which no field counts."""

    certain: frozenset[int]
    possible: frozenset[int]
    above: frozenset[int]
    moves: bool = False

    def all(self) -> frozenset[int]:
        return self.certain | self.possible | self.above

    def is_sure(self, row: Row) -> bool | None:
        """None: the delta has nothing to do with the path."""
        changed = store.field_ids(row)
        if not self.certain.isdisjoint(changed):
            return True
        many = sum(row[4:7]) > path_filter.FOLDED_FROM
        if self.moves and row[7]:
            return False
        return False if not self.possible.isdisjoint(changed) or (many and not self.above.isdisjoint(changed)) else None


class _Candidate(msgspec.Struct, frozen=True):
    """A delta that matches all but perhaps the path; then `before` is the content before its own."""

    delta: Delta
    endpoint: int
    content: int
    position: Position
    before: int | None = None


class _SearchPart(msgspec.Struct, frozen=True):
    """`next` is where the search goes on, None at the end; `settings` are those of the endpoints with doubts, as JSON.
    `is_long`: so many deltas were looked at that the list is to end here."""

    candidates: list[_Candidate]
    settings: dict[int, str]
    next: Position | None
    is_long: bool = False


async def page(
    svc: Services, project: int, endpoint: EndpointRef | None, span: TimelineSpan, *, limit: int, filter: DeltaFilter
) -> DeltaPage:
    """Up to `limit` deltas of one endpoint, or of the project in order of time, that match `filter`: at least one, or
    `next` is None."""
    ends_at, candidates = time.monotonic() + MAX_SEARCH_S, FIRST_CANDIDATES
    found: list[_Candidate] = []
    while True:
        wanted = limit + 1 - len(found)
        part = await svc.db.read(_part, project, endpoint, span, filter, wanted=wanted, candidates=candidates)
        for candidate in await _confirmed(svc, filter, part):
            if len(found) == limit:
                return _found(found, found[-1].position)
            found.append(candidate)
        if part.next is None or (found and (part.is_long or time.monotonic() >= ends_at)):
            return _found(found, part.next)
        span, candidates = span.past(part.next), min(4 * candidates, MAX_CANDIDATES)


def _found(candidates: Sequence[_Candidate], next: Position | None) -> DeltaPage:
    return DeltaPage([one.delta for one in candidates], next, [one.position for one in candidates])


def _part(
    tx: Tx,
    project: int,
    endpoint: EndpointRef | None,
    span: TimelineSpan,
    filter: DeltaFilter,
    *,
    wanted: int,
    candidates: int,
) -> _SearchPart:
    rows, relevant = _rows(tx, project, endpoint, span, filter.path, most=wanted)
    found: list[_Candidate] = []
    settings: dict[int, str] = {}
    read = store.ReadCache()
    last: Position | None = None
    for scanned, row in enumerate(rows):
        if scanned == SCAN_LIMIT:
            return _SearchPart(found, settings, last, is_long=True)
        certain = relevant[row[2]].is_sure(row) if relevant else True
        if certain is not None and filter.matches(row):
            if len(found) == wanted or (not certain and not candidates):
                return _SearchPart(found, settings, last)
            found.append(_candidate(tx, row, read, certain=certain))
            if not certain:
                candidates -= 1
                settings[row[2]] = settings.get(row[2]) or store.basis(tx, row[2]).diff
        last = row[0], row[1]
    return _SearchPart(found, settings, None)


def _rows(
    tx: Tx, project: int, endpoint: EndpointRef | None, span: TimelineSpan, path: PathFilter | None, *, most: int
) -> tuple[Iterator[Row], dict[int, _RelevantFields]]:
    """The deltas along `span` in which the path may have changed, and by endpoint what tells of that."""
    if endpoint is not None:
        endpoints.confirm(tx, endpoint)
        walks, relevant = _walks(tx, [endpoint.id], span, path, most=most, first=None)
        return walks[endpoint.id](), relevant
    heads = store.heads(tx, project, span)
    walks, relevant = _walks(tx, [endpoint for _, endpoint in heads], span, path, most=most, first=1)
    return merged(heads, lambda endpoint: walks[endpoint](), descending=span.descending), relevant


def _walks(
    tx: Tx, endpoints: Sequence[int], span: TimelineSpan, path: PathFilter | None, *, most: int, first: int | None
) -> tuple[dict[int, Callable[[], Iterator[Row]]], dict[int, _RelevantFields]]:
    """By endpoint, what begins its walk."""
    if path is None:
        return {id: partial(store.walk, tx, id, span, most=most, first=first) for id in endpoints}, {}
    relevant = {id: _relevant_fields(tx, id, path) for id in endpoints}
    if not any(of.certain for of in relevant.values()):
        _refuse_unlikely_path(path)
    return {
        id: partial(store.walk, tx, id, span, most=most, first=first)
        if of.moves
        else partial(_changes, tx, id, of.all(), span, first or store.AT_ONCE)
        for id, of in relevant.items()
    }, relevant


def _changes(tx: Tx, endpoint: int, of: frozenset[int], span: TimelineSpan, size: int) -> Iterator[Row]:
    times = fields.along(tx, endpoint, of, span)
    while some := list(islice(times, size)):
        size = store.AT_ONCE
        rows = store.at(tx, endpoint, some)
        yield from (rows[time] for time in some if time in rows)


def _relevant_fields(tx: Tx, endpoint: int, path: PathFilter) -> _RelevantFields:
    certain: set[int] = set()
    possible: set[int] = set()
    above: set[int] = set()
    places = path_filter.places(path)
    near = [fields.near(tx, endpoint, place, MOST_FIELDS) for place in places or ()]
    if path.steps is not None:
        certain.update(fields.at_or_under(tx, endpoint, path.path, MOST_FIELDS << 8))
    if path.steps is not None and places is not None and None not in near:
        possible.update(field for some in near for field in some or ())
        return _RelevantFields(frozenset(certain), frozenset(possible - certain), frozenset(), path.may_be_by_index)
    for field, pattern in fields.all_fields(tx, endpoint):
        if path.steps is not None:
            possible.add(field)
        elif path_filter.covers(path, pattern, folded=False):
            certain.add(field)
        elif path_filter.covers(path, pattern, folded=True):
            possible.add(field)
        elif path_filter.is_above(path, pattern):
            above.add(field)
    return _RelevantFields(frozenset(certain), frozenset(possible - certain), frozenset(above), path.may_be_by_index)


def _refuse_unlikely_path(path: PathFilter) -> None:
    """Raise Invalid for a path at which no field is, and which was meant otherwise: a name may hold a `*`."""
    if path.may_be_part_of_a_name:
        raise Invalid(
            f"no field is called {path.path}: * stands for one whole step, ** for any number of them; a pattern "
            "includes all under it, and GET /v1/endpoints/{endpoint}/fields?q= finds patterns by a part of their text",
            field="path",
        )
    if path.steps is not None:
        pointer.refuse_unlikely(path.path)


def _candidate(tx: Tx, row: Row, read: store.ReadCache, *, certain: bool) -> _Candidate:
    captured_at, content, endpoint = row[:3]
    before = None if certain else contents.before(tx, endpoint, (captured_at, content))
    return _Candidate(
        view(tx, row, read), endpoint, content, (captured_at, content), None if before is None else before.id
    )


def view(tx: Tx, row: Row, read: store.ReadCache) -> Delta:
    delta = store.to_listed(tx, row, read)
    ends = store.snapshots_of(tx, delta.endpoint, delta.captured_at)
    assert ends is not None, "a delta leads from a snapshot to a snapshot"
    return schemas.delta(
        delta.summary,
        endpoint=store.endpoint_uid(tx, delta.endpoint, read),
        ends=ends,
        captured_at=delta.captured_at,
        stored=True,
    )


# What the index does not tell for certain, the documents do


async def _confirmed(svc: Services, filter: DeltaFilter, part: _SearchPart) -> list[_Candidate]:
    """The candidates in whose deltas the path changed. Raises Conflict when contents vanish meanwhile."""
    changed: set[int] = set()
    for endpoint, settings in part.settings.items():
        candidates = [one for one in part.candidates if one.endpoint == endpoint and one.before is not None]
        assert filter.path is not None
        changed |= await _changed(svc, endpoint, sorted(candidates, key=_position), filter.path, settings)
    return [one for one in part.candidates if one.before is None or one.content in changed]


def _position(candidate: _Candidate) -> Position:
    return candidate.position


async def _changed(
    svc: Services, endpoint: int, rising: Sequence[_Candidate], path: PathFilter, settings: str
) -> set[int]:
    decoded = msgspec.json.decode(settings, type=DiffSettings)
    wanted = list(dict.fromkeys(id for one in rising for id in (one.before, one.content) if id is not None))
    changed: set[int] = set()
    bodies: dict[int, bytes] = {}
    waiting = list(reversed(rising))
    try:
        async for content, body in contents.read_run(svc.contents, endpoint, wanted):
            bodies[content] = body
            if not waiting or waiting[-1].content != content:
                continue
            before = waiting.pop().before
            assert before is not None
            if await svc.spare_cpu(path_filter.changed, path, bodies[before], body, decoded):
                changed.add(content)
            bodies = {content: body}
    except NotFound:
        raise Conflict("the endpoint's history was rewritten while it was read: ask again") from None
    return changed
