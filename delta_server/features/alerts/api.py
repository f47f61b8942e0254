"""/v1/alerts: what was raised, the rules that raise it, and their trial."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.cursors import row_below
from delta_server.features.alerts import of_anomalies, schemas, service, trial_schemas, trying
from delta_server.features.alerts.schemas import (
    AlertPage,
    AlertRule,
    AlertRuleAnswer,
    DigestAnswer,
    NewRule,
    RuleChange,
)
from delta_server.features.alerts.trial_schemas import NewTrial, TrialAnswer
from delta_server.features.endpoints import service as endpoints
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Alerts"]
_LIST = "alerts"


@post(
    "/v1/alerts/try",
    summary="Try a rule on recorded history",
    tags=_TAGS,
    status_code=200,
    opt=example(request=trial_schemas.EXAMPLE_TRIAL, answer=trial_schemas.EXAMPLE_TRIED),
)
async def try_rule(
    request: Request[Any, Any, Any],
    data: JSONBody[NewTrial],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> TrialAnswer:
    """How often it would have raised, when and with what values. Nothing is stored and nobody is notified."""
    now_ms = services.clock.now_ms()
    rule, span = trying.check(caller, data, now_ms)
    named = data.rule.endpoint
    of = project if named is None else endpoints.resolve(services, project, named)
    try_one = of_anomalies.try_rule if rule.kind == "anomaly" else trying.try_rule
    return await run_in_turn(
        request, services, project, lambda svc: try_one(svc, of, rule, span, data.sweep)
    )  # fmt: skip


@post(
    "/v1/alerts/rules",
    summary="Make a rule",
    tags=_TAGS,
    responses={201: ResponseSpec(AlertRuleAnswer, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_NEW, answer={"rule": schemas.EXAMPLE}),
)
async def create_rule(
    data: JSONBody[NewRule],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """It is judged from now on; one of a threshold, or of what matches, by the version that is in force too. It takes
    the scope `snapshots:read`, or `events:read` for one about events, too."""
    answer = await service.create_rule(services, caller, project, data, idempotency_key)
    return idempotency.respond(answer, "/v1/alerts/rules")


@get(
    "/v1/alerts/rules",
    summary="List rules, in the order in which they were made",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_rules(services: NamedDependency[Services], project: NamedDependency[int]) -> Page[AlertRule]:
    """A project has 200 at most, so they come on one page."""
    return Page(await service.list_rules(services, project), has_more=False, next_cursor=None)


@get("/v1/alerts/rules/{rule_id:str}", summary="Get a rule", tags=_TAGS, opt=example(answer={"rule": schemas.EXAMPLE}))
async def get_rule(
    rule_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> AlertRuleAnswer:
    return AlertRuleAnswer(service.get_rule(services, project, rule_id))


@patch(
    "/v1/alerts/rules/{rule_id:str}",
    summary="Change a rule, mute it",
    tags=_TAGS,
    opt=example(request={"muted_until": "2026-05-25T08:00:00Z"}, answer={"rule": schemas.EXAMPLE}),
)
async def update_rule(
    rule_id: FromPath[str],
    data: JSONBody[RuleChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> AlertRuleAnswer:
    """With another condition it begins anew, and what the old one raised is over."""
    return AlertRuleAnswer(await service.update_rule(services, caller, project, rule_id, data))


@delete(
    "/v1/alerts/rules/{rule_id:str}",
    summary="Delete a rule, and what it raised",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_rule(
    rule_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete_rule(services, project, rule_id)


@get(
    "/v1/alerts",
    summary="List alerts, what was raised last first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_ALERT], "has_more": False, "next_cursor": None, "raised": 1}),
)
async def list_alerts(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    of_state: Annotated[
        Literal["raised", "cleared"] | None,
        QueryParameter(name="state", description="Only those that are raised, or cleared"),
    ] = None,  # `state` is the server's own
    rule: Annotated[str | None, QueryParameter(description="Only those of this rule, by its id")] = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[AlertPage]:
    """`raised` beside the page counts those of the whole project that are raised now."""
    below = row_below(_LIST, cursor)
    is_raised = None if of_state is None else of_state == "raised"
    rows, raised = await service.list_alerts(
        services, project, rule=rule, is_raised=is_raised, below=below, limit=limit + 1
    )
    found = pagination.page_by_row(_LIST, rows, limit=limit)
    return pagination.respond(request, AlertPage(found.data, found.has_more, found.next_cursor, raised))


@get(
    "/v1/alerts/digest",
    summary="Read what is sent next",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_DIGEST),
)
async def get_digest(services: NamedDependency[Services], project: NamedDependency[int]) -> DigestAnswer:
    """What waits for the end of quiet hours, or for a digest: 500 lines at most."""
    return await service.get_digest(services, project)


ROUTES = [try_rule, create_rule, list_rules, get_rule, update_rule, delete_rule, list_alerts, get_digest]
