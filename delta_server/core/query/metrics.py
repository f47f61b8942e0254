"""What is computed for each row of an answer, by name.

    count
    unique_sources unique_users unique_sessions unique_tags       unique_FIELD
    avg_duration min_duration max_duration sum_duration           avg_FIELD ...     FIELD: duration, priority, data.PATH
    p50_duration p90_duration p95_duration p99_duration           p1_FIELD to p99_FIELD
    dominant_status                                               dominant_FIELD

FIELD is one of core/query/fields.py. Users are persons: see core/events/persons.py.
"""

import re
from typing import Literal, TypeAlias

from delta_server.core.errors import Invalid
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.core.query import fields
from delta_server.core.query.plan import Field, Metric

Function: TypeAlias = Literal["count", "unique", "avg", "min", "max", "sum", "quantile", "mode"]

NAMES = (
    "count",
    *("unique_sources", "unique_users", "unique_sessions", "unique_tags"),
    *("avg_duration", "min_duration", "max_duration", "sum_duration", "dominant_status"),
    *("p50_duration", "p90_duration", "p95_duration", "p99_duration"),
)
_UNIQUE = {"sources": "source", "users": "userId", "sessions": "sessionId"}
_FUNCTIONS: dict[str, Function] = {
    "unique": "unique",
    "avg": "avg",
    "min": "min",
    "max": "max",
    "sum": "sum",
    "dominant": "mode",
}
_FORM = re.compile(r"(?:(unique|avg|min|max|sum|dominant)|p([1-9][0-9]?))_(.+)", re.DOTALL)
_OF_ANY_FIELD = ("unique", "mode")


def parse(name: object, *, at: str) -> Metric:
    """The metric a request calls `name`, which stands at `at` in it. Raises Invalid."""
    if name == "count":
        return Metric("count", "count")
    match = _FORM.fullmatch(name) if isinstance(name, str) else None
    if not isinstance(name, str) or match is None:
        hint = did_you_mean(name, NAMES) if isinstance(name, str) else ""
        raise Invalid(
            f"{at} is not a known metric: {quoted(name)}{hint}; metrics are {', '.join(NAMES)}, and avg_data.NAME, "
            "unique_data.NAME, p95_data.NAME and so on",
            field=at,
        )
    field = _field(match, name, at)
    function = _FUNCTIONS[match[1]] if match[1] else "quantile"
    if function not in _OF_ANY_FIELD and field.kind not in ("number", "json"):
        raise Invalid(f"{at}: {field.name} is not a number; unique_ and dominant_ take any field", field=at)
    return Metric(name, function, field, int(match[2]) / 100 if match[2] else None)


def _field(match: re.Match[str], name: str, at: str) -> Field:
    text = _UNIQUE.get(match[3], match[3]) if match[1] == "unique" else match[3]
    try:
        return fields.parse(text, at=at)
    except Invalid as error:
        hint = did_you_mean(name, NAMES)
        raise Invalid(
            f"{at} is not a known metric: {quoted(name)}{hint}: {error.message}" if hint else error.message, field=at
        ) from None
