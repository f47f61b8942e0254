"""What the values of an endpoint's fields were and since when, which fields change, how much there is."""

from collections.abc import Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import Invalid
from delta_server.core.history import timeline_buckets
from delta_server.core.history.blame import same_value
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.json import pointer, surrogates
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as field_index
from delta_server.features.history import schemas, store
from delta_server.features.history import walk as walks
from delta_server.features.history.blaming import Blamed as Blamed
from delta_server.features.history.blaming import Resume as Resume
from delta_server.features.history.blaming import blame as blame
from delta_server.features.history.schemas import Bucket, Change, Stats
from delta_server.features.history.store import storage_totals as storage_totals
from delta_server.features.history.walk import WalkVersion
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx

ANSWER_BYTES = 8 << 20
"""Values of one page; a first one that is larger still comes."""

RANGE_MS = 30 * times.DAY_MS


class HistoryPage(msgspec.Struct, frozen=True):
    """A page of a field's history; `next` is the position to go on after, None at the end."""

    changes: list[Change]
    next: Position | None


# The history of a field


async def get_history(
    svc: Services, endpoint: EndpointRef, path: str, span: TimelineSpan, *, limit: int, use_index: bool = True
) -> HistoryPage:
    """Up to `limit` changes of the value at `path` along `span`: at least one, or `next` is None.

    Raises Invalid for an invalid path, Conflict.
    """
    walk = walks.walk(endpoint, pointer.parse(path), use_index=use_index)
    deadline, visits = walks.Deadline(), walks.FIRST_VISITS
    found: list[WalkVersion] = []
    size = 0
    while True:
        versions, next = await walks.read(svc, walk, span, visits=visits)
        for version in await svc.spare_cpu(_changed, versions):
            size += len(version.value or b"")
            if found and (len(found) == limit or size > ANSWER_BYTES):
                return HistoryPage(await _changes(svc, endpoint, found), found[-1].at.position)
            found.append(version)
        if next is None or (found and deadline.passed):
            return HistoryPage(await _changes(svc, endpoint, found), next)
        span, visits = span.past(next), min(4 * visits, walks.MOST_VISITS)


def _changed(versions: Sequence[WalkVersion]) -> list[WalkVersion]:
    return [version for version in versions if version.is_change or not same_value(version.value_before, version.value)]


async def _changes(svc: Services, endpoint: EndpointRef, found: Sequence[WalkVersion]) -> list[Change]:
    uids = await svc.db.read(walks.first_snapshots, endpoint.id, [version.at for version in found])
    return [
        Change(
            snapshot_id=ids.text(uids[version.at.content]),
            captured_at=times.format(version.at.captured_at),
            value=msgspec.UNSET if version.value is None else msgspec.Raw(surrogates.restore(version.value)),
            exists=False if version.value is None else msgspec.UNSET,
        )
        for version in found
    ]


# The fields that change


async def list_fields(
    svc: Services, endpoint: EndpointRef, *, sought: str, after: tuple[int, int] | None, limit: int
) -> tuple[list[field_index.Field], int]:
    """Field patterns that hold `sought`, those that changed most first, and the number of the endpoint's deltas."""
    return await svc.db.read(_fields, endpoint.id, sought, after, limit)


def _fields(
    tx: Tx, endpoint: int, sought: str, after: tuple[int, int] | None, limit: int
) -> tuple[list[field_index.Field], int]:
    rows = field_index.most_changed(tx, endpoint, sought=sought, after=after, limit=limit)
    return [_with_snapshot(tx, endpoint, row) for row in rows], endpoints.content_deltas(tx, endpoint)


def _with_snapshot(tx: Tx, endpoint: int, field: field_index.Field) -> field_index.Field:
    if field.changed_at is None:
        return field
    return msgspec.structs.replace(field, snapshot=snapshots.first_at(tx, endpoint, field.changed_at))


# Stats


async def get_stats(
    svc: Services, endpoint: EndpointRef, *, interval: str, from_ms: int | None, to_ms: int | None
) -> Stats:
    """Totals, and counts by bucket of time. Without a range: 30 days up to the last snapshot. Raises Invalid."""
    return await svc.db.read(_stats, endpoint.id, interval, from_ms, to_ms)


def _stats(tx: Tx, endpoint: int, interval: str, from_ms: int | None, to_ms: int | None) -> Stats:
    interval_ms = times.parse_length(interval, field="interval")
    extent = snapshots.extent(tx, endpoint)
    if to_ms is None:
        to_ms = (from_ms or 0) if extent.last_captured_at is None else extent.last_captured_at + 1
        to_ms = max(to_ms, from_ms or 0)
    if from_ms is None:
        from_ms = timeline_buckets.aligned(to_ms - 1 - max(0, RANGE_MS - interval_ms), interval_ms)
    if from_ms > to_ms:
        raise Invalid("from lies after to", field="from")
    wanted = timeline_buckets.buckets_between(from_ms, to_ms, interval)
    totals = schemas.totals(extent, store.storage_totals(tx, endpoint), endpoints.content_deltas(tx, endpoint))
    return Stats(totals, interval, _buckets(tx, endpoint, wanted) if extent.count else [])


def _buckets(tx: Tx, endpoint: int, wanted: timeline_buckets.TimelineBuckets) -> list[Bucket]:
    spread = {
        "origin_ms": wanted.origin_ms,
        "interval_ms": wanted.interval_ms,
        "first": wanted.first_ms,
        "end": wanted.end_ms,
    }
    captured = snapshots.by_bucket(tx, endpoint, **spread)
    contents = store.contents_by_bucket(tx, endpoint, **spread)
    return [
        Bucket(times.format(wanted.begins(n)), captured.get(n, 0), *contents.get(n, (0, 0)))
        for n in range(wanted.count)
    ]
