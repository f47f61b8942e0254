"""What rules of alerts follow: the anomalies of an endpoint, or of a project's events, as they are found and as they
change, and those that are recorded. `path` leaves those of one field."""

from collections.abc import Sequence

import msgspec

from delta_server.core import times
from delta_server.core.history.activity import HOUR_MS
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.anomalies import store
from delta_server.features.anomalies.store import AnomalyRow
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.services import Services
from delta_server.storage.database import Tx

GRACE_MS = 5 * 60_000
"""What belongs to an hour comes in for so long after it: events that are sent late, deltas."""
MOST_OPEN = 100
MOST_RECORDED = 5_000


class News(msgspec.Struct, frozen=True):
    """What changed, in that order; `place` is where to go on, `until_ms` up to when all was judged."""

    rows: Sequence[AnomalyRow]
    place: int
    until_ms: int | None
    has_more: bool


class Recorded(msgspec.Struct, frozen=True):
    """Those that began in a stretch that was judged, in that order, and whether that is all of what was asked for."""

    rows: Sequence[AnomalyRow]
    from_ms: int
    to_ms: int
    is_complete: bool


def newest_change(tx: Tx, project: int, endpoint: int | None) -> int:
    """The place behind which news come from now on."""
    return store.newest_change(tx, project, _of(endpoint))


def news(
    tx: Tx, project: int, endpoint: int | None, *, path: str | None, after: int, with_open: bool, limit: int
) -> News:  # fmt: skip
    """`with_open`: those too that have lasted since before `after`."""
    of = _of(endpoint)
    place = store.newest_change(tx, project, of)
    rows = store.changed_after(tx, project, of, path=path, after=after, limit=limit)
    has_more = len(rows) == limit
    if has_more:
        place = rows[-1].changed_at
    if with_open:
        only = {} if path is None else {"series": "field", "name": path}
        lasting = store.page(tx, project, TimelineSpan(), endpoint=of, only=only, is_open=True, limit=MOST_OPEN)
        rows = [*(row for row in lasting[::-1] if row.changed_at <= after), *rows]
    return News(rows, place, _until(tx, project, of), has_more)


def next_look(tx: Tx, project: int, endpoint: int | None) -> int | None:
    """When the next hour can be judged, None while this one is not."""
    due = (tx.now_ms - GRACE_MS) // HOUR_MS
    judged = store.hour(tx, project, _of(endpoint))
    return None if judged is None or judged < due else (due + 1) * HOUR_MS + GRACE_MS


def watch(tx: Tx, project: int, endpoint: int, paths: Sequence[str]) -> None:
    """These fields, before any other, in place of those that were named before."""
    store.put_watched(tx, project, endpoint, sorted(set(paths)))


async def recorded(
    svc: Services, project: int, endpoint: EndpointRef | None, *, path: str | None, span: TimelineSpan
) -> Recorded:
    """The newest MOST_RECORDED."""
    if endpoint is None:
        stats = await svc.event_maintenance.stats(project)
        ends = stats.first_at, stats.last_at
    else:
        ends = (await svc.db.read(history.extent, endpoint.id))[:2]
    first_ms, last_ms = ends
    if first_ms is None or last_ms is None:
        return Recorded((), 0, 0, is_complete=True)
    days = svc.config.anomalies.retention_days
    kept_ms = svc.clock.now_ms() - round(days * times.DAY_MS) if days else times.EARLIEST_MS
    due = (svc.clock.now_ms() - GRACE_MS) // HOUR_MS
    if endpoint is not None:  # what comes after its last version is not missing yet
        due = min(due, last_ms // HOUR_MS + 1)
    of = _of(None if endpoint is None else endpoint.id)
    wanted = TimelineSpan(max(span.from_ms, first_ms - first_ms % HOUR_MS), span.to_ms)
    return await svc.db.read(_recorded, project, of, path, wanted, kept_ms, due * HOUR_MS)


def _recorded(
    tx: Tx, project: int, of: int, path: str | None, wanted: TimelineSpan, kept_ms: int, due_ms: int
) -> Recorded:  # fmt: skip
    from_ms, until_ms = max(wanted.from_ms, kept_ms), _until(tx, project, of) or 0
    to_ms = min(wanted.to_ms, until_ms) if path is None or store.has_series(tx, project, of, path) else 0
    if from_ms >= to_ms:
        return Recorded((), 0, 0, is_complete=wanted.from_ms >= min(wanted.to_ms, due_ms))
    only = {} if path is None else {"series": "field", "name": path}
    span = TimelineSpan(from_ms, wanted.to_ms)
    rows = store.page(tx, project, span, endpoint=of, only=only, is_open=None, limit=MOST_RECORDED)
    is_whole = from_ms == wanted.from_ms and until_ms >= min(wanted.to_ms, due_ms)
    return Recorded(rows[::-1], from_ms, to_ms, is_whole and len(rows) < MOST_RECORDED)


def _until(tx: Tx, project: int, of: int) -> int | None:
    hour = store.hour(tx, project, of)
    return None if hour is None else hour * HOUR_MS


def _of(endpoint: int | None) -> int:
    return store.EVENTS if endpoint is None else endpoint
