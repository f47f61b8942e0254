"""Deduplication keys: 10 bytes for a message id of a project, sorted ones in runs, and filters that tell where in a run
a key would stand.

A filter is made of the sorted keys alone. Their leading bits divide them into buckets of some 32; of each key it holds
bytes 3 and 4, its *print*, in the order of the keys. A key that is not in the run has a print of its bucket once in a
thousand, and one that is needs only its bucket's place in the run read: one page. That is 17 bits a key. A Bloom filter
of 8 bits a key lets one in twenty through, in each of the 10 to 20 runs there are, and takes ten times as long to make.
Without filters the writer reads pages of every run for a new id: 305 us in twelve runs of 250,000 keys, with them 5. A
table of keys in SQLite is as fast while all of it is in the page cache, and writes a page for nearly every id.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec
import xxhash

KEY_BYTES = 10

_BUCKET_KEYS = 32
_MOST_BITS = 24  # what stands before the prints
_HEAD_BITS = 32
_INT_BYTES = 4
_PRINT_BYTES = 2
_SEEDED_BADLY = 16


def key(project: int, message_id: str) -> bytes:
    """Another project has another key, whatever its ids. Among a thousand million ids two have the same key with a
    chance of 1 in 2.4 million.

    Of up to 16 bytes xxh3 only adds the seed to what is combined with them by xor: seeded with the project, `3-103` of
    the first had the key of `0-100` of the second, and so had 21,600 of 40,000 ids from `0-0` to `39-999` another's."""
    text = message_id.encode()
    if len(text) <= _SEEDED_BADLY:
        return xxhash.xxh3_128_digest(project.to_bytes(8, "little") + text)[:KEY_BYTES]
    return xxhash.xxh3_128_digest(text, project)[:KEY_BYTES]


def keys(project: int, message_ids: Iterable[str | None]) -> list[bytes | None]:
    """The `key` of each, None without an id, in three quarters of the time: ids are UUIDs mostly."""
    digest = xxhash.xxh3_128_digest
    return [
        None
        if message_id is None
        else digest(text, project)[:KEY_BYTES]
        if len(text := message_id.encode()) > _SEEDED_BADLY
        else key(project, message_id)
        for message_id in message_ids
    ]


def split(keys: bytes) -> Iterator[bytes]:
    return (keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES))


def find(keys: bytes, key: bytes, first: int, end: int) -> bool:
    """Whether `key` is one of `keys`, a page of a run, from the one with the number `first` and before `end`."""
    last = end * KEY_BYTES
    at = keys.find(key, first * KEY_BYTES, last)
    while at > 0 and at % KEY_BYTES:  # the end of one and the begin of the next look like it
        at = keys.find(key, at + 1, last)
    return at >= 0


class KeyProbes:
    """Keys to look for in many runs."""

    __slots__ = ("_buckets", "_heads", "keys", "prints")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = keys
        self.prints = [key[3:5] for key in keys]
        self._heads = _heads(b"".join(keys))
        self._buckets: dict[int, tuple[list[int], list[int]]] = {}

    def buckets(self, shift: int) -> tuple[list[int], list[int]]:
        """Each key's bucket, and the one behind it. Runs of about the same size have the same."""
        if shift not in self._buckets:
            buckets = [head >> shift for head in self._heads]
            self._buckets[shift] = buckets, [bucket + 1 for bucket in buckets]
        return self._buckets[shift]


class KeyFilter:
    """What memory keeps of a run. `blob` is one byte for the bits of a bucket; where in it the prints of each bucket
    begin and those of the last one end, as 32-bit little-endian integers; and the prints. Raises ValueError for one
    that is not whole."""

    __slots__ = ("_begins", "_blob", "_prints_at", "_shift")

    def __init__(self, blob: bytes) -> None:
        bits = blob[0] if blob else 0
        self._blob = blob
        self._shift = _HEAD_BITS - bits
        self._prints_at = 1 + _INT_BYTES * ((1 << bits) + 1)
        self._begins = array("I", blob[1 : self._prints_at] if len(blob) >= self._prints_at else b"")
        if sys.byteorder == "big":
            self._begins.byteswap()
        if bits > _MOST_BITS or not self._begins or self._begins[-1] != len(blob):
            raise ValueError("a filter of a size it cannot have")

    @property
    def count(self) -> int:
        """Keys in the run."""
        return (len(self._blob) - self._prints_at) // _PRINT_BYTES

    def maybe(self, probes: KeyProbes) -> list[tuple[bytes, int, int]]:
        """The keys that may be in the run: (key, rank of the first key beside which it would stand, rank after the
        last). 0.3 us a key: everything but the few hits happens inside of `map`."""
        begin, (buckets, behind) = self._begins.__getitem__, probes.buckets(self._shift)
        places = list(map(self._blob.find, probes.prints, map(begin, buckets), map(begin, behind)))
        if places.count(-1) == len(places):
            return []
        return [
            (key, self._rank(bucket), self._rank(bucket + 1))
            for key, bucket, place in zip(probes.keys, buckets, places, strict=True)
            if place >= 0
        ]

    def _rank(self, bucket: int) -> int:
        return (self._begins[bucket] - self._prints_at) // _PRINT_BYTES


class KeyFilterBuilder:
    """The filter of keys that are given in order; of about `count` of them."""

    def __init__(self, count: int) -> None:
        self._bits = min(_MOST_BITS, max(0, (count // _BUCKET_KEYS).bit_length() - 1))
        self._prints_at = 1 + _INT_BYTES * ((1 << self._bits) + 1)
        self._begins = array("I")
        self._prints = bytearray()
        self.count = 0

    def add(self, keys: bytes) -> None:
        heads = _heads(keys)
        shift = _HEAD_BITS - self._bits
        at = 0
        for bucket in range(len(self._begins), (heads[-1] >> shift) + 1 if heads else 0):
            at = bisect_left(heads, bucket << shift, at)
            self._begins.append(self._prints_at + _PRINT_BYTES * (self.count + at))
        prints = bytearray(_PRINT_BYTES * len(heads))
        prints[0::2], prints[1::2] = keys[3::KEY_BYTES], keys[4::KEY_BYTES]
        self._prints += prints
        self.count += len(heads)

    def blob(self) -> bytes:
        missing = (1 << self._bits) + 1 - len(self._begins)
        begins = self._begins + array("I", [self._prints_at + len(self._prints)]) * missing
        if sys.byteorder == "big":
            begins.byteswap()
        return b"".join((bytes((self._bits,)), begins.tobytes(), self._prints))


def _heads(keys: bytes) -> Sequence[int]:
    """The leading 32 bits of each key."""
    raw = bytearray(len(keys) // KEY_BYTES * _INT_BYTES)
    for place in range(_INT_BYTES):
        raw[place::_INT_BYTES] = keys[place::KEY_BYTES]
    heads = array("I", raw)
    if sys.byteorder == "little":
        heads.byteswap()
    return heads


class BuiltRun(msgspec.Struct, frozen=True):
    """A run: its keys, sorted and none twice, and its filter."""

    keys: bytes
    filter: bytes

    @property
    def count(self) -> int:
        return len(self.keys) // KEY_BYTES


def build(keys: Iterable[bytes]) -> BuiltRun:
    """Sorts a 256th at a time: other threads get their turn in between."""
    parts: list[list[bytes]] = [[] for _ in range(256)]
    for key in keys:
        parts[key[0]].append(key)
    joined = b"".join([b"".join(sorted(set(part))) for part in parts])
    filter_ = KeyFilterBuilder(len(joined) // KEY_BYTES)
    filter_.add(joined)
    return BuiltRun(joined, filter_.blob())


class RunMerge:
    """Runs into one, a piece at a time: feed what is `wanted`, take, until nothing is wanted any more."""

    def __init__(self, runs: int) -> None:
        self._held: dict[int, list[bytes]] = {run: [] for run in range(runs)}  # those that have not ended

    def wanted(self) -> list[int]:
        """The runs whose next keys must be fed before anything can be taken."""
        return [run for run, held in self._held.items() if not held]

    def feed(self, run: int, keys: bytes) -> None:
        """The run's next keys; empty when it has ended."""
        if keys:
            self._held[run] = list(split(keys))
        else:
            del self._held[run]

    def take(self) -> bytes:
        """The next keys of all, sorted and none twice; empty at the end. Only when nothing is `wanted`."""
        if not self._held:
            return b""
        bound = min(held[-1] for held in self._held.values())
        taken: list[bytes] = []
        for run, held in self._held.items():
            end = bisect_right(held, bound)
            taken += held[:end]
            self._held[run] = held[end:]
        taken.sort()  # of a few sorted lists: that is merging
        return b"".join(dict.fromkeys(taken))


class KeyRun(msgspec.Struct, frozen=True):
    """Times are when its oldest and its newest key came in, in ms."""

    id: int
    count: int
    oldest_at: int
    newest_at: int


MERGED_KEYS = 1 << 22
"""No run gets larger: it is 40 MB, and its filter 9."""
TIER_RUNS = 8
_AT_ONCE = 64
STRETCHES = 8
"""Only runs of the same eighth of the time keys are kept for are merged: a key outlives its time by no more."""


def to_merge(runs: Sequence[KeyRun], now_ms: int, kept_ms: int) -> list[KeyRun]:
    """Which runs are to become one next; none, or two at least.

    Of the current stretch of time, eight of about the same size or as many as make a largest one; of those before,
    where no more keys come, all."""
    step_ms = max(1, kept_ms // STRETCHES)
    groups: dict[tuple[int, int], list[KeyRun]] = {}
    for run in sorted(runs, key=lambda run: run.count):
        stretch = run.newest_at // step_ms
        tier = run.count.bit_length() // 3 if stretch >= now_ms // step_ms else _CLOSED
        groups.setdefault((stretch, tier), []).append(run)
    for (_, tier), group in groups.items():
        chosen = _fitting(group)
        full = len(chosen) < len(group) and sum(run.count for run in chosen) > MERGED_KEYS // 2
        if len(chosen) >= (2 if tier == _CLOSED or full else TIER_RUNS):
            return chosen
    return []


_CLOSED = -1


def _fitting(runs: Sequence[KeyRun]) -> list[KeyRun]:
    """From the first on, as many as are neither too large together nor too many."""
    totals = accumulate(run.count for run in runs)
    return [run for run, total in zip(runs[:_AT_ONCE], totals, strict=False) if total <= MERGED_KEYS]
