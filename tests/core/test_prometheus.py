"""The part of PromQL that is parsed, and how samples are computed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import Invalid
from delta_server.core.prometheus import samples
from delta_server.core.prometheus.expression import Expression, Matcher, Selector, duration_ms, parse, parse_selectors

EVENTS = Selector("delta_events")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('delta_field{endpoint="a", path="/b"}', Expression(Selector("delta_field", (
            Matcher("endpoint", ("a",)), Matcher("path", ("/b",)))))),
        ("rate(delta_events[5m])", Expression(EVENTS, "rate", 300_000)),
        ("sum(rate(delta_events[5m]))", Expression(EVENTS, "rate", 300_000, ())),
        ("sum by (source) (increase(delta_events[1h30m]))", Expression(EVENTS, "increase", 5_400_000, ("source",))),
        ("sum(increase(delta_events[1d])) by (source, event_type)",
            Expression(EVENTS, "increase", 86_400_000, ("source", "event_type"))),
        ('rate({__name__="delta_events", source=~"a|b\\\\.c", event_type!="x"}[60s])', Expression(Selector(
            "delta_events", (Matcher("source", ("a", "b.c")), Matcher("event_type", ("x",), True))), "rate", 60_000)),
        ('rate(delta_events{source=~".*", event_type=""}[1m])', Expression(EVENTS, "rate", 60_000)),
    ],
)  # fmt: skip
def test_what_is_parsed(text: str, wanted: Expression) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "up", "delta_events", "rate(delta_events)", "rate(delta_field[5m])", "sum(sum(rate(delta_events[5m])))",
        'rate(delta_events{user="x"}[5m])', 'rate(delta_events{source=~"a.*b"}[5m])', "rate(delta_events[5])x",
        "rate(delta_events[0s])", "delta_field{", 'delta_field{path="a}', "a" * 3000, "(" * 1000, "avg(delta_field)",
        "sum by (1) (rate(delta_events[5m]))", "rate(delta_events[5m]) / 2", '{__name__!=""}',
    ],
)  # fmt: skip
def test_what_is_not_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_what_a_selector_finds() -> None:
    def found(matcher: str) -> list[str]:
        [selector] = parse_selectors(f'delta_field{{endpoint="e",{matcher}}}')
        return [record for record in ("", "x", "y", "z") if selector.finds({"endpoint": "e", "record": record})]

    assert found('record="x"') == ["x"]
    assert found('record!="x"') == ["", "y", "z"]
    assert found('record=~"x|y"') == ["x", "y"]
    assert found('record!~"x|y"') == ["", "z"]
    assert found('record=""') == [""]
    assert found('record!=""') == ["x", "y", "z"]
    assert found('record=~".*"') == ["", "x", "y", "z"]
    assert found('endpoint!="e"') == []


@pytest.mark.parametrize("text", ["avg(delta_field)", "avg by (x) (delta_field)", "sum(max(rate(delta_events[5m])))"])
def test_of_another_function_it_is_said_what_there_is(text: str) -> None:
    with pytest.raises(Invalid, match=r"(avg|max)\(\.\.\.\) is not answered: what is answered is .* sum by"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{__name__="delta_field",endpoint="x"}', [Selector("delta_field", (Matcher("endpoint", ("x",)),))]),
        ('{__name__!=""}', [Selector("delta_events"), Selector("delta_field")]),
        ("{}", [Selector("delta_events"), Selector("delta_field")]),
        ('{__name__!="delta_events"}', [Selector("delta_field")]),
        ('{__name__=~".*fie.*"}', [Selector("delta_field")]),
        ('{__name__=~".*nothing.*"}', []),
        ('{__name__!="",source="a"}', [Selector("delta_events", (Matcher("source", ("a",)),))]),
    ],
)
def test_selectors_alone(text: str, wanted: list[Selector]) -> None:
    assert parse_selectors(text) == wanted


@pytest.mark.parametrize("text", ["", "up", '{__name__="up"}', '{job="x"}', 'delta_events{endpoint="x"}', "(", "a b"])
def test_selectors_of_nothing_there_is(text: str) -> None:
    with pytest.raises(Invalid):
        parse_selectors(text)


def test_one_value_of_a_label() -> None:
    found = parse_selectors('delta_field{endpoint="x",path=~"x|y"}')[0]
    assert (found.only("endpoint"), found.only("path")) == ("x", None)


@pytest.mark.parametrize(("text", "ms"), [("15", 15_000), ("0.5", 500), ("1m", 60_000), ("1h30m", 5_400_000)])
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


def test_increases_are_of_the_buckets_before() -> None:
    minute = samples.MINUTE_MS
    counts = {0: 1.0, minute: 2.0, 3 * minute: 4.0}
    found = samples.increases(counts, range(0, 5 * minute + 1, minute), 2 * minute)
    assert [value for _, value in found] == [0, 1, 3, 2, 4, 4]


def test_values_hold_until_the_next() -> None:
    assert samples.holding([10, 20, 30], [1.0, None, 3.0], range(0, 41, 10)) == [(10, 1.0), (30, 3.0), (40, 3.0)]


def test_sums_keep_their_labels() -> None:
    series = [((("a", "x"), ("b", "1")), [(0, 1.0)]), ((("a", "x"), ("b", "2")), [(0, 2.0), (1, 5.0)])]
    assert samples.summed(series, ("a",)) == [((("a", "x"),), [(0, 3.0), (1, 5.0)])]


@pytest.mark.parametrize(("start", "end", "step"), [(0, 10, 500), (10, 0, 1000), (0, 20_000_000, 1000)])
def test_ranges_are_bounded(start: int, end: int, step: int) -> None:
    with pytest.raises(Invalid):
        samples.moments(start, end, step)


# Counts at moments against a plain count of the events

MINUTE = samples.MINUTE_MS
DAY = 86_400_000
NOW = 20_000 * DAY
seconds = st.integers(-3 * 86_400, 3 * 86_400)
steps = st.sampled_from([1, 15, 60, 90, 300, 3600, 86_400])
ranges = st.sampled_from([1, 60, 90, 300, 1200, 1800, 3600, 86_400])


@given(st.lists(seconds, max_size=30), seconds, steps, ranges, st.integers(1, 40))
def test_increases_are_what_was_counted(events: list[int], start: int, step: int, length: int, points: int) -> None:
    begin, step_ms, range_ms = NOW + start * 1000, step * 1000, length * 1000
    at = range(begin, begin + step_ms * points, step_ms)
    times = [NOW + second * 1000 for second in events]
    size_ms = samples.bucket_ms(at, range_ms)
    assert size_ms % MINUTE == 0
    assert DAY % size_ms == 0
    counts = Counter(time - time % size_ms for time in times)
    minutes = -(-range_ms // MINUTE) * MINUTE
    wanted = []
    for moment in at:
        end = moment // MINUTE * MINUTE
        wanted.append((moment, len([time for time in times if end - minutes <= time < end])))
    assert samples.increases(counts, at, range_ms) == wanted


@pytest.mark.parametrize(
    ("start", "step", "length", "size", "count"),
    [
        (0, 60, 60, 1, 10),
        (0, 3600, 3600, 60, 10),
        (20 * 60, 3600, 3600, 20, 30),
        (7 * 60, 3600, 86_400, 1, 9 * 60 + 1440),
        (0, 86_400, 7 * 86_400, 1440, 16),
    ],
)
def test_buckets_are_as_long_as_can_be(start: int, step: int, length: int, size: int, count: int) -> None:
    at = range(NOW + start * 1000, NOW + (start + 10 * step) * 1000, step * 1000)
    assert samples.bucket_ms(at, length * 1000) == size * MINUTE
    assert samples.bucket_count(at, length * 1000) == count
