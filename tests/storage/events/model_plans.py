"""Events and questions drawn for test_model.py, with times relative to now, so that they meet each other."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from delta_server.core.event_storage import segment_plan
from delta_server.core.events.event import Event
from delta_server.core.events.profile_update import Alias
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import (
    Aggregate,
    AllOf,
    AnyOf,
    Condition,
    Field,
    Filter,
    Funnel,
    Interval,
    Key,
    Listing,
    Metric,
    Negation,
    Order,
    Paths,
    Retention,
    Span,
    Step,
)
from delta_server.core.times import DAY_MS
from delta_server.storage.events.query.read_view import ALWAYS
from tests.storage.events.query import test_answers as single
from tests.storage.events.query.test_answers import DURATION, SOURCE, TYPE, USER, rarely, raw
from tests.storage.opened import START_MS

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SESSION = Field("sessionId", "session_id", "text")
names = st.sampled_from(["a", "b", "ab", "A", "é", "x y"])
people = st.sampled_from(["a", "b", "ab", "A", "é", "null", " Server"])
calls = st.lists(st.builds(Alias, names, names, st.integers(0, 3), st.booleans()), min_size=1, max_size=3)
words = single.words.filter(bool)


class Moment(msgspec.Struct, frozen=True):
    """A time relative to now, on a border of `unit_ms` or `before` it."""

    ahead_ms: int
    unit_ms: int = 1
    before: int = 0

    def at(self, now_ms: int) -> int:
        time = now_ms + self.ahead_ms
        return time - time % self.unit_ms - self.before


_DAYS = st.sampled_from([0, 0, 0, -1, -2, -9, -40, 3]).map(lambda days: days * DAY_MS) | st.just(-START_MS)
_AHEAD = st.builds(lambda day, more: day + more, _DAYS, st.integers(-2 * HOUR_MS, 0))
"""Few days, so that events meet in buckets and do not make hundreds of files."""
_UNITS = st.sampled_from([1, 1, MINUTE_MS, HOUR_MS, DAY_MS])
moments = st.builds(Moment, _AHEAD, _UNITS, st.integers(0, 1))
borders = st.builds(Moment, _AHEAD, _UNITS)

odd = st.sampled_from([12345678901234567890, 1e300, -0.0, "\0", "\\u0000", "😀", [1, {"a": None}], {"": {}}, "\u2028"])
objects = st.builds(lambda usual, more: usual | more, single.objects, st.dictionaries(st.just("odd"), odd)).filter(bool)
ids = st.integers(0, 30).map(lambda n: f"m{n}") | st.uuids().flatmap(
    lambda id: st.sampled_from([str(id), str(id).upper(), id.hex, f"{{{id}}}"])
)


class Draft(msgspec.Struct, frozen=True):
    """Events to be: `times` of them, `step_ms` apart, with message ids that differ."""

    moment: Moment
    event: Event
    times: int
    step_ms: int

    def events(self, now_ms: int) -> list[Event]:
        first, id = self.moment.at(now_ms), self.event.message_id
        return [
            msgspec.structs.replace(
                self.event,
                at=first + number * self.step_ms,
                received_at=now_ms,
                message_id=f"{id}+{number}" if id and number else id,
            )
            for number in range(self.times)
        ]


drafts = st.builds(
    Draft,
    moments,
    st.builds(
        Event,
        at=st.just(0),
        received_at=st.just(0),
        type=names,
        source=st.none() | names,
        user_id=st.none() | people,
        anonymous_id=st.none() | people,
        session_id=st.none() | names,
        duration=st.none() | st.sampled_from([0.0, 1e-7, 0.5, 3.0, 3.25, 40.0, 1e15]),
        priority=st.none() | st.integers(0, 9),
        status=st.none() | words,
        tags=st.none() | st.lists(words, min_size=1, max_size=3, unique=True),
        data=st.none() | objects.map(raw),
        metadata=st.none() | objects.map(raw),
        message_id=st.none() | ids,
        original_at=st.none() | st.just(START_MS),
        flags=st.integers(0, 15),
    ),
    st.sampled_from([1, 3, 12]),
    st.sampled_from([0, 1, 1000, HOUR_MS]),
)
batches = st.lists(drafts, min_size=2, max_size=6)


delays = st.sampled_from([0, 0, 1, 70_000, HOUR_MS + 1, 5 * HOUR_MS, DAY_MS, 7 * DAY_MS, 8 * DAY_MS, 45 * DAY_MS])
keeping = st.builds(
    segment_plan.EventRetention,
    st.sampled_from([None, None, 0, 1, 5, 30]),
    st.dictionaries(names, st.sampled_from([0, 1, 10]), max_size=2),
    st.dictionaries(st.sampled_from(["1m", "5m", "1h"]), st.sampled_from([1, 20]), max_size=2),
)


def made(batch: list[Draft], now_ms: int) -> list[Event]:
    return [event for draft in batch for event in draft.events(now_ms)]


Asked = Callable[[int], Any]
"""A plan, once it is known what time it is."""


def _spanned(plans: st.SearchStrategy[Any], begins: st.SearchStrategy[Moment] = borders) -> st.SearchStrategy[Asked]:
    """The plans, each over some span."""

    def asked(plan: Any, pair: tuple[Moment, Moment] | None) -> Asked:
        def at(now_ms: int) -> Any:
            if pair is None:
                return plan
            first, end = sorted(moment.at(now_ms) for moment in pair)
            return msgspec.structs.replace(plan, span=Span(first, end))

        return at

    return st.builds(asked, plans, st.none() | st.tuples(begins, begins))


conditions = st.builds(
    Condition, st.sampled_from(["is", "is_not"]), st.sampled_from([TYPE, SOURCE, USER]), st.tuples(names)
)
filters = rarely(None, single.filters)
listings = _spanned(
    st.builds(
        Listing,
        st.just(ALWAYS),
        filters,
        st.booleans(),
        st.none(),
        st.none() | st.integers(1, 6),
        rarely(0, st.integers(1, 4)),
    )
)
aggregates = _spanned(single.aggregates())

_of_rollups = st.builds(
    Condition, st.sampled_from(["is", "is_not", "gt"]), st.sampled_from([TYPE, SOURCE]), st.tuples(names)
) | st.builds(Condition, st.sampled_from(["exists", "missing"]), st.just(SOURCE))
rollup_filters: st.SearchStrategy[Filter] = st.recursive(
    _of_rollups,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, max_size=2).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=2).map(tuple))
        | st.builds(Negation, inner)
    ),
    max_leaves=3,
)
rollup_metrics = st.lists(
    st.builds(
        Metric,
        st.just(""),
        st.sampled_from(["avg", "min", "max", "sum", "count", "quantile"]),
        st.just(DURATION),
        st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    )
    | st.builds(Metric, st.just(""), st.just("unique"), st.sampled_from([USER, SESSION, TYPE, SOURCE])),
    max_size=3,
).map(lambda found: tuple(msgspec.structs.replace(each, name=f"m{n}") for n, each in enumerate(found)))


def every(text: str, zone: str = "UTC", week_start: str = "monday") -> Interval:
    span = Span(START_MS - 60 * DAY_MS, START_MS + 400 * DAY_MS)
    made = time_buckets.parse(
        text, time_buckets.time_zone(zone), Span(START_MS, START_MS + 1), at="", week_start=week_start
    )
    return time_buckets.extended(made, time_buckets.time_zone(zone), span)


_INTERVALS = [every(each) for each in ("1m", "5m", "1h", "6h", "1d", "1w", "month")]
_INTERVALS += [every("1h", "Asia/Kolkata"), every("1d", "Europe/Paris"), every("6h", "Europe/Paris")]
_INTERVALS += [every("1d", "Pacific/Chatham"), every("quarter", "Asia/Kathmandu"), every("1h", "Australia/Lord_Howe")]
_INTERVALS += [every("1w", "Asia/Kolkata", "sunday"), every("1y", "America/St_Johns")]
_keys: list[Key] = [TYPE, SOURCE, *_INTERVALS]
rollup_keys = st.lists(st.sampled_from(_keys), max_size=3, unique_by=lambda key: key.name).map(tuple)


@st.composite
def _rollup_aggregates(draw: st.DrawFn) -> Aggregate:
    keys, asked = draw(rollup_keys), draw(rollup_metrics)
    order = draw(st.lists(st.builds(Order, st.sampled_from([*(k.name for k in keys), "n"]), st.booleans()), max_size=1))
    return Aggregate(
        ALWAYS, (*asked, Metric("n", "count")), keys, draw(rarely(None, rollup_filters)), order=tuple(order)
    )


whole = st.builds(Moment, _AHEAD, st.sampled_from([HOUR_MS, DAY_MS, DAY_MS, 10 * DAY_MS]))
rollup_aggregates = _spanned(_rollup_aggregates(), whole) | _spanned(_rollup_aggregates())

_ALL = (
    *(Metric(f"u{n}", "unique", field) for n, field in enumerate([USER, SESSION, TYPE, SOURCE])),
    *(Metric(f"p{share}", "quantile", DURATION, share) for share in (0.0, 0.5, 0.9)),
    Metric("avg", "avg", DURATION),
    Metric("min", "min", DURATION),
    Metric("max", "max", DURATION),
    Metric("sum", "sum", DURATION),
    Metric("durations", "count", DURATION),
    Metric("n", "count"),
)


def _all_since(days: int, unit_ms: int, *keys: Key) -> Asked:
    def at(now_ms: int) -> Aggregate:
        first, end = now_ms - days * DAY_MS, now_ms + 4 * DAY_MS
        span = Span(first - first % unit_ms, end - end % unit_ms) if days else ALWAYS
        return Aggregate(span, _ALL, keys)

    return at


usual: list[Asked] = [
    _all_since(0, 1),
    _all_since(3, HOUR_MS, TYPE, SOURCE, every("1h")),
    _all_since(0, 1, TYPE, every("1d")),
    _all_since(60, DAY_MS, every("1d")),
    _all_since(1, MINUTE_MS, every("5m")),
    _all_since(9, HOUR_MS),
    _all_since(400, DAY_MS, SOURCE),
    _all_since(40, HOUR_MS, TYPE),
    _all_since(0, 1, every("1d", "Asia/Kolkata")),
]

_steps = st.lists(st.builds(Step, st.just("step"), conditions), min_size=2, max_size=3).map(tuple)
funnels = _spanned(
    st.builds(
        Funnel,
        st.just(ALWAYS),
        _steps,
        st.sampled_from([0, 1000, HOUR_MS, 30 * DAY_MS]),
        filters,
        st.none() | st.just(SOURCE),
    )
)
retentions = _spanned(
    st.builds(
        Retention,
        st.just(ALWAYS),
        st.sampled_from([every("1d"), every("1w", "UTC", "friday"), every("1d", "Europe/Paris"), every("month")]),
        st.integers(1, 4),
        st.none() | conditions,
        st.none() | conditions,
        filters,
        st.booleans(),
    )
)
paths = _spanned(
    st.builds(
        Paths,
        st.just(ALWAYS),
        st.none() | conditions,
        st.sampled_from([TYPE, SOURCE]),
        st.integers(1, 3),
        st.sampled_from([0, 1000, HOUR_MS, 30 * DAY_MS]),
        st.just(1000),
        st.booleans(),
        filters,
    )
)
