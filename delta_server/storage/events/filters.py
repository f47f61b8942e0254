"""Filters and fields of core/plan.py as SQL over the relation of schema.py.

All that a request wrote is a parameter, the names inside `data` and `metadata` too: they are a JSON pointer (RFC 6901).
"""

from collections.abc import Sequence
from typing import TypeAlias

from delta_server.core.plan import Condition, Every, Field, Filter, Not, Of, Operation, Some, Text
from delta_server.storage.events import schema
from delta_server.storage.events.relation import Params

Value: TypeAlias = str | float | int | bool

MESSAGE_ID = "coalesce(message_id, 'e-' || lower(to_hex(seq)))"
"""Events that came without one are shown with one of their own."""

_SEARCHED = (
    "concat_ws(chr(10), event_type, source, user_id, anonymous_id, session_id, status, array_to_string(tags, chr(10)),"
    f" data, metadata, {MESSAGE_ID})"
)
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_MATCHED = {
    "contains": "contains({}, {})",
    "starts_with": "starts_with({}, {})",
    "ends_with": "suffix({}, {})",
    "matches": "regexp_matches({}, {})",
}
_NEGATED: dict[Operation, Operation] = {"is_not": "is", "not_contains": "contains", "missing": "exists"}


def condition(where: Filter | None, params: Params) -> str:
    """What stands behind WHERE: true for the events that match, false or NULL for others."""
    return "true" if where is None else _sql(where, params, exact=False)


def value(field: Field, params: Params) -> str:
    """The field as rows show it: a column as it is, a text of what is inside JSON; NULL when it is not there, for an
    empty list too."""
    if field.path:
        return f"json_extract_string({field.column}, {params.add(_pointer(field))})"
    if field.kind == "list":
        return f"CASE WHEN len({field.column}) > 0 THEN {field.column} END"
    return MESSAGE_ID if field.column == "message_id" else field.column


def number(field: Field, params: Params) -> str:
    """The field as a number, NULL when it is none: what is inside JSON counts as one when it is written like one."""
    plain = value(field, params)
    if field.kind in ("number", "time"):
        return plain
    read = f"try_cast({plain} AS DOUBLE)"
    return f"CASE WHEN isfinite({read}) THEN {read} END"


def _sql(where: Filter, params: Params, *, exact: bool) -> str:
    """With `exact`, for what stands below a NOT: false, never NULL, for what does not match. Elsewhere NULL serves as
    well, and DuckDB can check plain comparisons against the statistics of a segment's parts."""
    match where:
        case Every(parts):
            return "(" + " AND ".join([_sql(part, params, exact=exact) for part in parts] or ["true"]) + ")"
        case Some(parts):
            return "(" + " OR ".join([_sql(part, params, exact=exact) for part in parts] or ["false"]) + ")"
        case Not(part):
            return f"(NOT {_sql(part, params, exact=True)})"
        case Of(users, anonymous):
            sql = _of_person(users, anonymous, params)
            return f"coalesce({sql}, false)" if exact else sql
        case Text(words):
            found = (f"contains(lower({_SEARCHED}), lower({params.add(word)}))" for word in words)
            return "(" + " AND ".join(found) + ")"
        case Condition():
            return _condition(where, params, exact=exact)


def _of_person(users: Sequence[str], anonymous: Sequence[str], params: Params) -> str:
    parts = []
    if users:
        parts.append(f"user_id IN ({', '.join(map(params.add, users))})")
    if anonymous:
        named = f"anonymous_id IN ({', '.join(map(params.add, anonymous))})"
        parts.append(f"({named} AND {schema.user('user_id')} IS NULL)")
    return "(" + " OR ".join(parts or ["false"]) + ")"


def _condition(where: Condition, params: Params, *, exact: bool) -> str:
    if where.op in _NEGATED:
        positive = Condition(_NEGATED[where.op], where.field, where.values)
        return f"(NOT {_condition(positive, params, exact=True)})"
    if where.op == "exists":
        return f"({value(where.field, params)} IS NOT NULL)"
    sql = _of_list(where, params) if where.field.kind == "list" else _of_one(where, params)
    return f"coalesce({sql}, false)" if exact else sql


def _of_one(where: Condition, params: Params) -> str:
    """Numbers are compared with the field as a number, all else with it as it is shown."""
    numbers = [given for given in where.values if _as_number(where.field, given)]
    others = [given for given in where.values if not _as_number(where.field, given)]
    parts = []
    for values, shown in ((numbers, number), (others, value)):
        if values:
            parts.append(_any(where.op, shown(where.field, params), [_plain(given) for given in values], params))
    return "(" + " OR ".join(parts or ["false"]) + ")"


def _of_list(where: Condition, params: Params) -> str:
    values = [_plain(given) for given in where.values]
    if where.op == "is":
        return f"list_has_any({where.field.column}, [{', '.join(map(params.add, values))}])"
    return f"(len(list_filter({where.field.column}, lambda item: {_any(where.op, 'item', values, params)})) > 0)"


def _any(op: str, shown: str, values: Sequence[Value], params: Params) -> str:
    """`shown` compared with each of the values: whether one matches."""
    placeholders = [params.add(each) for each in values]
    if op == "is":
        return f"{shown} IN ({', '.join(placeholders)})" if len(values) > 1 else f"{shown} = {placeholders[0]}"
    if op in _COMPARED:
        return f"{shown} {_COMPARED[op]} {placeholders[0]}"
    return "(" + " OR ".join(_MATCHED[op].format(shown, placeholder) for placeholder in placeholders) + ")"


def _as_number(field: Field, given: Value) -> bool:
    return field.kind == "json" and isinstance(given, int | float) and not isinstance(given, bool)


def _plain(given: Value) -> Value:
    """As the text of JSON has it."""
    return str(given).lower() if isinstance(given, bool) else given


def _pointer(field: Field) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in field.path)
