"""Values that a field had never had. Those of codes are few, and one that is new says something; those of names, titles
and times are new each time, and say nothing.

How likely the next reading has a new one is estimated by the share of readings whose value came once only (Good, 1953):
where that is not small, or little is known, a new value is no news.
"""

from collections.abc import Iterable

import msgspec

FEWEST_READINGS, MOST_VALUES = 50, 60
_LIKELY = 0.02
MOST_CHARS = 200


class Known(msgspec.Struct, array_like=True):
    """By value 1, or 2 for more than one reading. `is_open`: it has had too many to be a code."""

    readings: int = 0
    counts: dict[str, int] = {}
    is_open: bool = False


def novel(known: Known, values: Iterable[str]) -> list[str]:
    """Those of one reading that are news, in order; all of them are known from then on."""
    if known.is_open:
        return []
    there = sorted({value[:MOST_CHARS] for value in values})
    new = [value for value in there if value not in known.counts]
    likely = sum(count == 1 for count in known.counts.values()) / max(1, known.readings)
    is_news = known.readings >= FEWEST_READINGS and likely <= _LIKELY
    for value in there:
        known.counts[value] = min(2, known.counts.get(value, 0) + 1)
    known.readings += bool(there)
    if len(known.counts) > MOST_VALUES:
        known.counts, known.is_open = {}, True
        return []
    return new if is_news else []
