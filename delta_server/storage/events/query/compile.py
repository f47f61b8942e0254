"""Aggregates and listings of core/query/plan.py as DuckDB's SQL over the relation of schema.py.

An aggregate is three SELECTs, one in the other: the values of each event that matches (`kN`, `vN`), their groups with
DuckDB's aggregates (`aN`), and the metrics of each group (`mN`), which having and order look at. What is taken from
JSON stands in SELECTs of its own beneath (`jN`), so that it is read once. `xN` are the parts of a metric's exact value,
for core/query/decimals.py.
"""

from collections.abc import Sequence

from delta_server.core.query import decimals, time_buckets
from delta_server.core.query.plan import Aggregate, Bound, Field, Interval, Key, Listing, Span
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Row
from delta_server.storage.events.query import filters
from delta_server.storage.events.query.relation import Params
from delta_server.storage.events.query.select_lists import JsonColumns, MetricColumns, is_exact
from delta_server.storage.events.schema import COLUMNS

LISTED = tuple(column.name for column in COLUMNS)
"""The columns of a listing's rows. Every event has a message id there."""

POSITION = ("seq", "time_ms")
"""Enough to find an event again."""

_LISTED = ", ".join(f"{filters.MESSAGE_ID} AS message_id" if name == "message_id" else name for name in LISTED)
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "is": "=", "is_not": "IS DISTINCT FROM"}
_WEEK_MS = 7 * DAY_MS


def columns(plan: Aggregate) -> tuple[str, ...]:
    """The names of the columns of an aggregate's rows."""
    return tuple(part.name for part in (*plan.keys, *plan.metrics))


def aggregate(plan: Aggregate, source: str, params: Params) -> str:
    """`source` stands behind FROM."""
    values = MetricColumns(plan.metrics, params)
    metrics = [values.metric(metric) for metric in plan.metrics]
    parts = [values.parts(metric) for metric in plan.metrics if is_exact(metric)]
    keys = [f"k{n}" for n in range(len(plan.keys))]
    grouped = ", ".join([*keys, *values.aggregates]) or "count(*)"
    rows = f"SELECT {grouped} FROM ({_select_events(plan, source, values, params)})" + (
        f" GROUP BY {', '.join(keys)}" if keys else ""
    )
    beside = (f"{sql} AS x{n}" for n, sql in zip(_exact(plan), parts, strict=True))
    selected = ", ".join([*keys, *(f"{sql} AS m{n}" for n, sql in enumerate(metrics)), *beside])
    return filtered_rows(plan, f"SELECT {selected} FROM ({rows})", params, parts=_exact(plan))


def _exact(plan: Aggregate) -> list[int]:
    return [n for n, metric in enumerate(plan.metrics) if is_exact(metric)]


def read_exact_rows(plan: Aggregate, rows: list[Row]) -> list[Row]:
    """The rows of `aggregate` with the exact values in their places."""
    places = {len(plan.keys) + n: plan.metrics[n].function for n in _exact(plan)}
    if not places:
        return rows
    width = len(plan.keys) + len(plan.metrics)
    made = []
    for row in rows:
        cells = list(row[:width])
        for (place, function), parts in zip(places.items(), row[width:], strict=True):
            cells[place] = decimals.number(function, cells[place], parts)
        made.append(tuple(cells))
    return made


def filtered_rows(plan: Aggregate, rows: str, params: Params, *, parts: Sequence[int] = ()) -> str:
    """Those of `rows`, a SELECT of `kN` and `mN`, and `xN` of those with `parts`, that the plan's having keeps, in its
    order."""
    keys = [f"k{n}" for n in range(len(plan.keys))]
    places = {name: f"k{n}" for n, name in enumerate(key.name for key in plan.keys)}
    places |= {metric.name: f"m{n}" for n, metric in enumerate(plan.metrics)}
    named = {plan.metrics[n].name: f"x{n}" for n in parts if plan.metrics[n].function in ("min", "max", "sum")}
    having = " AND ".join(_having(bound, places, named, params) for bound in plan.having) or "true"
    order = [
        f"{place} {'DESC' if part.descending else 'ASC'} NULLS LAST"
        for part in plan.order
        for place in (places[part.name], f"{named[part.name]}.h" if part.name in named else None)
        if place is not None
    ]
    order += [f"{key} ASC NULLS LAST" for key in keys]
    return (
        f"SELECT * FROM ({rows}) WHERE {having}"
        + (f" ORDER BY {', '.join(order)}" if order else "")
        + _page(plan.limit, plan.skip)
    )


def listing(
    plan: Listing, source: str, params: Params, *, limit: int | None, skip: int, columns: tuple[str, ...] = LISTED
) -> str:
    """Rows of LISTED, or of PLACE, in the plan's order, from those `after`; `limit` and `skip` are given instead of the
    plan's."""
    direction = "ASC" if plan.ascending else "DESC"
    selected = _LISTED if columns == LISTED else ", ".join(columns)
    return (
        f"SELECT {selected} FROM {source} WHERE {_listing_where(plan, params)}"
        f" ORDER BY time_ms {direction}, seq {direction}{_page(limit, skip)}"
    )


def by_seq(source: str, seqs: Sequence[int]) -> str:
    """Rows of LISTED, in no order."""
    return f"SELECT {_LISTED} FROM {source} WHERE seq IN ({', '.join(map(str, seqs))})"


def count(plan: Listing, source: str, params: Params) -> str:
    """How many rows a listing has without limit and skip."""
    return f"SELECT count(*) FROM {source} WHERE {_listing_where(plan, params)}"


def interval_key(interval: Interval, span: Span) -> str:
    """SQL of core/query/time_buckets.py's `key_expression` for the times of `span`."""
    local = f"(time_ms + {_offset(interval, span)})"
    if interval.months:
        at = f"make_timestamp({local} * 1000)"
        number = f"(year({at}) * 12 + month({at}) - 1)"
        return number if interval.months == 1 else f"({number} - {number} % {interval.months:d})"
    if interval.step_ms % DAY_MS:
        begin = f"time_ms - {_time_within_bucket(local, interval, span)}"
        nearest = span.start_ms - interval.step_ms - DAY_MS, span.end_ms + DAY_MS
        joined = [(at, to) for at, to in time_buckets.joins(interval).items() if nearest[0] <= at < nearest[1]]
        cases = " ".join(f"WHEN {at:d} THEN {to:d}" for at, to in joined)
        return f"CASE {begin} {cases} ELSE {begin} END" if cases else begin
    return f"{local} - {_time_within_bucket(_since_anchor(local, interval.anchor_ms), interval, span)}"


def _since_anchor(local: str, anchor_ms: int) -> str:
    return f"({local} - {anchor_ms:d})" if anchor_ms else local


def _time_within_bucket(local: str, interval: Interval, span: Span) -> str:
    """What is left of a time in its bucket: SQL's % is negative for times before the epoch."""
    step = f"{interval.step_ms:d}"
    return f"{local} % {step}" if span.start_ms >= 2 * _WEEK_MS else f"({local} % {step} + {step}) % {step}"


def _offset(interval: Interval, span: Span) -> str:
    """The zone's offset at `time_ms`: a number, or a CASE when clocks are changed within the span."""
    *changes, (_, last) = interval.offsets
    for until_ms, offset_ms in reversed(changes):
        if until_ms >= span.end_ms:
            last = offset_ms
    inside = [(until, offset) for until, offset in changes if span.start_ms < until < span.end_ms]
    cases = " ".join(f"WHEN time_ms < {until:d} THEN {offset:d}" for until, offset in inside)
    return f"CASE {cases} ELSE {last:d} END" if cases else f"{last:d}"


def _select_events(plan: Aggregate, source: str, values: MetricColumns, params: Params) -> str:
    keys = [f"{key_expression(each, plan.span, values.json)} AS k{n}" for n, each in enumerate(plan.keys)]
    selected = ", ".join([*keys, *values.events]) or "1 AS one"
    rows = f"SELECT {selected} FROM {values.json.around(source, filters.condition(plan.where, params))}"
    for n, each in enumerate(plan.keys):
        if isinstance(each, Field) and each.kind == "list":
            rows = f"SELECT * REPLACE (unnest(k{n}) AS k{n}) FROM ({rows})"
    return rows


def key_expression(of: Key, span: Span, json: JsonColumns) -> str:
    """SQL of a plan's key for the events of `span`, a list for one that has a row for each item."""
    if isinstance(of, Interval):
        return interval_key(of, span)
    if of.kind == "list":  # a group for each item, counted once an event, and one for events without any
        return f"coalesce(list_distinct({json.value(of)}), [NULL])"
    return json.value(of)


def key_value(field: Field, params: Params) -> str:
    """SQL of the field as a key or a counted value: users are persons (persons.py), whatever id they had."""
    return "person" if field.column == "user_id" else filters.value(field, params)


def _having(bound: Bound, places: dict[str, str], named: dict[str, str], params: Params) -> str:
    """Past 2^53 with the exact value, where it is a whole number (`named`: the parts of core/query/decimals.py)."""
    place, operator, given = places[bound.metric], _COMPARED[bound.op], params.add(bound.value)
    rough, parts = f"{place} {operator} {given}", named.get(bound.metric)
    if parts is None or abs(bound.value) < decimals.WHOLE:
        return rough
    is_whole = f"{parts}.q IS NULL AND {parts}.h::DOUBLE = {place}"
    return f"CASE WHEN {is_whole} THEN {parts}.h {operator} {int(bound.value):d}::HUGEINT ELSE {rough} END"


def _listing_where(plan: Listing, params: Params) -> str:
    matches = filters.condition(plan.where, params)
    if plan.after_seq is not None:
        matches += f" AND seq > {plan.after_seq:d}"
    if plan.after is None:
        return matches
    at, seq = plan.after
    than = ">" if plan.ascending else "<"
    return f"{matches} AND (time_ms {than} {at:d} OR (time_ms = {at:d} AND seq {than} {seq:d}))"


def _page(limit: int | None, skip: int) -> str:
    return (f" LIMIT {limit:d}" if limit is not None else "") + (f" OFFSET {skip:d}" if skip else "")
