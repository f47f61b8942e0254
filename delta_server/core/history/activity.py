"""What happened to an endpoint by day and by hour, in UTC: how many deltas of each kind, and how many edits they have.

A day's hours are MessagePack of numbers in a row: the hour, then the counts of its deltas.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from delta_server.core.times import DAY_MS

HOUR_MS = 3_600_000
HOURS = DAY_MS // HOUR_MS
_WIDTH = 9


class Counts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Deltas by kind, then edits by what they do. Negative where some are taken away."""

    content: int = 0
    reorder: int = 0
    format: int = 0
    ignored: int = 0
    added: int = 0
    removed: int = 0
    replaced: int = 0
    moved: int = 0

    def minus(self) -> "Counts":
        return Counts(*(-number for number in msgspec.structs.astuple(self)))

    @property
    def deltas(self) -> int:
        return self.content + self.reorder + self.format + self.ignored

    @property
    def edits(self) -> tuple[int, int, int, int]:
        return self.added, self.removed, self.replaced, self.moved

    @property
    def kind(self) -> str | None:
        """The kind that tells most of what happened; None where no delta is counted."""
        by_weight = {
            "content": self.content,
            "reorder": self.reorder,
            "ignored": self.ignored,
            "format": self.format,
        }
        return next((kind for kind, deltas in by_weight.items() if deltas), None)


NOTHING = Counts()
Hours = Sequence[int]
"""Hours of a day and their counts, as they are stored."""


def of_delta(kind: int, edits: Sequence[int]) -> Counts:
    """Those of one delta; `kind` is its number in the order of the fields, and `edits` are the last four."""
    return Counts(*(int(number == kind) for number in range(4)), *edits)


def day_of(time_ms: int) -> int:
    return time_ms // DAY_MS


class Tally:
    """Counts by number: of an hour, of a bucket."""

    def __init__(self) -> None:
        self._sums: dict[int, list[int]] = {}

    def add(self, number: int, counts: Iterable[int]) -> None:
        known = self._sums.get(number)
        self._sums[number] = list(counts) if known is None else [a + b for a, b in zip(known, counts, strict=True)]

    def add_hours(self, hours: Hours, day: int, *, origin: int = 0, each: int = 1) -> None:
        """To the bucket of each hour: `each` hours long, the first begins at the hour `origin` since 1970."""
        first = day * HOURS - origin
        for at in range(0, len(hours), _WIDTH):
            self.add((first + hours[at]) // each, hours[at + 1 : at + _WIDTH])

    def counts(self) -> dict[int, Counts]:
        """In order, without those in which nothing is left."""
        return {number: Counts(*self._sums[number]) for number in sorted(self._sums) if any(self._sums[number])}

    def total(self) -> Counts:
        return Counts(*map(sum, zip(*self._sums.values(), strict=True)))


def by_day(counted: Mapping[int, Counts]) -> dict[int, Tally]:
    """By day the counts of its hours, of counts by time."""
    days: dict[int, Tally] = {}
    for at, counts in counted.items():
        days.setdefault(day_of(at), Tally()).add(at % DAY_MS // HOUR_MS, msgspec.structs.astuple(counts))
    return days


def with_more(hours: Hours, more: Tally) -> dict[int, Counts]:
    """A day's hours and what comes to them."""
    both = Tally()
    both.add_hours(hours, 0)
    for hour, counts in more.counts().items():
        both.add(hour, msgspec.structs.astuple(counts))
    return both.counts()


def encoded(hours: Mapping[int, Counts]) -> bytes:
    """Empty for none."""
    flat = [number for hour, counts in hours.items() for number in (hour, *msgspec.structs.astuple(counts))]
    return _encode(flat) if flat else b""


def decoded(blob: bytes) -> Hours:
    """Raises ValueError for what is no such text."""
    flat = _decode(blob) if blob else []
    if len(flat) % _WIDTH:
        raise ValueError("hours without all their counts")
    return flat


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode
