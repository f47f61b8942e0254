"""What is unusual in series of hours, and what is not."""

import math
import random
from collections.abc import Callable, Sequence
from functools import cache

import pytest

from delta_server.core.anomalies import judging
from delta_server.core.anomalies.detecting import Detector, Episode, Series
from delta_server.core.anomalies.judging import HoursToJudge
from tests.core.anomalies.labelled import Labelled, made, water_flow
from tests.core.anomalies.scoring import Score, episodes, score, spans
from tests.often import FUZZ

WEEK = 168
Hourly = Callable[[int], float | None]


def found(hours: int, at: Hourly, *, is_count: bool = False) -> list[Episode]:
    return episodes(Labelled("", is_count, [at(hour) for hour in range(hours)], []))


def reported(hours: int, at: Hourly, *, is_count: bool = False) -> list[tuple[str, int, int | None]]:
    return [(each.kind, each.begin, each.end) for each in found(hours, at, is_count=is_count)]


@cache
def noisy(level: float = 100.0, noise: float = 1.0) -> Hourly:
    numbers = [random.Random(hour).gauss(level, noise) for hour in range(12 * WEEK)]
    return numbers.__getitem__


def with_hours(usual: Hourly, odd: range, number: float | None) -> Hourly:
    return lambda hour: number if hour in odd else usual(hour)


def work(hour: int) -> float:
    """By day on weekdays."""
    return 50.0 + hour % 7 if hour % WEEK < 120 and 8 <= hour % 24 < 18 else 0.0


AT = 5 * WEEK + 30


@pytest.mark.parametrize(
    ("usual", "odd", "number", "is_count", "expected"),
    [
        pytest.param(noisy(), range(AT, AT + 1), 130, False, ("spike", AT, AT + 1), id="a spike"),
        pytest.param(noisy(), range(AT, AT + 3), 80, False, ("spike", AT, AT + 3), id="a fall"),
        pytest.param(noisy(), range(AT, AT + 9), 120, False, ("level_shift", AT, AT + 9), id="for nine hours"),
        pytest.param(noisy(), range(AT, 9999), 120, False, ("level_shift", AT, AT + 24), id="a new level"),
        pytest.param(noisy(), range(AT, AT + 40), 0, True, ("silence", AT, AT + 40), id="silence"),
        pytest.param(work, range(6 * WEEK + 9, 6 * WEEK + 14), 0, True,
                     ("silence", 6 * WEEK + 9, 6 * WEEK + 14), id="silence at work"),
        pytest.param(work, range(6 * WEEK + 2, 6 * WEEK + 4), 60, True,
                     ("spike", 6 * WEEK + 2, 6 * WEEK + 4), id="work at night"),
    ],
)  # fmt: skip
def test_kinds(usual: Hourly, odd: range, number: float, is_count: bool, expected: tuple[str, int, int]) -> None:
    assert reported(8 * WEEK, with_hours(usual, odd, number), is_count=is_count) == [expected]


@pytest.mark.parametrize(
    ("usual", "is_count"),
    [
        pytest.param(lambda hour: 7.0, False, id="always the same"),
        pytest.param(lambda hour: 7.0 + (hour % 50 == 0), False, id="now and then one more"),
        pytest.param(lambda hour: hour * 3.0, False, id="a counter"),
        pytest.param(lambda hour: 1.7e12 + hour * 3.6e6, False, id="the time"),
        pytest.param(noisy(), False, id="noise"),
        pytest.param(noisy(1e9, 3e8), False, id="large numbers"),
        pytest.param(work, True, id="nights and weekends"),
        pytest.param(lambda hour: 0.0, True, id="nothing at all"),
        pytest.param(lambda hour: float(hour % 24 == 3), True, id="once a day"),
        pytest.param(lambda hour: float(hour % WEEK == 3), True, id="once a week"),
        pytest.param(lambda hour: 5.0 if hour % 10 == 0 else None, False, id="not each hour"),
        pytest.param(lambda hour: None, False, id="never"),
    ],
)
def test_what_is_usual(usual: Hourly, is_count: bool) -> None:
    assert reported(8 * WEEK, usual, is_count=is_count) == []


@pytest.mark.parametrize("first", [1, 50, WEEK - 2])
def test_in_the_first_week_nothing_is_unusual(first: int) -> None:
    assert reported(2 * WEEK, with_hours(noisy(), range(first, first + 2), 300)) == []


def test_what_lasts_is_told_of_once_and_then_usual() -> None:
    """And the way back is unusual then."""
    [there, back] = found(12 * WEEK, lambda hour: (noisy()(hour) or 0) + 20 * (AT <= hour < AT + 5 * WEEK))
    assert (there.kind, there.begin, there.end) == ("level_shift", AT, AT + 24)
    assert (back.kind, back.begin) == ("level_shift", AT + 5 * WEEK)
    assert 113 < back.low < 120 < back.high < 127


def test_what_happens_again_and_again_becomes_usual() -> None:
    """First all of it is reported of, in the end nothing."""
    begins = [
        each.begin for each in found(12 * WEEK, lambda hour: 130 if hour > AT and hour % 12 == 0 else noisy()(hour))
    ]
    assert begins[:3] == [hour for hour in range(AT, AT + 50) if hour % 12 == 0][:3]
    assert begins[-1] < AT + 3 * WEEK


def test_silence_that_does_not_end() -> None:
    """After a week the series begins anew: what comes then is a new level."""
    usual = with_hours(lambda hour: 20.0 + hour % 3, range(AT, AT + 3 * WEEK), 0)
    assert reported(12 * WEEK, usual, is_count=True) == [
        ("silence", AT, AT + WEEK + 1),
        ("level_shift", AT + 3 * WEEK, AT + 3 * WEEK + 24),
    ]


def test_a_gap_of_months() -> None:
    detector = Detector(Series(False))
    for hour in range(3 * WEEK):
        detector.step(hour, noisy()(hour))
    assert [each.kind for each in detector.step(3 * WEEK, 200)] == ["spike"]
    assert [each.end for each in detector.step(60 * WEEK, 500)] == [3 * WEEK + 1]
    assert detector.step(60 * WEEK + 1, 100) == []


def test_the_range_that_was_expected() -> None:
    [each] = found(8 * WEEK, with_hours(noisy(), range(AT, AT + 1), 130))
    assert 93 < each.low < 97 < 103 < each.high < 107
    assert (each.value, each.peak) == (130, AT)
    assert each.deviations == pytest.approx(4.5 * (130 - (each.low + each.high) / 2) / (each.high - each.low) * 2)


@pytest.mark.parametrize("seed", range(FUZZ))
def test_judged_in_parts_as_at_once(seed: int) -> None:
    chance = random.Random(seed)
    for series in list(made(seed))[::3]:
        hours = [(hour, None if chance.random() < 0.02 else number) for hour, number in enumerate(series.numbers)]
        [[whole], _] = judging.judge([HoursToJudge(None, series.is_count, hours)], [])
        kept, last, parts = None, 0, dict[int, Episode]()
        while last < len(hours):
            until = last + chance.choice([1, 3, 24, 200])
            [[part], _] = judging.judge([HoursToJudge(kept, series.is_count, hours[last:until])], [])
            parts |= {each.begin: each for each in part.episodes}
            kept, last = part.kept, until
        assert kept == whole.kept
        assert [parts[begin] for begin in sorted(parts)] == whole.episodes


def test_odd_numbers() -> None:
    """Whatever a document has."""
    numbers: Sequence[float] = [1e308, -1e308, 5e-324, 0.0, -0.0, 1e154, 3.0]
    for is_count in (False, True):
        for each in found(4 * WEEK, lambda hour: numbers[hour * hour % len(numbers)], is_count=is_count):
            assert all(map(math.isfinite, (each.value, each.low, each.high)))


def test_of_labelled_series() -> None:
    """Nearly nine of ten are found, and nine of ten of what is reported are anomalies; of each series, something that
    is none less than once in half a year. The bench has a library beside it on the same."""
    scores = {series.name: score(series, spans(episodes(series))) for series in made(1)}
    total = sum(scores.values(), Score())
    hours = sum(len(series.numbers) for series in made(1))
    assert total.labels == 32
    assert total.recall >= 0.85
    assert total.precision >= 0.9
    assert total.wrong / hours <= 1 / (26 * WEEK)


def test_of_a_public_series() -> None:
    """Of its four anomalies the first lies within the first week, in which nothing is reported."""
    series = water_flow()
    found = score(series, spans(episodes(series)))
    assert found.found >= 2
    assert found.wrong <= 1
