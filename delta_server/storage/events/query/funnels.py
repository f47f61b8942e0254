"""What persons do, as DuckDB's SQL: funnels, retention, paths.

A person is the `person` of persons.py; events without one are left out. Events are in order by (time_ms, seq), which as
one number is their *place*. Nothing is joined with all of a person's other events: a funnel takes one ASOF join a step,
which finds the next event of the step, paths look `depth` events ahead with one window, retention is two aggregates. On
2 cores, 10M events that are all in question: a funnel of 2 steps 1.7 s, of 4 6 s, of 8 9 s (a window function a step
takes 25 s); retention 2 s; paths of depth 3 3.5 s.
"""

from collections.abc import Callable
from typing import Any

from delta_server.core.event_storage import rollup_plan
from delta_server.core.query.plan import (
    CohortPart,
    Filter,
    Funnel,
    FunnelPart,
    MovePart,
    Paths,
    Persons,
    Retention,
    Scalar,
    Span,
)
from delta_server.core.times import EARLIEST_MS
from delta_server.storage.events.query import filters, person_joins, relation
from delta_server.storage.events.query.answers import Compiled, Compiler
from delta_server.storage.events.query.compile import interval_key, key_value
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.query.relation import Params
from delta_server.storage.events.rollups import expired_ranges

_POSITION = "time_ms::HUGEINT * 9223372036854775808 + seq"


def funnel(plan: Funnel, source: str, params: Params) -> str:
    """Rows of (breakdown's value, step, persons, median ms from the step before), see core/query/plan.py.

    `tried_K` has a row for each event that ends an attempt of K + 1 steps: the latest first step (`start`) it can be
    reached from, since of all attempts that are there the one begun last has the most time left. `reached` has one row
    a person: the furthest step, and the attempt that was there first.
    """
    parts = [
        *reached(plan, source, params),
        "shown AS (SELECT value FROM reached GROUP BY value"
        f" ORDER BY count(*) DESC, value NULLS LAST LIMIT {plan.limit:d})",
    ]
    counts = " UNION ALL ".join(_count_steps(step) for step in range(len(plan.steps)))
    return (
        f"WITH {', '.join(parts)} SELECT value, step, persons, between_ms FROM ({counts})"
        " ORDER BY max(persons) OVER (PARTITION BY value) DESC, value NULLS LAST, step"
    )


def reached(plan: Funnel, source: str, params: Params) -> list[str]:
    """The parts of a WITH up to `reached`: (value, step, person, ...)."""
    last = len(plan.steps) - 1
    return [
        f"matching AS MATERIALIZED ({_matching_events(plan, source, params)})",
        "tried_0 AS (SELECT person, place, place AS start, time_ms AS t0 FROM matching WHERE m0)",
        *(f"tried_{step} AS ({_next_step(step, plan.window_ms)})" for step in range(1, last + 1)),
        f"reached AS MATERIALIZED ({_furthest_attempts(plan, last)})",
    ]


def _matching_events(plan: Funnel, source: str, params: Params) -> str:
    matches = ", ".join(f"{_holds(step.where, params)} AS m{n}" for n, step in enumerate(plan.steps))
    value = "" if plan.by is None else f", {key_value(plan.by, params)} AS value"
    some = " OR ".join(f"m{step}" for step in range(len(plan.steps)))
    return (
        f"SELECT person, {_POSITION} AS place, time_ms, {matches}{value}"
        f" FROM {source} WHERE {_has_person(plan.where, params)} AND ({some})"
    )


def _next_step(step: int, window_ms: int) -> str:
    """From each attempt to the next event of the step; of those that meet there, the one that began last goes on."""
    before = range(1, step)
    carried = "".join(f", t{n}" for n in range(step))
    kept = "".join(f", arg_max(t{n}, start) AS t{n}" for n in before)
    return (
        f"SELECT person, place, max(start) AS start, max(t0) AS t0{kept}, any_value(t{step}) AS t{step} FROM ("
        f"SELECT tried.person, later.place, start{carried}, later.time_ms AS t{step} FROM tried_{step - 1} tried"
        f" ASOF JOIN (SELECT person, place, time_ms FROM matching WHERE m{step}) later"
        f" ON tried.person = later.person AND tried.place < later.place"
        f" WHERE later.time_ms - t0 <= {window_ms:d}) GROUP BY person, place"
    )


def _furthest_attempts(plan: Funnel, last: int) -> str:
    levels = " UNION ALL ".join(_attempts_at(step, last) for step in range(last + 1))
    times = "".join(f", arg_max(t{n}, step) AS t{n}" for n in range(last + 1))
    best = f"SELECT person, max(step) AS step, arg_max(start, step) AS start{times} FROM ({levels}) GROUP BY person"
    if plan.by is None:
        return f"SELECT *, NULL AS value FROM ({best})"
    return f"SELECT best.*, value FROM ({best}) best JOIN matching ON best.person = matching.person AND start = place"


def _attempts_at(step: int, last: int) -> str:
    """A row a person that got here: the attempt that did so first."""
    times = "".join(
        f", arg_min(t{n}, place) AS t{n}" if n <= step else f", NULL::BIGINT AS t{n}" for n in range(last + 1)
    )
    return f"SELECT person, {step} AS step, arg_min(start, place) AS start{times} FROM tried_{step} GROUP BY person"


def _count_steps(step: int) -> str:
    between = f"median(t{step} - t{step - 1})" if step else "NULL::DOUBLE"
    return (
        f"SELECT shown.value, {step} AS step, count(reached.person) AS persons, {between} AS between_ms"
        f" FROM shown LEFT JOIN reached ON shown.value IS NOT DISTINCT FROM reached.value AND reached.step >= {step}"
        " GROUP BY shown.value"
    )


def retention(plan: Retention, source: str, params: Params) -> str:
    """Rows of (key of the cohort's interval, number of the interval after it, persons); 0 is the cohort itself."""
    stride = plan.every.stride
    return f"""
        WITH {cohorts(plan, source, params)}
        SELECT cohort, 0 AS number, count(*) AS persons FROM cohorts GROUP BY cohort
        UNION ALL
        SELECT cohort, (bucket - cohort) // {stride:d} AS number, count(DISTINCT person) AS persons
        FROM cohorts JOIN visits USING (person)
        WHERE bucket >= cohort + {stride:d} AND bucket < cohort + {stride * (plan.periods + 1):d}
        GROUP BY ALL ORDER BY cohort, number
    """


def cohorts(plan: Retention, source: str, params: Params) -> str:
    """The parts of a WITH: `cohorts` (person, cohort) and `visits` (person, bucket)."""
    start, again = _holds(plan.start, params), _holds(plan.again, params)
    bucket = interval_key(plan.every, first_ever_span(plan))
    inside = f"HAVING min(time_ms) >= {plan.span.start_ms:d}" if plan.first_ever else ""
    return f"""
        done AS MATERIALIZED (
            SELECT person, time_ms, {bucket} AS bucket, {start} AS starts, {again} AS returns
            FROM {source} WHERE {_has_person(plan.where, params)} AND (starts OR returns)
        ),
        cohorts AS (SELECT person, arg_min(bucket, time_ms) AS cohort FROM done WHERE starts GROUP BY person {inside}),
        visits AS (SELECT DISTINCT person, bucket FROM done WHERE returns)
    """


def first_ever_span(plan: Funnel | Retention | Paths) -> Span:
    """For who did something for the first time ever, all that came before too."""
    if isinstance(plan, Retention) and plan.first_ever:
        return Span(EARLIEST_MS, plan.span.end_ms)
    return plan.span


def paths(plan: Paths, source: str, params: Params) -> str:
    """Rows of (step from 1, value before, value then, persons, times), for each step those with the most times.

    Without a `start` a path begins with the first event after a gap (the last one before it, `backwards`).
    """
    return f"""
        WITH {moves(plan, source, params)},
        counted AS (
            SELECT step, before, after, count(*) AS persons, sum(times)::BIGINT AS times FROM of_person GROUP BY ALL
        )
        SELECT * FROM counted
        QUALIFY row_number() OVER (PARTITION BY step ORDER BY times DESC, before, after) <= {plan.limit:d}
        ORDER BY step, times DESC, before NULLS LAST, after NULLS LAST
    """


def moves(plan: Paths, source: str, params: Params) -> str:
    """The parts of a WITH up to `of_person`: (step, before, after, person, times)."""
    order = "time_ms DESC, seq DESC" if plan.backwards else "time_ms, seq"
    seen = range(1, plan.depth + 1)
    ahead = "".join(
        f", lead(value, {n}) OVER along AS v{n}, abs(lead(time_ms, {n}) OVER along - lead(time_ms, {n - 1}) OVER along)"
        f" <= {plan.gap_ms:d} AS near{n}"
        for n in seen
    )
    begins = (
        f"coalesce(abs(time_ms - lag(time_ms) OVER along) > {plan.gap_ms:d}, true)" if plan.start is None else "starts"
    )
    starts = "" if plan.start is None else f", {_holds(plan.start, params)} AS starts"
    steps = " UNION ALL ".join(
        f"SELECT {n} AS step, person, v{n - 1} AS before, v{n} AS after FROM walked"
        f" WHERE {' AND '.join(f'near{m}' for m in range(1, n + 1))}"
        for n in seen
    )
    return f"""
        done AS (
            SELECT person, time_ms, seq, {key_value(plan.by, params)} AS value{starts}
            FROM {source} WHERE {_has_person(plan.where, params)}
        ),
        walked AS MATERIALIZED (
            SELECT person, value AS v0{ahead} FROM done
            WINDOW along AS (PARTITION BY person ORDER BY {order}) QUALIFY {begins}
        ),
        of_person AS (SELECT step, before, after, person, count(*) AS times FROM ({steps}) GROUP BY ALL)
    """


def persons(plan: Persons, source: str, params: Params) -> str:
    """Rows of (person) who are counted in a part of the answer, in order."""
    match plan.of, plan.part:
        case Funnel() as of, FunnelPart() as part:
            tables = ", ".join(reached(of, source, params))
            found = f"SELECT person FROM reached WHERE step {'=' if part.is_last else '>='} {part.number:d}"
            found += f" AND {_is_one_of('value', part.values, params)}"
        case Retention() as of, CohortPart() as part:
            tables = cohorts(of, source, params)
            found = f"SELECT person FROM cohorts WHERE cohort = {part.key:d}"
            if part.number:
                begin = part.key + part.number * of.every.stride
                found += (
                    f" AND person IN (SELECT person FROM visits WHERE bucket >= {begin:d}"
                    f" AND bucket < {begin + of.every.stride:d})"
                )
        case Paths() as of, MovePart() as part:
            tables = moves(of, source, params)
            found = f"SELECT person FROM of_person WHERE step = {part.number:d}"
            found += f" AND {_is_one_of('before', part.before, params)} AND {_is_one_of('after', part.after, params)}"
        case _:
            raise ValueError("the part is not one of this question's answer")
    behind = "" if plan.after is None else f"WHERE person > {params.add(plan.after)}"
    return f"WITH {tables} SELECT DISTINCT person FROM ({found}) {behind} ORDER BY person LIMIT {plan.limit:d}"


def _is_one_of(column: str, values: tuple[Scalar, ...], params: Params) -> str:
    """As answers show them: a number is equal to its like whatever type the column has."""
    return f"({' OR '.join(_equals(column, value, params) for value in values)})" if values else "true"


def _equals(column: str, value: Scalar, params: Params) -> str:
    if value is None:
        return f"{column} IS NULL"
    if isinstance(value, bool):
        return f"{column}::VARCHAR = '{str(value).lower()}'"
    if isinstance(value, int | float):
        return f"coalesce(TRY_CAST({column}::VARCHAR AS DOUBLE) = {params.add(float(value))}::DOUBLE, false)"
    return f"{column}::VARCHAR = {params.add(value)}::VARCHAR"


def _has_person(where: Filter | None, params: Params) -> str:
    return f"person IS NOT NULL AND {filters.condition(where, params)}"


def _holds(where: Filter | None, params: Params) -> str:
    return f"coalesce({filters.condition(where, params)}, false)"


def _compiler(columns: tuple[str, ...], compile: Callable[[Any, str, Params], str]) -> Compiler:
    def compiled(read_view: ReadView, plan: Any) -> Compiled:
        of = plan.of if isinstance(plan, Persons) else plan
        span, params = first_ever_span(of), Params()
        source = relation.events(read_view, span)
        sql = compile(plan, person_joins.events(read_view, source.sql), params)
        whole = rollup_plan.whole(span, expired_ranges.expired_for_events(read_view, of, span))
        return Compiled(columns, sql, params.values, scanned=source.scanned, whole=whole)

    return compiled


COMPILERS: dict[type, Compiler] = {
    Funnel: _compiler(("value", "step", "persons", "between_ms"), funnel),
    Retention: _compiler(("cohort", "number", "persons"), retention),
    Paths: _compiler(("step", "before", "after", "persons", "times"), paths),
    Persons: _compiler(("person",), persons),
}
"""For reading.Answering."""
