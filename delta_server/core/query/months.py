"""Months by the calendar, as numbers: year * 12 + month - 1, of times as clocks show them (ms as if they were UTC).

Any year: datetime has none before 1, where the first hours of year 1 lie west of Greenwich.
"""

from delta_server.core.times import DAY_MS


def number(local_ms: int) -> int:
    year, month, _ = _date(local_ms // DAY_MS)
    return year * 12 + month - 1


def begin(number: int) -> int:
    """The first moment of a month."""
    return _days(number // 12, number % 12 + 1, 1) * DAY_MS


def moved(local_ms: int, months: int) -> int:
    """The same day and time of day so many months later; the last day where that month is shorter."""
    _, _, day = _date(local_ms // DAY_MS)
    there = number(local_ms) + months
    longest = (begin(there + 1) - begin(there)) // DAY_MS
    return begin(there) + (min(day, longest) - 1) * DAY_MS + local_ms % DAY_MS


def whole(first_ms: int, end_ms: int) -> int | None:
    """How many months there are from one time to another when they are whole: the 15th at noon to the 15th at noon."""
    months = number(end_ms) - number(first_ms)
    return months if months > 0 and moved(first_ms, months) == end_ms else None


def _date(days: int) -> tuple[int, int, int]:
    """(year, month, day) of days since 1970: https://howardhinnant.github.io/date_algorithms.html"""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = from_march + 3 if from_march < 10 else from_march - 9
    return era * 400 + year + (month <= 2), month, day


def _days(year: int, month: int, day: int) -> int:
    year -= month <= 2
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    of_era = year % 400
    return year // 400 * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
