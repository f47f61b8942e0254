"""All snapshots of an endpoint with their documents, in order of time and in constant memory."""

from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import service, store
from delta_server.features.snapshots.store import Snapshot
from delta_server.services import Services
from delta_server.storage.contents import contents


class Exported(NamedTuple):
    """`metadata` is JSON."""

    captured_at: int
    body: bytes
    source: str | None
    metadata: str | None


PAGE = 1024
"""Snapshots whose rows are in memory; a pack that reaches over two pages is decoded twice."""


async def count(svc: Services, project: int, endpoint: EndpointRef, span: TimelineSpan) -> int:
    return await svc.db.read(store.count, project, endpoint.id, span.from_ms, span.to_ms)


async def export(svc: Services, project: int, endpoint: EndpointRef, span: TimelineSpan) -> AsyncIterator[Exported]:
    """Raises DatabaseFailed at the first document that is damaged, NotFound when the endpoint is being deleted."""
    while True:
        rows = await service.list_snapshots(svc, project, endpoint, span, limit=PAGE, changed_only=False)
        async for each in _with_bodies(svc, endpoint, rows):
            yield each
        if len(rows) < PAGE:
            return
        span = span.past(rows[-1].position)


async def _with_bodies(svc: Services, endpoint: EndpointRef, rows: Sequence[Snapshot]) -> AsyncIterator[Exported]:
    runs = [(content, list(run)) for content, run in groupby(rows, key=attrgetter("content"))]
    bodies = contents.read_run(svc.contents, endpoint.id, [content for content, _ in runs])
    for _, run in runs:
        _, body = await anext(bodies)
        for row in run:
            row.require_texts()
            yield Exported(row.captured_at, body, row.source, row.metadata)
