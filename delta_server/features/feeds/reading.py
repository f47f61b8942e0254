"""What is at a feed's address: the newest changes of an endpoint or of a project."""

import hashlib
from typing import cast
from urllib.parse import quote

import msgspec

from delta_server.core import change_feeds, ids, times
from delta_server.core.change_feeds import MOST_LINES, ChangeEntry, ChangeFeed, ChangeLine
from delta_server.core.diff.row_windows import ChangeRow
from delta_server.core.errors import NotFound
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import Delta, DeltaPage
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.feeds import service
from delta_server.features.feeds.store import Feed
from delta_server.features.projects import service as projects
from delta_server.services import Services

MOST_ENTRIES = 30
_decode_rows = msgspec.json.Decoder(list[ChangeRow]).decode


class Subject(msgspec.Struct, frozen=True):
    """Of a feed: its project's name, and the endpoint or None."""

    feed: Feed
    project: str
    endpoint: EndpointRef | None


def subject(svc: Services, feed: Feed) -> Subject:
    """Raises NotFound where the project or the endpoint lies in the bin."""
    project = svc.db.peek(projects.by_row, feed.project)
    endpoint = svc.db.peek(service.endpoint_of, feed)
    if project is None or (feed.endpoint_uid is not None and endpoint is None):
        raise NotFound("what this feed was of has been deleted")
    return Subject(feed, project.name, endpoint)


async def newest(svc: Services, of: Subject) -> DeltaPage:
    """The deltas whose entries the feed has."""
    content = deltas.filter_of(kind="content", min_changes=0, path=None)
    return await deltas.page(svc, of.feed.project, of.endpoint, TimelineSpan(), limit=MOST_ENTRIES, filter=content)


def etag(of: Subject, found: DeltaPage) -> str:
    """Of what the feed is made of. Deltas are computed again where settings change: then their counts differ."""
    parts = (of.project, *((delta.to_snapshot_id, delta.changes_count, delta.fields) for delta in found.deltas))
    return f'"{hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()}"'


async def written(svc: Services, of: Subject, found: DeltaPage) -> ChangeFeed:
    """With old and new values of the first changes of each delta."""
    page = await deltas.with_changes(svc, of.feed.project, found, first=MOST_LINES)
    names = {delta.endpoint_id: _name(svc, of, delta.endpoint_id) for delta in page.deltas}
    base = _base(svc, of)
    entries = [_entry(delta, names[delta.endpoint_id], base) for delta in page.deltas]
    title = f"Changes of {of.endpoint.name}" if of.endpoint else f"Changes in {of.project}"
    updated = entries[0].updated if entries else times.format(of.feed.created_at)
    return ChangeFeed(ids.text(of.feed.uid), title, updated, base, entries)


def _base(svc: Services, of: Subject) -> str | None:
    """The dashboard's page of the project, None where the server does not know its address."""
    public_url = svc.config.server.public_url.rstrip("/")
    return f"{public_url}/p/{quote(of.project, safe='')}" if public_url else None


def _name(svc: Services, of: Subject, endpoint_id: str) -> str:
    if of.endpoint is not None:
        return of.endpoint.name
    try:
        return endpoints.resolve(svc, of.feed.project, endpoint_id).name
    except NotFound:  # deleted a moment ago
        return endpoint_id


def _entry(delta: Delta, name: str, base: str | None) -> ChangeEntry:
    rows = _decode_rows(cast("msgspec.Raw", delta.first))  # as it is handed on: JSON
    return ChangeEntry(
        id=delta.to_snapshot_id,
        endpoint=name,
        updated=delta.captured_at,
        counts=change_feeds.counts_of(delta.added, delta.removed, delta.replaced, delta.moved),
        lines=[_line(row) for row in rows],
        more=max(0, delta.changes_count - len(rows)),
        url=None if base is None else f"{base}/e/{quote(name, safe='')}/changes",
    )


def _line(row: ChangeRow) -> ChangeLine:
    at = f"/{row.at}" if row.at else ""
    place = f"{row.label} {at}".strip() if isinstance(row.label, str) and row.label else row.record + at
    return ChangeLine(place, _value(row.old, row.old_text), _value(row.new, row.new_text))


def _value(value: object, exact: object) -> str | None:
    if isinstance(exact, str):
        return exact
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else None
