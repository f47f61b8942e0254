"""/v1/query/funnel, /retention and /paths: what persons do, one event after the other."""

import time
from typing import Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency

from delta_server.core.query import funnels, persons_behind
from delta_server.core.query.funnels import FunnelRequest, PathsRequest, RetentionRequest
from delta_server.core.query.persons_behind import PersonsRequest
from delta_server.features.queries import funnels_schemas, funnels_service
from delta_server.features.queries.funnels_schemas import (
    CountedPerson,
    FunnelResult,
    FunnelsMeta,
    PathsResult,
    RetentionResult,
)
from delta_server.features.queries.funnels_service import FunnelAnswer
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import while_connected
from delta_server.http.pagination import Page
from delta_server.http.parameters import JSONBody
from delta_server.services import Services

_TAGS = ["Behaviour"]


@post(
    "/v1/query/funnel",
    summary="Count who goes all the way",
    tags=_TAGS,
    status_code=200,
    opt=example(request=funnels_schemas.EXAMPLE_FUNNEL, answer=funnels_schemas.EXAMPLE_FUNNEL_RESULT),
)
async def get_funnel(
    request: Request[Any, Any, Any],
    data: JSONBody[FunnelRequest],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> FunnelResult:
    """How many persons did 2 to 8 steps in this order within `window` of the first; `groupBy` splits them by a
    field of their first step. A person counts once, by the attempt that got furthest."""
    started = time.perf_counter()
    asked_ms = services.clock.now_ms()
    question = funnels.funnel(data, now_ms=asked_ms)
    found = await while_connected(request, funnels_service.funnel(services, project, question, asked_ms=asked_ms))
    return FunnelResult(msgspec.Raw(found.rows), _meta(found, started), question.given)


@post(
    "/v1/query/retention",
    summary="Count who comes back",
    tags=_TAGS,
    status_code=200,
    opt=example(request=funnels_schemas.EXAMPLE_RETENTION, answer=funnels_schemas.EXAMPLE_RETENTION_RESULT),
)
async def get_retention(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    data: JSONBody[RetentionRequest | None] = None,
) -> RetentionResult:
    """Persons are put into cohorts by the day, week or month (`every`) of their first `start` within the range, and
    counted in each of the `periods` after it in which they did `again`. Left out, `start` and `again` are any event.
    With `firstEver`, who did `start` before the range already is left out."""
    started = time.perf_counter()
    asked_ms = services.clock.now_ms()
    question = await services.cpu(funnels.retention, data or RetentionRequest(), now_ms=asked_ms)
    found = await while_connected(request, funnels_service.retention(services, project, question, asked_ms=asked_ms))
    return RetentionResult(msgspec.Raw(found.rows), _meta(found, started), question.given)


@post(
    "/v1/query/paths",
    summary="Count what comes next, or came before",
    tags=_TAGS,
    status_code=200,
    opt=example(request=funnels_schemas.EXAMPLE_PATHS, answer=funnels_schemas.EXAMPLE_PATHS_RESULT),
)
async def get_paths(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    data: JSONBody[PathsRequest | None] = None,
) -> PathsResult:
    """The values of `by` in the events that follow each `start` (or come before it), `depth` steps on, as long as no
    two are further apart than `gap`. Without `start`: from the first event after such a gap. `limit` moves a step."""
    started = time.perf_counter()
    asked_ms = services.clock.now_ms()
    question = funnels.paths(data or PathsRequest(), now_ms=asked_ms)
    found = await while_connected(request, funnels_service.paths(services, project, question, asked_ms=asked_ms))
    return PathsResult(msgspec.Raw(found.rows), _meta(found, started), question.given)


def _meta(found: FunnelAnswer, started: float) -> FunnelsMeta:
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    return FunnelsMeta(found.source, found.scanned, found.complete_from, found.merges_pending, took_ms)


@post(
    "/v1/query/persons",
    summary="List who is counted in a part of an answer",
    tags=_TAGS,
    status_code=200,
    opt=example(request=funnels_schemas.EXAMPLE_PERSONS, answer=funnels_schemas.EXAMPLE_PERSONS_FOUND),
)
async def list_persons(
    request: Request[Any, Any, Any],
    data: JSONBody[PersonsRequest],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> Page[CountedPerson]:
    """Of one of `funnel`, `retention` and `paths`, with what a row of its answer says of itself as `part`: for a funnel
    `step`, `outcome` (`reached`, or `left`: who went no further) and, where it is broken down, `value`; for retention
    `cohort` and `period`; for paths `step`, `from` and `to`, of which one may be left out. Send `query` of the answer
    as the question: its range is in times. Persons come in the order of their ids."""
    here = funnels_service.position(services, data)
    plan = await services.cpu(persons_behind.parse, data, now_ms=here.now_ms, after=here.after)
    rows = await while_connected(request, funnels_service.persons(services, project, plan))
    return pagination.page(
        rows,
        limit=data.limit,
        item=CountedPerson,
        cursor=lambda id: funnels_service.next_cursor(data, here, id),
    )


ROUTES = [list_persons, get_funnel, get_retention, get_paths]
