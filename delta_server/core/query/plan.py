"""Queries of events, as values. A request is parsed into one of these; a log's compiler answers them.

This is the seam where another event log plugs in: nothing here knows SQL.
"""

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["text", "number", "time", "list", "json"]


Operation: TypeAlias = Literal[
    "is", "is_not", "contains", "not_contains", "starts_with", "ends_with", "matches",
    "gt", "gte", "lt", "lte", "exists", "missing",
]  # fmt: skip
Comparison: TypeAlias = Literal["is", "is_not", "gt", "gte", "lt", "lte"]


class Field(msgspec.Struct, frozen=True):
    """What a filter, a key or a metric is about: a column of storage/events/schema.py, or a value inside the JSON
    columns `data` and `metadata`, whose `path` is its names from the outside in. `name` is what the request called
    it."""

    name: str
    column: str
    kind: Kind
    path: tuple[str, ...] = ()


class Condition(msgspec.Struct, frozen=True, tag="is"):
    """`field` compared with `values`. is, is_not: equal to any, to none. contains, not_contains, starts_with,
    ends_with, matches (a regular expression): any, none. gt, gte, lt, lte: exactly one value. exists, missing: no
    values.

    A field that is not there is equal to nothing and contains nothing, so is_not and not_contains hold for it.
    For a list (tags) a condition holds when it does for any of its items; the negated ones when for none.
    """

    op: Operation
    field: Field
    values: tuple[str | float | int | bool, ...] = ()


class AllOf(msgspec.Struct, frozen=True, tag="and"):
    parts: tuple["Filter", ...]


class AnyOf(msgspec.Struct, frozen=True, tag="or"):
    parts: tuple["Filter", ...]


class Negation(msgspec.Struct, frozen=True, tag="not"):
    part: "Filter"


class OfPerson(msgspec.Struct, frozen=True, tag="of"):
    """A person's events: those that name one of `users`, and those that name no user but one of `anonymous`."""

    users: tuple[str, ...]
    anonymous: tuple[str, ...]


class FullText(msgspec.Struct, frozen=True, tag="text"):
    """Full text: every word stands somewhere in the event's type, source, ids, status, tags, data or metadata, whatever
    its case."""

    words: tuple[str, ...]


Filter: TypeAlias = Condition | AllOf | AnyOf | Negation | OfPerson | FullText


class Span(msgspec.Struct, frozen=True):
    """Event times from `start_ms` and before `end_ms`."""

    start_ms: int
    end_ms: int


class Interval(msgspec.Struct, frozen=True):
    """Buckets of time as a key, each named by its begin: `months` by the calendar, or `step_ms` long.

    All follow the clocks of a time zone: `offsets` are (until_ms, offset_ms), the zone's offset from UTC for times
    before `until_ms`, ascending, the last one until the end of time. Whole days and weeks are counted in local time
    from `anchor_ms`. core/query/time_buckets.py has what a compiler's key is, and `begins` turns it into the
    instant."""

    name: str
    step_ms: int
    offsets: tuple[tuple[int, int], ...]
    months: int = 0
    anchor_ms: int = 0

    @property
    def stride(self) -> int:
        """From a key to the next one, of days and longer."""
        return self.months or self.step_ms


Key: TypeAlias = Field | Interval


class Metric(msgspec.Struct, frozen=True):
    """`name` is its key in the answer. `field` is None for count. quantile takes `share`: 0.95.

    unique counts distinct values (of a list, its items; of user_id, persons: core/events/persons.py). mode is the most
    frequent value, the first in order among equals. avg, min, max, sum and quantile leave out what is not a number.
    """

    name: str
    function: Literal["count", "unique", "avg", "min", "max", "sum", "quantile", "mode"]
    field: Field | None = None
    share: float | None = None


class Bound(msgspec.Struct, frozen=True):
    """A row's metric compared with a number."""

    op: Comparison
    metric: str
    value: float


class Order(msgspec.Struct, frozen=True):
    """By a metric's or a key's name."""

    name: str
    descending: bool


class Aggregate(msgspec.Struct, frozen=True, tag="aggregate"):
    """Rows of one value a key, then one a metric. Ties and rows without an order come in the order of all keys,
    ascending, absent values last. `skip` rows are left out before `limit` are given."""

    span: Span
    metrics: tuple[Metric, ...]
    keys: tuple[Key, ...] = ()
    where: Filter | None = None
    having: tuple[Bound, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    skip: int = 0


class Listing(msgspec.Struct, frozen=True, tag="listing"):
    """The events themselves, newest first unless `ascending`, by (at, seq). `after` is the (at, seq) of the last one
    had. With `after_seq` only those with a larger seq, whatever their times: files without any are not opened."""

    span: Span
    where: Filter | None = None
    ascending: bool = False
    after: tuple[int, int] | None = None
    limit: int | None = None
    skip: int = 0
    after_seq: int | None = None


class Step(msgspec.Struct, frozen=True):
    """One step of a funnel or one thing done: what an event must be."""

    name: str
    where: Filter


class Funnel(msgspec.Struct, frozen=True, tag="funnel"):
    """How many persons did the steps in order, all within `window_ms` of the first; by `by`'s value in that first one.

    Each step comes after the one before by (time, seq). A person counts once, by the attempt that got furthest, the
    first to get there; of those that got there with the same event, the one begun last.
    Per row: the breakdown's value (None without `by`), step number from 0, persons, median ms from the step before.
    `limit` values, those with the most persons.
    """

    span: Span
    steps: tuple[Step, ...]
    window_ms: int
    where: Filter | None = None
    by: Field | None = None
    limit: int = 100


class Retention(msgspec.Struct, frozen=True, tag="retention"):
    """Persons by the interval of their first `start` event in the span, and in which later intervals they did `again`.
    With `first_ever`, only those who had not done it before the span.

    Per row: the key of the cohort's interval, interval number from 0 to `periods`, persons; 0 is the whole cohort.
    """

    span: Span
    every: Interval
    periods: int
    start: Filter | None = None
    again: Filter | None = None
    where: Filter | None = None
    first_ever: bool = False


class Paths(msgspec.Struct, frozen=True, tag="paths"):
    """What persons do next after (or before, `backwards`) `start`, `depth` steps on, none further than `gap_ms` from
    the one before. Without `start` from the first event after (the last before) such a gap.

    Per row: step number from 1, value of `by` before, value of `by` then, persons, times; of each step the `limit` rows
    with the most times.
    """

    span: Span
    start: Filter | None
    by: Field
    depth: int
    gap_ms: int
    limit: int
    backwards: bool = False
    where: Filter | None = None


Scalar: TypeAlias = str | float | int | bool | None
"""A value of a key, as an answer shows it; None where there is none."""


class FunnelPart(msgspec.Struct, frozen=True, tag="step"):
    """Who got to the step `number` (from 0), or with `is_last` no further; of one of the breakdown's `values`, or of
    all."""

    number: int
    is_last: bool = False
    values: tuple[Scalar, ...] = ()


class CohortPart(msgspec.Struct, frozen=True, tag="cohort"):
    """Who is of the cohort of a `key`, and did `again` in the interval `number` after it; 0 is the whole cohort."""

    key: int
    number: int


class MovePart(msgspec.Struct, frozen=True, tag="move"):
    """Who made a step from one of `before` to one of `after`; from or to any, where there are none."""

    number: int
    before: tuple[Scalar, ...] = ()
    after: tuple[Scalar, ...] = ()


class Persons(msgspec.Struct, frozen=True, tag="persons"):
    """Who is counted in one part of an answer. Per row: the person, in order, those behind `after`."""

    of: Funnel | Retention | Paths
    part: FunnelPart | CohortPart | MovePart
    after: str | None
    limit: int

    @property
    def span(self) -> Span:
        return self.of.span


class Sample(msgspec.Struct, frozen=True, tag="sample"):
    """Some events of each type among those that nobody has looked at: in files behind `after_file`, with a seq above
    `after_seq`. Of each of up to `types` types, the most frequent ones, up to `each`, by chance but the same ones each
    time; `limit` of all, a first one of each type, then a second one.

    Per row: the type, seq, time, when it was received, source, status, duration, priority, tags, data, metadata. One
    row has no type: its time is the file and its seq the seq behind which to go on, and its priority is 1 where
    more is there already."""

    span: Span
    after_file: int
    after_seq: int
    each: int
    types: int
    limit: int


class Sql(msgspec.Struct, frozen=True, tag="sql"):
    """One SELECT in DuckDB's language over the project's own views; `params` for its `?`. At most `limit` rows. With
    `only_checked` none: whether it could be run is all that is asked."""

    text: str
    limit: int
    params: tuple[str | float | int | bool | None, ...] = ()
    only_checked: bool = False


Plan: TypeAlias = Aggregate | Listing | Funnel | Retention | Paths | Persons | Sample | Sql
