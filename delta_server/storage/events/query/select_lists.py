"""The select lists of compile.py's aggregates: what is taken from JSON, values of events, aggregates of groups."""

from collections.abc import Callable, Sequence

from delta_server.core.query.decimals import WHOLE
from delta_server.core.query.plan import Field, Metric
from delta_server.storage.events.query import exact_numbers, filters
from delta_server.storage.events.query.relation import Params


def is_exact(metric: Metric) -> bool:
    """Whether it has an exact value besides the rough one."""
    of_json = metric.field is not None and bool(metric.field.path)
    return of_json and metric.function in ("avg", "min", "max", "sum", "quantile")


class MetricColumns:
    """The values of events and the aggregates of groups that a plan's metrics need, each of them once."""

    def __init__(self, metrics: Sequence[Metric], params: Params) -> None:
        self.json = JsonColumns(params)
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
                return self._quantile(field, self._number(field), metric.share or 0.0, "DOUBLE")
            case "mode":
                return self._mode(field)
            case "sum" | "avg" if is_exact(metric):
                return self._sum(field, "sum" if metric.function == "sum" else "avg")
            case "avg" | "min" | "max" | "sum":
                return self._group(f"{metric.function}({self._number(field)})")

    def parts(self, metric: Metric) -> str:
        """SQL of the parts of an exact value, NULL where the rough one is as good. See core/query/decimals.py."""
        field, function = metric.field, metric.function
        assert field is not None
        whole, number = self._whole(field), self._number(field)
        if function in ("sum", "avg"):
            h, q = self._group(f"sum({whole})"), self._group(f"sum({self._fraction(field)})")
            count = self._group(f"count({number})")
            return f"CASE WHEN {self._has_all(field)} THEN {{'n': {count}, 'h': {h}, 'q': {q}}} END"
        if function == "quantile":
            large = self._large(field)
            found = self._quantile(field, large, metric.share or 0.0, "DECIMAL(38, 2)")
            there = f"{self._group(f'count({large})')} = {self._group(f'count({number})')}"
            return f"CASE WHEN {there} THEN {{'n': 1, 'h': NULL::HUGEINT, 'q': {found}}} END"
        rough = self._group(f"{function}({number})")
        found = self._group(f"{function}({whole})")
        return f"CASE WHEN abs({rough}) >= {WHOLE:d} THEN {{'n': 1, 'h': {found}, 'q': NULL}} END"

    def _has_all(self, field: Field) -> str:
        counts = (self._group(f"count({sql})") for sql in (self._whole(field), self._fraction(field)))
        return f"{' + '.join(counts)} = {self._group(f'count({self._number(field)})')}"

    def _sum(self, field: Field, function: str) -> str:
        """As DOUBLE, of the exact sum where there is one."""
        h, q = (self._group(f"sum({sql})") for sql in (self._whole(field), self._fraction(field)))
        count = self._group(f"count({self._number(field)})")
        total = f"coalesce({h}::DOUBLE, 0) + coalesce({q}::DOUBLE, 0)"
        found = f"({total})" if function == "sum" else f"({total}) / {count}"
        rough = self._group(f"{function}({self._number(field)})")
        return f"CASE WHEN {count} > 0 AND {self._has_all(field)} THEN {found} ELSE {rough} END"

    def _unique(self, field: Field) -> str:
        if field.kind == "list":
            return f"coalesce(len(list_distinct(flatten({self._group(f'list(DISTINCT {self._shown(field)})')}))), 0)"
        return self._group(f"count(DISTINCT {self._shown(field, person=field.column == 'user_id')})")

    def _quantile(self, field: Field, number: str, share: float, kind: str) -> str:
        """All shares of a field at once: DuckDB sorts its values once."""
        shares = self._shares[field]
        listed = ", ".join(f"{float(each)!r}::DOUBLE" for each in shares)
        found = self._group(f"quantile_cont({number}::{kind}, [{listed}])")
        return f"{found}[{shares.index(share) + 1}]"

    def _mode(self, field: Field) -> str:
        column_sql = self._shown(field)
        if field.kind == "list":
            counts = f"list_aggregate(flatten({self._group(f'list({column_sql})')}), 'histogram')"
        else:
            counts = self._group(f"histogram({column_sql})")
        # One pass: what stands inside a lambda is computed for each entry, and there may be a million.
        ranked = f"list_transform(map_entries({counts}), lambda each: {{'r': -each.value::BIGINT, 'v': each.key}})"
        return f"list_min({ranked}).v"

    def _shown(self, field: Field, *, person: bool = False) -> str:
        if person:
            return self._event((field, "person"), lambda: "person")
        return self._event((field, "shown"), lambda: self.json.value(field))

    def _number(self, field: Field) -> str:
        return self._event((field, "number"), lambda: self.json.number(field))

    def _whole(self, field: Field) -> str:
        return self._event(
            (field, "whole"), lambda: exact_numbers.to_hugeint(self.json.text(field), self.json.number(field))
        )

    def _fraction(self, field: Field) -> str:
        return self._event(
            (field, "fraction"), lambda: exact_numbers.to_decimal(self.json.text(field), self.json.number(field))
        )

    def _large(self, field: Field) -> str:
        def make() -> str:
            number = self.json.number(field)
            return exact_numbers.large_for_double(exact_numbers.to_hugeint(self.json.text(field), number), number)

        return self._event((field, "large"), make)

    def _event(self, wanted: tuple[Field, str], make: Callable[[], str]) -> str:
        if wanted not in self._of_events:
            self._of_events[wanted] = make()
        return f"v{list(self._of_events).index(wanted)}"

    def _group(self, sql: str) -> str:
        return self._of_groups.setdefault(sql, f"a{len(self._of_groups)}")


class JsonColumns:
    """What is taken from JSON: SELECTs one in the other, each with columns that the next one is made of."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._levels: tuple[dict[tuple[Field, str], str], ...] = ({}, {}, {})

    def value(self, field: Field) -> str:
        """As keys and counts have it: users are persons (persons.py), whatever id they had."""
        if field.column == "user_id":
            return "person"
        if not field.path:
            return filters.plain(field, self._params)
        column_sql = self._column(0, field, "shown", lambda: filters.plain(field, self._params))
        return exact_numbers.canonical_text(column_sql, filters.kind(field, self._params))

    def number(self, field: Field) -> str:
        """The field as a number, NULL when it is none."""
        if not field.path:
            return filters.plain(field, self._params)
        return self._column(2, field, "n", lambda: exact_numbers.finite(f"try_cast({self.text(field)} AS DOUBLE)"))

    def text(self, field: Field) -> str:
        """The text of that number."""
        return self._column(1, field, "t", lambda: exact_numbers.number_text(self._raw(field)))

    def _raw(self, field: Field) -> str:
        return self._column(0, field, "r", lambda: filters.raw(field, self._params))

    def around(self, source: str, where: str) -> str:
        """The FROM and WHERE of the innermost SELECT of values."""
        found = f"{source} WHERE {where}"
        for depth, level in enumerate(self._levels):
            if level:
                made = ", ".join(f"{sql} AS j{depth}{n}" for n, sql in enumerate(level.values()))
                found = f"(SELECT *, {made} FROM {found})"
        return found

    def _column(self, depth: int, field: Field, what: str, make: Callable[[], str]) -> str:
        level, wanted = self._levels[depth], (field, what)
        if wanted not in level:
            level[wanted] = make()
        return f"j{depth}{list(level).index(wanted)}"
