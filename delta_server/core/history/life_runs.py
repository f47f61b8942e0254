"""Runs of the record index: the entries of many deltas, record by record, in few bytes.

A run is zstd of columns. Its records come in order, each with its groups: entries of one kind (a place and what
happened there), in order of time. Of an entry its time is left, as the step from the one before it in the group, and
its value. Numbers are written all low bytes first, then all high ones. About 5 bytes an entry, half of them its value.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

import msgspec
import zstandard

from delta_server.core.history import change_times
from delta_server.core.history.lives import RecordEntry
from delta_server.core.history.records import SIZE

MOST_TIMES = 4096
MOST_ENTRIES = 16_384
MOST_BYTES = 1 << 18
"""Of a run as it is stored, about; a single delta's entries always fit."""

_LEVEL = 9
_MOST_RAW = 64 << 20

ChangeKind = tuple[str, str]
"""A place in a record and what happened there."""

GroupKey = tuple[bytes, str, str]
"""Record, place and what happened there."""


class PlaceChanges(msgspec.Struct, frozen=True):
    """What happened at one place of one record: when, in order, and with which values (b"" for those not kept)."""

    place: str
    what: str
    times: list[int]
    values: list[bytes]


Groups = dict[GroupKey, tuple[list[int], list[bytes]]]
"""Times, in order, and values."""


class _RunColumns(msgspec.Struct, frozen=True, array_like=True):
    first: int
    later: bytes | None
    kinds: list[ChangeKind]
    records: bytes
    groups: bytes
    of_kind: bytes
    lengths: bytes
    steps: bytes
    sizes: bytes
    values: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_RunColumns).decode


def encoded(groups: Groups) -> bytes:
    times = sorted({time for at, _ in groups.values() for time in at})
    number = {time: place for place, time in enumerate(times)}
    kinds = sorted({(place, what) for _, place, what in groups})
    kind_number = {kind: place for place, kind in enumerate(kinds)}
    records: list[bytes] = []
    counts, of_kind, lengths, steps = array("H"), array("H"), array("H"), array("H")
    every: list[bytes] = []
    for key in sorted(groups):
        record, place, what = key
        at, values = groups[key]
        if not records or records[-1] != record:
            records.append(record)
            counts.append(0)
        counts[-1] += 1
        of_kind.append(kind_number[place, what])
        lengths.append(len(at))
        last = 0
        for time in at:
            steps.append(number[time] - last)
            last = number[time]
        every += values
    columns = _RunColumns(
        times[0],
        change_times.sealed(times),
        kinds,
        b"".join(records),
        _planes(counts),
        _planes(of_kind),
        _planes(lengths),
        _planes(steps),
        bytes(map(len, every)),
        b"".join(every),
    )
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(_encode(columns))


def _planes(numbers: "array[int]") -> bytes:
    raw = numbers.tobytes()
    return raw[::2] + raw[1::2]


def _numbers(planes: bytes) -> "array[int]":
    count = len(planes) // 2
    raw = bytearray(2 * count)
    raw[::2], raw[1::2] = planes[:count], planes[count:]
    return array("H", bytes(raw))


class LifeRun:
    """A run that is read: only the requested records are decoded."""

    def __init__(self, blob: bytes) -> None:
        raw = zstandard.ZstdDecompressor().decompress(blob, max_output_size=_MOST_RAW)
        columns = _decode(raw)
        self._columns = columns
        self._unit, self._times = change_times.in_steps(columns.later)
        self._of_kind, self._lengths, self._steps = map(_numbers, (columns.of_kind, columns.lengths, columns.steps))
        self._first_group = list(accumulate(_numbers(columns.groups), initial=0))
        self._first_entry = list(accumulate(self._lengths, initial=0))
        self._count = len(columns.records) // SIZE
        self._value_ends: list[int] = []

    def groups(self, record: bytes, wanted: Callable[[bytes, str, str], bool]) -> Iterator[PlaceChanges]:
        """What happened in a record, at those places of which `wanted` is."""
        place = self._find(record)
        if place is None:
            return
        for group in range(self._first_group[place], self._first_group[place + 1]):
            if wanted(record, *self._columns.kinds[self._of_kind[group]]):
                yield self._group(group)

    def all(self) -> Groups:
        """All that the run was made of."""
        found: Groups = {}
        for place in range(self._count):
            record = self._record(place)
            for group in range(self._first_group[place], self._first_group[place + 1]):
                of = self._group(group)
                found[record, of.place, of.what] = of.times, of.values
        return found

    def _record(self, place: int) -> bytes:
        return self._columns.records[SIZE * place : SIZE * (place + 1)]

    def _find(self, record: bytes) -> int | None:
        place = bisect_left(range(self._count), record, key=self._record)
        return place if place < self._count and self._record(place) == record else None

    def _group(self, number: int) -> PlaceChanges:
        columns = self._columns
        begin, end = self._first_entry[number], self._first_entry[number + 1]
        place, what = columns.kinds[self._of_kind[number]]
        sizes = columns.sizes[begin:end]
        first, unit, times = columns.first, self._unit, self._times
        at = [first + unit * times[n] for n in accumulate(self._steps[begin:end])]
        if not any(sizes):
            return PlaceChanges(place, what, at, [b""] * len(at))
        if not self._value_ends:
            self._value_ends = list(accumulate(columns.sizes, initial=0))
        values = [columns.values[a:b] for a, b in pairwise(self._value_ends[begin : end + 1])]
        return PlaceChanges(place, what, at, values)


def merged(groups: Groups, entries: Mapping[int, Sequence[RecordEntry]]) -> Groups:
    """With the entries of deltas by time, in place of those there are of these times."""
    latest = max((at[-1] for at, _ in groups.values()), default=None)
    if latest is not None and min(entries) <= latest:
        groups = _without(groups, entries.keys())
    touched = set()
    for time in sorted(entries):
        for entry in entries[time]:
            key = entry.record, entry.place, entry.what
            at, values = groups.setdefault(key, ([], []))
            at.append(time)
            values.append(entry.value)
            touched.add(key)
    for key in touched:
        at, values = groups[key]
        if at != sorted(at):
            rows = sorted(zip(at, values, strict=True))
            groups[key] = [time for time, _ in rows], [value for _, value in rows]
    return groups


def _without(groups: Groups, times: Collection[int]) -> Groups:
    found: Groups = {}
    for key, (at, values) in groups.items():
        rows = [(time, value) for time, value in zip(at, values, strict=True) if time not in times]
        if rows:
            found[key] = [time for time, _ in rows], [value for _, value in rows]
    return found


def parts(groups: Groups) -> list[Groups]:
    """Cut by time into runs of no more times and entries than may be, about equally long; none of nothing."""
    counts = Counter(time for at, _ in groups.values() for time in at)
    total = sum(counts.values())
    wanted = max(-(-len(counts) // MOST_TIMES), -(-total // MOST_ENTRIES))
    if wanted <= 1:
        return [groups] if groups else []
    ends: list[int] = []
    entries = times = 0
    for time in sorted(counts):
        if times and (entries + counts[time] > -(-total // wanted) or times == MOST_TIMES):
            ends.append(time)
            entries = times = 0
        entries += counts[time]
        times += 1
    bounds = zip([None, *ends], [*ends, None], strict=True)
    return [_between(groups, first, end) for first, end in bounds]


def _between(groups: Groups, first: int | None, end: int | None) -> Groups:
    found: Groups = {}
    for key, (at, values) in groups.items():
        begin = 0 if first is None else bisect_left(at, first)
        stop = len(at) if end is None else bisect_left(at, end)
        if begin < stop:
            found[key] = at[begin:stop], values[begin:stop]
    return found


def ends_of(groups: Groups) -> tuple[int, int]:
    """The first and the last time of some groups."""
    return min(at[0] for at, _ in groups.values()), max(at[-1] for at, _ in groups.values())
