"""Filters and fields of core/query/plan.py as SQL over the relation of schema.py.

All that a request wrote is a parameter, the names inside `data` and `metadata` too: they are a JSON pointer (RFC 6901).
"""

from collections.abc import Sequence
from typing import TypeAlias

from delta_server.core.query import decimals
from delta_server.core.query.plan import AllOf, AnyOf, Condition, Field, Filter, FullText, Negation, OfPerson, Operation
from delta_server.storage.events import schema
from delta_server.storage.events.query import exact_numbers
from delta_server.storage.events.query.relation import Params

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
    return "true" if where is None else _sql(where, params, strict=False)


def value(field: Field, params: Params) -> str:
    """The field as rows show it: a column as it is, a text of what is inside JSON, the same for all spellings of a
    number; NULL when it is not there, for an empty list too."""
    if field.path:
        return exact_numbers.bind(plain(field, params), "j", exact_numbers.canonical_text("j", kind(field, params)))
    return plain(field, params)


def plain(field: Field, params: Params) -> str:
    """As `value`, with numbers inside JSON as DuckDB writes them."""
    if field.path:
        return f"json_extract_string({field.column}, {params.add(_pointer(field))})"
    if field.kind == "list":
        return f"CASE WHEN len({field.column}) > 0 THEN {field.column} END"
    return MESSAGE_ID if field.column == "message_id" else field.column


def raw(field: Field, params: Params) -> str:
    """What is inside JSON, as JSON: see query/exact_numbers.py."""
    return f"json_extract({field.column}, {params.add(_pointer(field))})::VARCHAR"


def kind(field: Field, params: Params) -> str:
    """DuckDB's type of what is inside JSON."""
    return f"json_type({field.column}, {params.add(_pointer(field))})"


def _sql(where: Filter, params: Params, *, strict: bool) -> str:
    """With `strict`, for what stands below a NOT: false, never NULL, for what does not match. Elsewhere NULL serves as
    well, and DuckDB can check plain comparisons against the statistics of a segment's parts."""
    match where:
        case AllOf(parts):
            return "(" + " AND ".join([_sql(part, params, strict=strict) for part in parts] or ["true"]) + ")"
        case AnyOf(parts):
            return "(" + " OR ".join([_sql(part, params, strict=strict) for part in parts] or ["false"]) + ")"
        case Negation(part):
            return f"(NOT {_sql(part, params, strict=True)})"
        case OfPerson(users, anonymous):
            sql = _is_of_person(users, anonymous, params)
            return f"coalesce({sql}, false)" if strict else sql
        case FullText(words):
            found = (f"contains(lower({_SEARCHED}), lower({params.add(word)}))" for word in words)
            return "(" + " AND ".join(found) + ")"
        case Condition():
            return _condition(where, params, strict=strict)


def _is_of_person(users: Sequence[str], anonymous: Sequence[str], params: Params) -> str:
    parts = []
    if users:
        parts.append(f"user_id IN ({', '.join(map(params.add, users))})")
    if anonymous:
        named = f"anonymous_id IN ({', '.join(map(params.add, anonymous))})"
        parts.append(f"({named} AND {schema.user('user_id')} IS NULL)")
    return "(" + " OR ".join(parts or ["false"]) + ")"


def _condition(where: Condition, params: Params, *, strict: bool) -> str:
    if where.op in _NEGATED:
        positive = Condition(_NEGATED[where.op], where.field, where.values)
        return f"(NOT {_condition(positive, params, strict=True)})"
    if where.op == "exists":
        return f"({plain(where.field, params)} IS NOT NULL)"
    sql = _compare_list(where, params) if where.field.kind == "list" else _compare_one(where, params)
    return f"coalesce({sql}, false)" if strict else sql


def _compare_one(where: Condition, params: Params) -> str:
    """Numbers are compared with what is inside JSON as a number, all else with the field as it is shown."""
    field, is_json = where.field, where.field.kind == "json"
    given = [each for each in where.values if is_json and isinstance(each, int | float) and not isinstance(each, bool)]
    others = [_json_text(each) for each in where.values if not is_json or isinstance(each, str | bool)]
    if where.op == "is":
        parts = [_is_one_of(field, given, params)] if given else []
        parts += [_any_of("is", plain(field, params), others, params)] if others else []
        parts += [_same_number(field, number, params) for number in _numbers(where)]
    else:
        parts = [exact_numbers.compare(raw(field, params), _COMPARED[where.op], each) for each in given]
        parts += [_any_of(where.op, value(field, params), others, params)] if others else []
    return "(" + " OR ".join(parts or ["false"]) + ")"


def _is_one_of(field: Field, given: Sequence[float], params: Params) -> str:
    """Whether it is one of these numbers. Those past 2^53 are looked at one by one where the rough ones match."""
    rough = ", ".join(f"{float(each)!r}::DOUBLE" for each in given)
    among = exact_numbers.bind(raw(field, params), "j", f"{exact_numbers.to_double('j')} IN ({rough})")
    large = [int(each) for each in given if abs(each) >= decimals.WHOLE]
    if not large:
        return among
    small = exact_numbers.bind(raw(field, params), "j", f"abs({exact_numbers.to_double('j')}) < {decimals.WHOLE:d}")
    found = exact_numbers.bind(raw(field, params), "j", f"try_cast({exact_numbers.number_text('j')} AS HUGEINT)")
    whole = ", ".join(f"{each:d}::HUGEINT" for each in large)
    return f"({among} AND ({small} OR coalesce({found} IN ({whole}), true)))"


def _numbers(where: Condition) -> list[float]:
    """The numbers that texts are compared with are written like."""
    if where.field.kind != "json":
        return []
    read = (decimals.read(each) for each in where.values if isinstance(each, str))
    return [number for number in read if number is not None]


def _same_number(field: Field, given: float, params: Params) -> str:
    """`12.0` given as a text is the number 12, too, but no other text."""
    is_number = f"{kind(field, params)} IN ('DOUBLE', 'BIGINT', 'UBIGINT')"
    return f"({exact_numbers.compare(raw(field, params), '=', given)} AND {is_number})"


def _compare_list(where: Condition, params: Params) -> str:
    values = [_json_text(given) for given in where.values]
    if where.op == "is":
        return f"list_has_any({where.field.column}, [{', '.join(map(params.add, values))}])"
    return f"(len(list_filter({where.field.column}, lambda item: {_any_of(where.op, 'item', values, params)})) > 0)"


def _any_of(op: str, shown: str, values: Sequence[Value], params: Params) -> str:
    """`shown` compared with each of the values: whether one matches."""
    placeholders = [params.add(each) for each in values]
    if op == "is":
        return f"{shown} IN ({', '.join(placeholders)})" if len(values) > 1 else f"{shown} = {placeholders[0]}"
    if op in _COMPARED:
        return f"{shown} {_COMPARED[op]} {placeholders[0]}"
    return "(" + " OR ".join(_MATCHED[op].format(shown, placeholder) for placeholder in placeholders) + ")"


def _json_text(given: Value) -> Value:
    """As the text of JSON has it."""
    return str(given).lower() if isinstance(given, bool) else given


def _pointer(field: Field) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in field.path)
