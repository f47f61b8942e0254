"""Finding what is unusual in a series of hours, one hour after the other.

An episode begins with an hour whose number lies outside of what is expected (expecting.py), and ends when RETURNED
hours lie within again. It is a spike; a level shift once it has lasted SHIFTED hours; silence when what is counted
comes no more. While it lasts, its hours do not count among what is known. Afterwards they do, but no further out than
is usual: what happens again and again becomes usual. When a shift has lasted ACCEPTED hours it is the new level: it
ends there, and all that is known of the series moves by as much. In the first week nothing is reported: what is to be
expected is learned.

Of counts, hours without any are silence too when there are more in a row than ever in the weeks that are known, half
as many again: nights and weekends are none.
"""

from collections.abc import Iterator, Sequence
from math import nan, sqrt
from typing import Literal, TypeAlias

import msgspec

from delta_server.core.anomalies import expecting
from delta_server.core.anomalies.expecting import JUDGED_BY, KEPT, WEEK, Distances, Expected

AnomalyKind: TypeAlias = Literal["spike", "level_shift", "silence", "new_value"]

RETURNED, SHIFTED, ACCEPTED, FORGOTTEN = 2, 6, 24, WEEK
"""Hours: within again, until a spike is a shift, until a shift is the new level, until who is silent is forgotten."""
_SILENT_TIMES, _SILENT_HOURS, _KNOWN_FOR_SILENCE, _COUNTED_FOR_SILENCE = 1.5, 3, 2 * WEEK, 24
_POISSON, _SMALL = 0.5, 0.375
"""What comes by chance, however much, has square roots that deviate by a half (Anscombe, 1948)."""
_NONE = sqrt(_SMALL)
"""That of a count of 0."""


class Episode(msgspec.Struct, array_like=True):
    """Hours since 1970, `end` is behind the last one outside. `value` is the number at the peak, `low` to `high` what
    was expected there; `deviations` how far off it was, DEVIATIONS being usual still."""

    kind: AnomalyKind
    begin: int
    peak: int
    value: float
    low: float
    high: float
    deviations: float
    last: int
    end: int | None = None


class Hour(msgspec.Struct, array_like=True, frozen=True):
    """Of an episode. Without an expectation `limit` is nan."""

    number: float
    middle: float
    limit: float
    is_outside: bool

    @property
    def usual(self) -> float:
        """The number, no further out than was usual."""
        return _within(self.number, self.middle, self.limit)


_UNKNOWN = (nan,) * expecting.COUNT
_NO_HOUR = Hour(nan, nan, nan, False)


class Series(msgspec.Struct, array_like=True):
    """`hours` are the last KEPT numbers before the hour `next`: nan where there was none, and in an episode that lasts,
    of which `open_hours` has them. Those of counts are square roots, so that many deviate by as much as few."""

    is_count: bool
    next: int | None = None
    hours: list[float] = []
    open: Episode | None = None
    open_hours: list[Hour] = []


class Detector:
    """Goes on from a series, which it changes."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._ways: list[Distances] = []
        self._guesses: Sequence[float] = ()
        """Of each way, for the hour that comes; empty while they are not asked for."""
        self._before_silence = (-1, 0, 0)
        """Since when none came; the longest such run before, and how many hours had any."""
        self._relearn()

    def step(self, hour: int, value: float | None) -> list[Episode]:
        """Episodes that the number of an hour, later than all before, begins, makes worse or ends."""
        series = self._series
        found = list(self._skip_to(hour))
        number = nan if value is None else _inside(series.is_count, value)
        expects = self._expected()
        if number == number and expects is not None and self._has_turned(number, expects):
            assert series.open is not None
            series.open.end = series.open.last + 1
            found.append(series.open)
            self._fill([each.usual for each in series.open_hours])
            expects = self._expected()
        changed = number == number and self._judge(hour, number, expects)
        series.next = hour + 1
        if (open := series.open) is None:
            self._append(self._learned(number, expects))
            return found
        middle, limit = (nan, nan) if expects is None else (expects.middle, expects.limit)
        series.open_hours.append(Hour(number, middle, limit, open.last == hour and number == number))
        self._append(nan)
        return [*found, open] if self._end(hour) or changed else found

    def _skip_to(self, hour: int) -> Iterator[Episode]:
        """Past hours that have no number."""
        series = self._series
        if series.next is None:
            series.next = hour
        if hour > series.next + KEPT:
            if series.open is not None:
                series.open.end = series.open.last + 1
                yield series.open
            self._forget()
            series.next = hour
        while series.next < hour:
            if series.open is not None:
                series.open_hours.append(_NO_HOUR)
            self._append(nan)
            series.next += 1

    def _judge(self, hour: int, number: float, expects: Expected | None) -> bool:
        """Whether it begins an episode or makes it worse."""
        series, open = self._series, self._series.open
        is_none = series.is_count and number <= _NONE
        silent_for = self._silent_for() if is_none else 0
        is_outside = expects is not None and self._is_outside(number, expects)
        if not is_outside and not silent_for:
            return False
        low, high = (number, number) if expects is None else (expects.low, expects.high)
        how_far = 0.0 if expects is None else expects.deviations(number)
        if silent_for:
            how_far = min(how_far, -expecting.DEVIATIONS)
        value, low, high = (_outside(series.is_count, each) for each in (number, low, high))
        value = float(round(value)) if series.is_count else value
        if open is None:
            kind: AnomalyKind = "silence" if is_none else "spike"
            begin = hour + 1 - max(1, silent_for)
            series.open = Episode(kind, begin, hour, value, low, high, how_far, hour)
            return True
        open.last = hour
        is_worse = abs(how_far) > abs(open.deviations)
        if is_worse:
            open.peak, open.value, open.low, open.high, open.deviations = hour, value, low, high, how_far
        kind = open.kind
        if open.kind == "silence" and not is_none:
            open.kind = "spike"
        if open.kind == "spike" and hour - open.begin + 1 >= SHIFTED:
            open.kind = "level_shift"
        return is_worse or open.kind != kind

    def _is_outside(self, number: float, expects: Expected) -> bool:
        known = self._series.hours
        if len(known) < WEEK or expects.low <= number <= expects.high:
            return False
        return not expecting.is_usual_in_the_week(known, self._guesses, number, expects.limit)

    def _learned(self, number: float, expects: Expected | None) -> float:
        """In the first week nothing is reported, and what is far off is not taken for usual; hours without any are."""
        is_none = self._series.is_count and number <= _NONE
        if expects is None or is_none or len(self._series.hours) >= WEEK:
            return number
        return _within(number, expects.middle, expects.limit)

    def _has_turned(self, number: float, expects: Expected) -> bool:
        """Whether it lies outside on the other side than the open episode does."""
        open = self._series.open
        if open is None or not self._is_outside(number, expects):
            return False
        return (number > expects.middle) != (open.deviations > 0)

    def _silent_for(self) -> int:
        """Of an hour without any: for how many it has been silent by now; 0 while that is usual."""
        series = self._series
        if series.open is not None:
            return series.next - series.open.begin + 1 if series.open.kind == "silence" and series.next else 0
        known = series.hours
        run = 1
        while run <= len(known) and known[-run] <= _NONE:
            run += 1
        if run < _SILENT_HOURS or len(known) < _KNOWN_FOR_SILENCE:
            return 0
        since = (series.next or 0) - run
        if self._before_silence[0] != since:
            self._before_silence = since, *_runs(known[: len(known) - run + 1])
        _, longest, counted = self._before_silence
        return run if counted >= _COUNTED_FOR_SILENCE and run > _SILENT_TIMES * longest + 1 else 0

    def _end(self, hour: int) -> bool:
        """Whether the open episode is over with this hour."""
        series, open = self._series, self._series.open
        assert open is not None
        known = [each for each in series.open_hours if each.number == each.number]
        within = next((at for at, each in enumerate(reversed(known)) if each.is_outside), len(known))
        if within >= (ACCEPTED if open.kind == "level_shift" else RETURNED):
            self._fill([each.usual for each in series.open_hours])
        elif open.kind == "level_shift" and sum(each.is_outside for each in known) >= ACCEPTED:
            self._move(known)
        elif open.kind == "silence" and hour - open.begin >= FORGOTTEN:
            self._forget()
        else:
            return False
        open.end = open.last + 1
        return True

    def _move(self, known: list[Hour]) -> None:
        """A shift is the new level: counts are so many times as many, other numbers so much more or less."""
        series = self._series
        outside = [each for each in known if each.is_outside and each.middle == each.middle][-ACCEPTED:]
        by, times = 0.0, 1.0
        if series.is_count:
            times = sum(each.number - _NONE for each in outside) / (sum(each.middle - _NONE for each in outside) or 1.0)
            by = _NONE * (1 - times)
        elif outside:
            by = expecting.middle([each.number - each.middle for each in outside[-SHIFTED:]])
        series.hours = [number * times + by for number in series.hours]
        self._fill([_within(each.number, each.middle * times + by, each.limit) for each in series.open_hours])

    def _fill(self, numbers: list[float]) -> None:
        series = self._series
        numbers = numbers[-len(series.hours) :]
        series.hours[-len(numbers) :] = numbers
        series.open, series.open_hours = None, []
        self._relearn()

    def _forget(self) -> None:
        series = self._series
        series.hours, series.open, series.open_hours = [], None, []
        self._relearn()

    def _expected(self) -> Expected | None:
        known = self._series.hours
        least = _POISSON if self._series.is_count else 0.0
        self._guesses = expecting.ways(known, len(known))
        return expecting.expected(self._guesses, self._ways, least=least)

    def _append(self, number: float) -> None:
        known = self._series.hours
        guesses = (self._guesses or expecting.ways(known, len(known))) if number == number else _UNKNOWN
        self._note(guesses, number)
        self._guesses = ()
        known.append(number)
        if len(known) > KEPT:
            del known[0]

    def _relearn(self) -> None:
        self._ways = [Distances() for _ in range(expecting.COUNT)]
        self._guesses = ()
        known = self._series.hours
        for at in range(max(0, len(known) - JUDGED_BY), len(known)):
            self._note(expecting.ways(known, at) if known[at] == known[at] else _UNKNOWN, known[at])

    def _note(self, guesses: Sequence[float], number: float) -> None:
        for way, guess in zip(self._ways, guesses, strict=True):
            way.add(abs(number - guess))


def _runs(known: Sequence[float]) -> tuple[int, int]:
    """The most hours in a row that had none, and how many hours had any."""
    longest = current = counted = 0
    for number in known:
        current = current + 1 if number <= _NONE else 0
        longest = max(longest, current)
        counted += number > _NONE
    return longest, counted


def _within(number: float, middle: float, limit: float) -> float:
    return min(max(number, middle - limit), middle + limit) if limit == limit else number


def _inside(is_count: bool, value: float) -> float:
    return sqrt(max(value, 0.0) + _SMALL) if is_count else value


def _outside(is_count: bool, number: float) -> float:
    """In the series' own unit."""
    return max(0.0, max(number, 0.0) ** 2 - _SMALL) if is_count else number
