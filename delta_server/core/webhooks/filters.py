"""Which happenings a webhook is sent, beside their types."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.expressions import expression
from delta_server.core.expressions.expression import MAX_CHARS
from delta_server.core.history import path_filter
from delta_server.core.json_schema import documented

MOST_ENDPOINTS = 100
CONDITION_STEPS = 2_000
"""Of one condition over one message: 3 ms."""
_LONGEST_NAME = 400


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Empty, it takes all. `endpoints` are ids or names, where a last `*` stands for any end; what is about no endpoint
    is not taken then. `field` is a path or field pattern that must have changed, `min_changes` and
    `similarity_below` measure the delta: these choose among deltas and say nothing of other happenings. `condition` is
    JMESPath over the message, `data.delta.added > `0``, which must be true."""

    endpoints: Annotated[tuple[str, ...], Meta(max_length=MOST_ENDPOINTS)] = ()
    field: str | None = None
    min_changes: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    similarity_below: Annotated[float, Meta(gt=0, le=1)] | None = None
    condition: Annotated[str, documented(maxLength=MAX_CHARS)] | None = None


class ChangedField(msgspec.Struct, frozen=True):
    path: str
    changes: int


class Change(msgspec.Struct, frozen=True):
    """What filters look at in a delta."""

    changes: int
    similarity: float
    fields: Sequence[ChangedField]


class Subject(msgspec.Struct, frozen=True):
    """What filters look at in a happening."""

    endpoint_id: str = ""
    endpoint_name: str = ""
    change: Change | None = None
    tell: Sequence[str] | None = None
    """Of alerts: the ids of the webhooks that alone hear of it; of an empty one all do."""


def check(filter: Filter) -> Filter:
    """Raises Invalid, naming the part that is wrong."""
    for at, name in enumerate(filter.endpoints):
        if not name or len(name) > _LONGEST_NAME:
            raise Invalid(
                "must be an endpoint's id or name, or the begin of names and *", field=f"filter.endpoints[{at}]"
            )
    if filter.field is not None:
        try:
            path_filter.parse(filter.field)
        except Invalid as error:
            raise Invalid(error.message, field="filter.field") from None
    if filter.condition is not None:
        expression.Expression(filter.condition, field="filter.condition")
    return filter


def holds(condition: str, body: bytes) -> bool:
    """Whether it is true of a message. One that cannot be evaluated, or takes too long, is not."""
    try:
        return expression.holds(condition, body, max_steps=CONDITION_STEPS)
    except (Invalid, BadRequest):
        return False


def takes(filter: Filter, subject: Subject) -> bool:
    """All of it but the condition."""
    if filter.endpoints and not any(_names(pattern, subject) for pattern in filter.endpoints):
        return False
    change = subject.change
    if change is None:
        return True
    if filter.min_changes is not None and change.changes < filter.min_changes:
        return False
    if filter.similarity_below is not None and change.similarity >= filter.similarity_below:
        return False
    return filter.field is None or bool(fields_of(filter, change.fields))


def fields_of(filter: Filter, fields: Sequence[ChangedField]) -> list[ChangedField]:
    """Those that the filter's `field` means: at it or under it, or above where a delta with very many edits counted
    them there."""
    if filter.field is None:
        return list(fields)
    wanted = path_filter.parse(filter.field)
    return [field for field in fields if path_filter.covers(wanted, field.path, folded=True)]


def _names(pattern: str, subject: Subject) -> bool:
    if pattern in (subject.endpoint_id, subject.endpoint_name):
        return bool(pattern)
    return pattern.endswith("*") and bool(subject.endpoint_name) and subject.endpoint_name.startswith(pattern[:-1])
