"""Storing snapshots and finding them again."""

from collections.abc import Sequence
from functools import partial
from itertools import islice

import msgspec

from delta_server.config.plans import Plans
from delta_server.core import times
from delta_server.core.errors import Invalid, NotFound
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.ids import parse as parse_id
from delta_server.core.ids import text as id_text
from delta_server.core.ids import try_parse as try_parse_id
from delta_server.features.audit import service as audit
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.snapshots import appending, lanes, places, store, timeline
from delta_server.features.snapshots.appending import CreatedSnapshots as CreatedSnapshots
from delta_server.features.snapshots.happenings import CREATED as CREATED
from delta_server.features.snapshots.happenings import changed_endpoints as changed_endpoints
from delta_server.features.snapshots.happenings import describe as describe
from delta_server.features.snapshots.incoming import MAX_AHEAD_MS as MAX_AHEAD_MS
from delta_server.features.snapshots.incoming import NewSnapshot as NewSnapshot
from delta_server.features.snapshots.incoming import check as check
from delta_server.features.snapshots.incoming import check_all
from delta_server.features.snapshots.incoming import new_snapshots as new_snapshots
from delta_server.features.snapshots.places import Place as Place
from delta_server.features.snapshots.store import Extent as Extent
from delta_server.features.snapshots.store import Snapshot as Snapshot
from delta_server.features.snapshots.store import arrivals as arrivals
from delta_server.features.snapshots.store import before as before
from delta_server.features.snapshots.store import by_bucket as by_bucket
from delta_server.features.snapshots.store import delete_some as delete_some
from delta_server.features.snapshots.store import ends as ends
from delta_server.features.snapshots.store import extent as extent
from delta_server.features.snapshots.store import extents as extents
from delta_server.features.snapshots.store import first_at as first_at
from delta_server.features.snapshots.store import times_before as times_before
from delta_server.features.snapshots.store import uid_before as uid_before
from delta_server.features.snapshots.tasks import retention_cutoff as retention_cutoff
from delta_server.features.snapshots.together import append_together as append_together
from delta_server.features.snapshots.values import value_at as value_at
from delta_server.features.usage import service as usage
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.paging import merged

CHECKED_TOGETHER_BYTES = 256 << 10
"""Larger documents are checked before their turn comes, each on a thread of its own: 0.3 ms and more."""


async def create_snapshots(
    svc: Services,
    project: int,
    news: Sequence[NewSnapshot],
    idempotency_key: IdempotencyKey,
    *,
    with_deltas: bool = False,
    limited: bool = True,
    enforced: bool = True,
) -> CreatedSnapshots:
    """Store `news` all or none, in the order of their times. Those of commands are not `limited`: neither by the
    project's plan nor by schemas of endpoints, nor counted among those of the hour. Not `enforced`: their misfits are
    known, and accepted. Raises QuotaExceeded, DoesNotFit, Conflict after three lost races."""
    if limited and enforced:
        misfits = await enforcement.check(svc, [(new.endpoint, new.body) for new in news])
        if any(misfits):
            news = [msgspec.structs.replace(new, misfits=found) for new, found in zip(news, misfits, strict=True)]
    with svc.foreground.waiting(project):
        async with usage.reporting_exceeded(svc, project):
            appended = await _create(svc, project, news, svc.config.plans if limited else None, idempotency_key)
    if not appended.replayed:
        svc.topics.wake("happenings", project)
    try:
        if not with_deltas:
            return appended
        uids = [parse_id(id) for id in appended.ids]
        return msgspec.structs.replace(appended, deltas=await deltas.deltas_of(svc, project, uids))
    finally:  # not before: what the request waits for would be computed twice
        svc.topics.wake("contents")


async def _create(
    svc: Services, project: int, news: Sequence[NewSnapshot], plans: Plans | None, idempotency_key: IdempotencyKey
) -> CreatedSnapshots:
    endpoint = news[0].endpoint
    goes_last = len(news) == 1 and news[0].is_latest and isinstance(endpoint, EndpointRef)
    if goes_last and len(news[0].body) <= CHECKED_TOGETHER_BYTES:
        return await lanes.append_last(svc, project, news[0], None, idempotency_key)
    cpu = svc.cpu_beside(sum(len(new.body) for new in news))
    hashes = await cpu(check_all, news, svc.config.limits.document_bytes, svc.clock.now_ms())
    if goes_last:
        return await lanes.append_last(svc, project, news[0], hashes[0], idempotency_key)
    return await appending.create_exclusively(svc, project, news, hashes, plans, idempotency_key)


def get_snapshot(svc: Services, project: int, snapshot_id: str, endpoint: str | None = None) -> Snapshot:
    """Raises NotFound, also when it is not one of `endpoint`, an id or a name."""
    snapshot = svc.db.peek(store.by_uid, project, parse_id(snapshot_id, "snapshot"))
    if snapshot is None:
        raise NotFound("no such snapshot in this project")
    if endpoint is not None and endpoints.resolve(svc, project, endpoint).id != snapshot.endpoint:
        raise NotFound(f"no such snapshot of the endpoint {endpoint}: it is one of another endpoint")
    return snapshot


def snapshot_at(svc: Services, project: int, endpoint: EndpointRef, time_ms: int) -> Snapshot:
    """The snapshot in force at `time_ms`. Raises NotFound."""
    snapshot = svc.db.peek(store.snapshot_at, project, endpoint.id, endpoints.moment(svc, endpoint, time_ms))
    if snapshot is None:
        when = "yet" if time_ms >= times.LATEST_MS else f"at or before {times.format(time_ms)}"
        raise NotFound(f"{endpoint.name} has no snapshot {when}")
    return snapshot


async def place_of(svc: Services, snapshot: Snapshot) -> Place:
    """Where it stands among the snapshots of its endpoint."""
    return await svc.db.read(places.place, snapshot.endpoint, snapshot.captured_at)


async def delta_of(svc: Services, project: int, snapshot: Snapshot) -> deltas.Delta | None:
    """What changed since the snapshot before; computed now where it waits for that."""
    return (await deltas.deltas_of(svc, project, [snapshot.uid]))[0]


async def list_around(
    svc: Services, project: int, endpoint: EndpointRef | None, around: str, *, limit: int
) -> list[Snapshot]:
    """Up to `limit` snapshots around one by its id, or around a time of `endpoint`. Raises NotFound, Invalid."""
    if try_parse_id(around) is not None:
        snapshot = get_snapshot(svc, project, around, None if endpoint is None else id_text(endpoint.uid))
        return await svc.db.read(places.around, project, snapshot.endpoint, snapshot.captured_at, limit)
    if endpoint is None:
        raise Invalid("around a time goes with endpoint_id; a snapshot is known by its id", field="endpoint_id")
    at = times.parse_moment(around, field="around", now_ms=svc.clock.now_ms())
    return await svc.db.read(places.around, project, endpoint.id, endpoints.moment(svc, endpoint, at), limit)


async def stored_deltas(svc: Services, project: int, found: Sequence[Snapshot]) -> list[deltas.Delta | None]:
    """What each changed since the snapshot before, where that is computed."""
    return await svc.db.read(deltas.stored_deltas, project, [snapshot.uid for snapshot in found])


async def read_document(svc: Services, snapshot: Snapshot) -> bytes:
    """The document, byte for byte."""
    return await contents.read(svc.contents, snapshot.endpoint, snapshot.content)


async def list_snapshots(
    svc: Services, project: int, endpoint: EndpointRef | None, span: TimelineSpan, *, limit: int, changed_only: bool
) -> list[Snapshot]:
    """Up to `limit` snapshots of one endpoint, or of the whole project in order of time."""
    return await svc.db.read(_list_page, project, None if endpoint is None else endpoint.id, span, limit, changed_only)


def page_of(tx: Tx, project: int, endpoint: int, span: TimelineSpan, limit: int) -> list[Snapshot]:
    """As `list_snapshots`, those with a document of their own, of one endpoint."""
    return _list_page(tx, project, endpoint, span, limit, True)


def _list_page(
    tx: Tx, project: int, endpoint: int | None, span: TimelineSpan, limit: int, changed_only: bool
) -> list[Snapshot]:
    if endpoint is not None:
        rows = store.walk(tx, project, endpoint, span, changed_only=changed_only, most=limit)
    else:
        heads = deltas.heads(tx, project, span) if changed_only else store.heads(tx, project, span)
        walk = partial(store.walk, tx, project, span=span, changed_only=changed_only, most=limit, first=1)
        rows = merged(heads, walk, descending=span.descending)
    return [store.from_row(row) for row in islice(rows, limit)]


async def delete_snapshot(svc: Services, project: int, snapshot_id: str, endpoint: str | None = None) -> None:
    """Remove one snapshot; its neighbours' deltas are computed again. Raises NotFound as `get_snapshot`."""
    snapshot = get_snapshot(svc, project, snapshot_id, endpoint)
    async with svc.state(timeline.EndpointLocks).hold([snapshot.endpoint]):
        await svc.db.write(_delete_row, project, snapshot.uid)
    svc.topics.wake("contents")


@frees_space
def _delete_row(tx: Tx, project: int, uid: bytes) -> None:
    snapshot = store.by_uid(tx, project, uid)
    if snapshot is None:
        raise NotFound("no such snapshot in this project")
    timeline.remove(tx, snapshot.endpoint, snapshot.id, snapshot.content)
    audit.record_in(tx, project, "snapshot.delete", target=f"snapshot {id_text(uid)}")
