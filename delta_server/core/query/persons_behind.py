"""The body of POST /v1/query/persons, read into core/query/plan.py's Persons: who is counted in a part of an answer.

    {"funnel": {"steps": ["signup", "purchase"]}, "part": {"step": 1, "outcome": "left"}}
    {"retention": {"start": "signup", "every": "1d"}, "part": {"cohort": "2026-05-01T00:00:00.000Z", "period": 2}}
    {"paths": {"start": "signup"}, "part": {"step": 1, "from": "signup", "to": "page_view"}}

A part says what a row of the answer says of itself; its question is sent with `query` of that answer, whose range is in
times, so that both are of the same events.
"""

from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query import funnels, time_buckets
from delta_server.core.query.funnels import FunnelRequest, PathsRequest, RetentionRequest
from delta_server.core.query.plan import CohortPart, Field, FunnelPart, MovePart, Persons, Scalar

S = TypeVar("S", bound=msgspec.Struct)

Value: TypeAlias = str | float | int | bool | None
MOST = 1_000
LONGEST_VALUE = 32_768


class PersonsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `funnel`, `retention` and `paths` is the question."""

    part: dict[str, Any]
    funnel: FunnelRequest | None = None
    retention: RetentionRequest | None = None
    paths: PathsRequest | None = None
    limit: int = 100
    cursor: str | None = None


class FunnelPartGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    step: int
    outcome: Literal["reached", "left"] = "reached"
    value: Value | UnsetType = UNSET


class CohortPartGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cohort: str
    period: int = 0


class MovePartGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    step: int
    before: Value | UnsetType = msgspec.field(name="from", default=UNSET)
    after: Value | UnsetType = msgspec.field(name="to", default=UNSET)


def parse(given: PersonsRequest, *, now_ms: int, after: str | None) -> Persons:
    """Raises Invalid."""
    if not 1 <= given.limit <= MOST:
        raise Invalid(f"limit must be from 1 to {MOST}, not {given.limit}", field="limit")
    asked = [one for one in (given.funnel, given.retention, given.paths) if one is not None]
    if len(asked) != 1:
        raise Invalid("give one of funnel, retention and paths: the question that the part is of", field="funnel")
    match asked[0]:
        case FunnelRequest() as of_funnel:
            return _of_funnel(of_funnel, given, now_ms, after)
        case RetentionRequest() as of_retention:
            return _of_retention(of_retention, given, now_ms, after)
        case PathsRequest() as of_paths:
            return _of_paths(of_paths, given, now_ms, after)


def _of_funnel(asked: FunnelRequest, given: PersonsRequest, now_ms: int, after: str | None) -> Persons:
    plan, part = funnels.funnel(asked, now_ms=now_ms).plan, _part(given.part, FunnelPartGiven)
    number = _within(part.step, 1, len(plan.steps), "part.step") - 1
    if part.outcome == "left" and number == len(plan.steps) - 1:
        raise Invalid("nobody leaves behind the last step", field="part.outcome")
    if part.value is not UNSET and plan.by is None:
        raise Invalid("the funnel is not broken down: leave value out", field="part.value")
    values = () if plan.by is None else _values(part.value, plan.by, "part.value")
    return Persons(plan, FunnelPart(number, part.outcome == "left", values), after, given.limit)


def _of_retention(asked: RetentionRequest, given: PersonsRequest, now_ms: int, after: str | None) -> Persons:
    plan, part = funnels.retention(asked, now_ms=now_ms).plan, _part(given.part, CohortPartGiven)
    at_ms = times.parse(part.cohort, field="part.cohort")
    number = _within(part.period, 0, plan.periods, "part.period")
    key = time_buckets.key(plan.every, at_ms)
    if time_buckets.begins(plan.every, key) != at_ms:
        raise Invalid("cohort must be the begin of one, as the answer has it", field="part.cohort")
    return Persons(plan, CohortPart(key, number), after, given.limit)


def _of_paths(asked: PathsRequest, given: PersonsRequest, now_ms: int, after: str | None) -> Persons:
    plan, part = funnels.paths(asked, now_ms=now_ms).plan, _part(given.part, MovePartGiven)
    number = _within(part.step, 1, plan.depth, "part.step")
    before, then = _values(part.before, plan.by, "part.from"), _values(part.after, plan.by, "part.to")
    return Persons(plan, MovePart(number, before, then), after, given.limit)


def _part(given: dict[str, Any], kind: type[S]) -> S:
    try:
        return msgspec.convert(given, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"part is not one of the answer: {error}", field="part") from None


def _within(given: int, least: int, most: int, at: str) -> int:
    if not least <= given <= most:
        raise Invalid(f"{at} must be from {least} to {most}, not {given}", field=at)
    return given


def _values(given: Value | UnsetType, by: Field, at: str) -> tuple[Scalar, ...]:
    """Times are numbers in the event log."""
    if given is UNSET:
        return ()
    if isinstance(given, str):
        if len(given) > LONGEST_VALUE:
            raise Invalid(f"{at} is too long", field=at)
        if by.kind == "time":
            return (times.parse(given, field=at),)
    return (given,)
