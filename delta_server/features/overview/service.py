"""What a dashboard opens with: endpoints with what happened to them, and timelines."""

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.cursors import encode_cursor
from delta_server.core.errors import Invalid
from delta_server.core.history import path_filter
from delta_server.core.history.path_filter import PathFilter
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef, EndpointWithHead
from delta_server.features.fields import service as field_index
from delta_server.features.history import service as history
from delta_server.features.overview import summaries, timelines
from delta_server.features.overview.schemas import EndpointTotals
from delta_server.features.overview.summaries import Place as Place
from delta_server.features.overview.summaries import Sort as Sort
from delta_server.features.overview.summaries import Spark as Spark
from delta_server.features.overview.summaries import spark_of as spark_of
from delta_server.features.overview.timelines import Timeline
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_CHANGES = 20_000
"""Of one value in a timeline."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Of a list of endpoints: `after` is a name, or a place in another order. `skip` counts from there."""

    prefix: str
    sort: Sort
    after: str | Place | None
    skip: int
    limit: int
    spark: Spark | None
    with_totals: bool = False


class EncodedEndpoints(msgspec.Struct, frozen=True):
    data: bytes
    next_cursor: str | None
    totals: EndpointTotals | UnsetType = UNSET


def list_name(sort: Sort) -> str:
    """Each order is a list of its own to cursors."""
    return "endpoints" if sort == "name" else f"endpoints by {sort}"


async def list_endpoints(svc: Services, project: int, wanted: Wanted) -> EncodedEndpoints:
    return await svc.db.read(_list_endpoints, project, wanted)


def _list_endpoints(tx: Tx, project: int, wanted: Wanted) -> EncodedEndpoints:
    rows = _rows(tx, project, wanted)[wanted.skip :]
    shown = rows[: wanted.limit]
    polled = endpoints.with_polling(tx, project, [one for _, one in shown])
    if wanted.spark is None:
        data = msgspec.json.encode([endpoints.view(one) for one in polled])
    else:
        data = msgspec.json.encode(summaries.summarize(tx, polled, wanted.spark))
    more = len(rows) > wanted.limit
    cursor = encode_cursor(list_name(wanted.sort), *shown[-1][0]) if more else None
    if wanted.spark is None or not wanted.with_totals:
        return EncodedEndpoints(data, cursor)
    every = endpoints.all_of_project(tx, project, wanted.prefix)
    return EncodedEndpoints(data, cursor, summaries.totals(tx, every, wanted.spark.ends_ms))


def _rows(tx: Tx, project: int, wanted: Wanted) -> list[tuple[tuple[str] | Place, EndpointWithHead]]:
    """One more than are wanted, with what their cursors hold."""
    needed = wanted.skip + wanted.limit + 1
    if wanted.sort == "name":
        after = wanted.after if isinstance(wanted.after, str) else None
        page = endpoints.page(tx, project, prefix=wanted.prefix, after=after, limit=needed)
        return [((one.endpoint.name,), one) for one in page]
    place = None if isinstance(wanted.after, str) else wanted.after
    return list(summaries.sorted_page(tx, project, wanted.prefix, wanted.sort, place, needed))


async def endpoint_timeline(
    svc: Services, endpoint: EndpointRef, from_ms: int | None, to_ms: int | None, most: int
) -> Timeline:
    return await svc.db.read(timelines.of_endpoint, endpoint.id, from_ms, to_ms, most)


async def field_timeline(svc: Services, endpoint: EndpointRef, field: str, found: Timeline) -> Timeline:
    """Of a timeline the marks at which a field changed: a pattern by the field index, a place by its history, which may
    take so long that only the newest changes are found. Raises Invalid."""
    try:
        wanted = path_filter.parse(field)
        span = TimelineSpan(found.from_ms, found.to_ms)
        if wanted.steps is None:
            times_of, is_complete = await svc.db.read(_times_of_pattern, endpoint.id, wanted, span), True
        else:
            page = await history.get_history(svc, endpoint, field, span, limit=MOST_CHANGES)
            times_of = [times.parse(change.captured_at, field="field") for change in page.changes]
            is_complete = page.next is None
    except Invalid as error:
        raise Invalid(error.message, field="field") from None
    return timelines.only_at(found, times_of, is_complete=is_complete)


def _times_of_pattern(tx: Tx, endpoint: int, wanted: PathFilter, span: TimelineSpan) -> list[int]:
    of = [
        field
        for field, pattern in field_index.all_fields(tx, endpoint)
        if path_filter.covers(wanted, pattern, folded=False)
    ]
    return list(field_index.along(tx, endpoint, of, span))


async def project_timeline(
    svc: Services, caller: Caller, text: str, from_ms: int | None, to_ms: int, most: int
) -> Timeline:
    """Of all its endpoints together. Raises NotFound."""
    project = projects.get_project(svc, caller, text)
    return await svc.db.read(_project_timeline, project.id, from_ms, to_ms, most)


def _project_timeline(tx: Tx, project: int, from_ms: int | None, to_ms: int, most: int) -> Timeline:
    rows = [one.endpoint.id for one in endpoints.all_of_project(tx, project)]
    return timelines.of_project(tx, rows, from_ms, to_ms, most)
