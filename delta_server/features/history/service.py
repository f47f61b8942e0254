"""What the values of an endpoint's fields were and since when, which fields change, how much there is."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import Invalid
from delta_server.core.history import timeline_buckets
from delta_server.core.history.blame import same_value
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.json import pointer, slices, surrogates
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.fields import service as field_index
from delta_server.features.history import schemas, store
from delta_server.features.history import walk as walks
from delta_server.features.history.blaming import Blamed as Blamed
from delta_server.features.history.blaming import Resume as Resume
from delta_server.features.history.blaming import blame as blame
from delta_server.features.history.kept_series import get_series as get_series
from delta_server.features.history.schemas import Bucket, Change, HistoryTotals, Stats
from delta_server.features.history.series import Series as Series
from delta_server.features.history.series import Size as Size
from delta_server.features.history.store import HourOfVersions as HourOfVersions
from delta_server.features.history.store import WalkedContent as WalkedContent
from delta_server.features.history.store import contents_along as contents_along
from delta_server.features.history.store import extent as extent
from delta_server.features.history.store import kept_of as kept_of
from delta_server.features.history.store import storage_totals as storage_totals
from delta_server.features.history.store import versions_by_hour as versions_by_hour
from delta_server.features.history.versions import AT_ONCE as AT_ONCE
from delta_server.features.history.versions import PathVersion as PathVersion
from delta_server.features.history.versions import Stretch as Stretch
from delta_server.features.history.versions import newest_versions as newest_versions
from delta_server.features.history.versions import read_versions as read_versions
from delta_server.features.history.versions import versions_after as versions_after
from delta_server.features.history.walk import HistoryWalk, WalkVersion
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
    totals: HistoryTotals | None = None


# The history of a field


async def get_history(
    svc: Services,
    endpoint: EndpointRef,
    path: str,
    span: TimelineSpan,
    *,
    limit: int,
    use_index: bool = True,
    with_totals: bool = False,
) -> HistoryPage:
    """Up to `limit` changes of the value at `path` along `span`: at least one, or `next` is None. Totals are there
    where the page is the whole history, or with `with_totals` where there is time for them.

    Raises Invalid for an invalid path, Conflict.
    """
    search = _HistorySearch(svc, walks.walk(endpoint, pointer.parse(path), use_index=use_index), span)
    page: list[WalkVersion] = []
    next: Position | None = None
    size, is_full = 0, False
    async for versions, following in search.steps():
        for version in versions:
            size += len(version.value or b"")
            is_full = is_full or bool(page and (len(page) == limit or size > ANSWER_BYTES))
            if is_full and not with_totals:
                return HistoryPage(await _changes(svc, endpoint, page), page[-1].at.position)
            if not is_full:
                page.append(version)
        next = page[-1].at.position if is_full else following
    totals = await svc.db.read(_totals, endpoint.id, search) if search.is_whole and span.after is None else None
    return HistoryPage(await _changes(svc, endpoint, page), next, totals)


class _HistorySearch:
    """Walks along a history until its deadline has passed and something is found. Keeps what totals are made of."""

    def __init__(self, svc: Services, walk: HistoryWalk, span: TimelineSpan) -> None:
        self._svc, self._walk, self.span = svc, walk, span
        self.is_whole = False
        self.rows = 0
        self.oldest_ms = times.LATEST_MS
        self.least: bytes | None = None
        self.greatest: bytes | None = None

    async def steps(self) -> AsyncIterator[tuple[list[WalkVersion], Position | None]]:
        """The next versions in which the value changed, and where to go on, None at the end."""
        span, visits, deadline = self.span, walks.FIRST_VISITS, walks.Deadline()
        while True:
            versions, next = await walks.read(self._svc, self._walk, span, visits=visits)
            changed = await self._svc.spare_cpu(self._changed, versions)
            self.is_whole = next is None
            yield changed, next
            if next is None or (self.rows and deadline.passed):
                return
            span, visits = span.past(next), min(4 * visits, walks.MOST_VISITS)

    def _changed(self, versions: Sequence[WalkVersion]) -> list[WalkVersion]:
        changed = _changed(versions)
        self.rows += len(changed)
        for version in changed:
            self.oldest_ms = min(self.oldest_ms, version.at.captured_at)
            if version.value is not None and slices.kind(version.value) == "number":
                if self.least is None or float(version.value) < float(self.least):
                    self.least = version.value
                if self.greatest is None or float(version.value) > float(self.greatest):
                    self.greatest = version.value
        return changed


def _totals(tx: Tx, endpoint: int, search: _HistorySearch) -> HistoryTotals:
    ends = snapshots.ends(tx, endpoint)
    was_there = search.rows and ends is not None and search.oldest_ms == ends[0]  # from the first version on
    deltas = endpoints.content_deltas(tx, endpoint)
    of_all = deltas and search.span == TimelineSpan(descending=search.span.descending)
    share = round(min(1.0, (search.rows - bool(was_there)) / deltas), 6) if of_all else None
    return HistoryTotals(search.rows, search.least, search.greatest, share)


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
