"""The query of a training table over the view `events` of SQL."""

from typing import Any

from delta_server.core.query.plan import Field
from delta_server.core.tables.training import EventFeature, KnownBy, Plan
from delta_server.storage.events.query import exact_numbers


def query(plan: Plan) -> tuple[str, tuple[Any, ...]]:
    """SQL over the view `events`, and its parameters: `id`, `t`, the label's `value`, `w0`... for paths, and `e0`... of
    the features of events, by their columns."""
    params: list[Any] = [plan.spec.labels.event_type, plan.from_ms, plan.to_ms]
    selected = ["message_id AS id", "time_ms AS t"]
    selected.append(f"{_json(plan.value, '')} AS value" if plan.value else "NULL AS value")
    selected += [f"{_json(field, '')} AS w{number}" for number, field in enumerate(plan.keys)]
    for each in plan.events:
        selected += [f"{_text(field, '')} AS s{each.column}_{number}" for number, field in enumerate(each.same)]
    within = "event_type = ? AND time_ms >= ? AND time_ms < ?"
    if plan.spec.known_by == "arrival":
        within += " AND epoch_ms(received_at) < ?"
        params.append(plan.to_ms)
    parts = [f"l AS (SELECT {', '.join(selected)} FROM events WHERE {within})"]
    shown = ["l.id", "l.t", "l.value", *(f"l.w{number}" for number in range(len(plan.keys)))]
    joins = ""
    for each in plan.events:
        name = f"f{each.column}"
        parts.append(f"{name} AS ({_metric(each, plan.spec.known_by)})")
        params += [each.event_type, each.window_ms]
        shown.append(
            f"coalesce({name}.v, 0) AS e{each.column}" if each.metric == "count" else f"{name}.v AS e{each.column}"
        )
        joins += f" LEFT JOIN {name} ON {name}.id = l.id"
    return f"WITH {', '.join(parts)} SELECT {', '.join(shown)} FROM l{joins} ORDER BY l.t, l.id", tuple(params)


def _metric(each: EventFeature, known_by: KnownBy) -> str:
    same = "".join(f" AND {_text(field, 'e.')} = l.s{each.column}_{n}" for n, field in enumerate(each.same))
    known = " AND epoch_ms(e.received_at) <= l.t" if known_by == "arrival" else ""
    value = "NULL"
    if each.of is not None:
        value = _text(each.of, "e.") if each.metric == "distinct" else f"({_json(each.of, 'e.')})::VARCHAR"
    found = (
        f"SELECT l.id, {value} AS r FROM l JOIN events e ON e.event_type = ?{same} AND e.time_ms < l.t"
        f" AND e.time_ms >= l.t - ?{known}"
    )
    if each.of is None:
        return f"SELECT id, count(*) AS v FROM ({found}) GROUP BY id"
    if each.metric == "distinct":
        return f"SELECT id, count(DISTINCT r) AS v FROM ({found}) GROUP BY id"
    return f"SELECT id, {_of_numbers(each.metric)} AS v FROM ({_numbers(found)}) GROUP BY id"


def _numbers(found: str) -> str:
    """What /v1/query takes for a number, `n`; exact as a whole one, `h`, or as a fraction, `q`."""
    texts = f"SELECT id, {exact_numbers.number_text('r')} AS t FROM ({found})"
    doubles = f"SELECT id, t, {exact_numbers.finite('try_cast(t AS DOUBLE)')} AS n FROM ({texts})"
    return (
        f"SELECT id, n, {exact_numbers.to_hugeint('t', 'n')} AS h, {exact_numbers.to_decimal('t', 'n')} AS q"
        f" FROM ({doubles})"
    )


def _of_numbers(metric: str) -> str:
    if metric in ("min", "max"):
        return f"{metric}(n)"
    exact = "coalesce(sum(h)::DOUBLE, 0) + coalesce(sum(q)::DOUBLE, 0)"  # the same sum in whatever order
    total = f"CASE WHEN count(n) > 0 THEN CASE WHEN count(h) + count(q) = count(n) THEN {exact} ELSE fsum(n) END END"
    return total if metric == "sum" else f"({total}) / count(n)"


def _json(field: Field, of: str) -> str:
    return f"{of}{field.column}->{_path(field)}" if field.kind == "json" else f"to_json({of}{field.column})"


def _text(field: Field, of: str) -> str:
    return f"({of}{field.column}->>{_path(field)})" if field.kind == "json" else f"{of}{field.column}::VARCHAR"


def _path(field: Field) -> str:
    steps = "".join(f'."{name}"' for name in field.path)
    return "'$" + steps.replace("'", "''") + "'"
