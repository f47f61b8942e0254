"""Rules as they are given: whether they make sense, and who may make them."""

from delta_server.core.alerts import rules
from delta_server.core.alerts.rules import Rule
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.core.query import aggregates
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.features.alerts import metrics, schemas

_SNAPSHOTS, _EVENTS = "snapshots:read", "events:read"


def check_reads(caller: Caller, kind: str, *, of_events: bool) -> None:
    """A rule shows what it is about to whoever reads alerts; `of_events`: it names no endpoint. Raises Forbidden."""
    caller.require(_EVENTS if kind in rules.OF_EVENTS or (kind == "anomaly" and of_events) else _SNAPSHOTS)


def checked(given: schemas.RuleOfEndpoint, now_ms: int) -> Rule:
    """The rule alone. Raises Invalid."""
    rule = rules.check(Rule(**{name: getattr(given, name) for name in Rule.__struct_fields__}))
    if rule.kind in rules.OF_EVENTS and given.endpoint is not None:
        raise Invalid(f"a rule of the kind {rule.kind} is about events: leave endpoint out", field="endpoint")
    if rule.kind not in rules.OF_EITHER and given.endpoint is None:
        raise Invalid(f"a rule of the kind {rule.kind} needs the endpoint that it is about", field="endpoint")
    check_subject(rule, of_events=given.endpoint is None)
    if rule.kind in rules.OF_EVENTS:
        aggregates.parse(rule.query or AggregateRequest(), now_ms=now_ms)
    return rule


def check_subject(rule: Rule, *, of_events: bool) -> None:
    """Raises Invalid."""
    if rule.kind == "anomaly" and of_events and rule.path is not None:
        raise Invalid("path is a field of an endpoint's documents: name the endpoint, or leave path out", field="path")
    if rule.kind in rules.OF_EVENTS:
        metrics.check(rule)
