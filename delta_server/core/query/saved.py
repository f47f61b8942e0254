"""Questions as people save them: a kind, and a spec, which is the body of the kind's route.

    explorer    {"metrics": ["count"], "groupBy": ["time:1h"], "range": "7d"}      POST /v1/query
    sql         {"sql": "select 1"}                                                 POST /v1/sql
    funnel, retention, paths                                                        POST /v1/query/funnel, ...

`range` is best an age: the question is about the newest days whenever it is run. A `view` is the query of the
dashboard's address that draws it; the server keeps it and does not read it.
"""

from typing import Any, Literal, TypeAlias, get_args

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.query import aggregates, funnels
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.core.query.funnels import FunnelRequest, PathsRequest, RetentionRequest
from delta_server.core.query.statements import Statement

Kind: TypeAlias = Literal["explorer", "sql", "funnel", "retention", "paths"]
Question: TypeAlias = AggregateRequest | Statement | FunnelRequest | RetentionRequest | PathsRequest

KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST_SPEC_BYTES = 32 << 10
LONGEST_VIEW = 4_000
SCOPES: dict[Kind, str] = {
    "explorer": "events:read",
    "sql": "sql:read",
    "funnel": "events:read",
    "retention": "events:read",
    "paths": "events:read",
}
"""What running one takes."""

_TYPES: dict[Kind, type[Any]] = {
    "explorer": AggregateRequest,
    "sql": Statement,
    "funnel": FunnelRequest,
    "retention": RetentionRequest,
    "paths": PathsRequest,
}


def read(kind: Kind, spec: bytes) -> Question:
    """Of the text of a spec that `checked` made."""
    found: Question = msgspec.json.decode(spec, type=_TYPES[kind])
    return found


def checked(kind: Kind, spec: dict[str, Any], *, now_ms: int) -> str:
    """The spec as it is kept. Raises Invalid for what its route would refuse whatever there is to ask about."""
    try:
        question = msgspec.convert(spec, type=_TYPES[kind])
    except msgspec.ValidationError as error:
        raise Invalid(f"spec is not what {kind} takes: {error}", field="spec") from None
    _check(question, now_ms)
    text = msgspec.json.encode(spec).decode()
    if len(text) > LONGEST_SPEC_BYTES:
        raise Invalid(f"spec has {len(text)} bytes: at most {LONGEST_SPEC_BYTES} are allowed", field="spec")
    return text


def checked_view(view: str | None) -> str | None:
    """Raises Invalid."""
    if view is not None and (len(view) > LONGEST_VIEW or not view.isprintable()):
        raise Invalid(f"view must be at most {LONGEST_VIEW} printable characters", field="view")
    return view


def _check(question: Question, now_ms: int) -> None:
    match question:
        case AggregateRequest():
            if question.cursor is not None:
                raise Invalid("a saved question begins at its first row: leave cursor out", field="spec")
            aggregates.parse(question, now_ms=now_ms)
        case FunnelRequest():
            funnels.funnel(question, now_ms=now_ms)
        case RetentionRequest():
            funnels.retention(question, now_ms=now_ms)
        case PathsRequest():
            funnels.paths(question, now_ms=now_ms)
        case Statement():
            if not question.sql.strip():
                raise Invalid("sql is empty", field="spec")
