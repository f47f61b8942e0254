"""The statement that merges cells of rollups with events, for a plan that rollup_plan.fits.

`raw` is what it needs of the events. Groups of plain numbers, of sets and of the histogram are made each for itself,
so that every one reads its own columns only, and then put together by their keys.
"""

from collections.abc import Iterator, Sequence

from delta_server.core.event_storage import rollup_plan
from delta_server.core.query.plan import Aggregate, Field, Metric, Span
from delta_server.storage.events.query import compile, filters
from delta_server.storage.events.query.relation import Params
from delta_server.storage.events.query.select_lists import JsonColumns
from delta_server.storage.events.rollups import sketches

_SETS = {"user_id": ("users", "person"), "session_id": ("sessions", "session_id")}


def is_estimate(metric: Metric) -> bool:
    if metric.function == "unique":
        return metric.field is not None and metric.field.column in _SETS
    return metric.function == "quantile"


def part(plan: Aggregate) -> int:
    """Which cells of a marginal interval serve: those of each type and source, of each type, or of all."""
    used = {key.column for key in plan.keys if isinstance(key, Field)}
    used |= {metric.field.column for metric in plan.metrics if metric.field is not None}
    used |= {field.column for field in rollup_plan.fields(plan.where)}
    return 0 if "source" in used else 1 if "event_type" in used else 2


def merged_rows(plan: Aggregate, span: Span, cells: Sequence[str], events: str | None, params: Params) -> str:
    """SELECT of `kN`, `mN` from `cells` and `events` (relations behind FROM). `span` is that of the cells' buckets."""
    return _MergeQuery(plan, span, cells, events, params).sql()


class _MergeQuery:
    def __init__(self, plan: Aggregate, span: Span, cells: Sequence[str], events: str | None, params: Params) -> None:
        self._plan = plan
        self._cells = cells
        self._events = events
        self._where = filters.condition(plan.where, params)
        self._keys = [f"k{n}" for n in range(len(plan.keys))]
        self._made = [
            f"{compile.key_expression(key, span, JsonColumns(params))} AS k{n}" for n, key in enumerate(plan.keys)
        ]
        asked = {(metric.function, metric.field.column) for metric in plan.metrics if metric.field is not None}
        self._counted = sorted(column for function, column in asked if function == "unique")
        self._durations = any(column == "duration" for _, column in asked)
        self._shares = sorted({metric.share or 0.0 for metric in plan.metrics if metric.function == "quantile"})

    def sql(self) -> str:
        groups = " UNION ALL BY NAME ".join(self._groups())
        selected = [*self._keys, *(f"{self._metric(metric)} AS m{n}" for n, metric in enumerate(self._plan.metrics))]
        return f"{self._raw()}SELECT {', '.join(selected)} FROM ({groups}){self._by()}"

    def _by(self, *more: str) -> str:
        keys = [*self._keys, *more]
        return f" GROUP BY {', '.join(keys)}" if keys else ""

    def _listed(self, *more: str) -> str:
        return ", ".join([*self._keys, *more])

    def _raw(self) -> str:
        if self._events is None:
            return ""
        selected = [*self._made, "duration", "event_type AS event_type_name", "source AS source_name"]
        sets = (_SETS[column] for column in self._counted if column in _SETS)
        selected += [f"{person} AS {name}" for name, person in sets]
        return f"WITH raw AS MATERIALIZED (SELECT {', '.join(selected)} FROM {self._events} WHERE {self._where}) "

    def _of_cells(self, *columns: str) -> str:
        """SELECT of the keys and these columns."""
        selected = ", ".join([*self._made, *columns])
        return " UNION ALL ".join(f"SELECT {selected} FROM {cells} WHERE {self._where}" for cells in self._cells)

    def _with_raw(self, cells: str, raw: str) -> str:
        return f"({cells} UNION ALL {raw})" if self._events else f"({cells})"

    def _groups(self) -> Iterator[str]:
        yield self._sums()
        for column in self._counted:
            yield self._set(_SETS[column][0]) if column in _SETS else self._names(column)
        if self._shares:
            yield self._histogram()

    def _sums(self) -> str:
        columns = {"events": ("sum", "count(*)")}
        if self._durations:
            columns |= {"dur_n": ("sum", "count(duration)"), "dur_sum": ("sum", "coalesce(sum(duration), 0)")}
            columns |= {"dur_min": ("min", "min(duration)"), "dur_max": ("max", "max(duration)")}
        raw = f"SELECT {self._listed(*(sql for _, sql in columns.values()))} FROM raw{self._by()}"
        merged = (f"{function}({name}) AS {name}" for name, (function, _) in columns.items())
        return f"SELECT {self._listed(*merged)} FROM {self._with_raw(self._of_cells(*columns), raw)}{self._by()}"

    def _set(self, name: str) -> str:
        """What is one cell's alone is the estimate it has; the codes of others are merged."""
        texts = f"(SELECT DISTINCT {self._listed(name)} FROM raw WHERE {name} IS NOT NULL)"
        raw = f"SELECT {self._listed(f'list({sketches.code(name)})', 'NULL')} FROM {texts}{self._by()}"
        states = self._with_raw(self._of_cells(f"{name} AS codes", f"{name}_n AS one"), raw)
        known = "CASE WHEN count(*) = 1 THEN any_value(one) END"
        groups = f"SELECT {self._listed('list(codes) AS lists', f'{known} AS known')} FROM {states}{self._by()}"
        codes = f"SELECT {self._listed('unnest(flatten(lists)) AS code')} FROM of_{name} WHERE known IS NULL"
        weight = sketches.weight("max(code)")
        registers = f"SELECT {self._listed(f'{weight} AS weight')} FROM ({codes}){self._by(sketches.register('code'))}"
        estimate = sketches.distinct("count(*)", "sum(weight)")
        return (
            f"SELECT * FROM (WITH of_{name} AS MATERIALIZED ({groups})"
            f" SELECT {self._listed(f'known AS {name}')} FROM of_{name} WHERE known IS NOT NULL"
            f" UNION ALL SELECT {self._listed(estimate)} FROM ({registers}){self._by()})"
        )

    def _names(self, column: str) -> str:
        """Of types or sources there are few: they are exact."""
        names = self._with_raw(self._of_cells(f"{column} AS name"), f"SELECT {self._listed(f'{column}_name')} FROM raw")
        return f"SELECT {self._listed(f'count(DISTINCT name) AS {column}_names')} FROM {names}{self._by()}"

    def _histogram(self) -> str:
        """A column `qN` for each share: between the values of the two nearest ranks, as quantile_cont has it."""
        entry = sketches.entry(sketches.bucket("duration"))
        raw = f"SELECT {self._listed(f'list({entry})')} FROM raw WHERE duration IS NOT NULL{self._by()}"
        states = self._with_raw(self._of_cells("hist"), raw)
        groups = f"SELECT {self._listed('count(*) AS many', 'list(hist) AS lists')} FROM {states}{self._by()}"
        one = f"SELECT {self._listed('list_sort(lists[1]) AS hist')} FROM of_hist WHERE many = 1"
        entries = f"SELECT {self._listed('unnest(flatten(lists)) AS entry')} FROM of_hist WHERE many > 1"
        bucket, count = sketches.bucket_of("entry"), f"sum({sketches.count_of('entry')})::BIGINT"
        counts = f"SELECT {self._listed(f'{bucket} AS bucket', f'{count} AS count')} FROM ({entries}){self._by(bucket)}"
        merged = f"list_sort(list({sketches.entry('bucket', 'count')}))"
        several = f"SELECT {self._listed(merged)} FROM ({counts}){self._by()}"
        total = f"list_sum(list_transform(hist, lambda entry: {sketches.count_of('entry')}))"
        placed = f"SELECT *, {total} - 1 AS last FROM ({one} UNION ALL {several}) WHERE len(hist) > 0"
        selected = (f"{self._value(share)} AS q{n}" for n, share in enumerate(self._shares))
        return (
            f"SELECT * FROM (WITH of_hist AS MATERIALIZED ({groups}) SELECT {self._listed(*selected)} FROM ({placed}))"
        )

    def _value(self, share: float) -> str:
        place = f"({share!r}::DOUBLE * last)"
        low, high = sketches.nth("hist", f"floor({place})"), sketches.nth("hist", f"ceil({place})")
        return f"{low} + ({high} - {low}) * ({place} - floor({place}))"

    def _metric(self, metric: Metric) -> str:
        if metric.field is None:
            return "coalesce(max(events), 0)::BIGINT"
        column = metric.field.column
        match metric.function:
            case "unique":
                return f"coalesce(round(max({_SETS[column][0] if column in _SETS else f'{column}_names'})), 0)::BIGINT"
            case "count":
                return "coalesce(max(dur_n), 0)::BIGINT"
            case "avg":
                return "max(dur_sum) / nullif(max(dur_n), 0)"
            case "sum":
                return "CASE WHEN max(dur_n) > 0 THEN max(dur_sum) END"
            case "quantile":
                found = f"max(q{self._shares.index(metric.share or 0.0)})"
                return f"greatest(max(dur_min), least(max(dur_max), {found}))"
            case _:
                return f"max(dur_{metric.function})"
