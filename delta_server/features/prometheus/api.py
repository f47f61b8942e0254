"""/v1/prometheus/api/v1: the part of Prometheus' HTTP API that draws charts, for Grafana's stock data source.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import re
from typing import Annotated, Any, TypeAlias

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.core.prometheus import expression, samples
from delta_server.core.prometheus.expression import EVENTS, FIELD, LABELS, Selector
from delta_server.core.prometheus.samples import Labels, Samples
from delta_server.features.prometheus import service
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.services import Services

_TAGS = ["Prometheus"]
_MOST_SELECTORS = 10
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")
_ALIVE = "1+1"
"""What Grafana asks to see whether anybody answers."""
_TIME = "Seconds since 1970, or a time as RFC 3339 has it"

Query: TypeAlias = Annotated[
    str, QueryParameter(name="query", description="PromQL: delta_field{...}, sum by (...) (rate(...[5m]))")
]
Start: TypeAlias = Annotated[str | None, QueryParameter(description=f"From when on. {_TIME}")]
End: TypeAlias = Annotated[str | None, QueryParameter(description=f"Up to when. {_TIME}")]
Selectors: TypeAlias = Annotated[
    list[str] | None, QueryParameter(name="match[]", description="Selectors of series", max_items=_MOST_SELECTORS)
]
_EXAMPLE_METRIC = {"__name__": FIELD, "endpoint": "GET /prices", "path": "/EUR"}


@get(
    "/v1/prometheus/api/v1/query",
    summary="Evaluate an expression at one moment",
    tags=_TAGS,
    opt=example(
        answer={
            "status": "success",
            "data": {"resultType": "vector", "result": [{"metric": _EXAMPLE_METRIC, "value": [1777636800, "1.08"]}]},
        }
    ),
)
async def query(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    promql: Query,
    time: Annotated[str | None, QueryParameter(description=f"Now without it. {_TIME}")] = None,
) -> dict[str, Any]:
    """A part of PromQL: see docs/api.md."""
    at = _moment(time, "time", services.clock.now_ms())
    if promql.replace(" ", "") == _ALIVE:
        return _success({"resultType": "scalar", "result": [at / 1000, "2"]})
    wanted = expression.parse(promql)
    moment = range(at, at + 1)
    found = await run_in_turn(
        request, services, project, lambda svc: service.evaluate(svc, caller, project, wanted, moment)
    )
    result = [{"metric": dict(labels), "value": _sample(*values[-1])} for labels, values in found.series if values]
    return _success({"resultType": "vector", "result": result})


@get(
    "/v1/prometheus/api/v1/query_range",
    summary="Evaluate an expression along time",
    tags=_TAGS,
    opt=example(
        answer={
            "status": "success",
            "data": {"resultType": "matrix", "result": [{"metric": _EXAMPLE_METRIC, "values": [[1777636800, "1.08"]]}]},
        }
    ),
)
async def query_range(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    promql: Query,
    start: Start,
    end: End,
    step: Annotated[str, QueryParameter(description="Seconds, or a duration such as 1m")],
) -> dict[str, Any]:
    """At `start` and every `step` after it, 11,000 times at most."""
    now_ms = services.clock.now_ms()
    at = samples.moments(_moment(start, "start", now_ms), _moment(end, "end", now_ms), expression.duration_ms(step))
    wanted = expression.parse(promql)
    found = await run_in_turn(
        request, services, project, lambda svc: service.evaluate(svc, caller, project, wanted, at)
    )
    return _success({"resultType": "matrix", "result": [_line(*one) for one in found.series if one[1]]})


@get(
    "/v1/prometheus/api/v1/labels",
    summary="List the names of labels",
    tags=_TAGS,
    opt=example(answer={"status": "success", "data": ["__name__", "endpoint", "path"]}),
)
async def labels(
    project: NamedDependency[int], match: Selectors = None, start: Start = None, end: End = None
) -> dict[str, Any]:
    """`start` and `end` count for nothing here, nor in those below."""
    metrics = {one.metric for one in _selectors(match)} or {EVENTS, FIELD}
    return _success(["__name__", *sorted({label for metric in metrics for label in LABELS[metric]})])


@get(
    "/v1/prometheus/api/v1/label/{label:str}/values",
    summary="List the values of a label",
    tags=_TAGS,
    opt=example(answer={"status": "success", "data": ["GET /prices"]}),
)
async def label_values(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    label: FromPath[str],
    match: Selectors = None,
    start: Start = None,
    end: End = None,
) -> dict[str, Any]:
    """Of `path` those of the endpoint that a selector names; of events those of the last thirty days."""
    of = next(iter(_selectors(match)), None)
    return _success(await service.label_values(services, caller, project, label, of))


@get(
    "/v1/prometheus/api/v1/series",
    summary="List series by their labels",
    tags=_TAGS,
    opt=example(answer={"status": "success", "data": [_EXAMPLE_METRIC]}),
)
async def list_series(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    match: Selectors = None,
    start: Start = None,
    end: End = None,
) -> dict[str, Any]:
    """Those of `delta_field` of one endpoint, up to 1,000."""
    found = [dict(one) for of in _selectors(match) for one in await service.all_series(services, caller, project, of)]
    return _success(found)


def _success(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


def _line(labels: Labels, values: Samples) -> dict[str, Any]:
    return {"metric": dict(labels), "values": [_sample(*one) for one in values]}


def _sample(at_ms: int, value: float) -> list[Any]:
    return [at_ms / 1000, repr(value)]


def _selectors(given: list[str] | None) -> list[Selector]:
    return [expression.parse_selector(text) for text in given or []]


def _moment(text: str | None, field: str, now_ms: int) -> int:
    if text is None:
        return now_ms
    at = round(float(text) * 1000) if _SECONDS.fullmatch(text) else times.parse(text, field=field)
    if not times.EARLIEST_MS <= at <= times.LATEST_MS:
        raise Invalid(f"{field} is out of range", field=field)
    return at


ROUTES = [query, query_range, labels, label_values, list_series]
