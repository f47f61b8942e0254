"""Aggregates and listings of core/plan.py as DuckDB's SQL over the relation of schema.py.

An aggregate is three SELECTs, one in the other: the values of each event that matches (`kN`, `vN`), their groups with
DuckDB's aggregates (`aN`), and the metrics of each group (`mN`), which having and order look at.
"""

from collections.abc import Callable, Sequence

from delta_server.core import intervals
from delta_server.core.plan import Aggregate, Bound, Field, Interval, Key, Listing, Metric, Span
from delta_server.core.times import DAY_MS
from delta_server.storage.events import filters
from delta_server.storage.events.relation import Params
from delta_server.storage.events.schema import COLUMNS

LISTED = tuple(column.name for column in COLUMNS)
"""The columns of a listing's rows. Every event has a message id there."""

PLACE = ("seq", "time_ms")
"""Enough to find an event again."""

_LISTED = ", ".join(f"{filters.MESSAGE_ID} AS message_id" if name == "message_id" else name for name in LISTED)
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "is": "=", "is_not": "IS DISTINCT FROM"}
_WEEK_MS = 7 * DAY_MS


def columns(plan: Aggregate) -> tuple[str, ...]:
    """The names of the columns of an aggregate's rows."""
    return tuple(part.name for part in (*plan.keys, *plan.metrics))


def aggregate(plan: Aggregate, source: str, params: Params) -> str:
    """`source` stands behind FROM."""
    values = _Values(plan.metrics, params)
    metrics = [values.metric(metric) for metric in plan.metrics]
    keys = [f"k{n}" for n in range(len(plan.keys))]
    grouped = ", ".join([*keys, *values.aggregates]) or "count(*)"
    rows = f"SELECT {grouped} FROM ({_events(plan, source, values, params)})" + (
        f" GROUP BY {', '.join(keys)}" if keys else ""
    )
    shown = ", ".join([*keys, *(f"{sql} AS m{n}" for n, sql in enumerate(metrics))])
    return shown_rows(plan, f"SELECT {shown} FROM ({rows})", params)


def shown_rows(plan: Aggregate, rows: str, params: Params) -> str:
    """Those of `rows`, a SELECT of `kN` and `mN`, that the plan's having keeps, in its order."""
    keys = [f"k{n}" for n in range(len(plan.keys))]
    places = {name: f"k{n}" for n, name in enumerate(key.name for key in plan.keys)}
    places |= {metric.name: f"m{n}" for n, metric in enumerate(plan.metrics)}
    having = " AND ".join(_bound(bound, places, params) for bound in plan.having) or "true"
    order = [f"{places[part.name]} {'DESC' if part.descending else 'ASC'} NULLS LAST" for part in plan.order]
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
    shown = _LISTED if columns == LISTED else ", ".join(columns)
    return (
        f"SELECT {shown} FROM {source} WHERE {_listed(plan, params)}"
        f" ORDER BY time_ms {direction}, seq {direction}{_page(limit, skip)}"
    )


def these(source: str, seqs: Sequence[int]) -> str:
    """Rows of LISTED, in no order."""
    return f"SELECT {_LISTED} FROM {source} WHERE seq IN ({', '.join(map(str, seqs))})"


def count(plan: Listing, source: str, params: Params) -> str:
    """How many rows a listing has without limit and skip."""
    return f"SELECT count(*) FROM {source} WHERE {_listed(plan, params)}"


def interval_key(interval: Interval, span: Span) -> str:
    """SQL of core/intervals.py's `key` for the times of `span`."""
    local = f"(time_ms + {_offset(interval, span)})"
    if interval.months:
        at = f"make_timestamp({local} * 1000)"
        number = f"(year({at}) * 12 + month({at}) - 1)"
        return number if interval.months == 1 else f"({number} - {number} % {interval.months:d})"
    if interval.step_ms % DAY_MS:
        begin = f"time_ms - {_rest(local, interval, span)}"
        nearest = span.start_ms - interval.step_ms - DAY_MS, span.end_ms + DAY_MS
        joined = [(at, to) for at, to in intervals.joins(interval).items() if nearest[0] <= at < nearest[1]]
        cases = " ".join(f"WHEN {at:d} THEN {to:d}" for at, to in joined)
        return f"CASE {begin} {cases} ELSE {begin} END" if cases else begin
    return f"{local} - {_rest(_from(local, interval.anchor_ms), interval, span)}"


def _from(local: str, anchor_ms: int) -> str:
    return f"({local} - {anchor_ms:d})" if anchor_ms else local


def _rest(local: str, interval: Interval, span: Span) -> str:
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


class _Values:
    """The values of events and the aggregates of groups that a plan's metrics need, each of them once."""

    def __init__(self, metrics: Sequence[Metric], params: Params) -> None:
        self._params = params
        self._of_events: dict[tuple[Field, str], str] = {}
        self._of_groups: dict[str, str] = {}
        self._shares: dict[Field, list[float]] = {}
        for metric in metrics:
            if metric.function == "quantile" and metric.field is not None and metric.share is not None:
                self._shares.setdefault(metric.field, []).append(metric.share)

    @property
    def events(self) -> list[str]:
        """The select list of the innermost SELECT, besides the keys."""
        return [f"{sql} AS v{n}" for n, sql in enumerate(self._of_events.values())]

    @property
    def aggregates(self) -> list[str]:
        return [f"{sql} AS {name}" for sql, name in self._of_groups.items()]

    def metric(self, metric: Metric) -> str:
        """SQL of the metric over the aggregates."""
        field = metric.field
        if field is None:
            return self._group("count(*)")
        match metric.function:
            case "count":
                return self._group(f"count({self._shown(field)})")
            case "unique":
                return self._unique(field)
            case "quantile":
                return self._quantile(field, metric.share or 0.0)
            case "mode":
                return self._mode(field)
            case "avg" | "min" | "max" | "sum":
                return self._group(f"{metric.function}({self._number(field)})")

    def _unique(self, field: Field) -> str:
        if field.kind == "list":
            return f"coalesce(len(list_distinct(flatten({self._group(f'list(DISTINCT {self._shown(field)})')}))), 0)"
        return self._group(f"count(DISTINCT {self._shown(field, person=field.column == 'user_id')})")

    def _quantile(self, field: Field, share: float) -> str:
        """All shares of a field at once: DuckDB sorts its values once."""
        shares = self._shares[field]
        listed = ", ".join(f"{float(each)!r}::DOUBLE" for each in shares)
        found = self._group(f"quantile_cont({self._number(field)}::DOUBLE, [{listed}])")
        return f"{found}[{shares.index(share) + 1}]"

    def _mode(self, field: Field) -> str:
        shown = self._shown(field)
        if field.kind == "list":
            counts = f"list_aggregate(flatten({self._group(f'list({shown})')}), 'histogram')"
        else:
            counts = self._group(f"histogram({shown})")
        # One pass: what stands inside a lambda is computed for each entry, and there may be a million.
        ranked = f"list_transform(map_entries({counts}), lambda each: {{'r': -each.value::BIGINT, 'v': each.key}})"
        return f"list_min({ranked}).v"

    def _shown(self, field: Field, *, person: bool = False) -> str:
        if person:
            return self._event((field, "person"), lambda: "person")
        return self._event((field, "shown"), lambda: shown(field, self._params))

    def _number(self, field: Field) -> str:
        return self._event((field, "number"), lambda: filters.number(field, self._params))

    def _event(self, wanted: tuple[Field, str], make: Callable[[], str]) -> str:
        if wanted not in self._of_events:
            self._of_events[wanted] = make()
        return f"v{list(self._of_events).index(wanted)}"

    def _group(self, sql: str) -> str:
        return self._of_groups.setdefault(sql, f"a{len(self._of_groups)}")


def _events(plan: Aggregate, source: str, values: _Values, params: Params) -> str:
    keys = [f"{key(each, plan.span, params)} AS k{n}" for n, each in enumerate(plan.keys)]
    shown = ", ".join([*keys, *values.events]) or "1 AS one"
    rows = f"SELECT {shown} FROM {source} WHERE {filters.condition(plan.where, params)}"
    for n, each in enumerate(plan.keys):
        if isinstance(each, Field) and each.kind == "list":
            rows = f"SELECT * REPLACE (unnest(k{n}) AS k{n}) FROM ({rows})"
    return rows


def key(of: Key, span: Span, params: Params) -> str:
    """SQL of a plan's key for the events of `span`, a list for one that has a row for each item."""
    if isinstance(of, Interval):
        return interval_key(of, span)
    if of.kind == "list":  # a group for each item, counted once an event, and one for events without any
        return f"coalesce(list_distinct({filters.value(of, params)}), [NULL])"
    return shown(of, params)


def shown(field: Field, params: Params) -> str:
    """SQL of the field as a key or a counted value: users are persons (persons.py), whatever id they had."""
    return "person" if field.column == "user_id" else filters.value(field, params)


def _bound(bound: Bound, places: dict[str, str], params: Params) -> str:
    return f"{places[bound.metric]} {_COMPARED[bound.op]} {params.add(bound.value)}"


def _listed(plan: Listing, params: Params) -> str:
    matches = filters.condition(plan.where, params)
    if plan.after is None:
        return matches
    at, seq = plan.after
    than = ">" if plan.ascending else "<"
    return f"{matches} AND (time_ms {than} {at:d} OR (time_ms = {at:d} AND seq {than} {seq:d}))"


def _page(limit: int | None, skip: int) -> str:
    return (f" LIMIT {limit:d}" if limit is not None else "") + (f" OFFSET {skip:d}" if skip else "")
