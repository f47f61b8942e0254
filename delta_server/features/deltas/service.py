"""What changed: deltas computed behind the writes, lists of them, comparisons of any two snapshots."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import merge

import msgspec
import structlog

from delta_server.core import ids, patterns, pointer, times
from delta_server.core.changes import changes
from delta_server.core.diff import Difference, DiffSettings, diff, validate
from delta_server.core.errors import DatabaseFailed, Invalid, NotFound, Unavailable
from delta_server.core.patches import json_patch, merge_patch
from delta_server.core.span import Position, Span
from delta_server.features.contents import service as contents
from delta_server.features.deltas import schemas, store
from delta_server.features.deltas.rows import KINDS, End, FieldCount, Job, SchemaChange, Summary
from delta_server.features.deltas.rows import TYPES as TYPES
from delta_server.features.deltas.schemas import Comparison, Format
from delta_server.features.deltas.schemas import Delta as Delta
from delta_server.features.deltas.store import delete_some as delete_some
from delta_server.features.deltas.store import forget as forget
from delta_server.features.deltas.store import queue_length as queue_length
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.services import Services
from delta_server.storage.database import Row, Tx

logger = structlog.get_logger()

QUEUE_PAGE = 64
LEAST_SHARE = 4
"""Deltas computed of one endpoint before the next has its turn: one with a long queue does not keep others waiting."""

WAIT_S = 30.0
SCAN_LIMIT = 20_000
"""Deltas one list request looks at before it answers with what it found and a cursor."""
MAX_FIELDS = 256
"""Field patterns kept of one delta; past it the deepest are counted under their parents."""


class Filter(msgspec.Struct, frozen=True):
    """Which deltas a list wants. `path` is a field pattern; changes at and under it count."""

    kinds: frozenset[str] = frozenset({"content"})
    min_changes: int = 0
    path: str | None = None

    def matches(self, row: Row) -> bool:
        return KINDS[row[3]] in self.kinds and sum(row[4:8]) >= self.min_changes


def filter_of(*, kind: str, min_changes: int, path: str | None) -> Filter:
    """Raises Invalid for an unknown kind or a path that is no pattern."""
    kinds = frozenset(KINDS if kind == "all" else kind.split(","))
    if not kinds <= set(KINDS):
        raise Invalid(f"kind must be {', '.join(KINDS)}, several of them with commas between, or all", field="kind")
    return Filter(kinds, min_changes, None if path is None else _pattern(path))


def _pattern(path: str) -> str:
    """Raises Invalid for a step by key: deltas are found by field, and a field is the same in all elements."""
    steps = pointer.parse(path)
    names = [step for step in steps if isinstance(step, str)]
    if len(names) < len(steps):
        raise Invalid(
            "path is a field pattern here: write * for an element of an array, as in /items/*/price; "
            "GET /v1/endpoints/{endpoint}/history?path= follows one element",
            field="path",
        )
    return "".join("/" + pointer.escape(name) for name in names)


class Found(msgspec.Struct, frozen=True):
    """A page of a list; `next` is the position to go on after, None at the end."""

    deltas: list[Delta]
    next: Position | None


# The queue


async def compute_queued(svc: Services) -> bool:
    """Compute the next deltas that wait, some of each endpoint; False when none does.

    One for which memory or the disk is short goes on waiting. Raises Unavailable when that is all there was.
    """
    waiting = await svc.db.read(store.waiting)
    if not waiting:
        return await svc.db.write(store.requeue, QUEUE_PAGE)
    share = max(LEAST_SHARE, QUEUE_PAGE // len(waiting))
    put_off: list[Unavailable] = []
    for endpoint in waiting:
        try:
            if jobs := await svc.db.read(store.queue, endpoint, share):
                await svc.db.write(_put, await _compute(svc, endpoint, jobs))
                svc.deltas_changed.notify()
        except Unavailable as error:
            logger.warning("deltas put off", endpoint=endpoint, reason=error.message)
            put_off.append(error)
    if len(put_off) == len(waiting):
        raise put_off[0]
    return True


async def _compute(svc: Services, endpoint: int, jobs: Sequence[Job]) -> list[tuple[Job, Summary | None]]:
    wanted = list(dict.fromkeys(id for job in jobs for id in (job.previous, job.content) if id is not None))
    bodies: dict[int, bytes] = {}
    settings = msgspec.json.decode(jobs[0].diff, type=DiffSettings)
    done: list[tuple[Job, Summary | None]] = []
    waiting = iter(jobs)
    job = next(waiting, None)
    try:
        async for content, body in contents.read_run(svc, endpoint, wanted):
            bodies[content] = body
            while job is not None and job.content in bodies:
                done.append((job, await _summary(svc, job, bodies, settings)))
                job = next(waiting, None)
                bodies = {content: body}
    except DatabaseFailed:
        done += await _compute_singly(svc, endpoint, jobs[len(done) :], settings)
    except NotFound:
        # A content was deleted since the queue was read: the next look at the queue knows.
        logger.debug("contents changed meanwhile", endpoint=endpoint)
    return done


async def _compute_singly(
    svc: Services, endpoint: int, jobs: Sequence[Job], settings: DiffSettings
) -> list[tuple[Job, Summary | None]]:
    """Damage in one place must not cost the deltas of all others: `verify` names it, what it touches has no delta."""
    done: list[tuple[Job, Summary | None]] = []
    for job in jobs:
        summary = None
        try:
            wanted = [id for id in (job.previous, job.content) if id is not None]
            bodies = {id: await contents.read(svc, endpoint, id) for id in wanted}
            summary = await _summary(svc, job, bodies, settings)
        except NotFound:
            break
        except DatabaseFailed as error:
            logger.error("delta not computed", endpoint=endpoint, content=job.content, reason=error.message)
        done.append((job, summary))
    return done


async def _summary(svc: Services, job: Job, bodies: dict[int, bytes], settings: DiffSettings) -> Summary | None:
    if job.previous is None or job.same:
        return None
    try:
        return await svc.spare_cpu(summarise, bodies[job.previous], bodies[job.content], settings)
    except Unavailable:
        raise
    except MemoryError:
        raise Unavailable("the server is out of memory; the delta is computed later", retry_after_s=30) from None
    except Exception:  # a fault of the diff with one document must not stop the deltas of all others
        logger.exception("delta not computed", endpoint=job.endpoint, content=job.content)
        return None


def summarise(before: bytes, after: bytes, settings: DiffSettings) -> Summary | None:
    """What is stored of a difference; None without any."""
    difference = diff(before, after, settings)
    return None if difference.kind == "none" else _summary_of(difference)


def _summary_of(difference: Difference) -> Summary:
    fields = patterns.fold(difference.fields, MAX_FIELDS)
    return Summary(
        kind=difference.kind,
        added=difference.added,
        removed=difference.removed,
        replaced=difference.replaced,
        moved=difference.moved,
        similarity=round(difference.similarity, 6),
        fields=[
            FieldCount(path, count, _bits(difference.types.get(path, ()))) for path, count in sorted(fields.items())
        ],
        schema_changes=[SchemaChange(change.op, change.path, change.elements) for change in difference.schema_changes],
    )


def _bits(types: Iterable[str]) -> int:
    return sum(1 << TYPES.index(name) for name in types)


def _put(tx: Tx, done: Iterable[tuple[Job, Summary | None]]) -> None:
    for job, summary in done:
        store.put(tx, job, summary)


async def wait_for(svc: Services, project: int, snapshot: bytes) -> Delta | None:
    """The delta that leads to a snapshot, once it is computed; None if there is none, or not within `WAIT_S`."""
    while svc.db.peek(store.is_queued, project, snapshot):
        if not await svc.deltas_changed.wait(WAIT_S):
            return None
    return svc.db.peek(_by_snapshot, project, snapshot)


# Stored deltas


def _by_snapshot(tx: Tx, project: int, uid: bytes) -> Delta | None:
    content = store.begun_by(tx, project, uid)
    row = None if content is None else store.row(tx, content)
    return None if row is None else _view(tx, row)


async def get(svc: Services, project: int, delta_id: str, format: Format) -> Delta:
    """One delta with its operations, computed afresh with the endpoint's present settings. Raises NotFound."""
    uid = ids.parse(delta_id, "delta")
    ends = svc.db.peek(store.ends_of_delta, project, uid)
    if ends is None:
        raise NotFound("no such delta in this project: a delta has the id of the snapshot it leads to")
    delta = await _compare(svc, ends, None, format)
    return msgspec.structs.replace(delta, id=delta.to_snapshot_id)


async def page(
    svc: Services, project: int, endpoint: EndpointRef | None, span: Span, *, limit: int, filter: Filter
) -> Found:
    """Up to `limit` deltas of one endpoint, or of the project in order of time, that match `filter`."""
    return await svc.db.read(_page, project, endpoint, span, limit, filter)


def _page(tx: Tx, project: int, endpoint: EndpointRef | None, span: Span, limit: int, filter: Filter) -> Found:
    if endpoint is not None:
        endpoints.confirm(tx, endpoint)
        walks = _walks(tx, [endpoint.id], span, limit + 1, filter.path)
    else:
        walks = _walks(tx, store.endpoints(tx, project), span, 1 + limit // 16, filter.path)
    found: list[Row] = []
    last: Position | None = None
    for scanned, row in enumerate(merge(*walks, reverse=span.descending)):
        if scanned == SCAN_LIMIT or (filter.matches(row) and len(found) == limit):
            return Found([_view(tx, row) for row in found], last)
        if filter.matches(row):
            found.append(row)
        last = row[0], row[1]
    return Found([_view(tx, row) for row in found], None)


def _walks(tx: Tx, endpoints: Sequence[int], span: Span, size: int, path: str | None) -> list[Iterator[Row]]:
    if path is None:
        return [store.walk(tx, endpoint, span, size) for endpoint in endpoints]
    fields = [store.fields_at_or_under(tx, endpoint, path) for endpoint in endpoints]
    _check_wildcards(path, is_there=any(fields))
    return [_rows(tx, of, span, size) for of in fields]


def _check_wildcards(path: str, *, is_there: bool) -> None:
    """A name may hold a `*`, so what looks like another wildcard is refused only where no field is called so."""
    if is_there or not any("*" in step and step != "*" for step in path.split("/")):
        return
    raise Invalid(
        f"no field is called {path}: * stands for one whole step and there is no **; a pattern includes all under it, "
        "and GET /v1/endpoints/{endpoint}/fields?q= finds patterns by a part of their text",
        field="path",
    )


def _rows(tx: Tx, fields: Collection[int], span: Span, size: int) -> Iterator[Row]:
    for _, content in store.changed_contents(tx, fields, span, size):
        row = store.row(tx, content)
        if row is not None:
            yield row


def _view(tx: Tx, row: Row) -> Delta:
    delta = store.listed(tx, row)
    ends = store.snapshots_of(tx, delta.endpoint, delta.captured_at)
    assert ends is not None, "a delta leads from a snapshot to a snapshot"
    return schemas.delta(
        delta.summary,
        endpoint=store.endpoint_uid(tx, delta.endpoint),
        ends=ends,
        captured_at=delta.captured_at,
        stored=True,
    )


# Comparisons


async def compare(svc: Services, project: int, wanted: Comparison, endpoint: EndpointRef | None) -> Delta:
    """Any two snapshots of one endpoint. Raises Invalid and NotFound."""
    if wanted.diff is not None:
        validate(wanted.diff)
    before = _end(svc, project, endpoint, wanted.from_snapshot_id, wanted.from_time, "from")
    after = _end(svc, project, endpoint, wanted.to_snapshot_id, wanted.to_time, "to")
    if before.endpoint != after.endpoint:
        raise Invalid("the two snapshots belong to different endpoints", field="to_snapshot_id")
    return await _compare(svc, (before, after), wanted.diff, wanted.format)


async def since(
    svc: Services, project: int, snapshot_id: str, format: Format, endpoint: EndpointRef | None = None
) -> Delta:
    """From a snapshot to the latest one of its endpoint. Raises NotFound, also if that is not `endpoint`."""
    before = _end(svc, project, endpoint, snapshot_id, None, "since_snapshot")
    after = svc.db.peek(store.end_at, project, before.endpoint, times.LATEST_MS)
    assert after is not None, "there is at least the snapshot asked for"
    return await _compare(svc, (before, after), None, format)


def _end(
    svc: Services, project: int, endpoint: EndpointRef | None, snapshot_id: str | None, time: str | None, side: str
) -> End:
    if snapshot_id is not None and time is not None:
        raise Invalid(f"give {side}_snapshot_id or {side}_time, not both", field=f"{side}_time")
    if snapshot_id is not None:
        end = svc.db.peek(store.end_by_uid, project, ids.parse(snapshot_id, "snapshot"))
        if end is None or (endpoint is not None and end.endpoint != endpoint.id):
            raise NotFound("no such snapshot in this project" + ("" if endpoint is None else f" of {endpoint.name}"))
        return end
    if endpoint is None:
        raise Invalid(f"give {side}_snapshot_id, or endpoint_id with {side}_time", field=f"{side}_snapshot_id")
    if time is None and side == "from":
        raise Invalid("give from_snapshot_id or from_time", field="from_snapshot_id")
    now_ms = svc.clock.now_ms()
    at = times.LATEST_MS if time is None else times.parse_moment(time, field=f"{side}_time", now_ms=now_ms)
    end = svc.db.peek(store.end_at, project, endpoint.id, at)
    if end is None:
        raise NotFound(f"{endpoint.name} has no snapshot at or before {time}")
    return end


async def _compare(svc: Services, ends: tuple[End, End], settings: DiffSettings | None, format: Format) -> Delta:
    before, after = ends
    settings = settings or msgspec.json.decode(after.diff, type=DiffSettings)
    first = await contents.read(svc, before.endpoint, before.content)
    second = await contents.read(svc, after.endpoint, after.content)
    summary, operations = await svc.spare_cpu(_operations, first, second, settings, format)
    delta = schemas.delta(
        summary, endpoint=after.endpoint_uid, ends=(before.uid, after.uid), captured_at=after.captured_at, stored=False
    )
    return msgspec.structs.replace(delta, format=format, diff=msgspec.Raw(operations))


def _operations(before: bytes, after: bytes, settings: DiffSettings, format: Format) -> tuple[Summary, bytes]:
    difference = diff(before, after, settings)
    if format == "changes":
        written = msgspec.json.encode(changes(difference))
    elif format == "merge-patch":
        written = merge_patch(before, after, settings)
    else:
        written = json_patch(difference)
    return _summary_of(difference), written
