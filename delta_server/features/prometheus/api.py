"""/v1/prometheus/api/v1: the part of Prometheus' HTTP API that draws charts, for Grafana's stock data source.

https://prometheus.io/docs/prometheus/latest/querying/api/ Grafana asks by POST, with a form, unless it is set to
GET.
"""

import re
from typing import Annotated, Any, TypeAlias

from litestar import Request, get, post
from litestar.di import NamedDependency

from delta_server import __version__
from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.core.prometheus import expression, samples
from delta_server.core.prometheus.expression import EVENTS, FIELD, LABELS, Selector
from delta_server.core.prometheus.samples import Labels, Samples
from delta_server.features.prometheus import schemas, service
from delta_server.features.prometheus.schemas import Instant, Matching, Range
from delta_server.http import forms
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Prometheus"]
_AT = "/v1/prometheus/api/v1"
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")
_SPOKEN = "2.24.0"
"""The version of Prometheus since which a list of label values can be of some series alone."""
_ALIVE = "1+1"
"""What Grafana asks to see whether anybody answers."""
_TIME = "Seconds since 1970, or a time as RFC 3339 has it"

Query: TypeAlias = Annotated[
    str, QueryParameter(name="query", description="PromQL: delta_field{...}, sum by (...) (rate(...[5m]))")
]
Start: TypeAlias = Annotated[str | None, QueryParameter(description=f"From when on. {_TIME}")]
End: TypeAlias = Annotated[str | None, QueryParameter(description=f"Up to when. {_TIME}")]
Limit: TypeAlias = Annotated[int, QueryParameter(description="How many at most, 0 for all", ge=0)]
Timeout: TypeAlias = Annotated[str | None, QueryParameter(description="Counts for nothing: queries have a deadline")]
Selectors: TypeAlias = Annotated[
    list[str] | None,
    QueryParameter(name="match[]", description="Selectors of series", max_items=schemas.MOST_SELECTORS),
]


@get(
    f"{_AT}/query",
    summary="Evaluate an expression at one moment",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_VECTOR),
)
async def query(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    promql: Query,
    time: Annotated[str | None, QueryParameter(description=f"Now without it. {_TIME}")] = None,
    timeout: Timeout = None,  # Prometheus' name of a parameter
    limit: Limit = 0,
) -> dict[str, Any]:
    """A part of PromQL: see docs/api.md."""
    return await _query(request, services, caller, project, Instant(promql, time, timeout, limit))


@post(
    f"{_AT}/query",
    summary="Evaluate an expression at one moment, asked by a form",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"query": schemas.EXAMPLE_QUERY}, answer=schemas.EXAMPLE_VECTOR, media_type=forms.FORM),
)
async def post_query(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> dict[str, Any]:
    """The form has what the query string of the GET has."""
    return await _query(request, services, caller, project, await forms.read(request, Instant))


async def _query(
    request: Request[Any, Any, Any], services: Services, caller: Caller, project: int, asked: Instant
) -> dict[str, Any]:
    at = _moment(asked.time, "time", services.clock.now_ms())
    if asked.query.replace(" ", "") == _ALIVE:
        return _success({"resultType": "scalar", "result": [at / 1000, "2"]})
    wanted = expression.parse(asked.query)
    moment = range(at, at + 1)
    found = await run_in_turn(
        request, services, project, lambda svc: service.evaluate(svc, caller, project, wanted, moment)
    )
    result = [{"metric": dict(labels), "value": _sample(*values[-1])} for labels, values in found.series if values]
    return _success({"resultType": "vector", "result": _up_to(asked.limit, result)})


@get(
    f"{_AT}/query_range",
    summary="Evaluate an expression along time",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_MATRIX),
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
    timeout: Timeout = None,  # Prometheus' name of a parameter
    limit: Limit = 0,
) -> dict[str, Any]:
    """At `start` and every `step` after it, 11,000 times at most."""
    return await _query_range(request, services, caller, project, Range(promql, step, start, end, timeout, limit))


@post(
    f"{_AT}/query_range",
    summary="Evaluate an expression along time, asked by a form",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request={"query": schemas.EXAMPLE_QUERY, "start": "1777636800", "end": "1777640400", "step": "60"},
        answer=schemas.EXAMPLE_MATRIX,
        media_type=forms.FORM,
    ),
)
async def post_query_range(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> dict[str, Any]:
    """The form has what the query string of the GET has."""
    return await _query_range(request, services, caller, project, await forms.read(request, Range))


async def _query_range(
    request: Request[Any, Any, Any], services: Services, caller: Caller, project: int, asked: Range
) -> dict[str, Any]:
    now_ms = services.clock.now_ms()
    start, end = _moment(asked.start, "start", now_ms), _moment(asked.end, "end", now_ms)
    at = samples.moments(start, end, expression.duration_ms(asked.step))
    wanted = expression.parse(asked.query)
    found = await run_in_turn(
        request, services, project, lambda svc: service.evaluate(svc, caller, project, wanted, at)
    )
    lines = _up_to(asked.limit, [_line(*one) for one in found.series if one[1]])
    return _success({"resultType": "matrix", "result": lines})


@get(f"{_AT}/labels", summary="List the names of labels", tags=_TAGS, opt=example(answer=schemas.EXAMPLE_LABELS))
async def labels(
    project: NamedDependency[int], match: Selectors = None, start: Start = None, end: End = None, limit: Limit = 0
) -> dict[str, Any]:
    """`start` and `end` count for nothing here, nor in those below."""
    return _labels(Matching(match or [], start, end, limit))


@post(
    f"{_AT}/labels",
    summary="List the names of labels, asked by a form",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"match[]": [schemas.EXAMPLE_QUERY]}, answer=schemas.EXAMPLE_LABELS, media_type=forms.FORM),
)
async def post_labels(request: Request[Any, Any, Any], project: NamedDependency[int]) -> dict[str, Any]:
    """The form has what the query string of the GET has."""
    return _labels(await forms.read(request, Matching))


def _labels(asked: Matching) -> dict[str, Any]:
    metrics = {one.metric for one in _selectors(asked.match)} if asked.match else {EVENTS, FIELD}
    found = sorted({label for metric in metrics for label in LABELS[metric]})
    return _success(_up_to(asked.limit, ["__name__", *found] if metrics else []))


@get(
    f"{_AT}/label/{{label:str}}/values",
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
    limit: Limit = 0,
) -> dict[str, Any]:
    """Of `path` those of the endpoint that a selector names; of events those of the last thirty days."""
    of = _selectors(match) if match else None
    return _success(_up_to(limit, await service.label_values(services, caller, project, label, of)))


@get(f"{_AT}/series", summary="List series by their labels", tags=_TAGS, opt=example(answer=schemas.EXAMPLE_SERIES))
async def list_series(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    match: Selectors = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 0,
) -> dict[str, Any]:
    """Those of `delta_field` of one endpoint, up to 1,000."""
    return await _series(services, caller, project, Matching(match or [], start, end, limit))


@post(
    f"{_AT}/series",
    summary="List series by their labels, asked by a form",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"match[]": [schemas.EXAMPLE_QUERY]}, answer=schemas.EXAMPLE_SERIES, media_type=forms.FORM),
)
async def post_series(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> dict[str, Any]:
    """The form has what the query string of the GET has."""
    return await _series(services, caller, project, await forms.read(request, Matching))


async def _series(services: Services, caller: Caller, project: int, asked: Matching) -> dict[str, Any]:
    wanted = _selectors(asked.match)
    found = [dict(one) for of in wanted for one in await service.all_series(services, caller, project, of)]
    return _success(_up_to(asked.limit, found))


@get(
    f"{_AT}/status/buildinfo",
    summary="Say which version of Prometheus' API this is",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_BUILD),
)
async def build_info(project: NamedDependency[int]) -> dict[str, Any]:
    """Grafana takes values of labels by their route, not out of lists of series, from `version` 2.24.0 on."""
    return _success({"version": _SPOKEN, "application": "Delta", "revision": __version__})


@get(
    f"{_AT}/metadata",
    summary="Say what the metrics are",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_METADATA),
)
async def metadata(
    project: NamedDependency[int],
    metric: Annotated[str | None, QueryParameter(description="Of this one alone")] = None,
    limit: Limit = 0,
    limit_per_metric: Annotated[int, QueryParameter(description="Counts for nothing: each has one")] = 0,
) -> dict[str, Any]:
    """Their type and what they count, which Grafana shows where they are chosen."""
    found = [(name, [said]) for name, said in schemas.METADATA.items() if metric in (None, name)]
    return _success(dict(_up_to(limit, found)))


def _success(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


def _up_to(limit: int, found: list[Any]) -> list[Any]:
    return found[:limit] if limit else found


def _line(labels: Labels, values: Samples) -> dict[str, Any]:
    return {"metric": dict(labels), "values": [_sample(*one) for one in values]}


def _sample(at_ms: int, value: float) -> list[Any]:
    return [at_ms / 1000, repr(value)]


def _selectors(given: list[str]) -> list[Selector]:
    """Each once: several may find the same metric."""
    return list(dict.fromkeys(one for text in given for one in expression.parse_selectors(text)))


def _moment(text: str | None, field: str, now_ms: int) -> int:
    if text is None:
        return now_ms
    at = round(float(text) * 1000) if _SECONDS.fullmatch(text) else times.parse(text, field=field)
    if not times.EARLIEST_MS <= at <= times.LATEST_MS:
        raise Invalid(f"{field} is out of range", field=field)
    return at


ROUTES = [
    query,
    post_query,
    query_range,
    post_query_range,
    labels,
    post_labels,
    label_values,
    list_series,
    post_series,
    build_info,
    metadata,
]
