"""What a change of an endpoint's settings would do to its recorded history, before anybody makes it."""

from collections import Counter
from collections.abc import Sequence

from msgspec import UNSET

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import TriedDelta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef, Retention
from delta_server.features.history import service as history
from delta_server.features.previews.schemas import DiffPreview, PreviewField, PreviewRequest, RetentionPreview
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_FIELDS = 100
CONTENT = "content"


def check(wanted: PreviewRequest) -> None:
    if (wanted.diff is UNSET) == (wanted.retention is UNSET):
        raise Invalid("give diff or retention, one of the two", field="diff")


async def of_diff(svc: Services, endpoint: EndpointRef, wanted: PreviewRequest) -> DiffPreview:
    """Raises Invalid for settings that are not valid."""
    settings = endpoints.changed_diff(endpoint, wanted.diff)
    tried, complete = await deltas.try_settings(svc, endpoint, settings, last=wanted.last)
    before, after = _counts(tried)
    of = [delta for delta in tried if delta.kind == CONTENT]
    silenced = [delta.snapshot_id for delta in of if _kind_after(delta) != CONTENT]
    return DiffPreview(
        silenced=len(silenced),
        of=len(of),
        loud=sum(delta.kind != CONTENT and _kind_after(delta) == CONTENT for delta in tried),
        changes=before.total(),
        changes_left=after.total(),
        fields=_fields(before, after),
        snapshots=silenced,
        complete=complete,
    )


def _kind_after(delta: TriedDelta) -> str:
    return delta.kind if delta.after is None else delta.after.kind


def _counts(tried: Sequence[TriedDelta]) -> tuple[Counter[str], Counter[str]]:
    """Changes by field, as they are and as they would be."""
    before, after = Counter[str](), Counter[str]()
    for delta in tried:
        before.update(delta.fields)
        after.update(delta.fields if delta.after is None else delta.after.fields)
    return before, after


def _fields(before: Counter[str], after: Counter[str]) -> list[PreviewField]:
    differing = [path for path in before.keys() | after.keys() if before[path] != after[path]]
    differing.sort(key=lambda path: (after[path] - before[path], path))
    return [PreviewField(path, before[path], after[path]) for path in differing[:MOST_FIELDS]]


async def of_retention(svc: Services, endpoint: EndpointRef, wanted: PreviewRequest) -> RetentionPreview:
    retention = endpoints.changed_retention(endpoint, wanted.retention)
    return await svc.db.read(_of_retention, endpoint, retention, svc.clock.now_ms())


def _of_retention(tx: Tx, endpoint: EndpointRef, retention: Retention, now_ms: int) -> RetentionPreview:
    endpoints.confirm(tx, endpoint)
    of = snapshots.extent(tx, endpoint.id).count
    before_ms, versions, raw_bytes = None, 0, 0
    if (retention.keep_days, retention.keep_last) != (None, None):
        before_ms = snapshots.retention_cutoff(tx, endpoint.id, retention, now_ms)
    if before_ms is not None:
        versions, raw_bytes = snapshots.before(tx, endpoint.id, before_ms)
    if before_ms is None or not versions:
        return RetentionPreview(0, of, 0, None)
    totals = history.storage_totals(tx, endpoint.id)
    share = raw_bytes / totals.raw_bytes if totals.raw_bytes else 0.0
    return RetentionPreview(versions, of, round(min(share, 1.0) * totals.stored_bytes), times.format(before_ms))
