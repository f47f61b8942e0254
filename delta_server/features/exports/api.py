"""/v1/export: events, counts and histories as files."""

from collections.abc import AsyncIterator
from datetime import UTC
from typing import Annotated, Any, Literal, TypeAlias

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Stream

from delta_server.core import times
from delta_server.core.query import aggregates, time_buckets
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.core.query.plan import Listing, Span
from delta_server.core.tables.training import TrainingSpec
from delta_server.core.times import LATEST_MS
from delta_server.features.endpoints import service as endpoints
from delta_server.features.exports import schemas, service
from delta_server.features.exports.schemas import MEDIA_TYPES, Format, Formulas
from delta_server.http import spans
from delta_server.http.docs import example
from delta_server.http.event_filters import BY_DATA, EventFilters, names
from delta_server.http.leaving import while_allowed, while_connected
from delta_server.http.parameters import JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Exports"]

Form: TypeAlias = Annotated[
    Format | None, QueryParameter(name="format", description="Otherwise what Accept prefers; csv when it does not")
]
FormulasParameter: TypeAlias = Annotated[
    Formulas,
    QueryParameter(
        name="formulas",
        description="In CSV, `escape` puts an apostrophe before texts that spreadsheets would run (they begin with = + "
        "- @ or a control character), `keep` writes them as they are",
    ),
]
Metrics: TypeAlias = Annotated[
    list[str] | None,
    QueryParameter(name="metrics", description="count, unique_users, avg_duration ...; several with commas"),
]


@get(
    "/v1/export/events",
    summary="Download events",
    tags=_TAGS,
    media_type="text/csv",
    opt=BY_DATA | example(answer=schemas.EXAMPLE_EVENTS),
)
async def export_events(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    format_: Form = None,
    interval: Annotated[
        str | None, QueryParameter(description="Checked, and of no effect: events are not gathered by time here")
    ] = None,
    formulas: FormulasParameter = "escape",
) -> Stream:
    """All events that match, oldest first. An export that fails on its way, or whose key is revoked, breaks the
    connection. In CSV, texts that a spreadsheet would run as a formula begin with an apostrophe, unless
    `formulas=keep`."""
    form = schemas.wanted(format_, request.headers.get("accept", ""))
    if interval is not None:
        times.parse_length(interval, field="interval")
    listing = Listing(filters.span(services.clock.now_ms()), filters.where, ascending=True)
    made = service.events(services, project, listing, form, escape_formulas=formulas == "escape")
    pieces = while_allowed(request, await while_connected(request, made))
    return _file(pieces, schemas.file_name("events", listing.span, filters.zone, form), form)


@get(
    "/v1/export/aggregated",
    summary="Download counts along time",
    tags=_TAGS,
    media_type="text/csv",
    opt=BY_DATA | example(answer=schemas.EXAMPLE_ROWS),
)
async def export_aggregated(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    interval: Annotated[str, QueryParameter(description="1m, 15m, 1h, 6h, 1d, 1w, month, quarter, year ...")] = "1h",
    computed: Metrics = None,  # `metrics` is the server's own
    group_by: Annotated[
        list[str] | None, QueryParameter(name="groupBy", description="eventType, data.plan ...; several with commas")
    ] = None,
    format_: Form = None,
    formulas: FormulasParameter = "escape",
) -> Stream:
    """The rows of /v1/events/aggregated, all of them; of the last week when no time is given."""
    form = schemas.wanted(format_, request.headers.get("accept", ""))
    given = AggregateRequest(
        metrics=names(computed or ["count"]),
        group_by=[f"time:{interval}", *names(group_by or ())],
        timezone=filters.zone_name,
        week_start=filters.week_start,
    )
    now_ms = services.clock.now_ms()
    within = filters.week(now_ms)
    # says what is wrong with it by its name
    await services.cpu(time_buckets.parse, interval, filters.zone, within, at="interval")
    query = await services.cpu(aggregates.parse, given, now_ms=now_ms, where=filters.where, within=within)
    made = service.aggregated(services, project, query, form, escape_formulas=formulas == "escape")
    pieces = while_allowed(request, await while_connected(request, made))
    return _file(pieces, schemas.file_name("aggregated", query.plan.span, filters.zone, form), form)


Endpoint: TypeAlias = Annotated[str, QueryParameter(description="Id or name")]
ArrayPath: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Path of an array or map whose elements or members are the records, as /items; empty where the "
        "document is one. Without it the document is the one record"
    ),
]
Fields: TypeAlias = Annotated[
    list[str] | None,
    QueryParameter(description="Paths in the record, with commas between: /name,/geometry/type; all members without"),
]
Key: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Fields that identify an element, with commas between; without it the endpoint's, else found"
    ),
]
AsOf: TypeAlias = Annotated[str | None, QueryParameter(description="Only records in force at this moment")]
Every: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="The records in force at each of these moments: 1h, 1d ..., aligned to UTC"),
]


@get(
    "/v1/export/history",
    summary="Download the history of records",
    tags=_TAGS,
    media_type="text/csv",
    opt=example(answer=schemas.EXAMPLE_HISTORY),
)
async def export_history(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: Endpoint,
    array: ArrayPath = None,
    fields: Fields = None,
    key: Key = None,
    as_of: AsOf = None,
    every: Every = None,
    from_: spans.From = None,
    to: spans.To = None,
    format_: Form = None,
    formulas: FormulasParameter = "escape",
) -> Stream:
    """A row for each time that a record, or the fields named of it, was the same: from `valid_from` on and before
    `valid_to`, which is empty where it still is; `snapshot` is where it appeared. Columns and their types are those of
    the whole history, whatever part of it is asked for. Members that are objects have a column for each of theirs,
    `geometry.type`; what is nested otherwise is JSON."""
    form = schemas.wanted(format_, request.headers.get("accept", ""))
    of = endpoints.resolve(services, project, endpoint)
    now_ms = services.clock.now_ms()
    wanted = schemas.table_request(array, fields, key, as_of, every, span=(from_, to), now_ms=now_ms)
    made = service.history(services, of, wanted, form, escape_formulas=formulas == "escape")
    pieces = while_allowed(request, await while_connected(request, made))
    within = Span(wanted.from_ms, min(wanted.to_ms, LATEST_MS))
    return _file(pieces, schemas.file_name("history", within, UTC, form), form)


@post(
    "/v1/export/features",
    summary="Download a training table",
    tags=_TAGS,
    status_code=200,
    media_type="text/csv",
    opt=example(request=schemas.EXAMPLE_SPEC, answer=schemas.EXAMPLE_FEATURES),
)
async def export_features(
    request: Request[Any, Any, Any],
    data: JSONBody[TrainingSpec],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    format_: Annotated[
        Literal["csv", "json", "ndjson", "parquet", "manifest"] | None,
        QueryParameter(name="format", description="`manifest` is what makes the table again; else as for events"),
    ] = None,
    formulas: FormulasParameter = "escape",
) -> Stream:
    """A row for each label event, with features of what was known when it happened: documents as they were, and metrics
    of the events in windows that end there. What arrives later changes no row, unless `known_by` is `time`."""
    form = None if format_ == "manifest" else schemas.wanted(format_, request.headers.get("accept", ""))
    made = service.features(services, project, data, form, escape_formulas=formulas == "escape")
    pieces = while_allowed(request, await while_connected(request, made))
    return _file(pieces, f"features.{form}" if form else "manifest.json", form or "json")


def _file(pieces: AsyncIterator[bytes], name: str, form: Format) -> Stream:
    return Stream(
        pieces,
        headers={
            "content-type": MEDIA_TYPES[form],  # as it stands: Litestar would add a charset to a media type of its own
            "content-disposition": f'attachment; filename="{name}"',
            "vary": "accept",
        },
    )


ROUTES = [export_events, export_aggregated, export_history, export_features]
