"""/v1/anomalies: what was unusual."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.di import NamedDependency

from delta_server.core.anomalies.detecting import AnomalyKind
from delta_server.core.anomalies.words import SeriesKind
from delta_server.features.anomalies import schemas, service
from delta_server.features.anomalies.schemas import Anomaly
from delta_server.http import pagination, spans
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import QueryParameter
from delta_server.services import Services

_LIST = "anomalies"


@get(
    "/v1/anomalies",
    summary="List what was unusual, newest first",
    tags=["Anomalies"],
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_anomalies(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    kind: Annotated[AnomalyKind | None, QueryParameter(description="Only those of this kind")] = None,
    series: Annotated[SeriesKind | None, QueryParameter(description="Only those in such series")] = None,
    name: Annotated[
        str | None, QueryParameter(description="Only those of this type of events, or field, by its path")
    ] = None,
    endpoint: Annotated[str | None, QueryParameter(description="Only those of this endpoint, by id or name")] = None,
    of_state: Annotated[
        Literal["open", "ended"] | None, QueryParameter(name="state", description="Only those that last, or are over")
    ] = None,  # `state` is the server's own
    from_: spans.From = None,
    to: spans.To = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Anomaly]]:
    """By when they began. Found without being asked for, an hour at a time; kept for `anomalies.retention_days`."""
    now_ms = services.clock.now_ms()
    span = spans.parse_span(_LIST, from_=from_, to=to, order="desc", cursor=cursor, now_ms=now_ms)
    rows = await service.list_anomalies(
        services,
        project,
        span,
        endpoint=endpoint,
        only={"kind": kind, "series": series, "name": name},
        is_open=None if of_state is None else of_state == "open",
        limit=limit + 1,
    )
    page = pagination.page(
        rows, limit=limit, item=lambda row: row[1], cursor=lambda row: spans.cursor_at(_LIST, "desc", row[0])
    )
    return pagination.respond(request, page)
