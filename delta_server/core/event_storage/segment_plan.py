"""What becomes of segments, decided from their sizes and times alone: where sealing cuts, what compaction merges, what
retention deletes.

A segment never merges but with others of about its size, and the result is of a larger size: with sizes four apart, an
event is written again at most `log4(most events) + 1` times in its life, however long it lies there.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Literal

import msgspec

from delta_server.core.times import DAY_MS

MOST_CUTS = 7
"""One sealing makes eight segments at most: times scattered over years do not make hundreds of tiny ones."""

OTHER_TYPES = ""
MOST_TYPES = 1000
"""So many types of a segment are counted, the most frequent ones; the rest together. Some clients make a type of every
page or id, and counts are read with every plan."""

_FAN = 4
"""Segments of one size that make it worth merging them."""

LONG_BYTES = 320
"""From so many bytes of JSON on an event is long."""

_WORTHWHILE = 0.2
"""The share of a segment's events past their time from which on it is rewritten without them."""


class SegmentInfo(msgspec.Struct, frozen=True):
    """A segment as plans see it. `types` counts its events by type, those of too many types together as OTHER_TYPES;
    times are in ms, the last one included; `last_seq` is None where nobody has looked yet."""

    id: int
    events: int
    first_at: int
    last_at: int
    json_bytes: int
    stored_bytes: int
    rolled: bool
    types: dict[str, int]
    last_seq: int | None = None

    @property
    def long_bytes(self) -> int:
        """Its JSON where its events are long, however well it is compressed: it is sorted as it was. A million of 590
        bytes do not fit into 336 MiB."""
        return self.json_bytes if self.json_bytes > LONG_BYTES * self.events else 0


class SegmentBounds(msgspec.Struct, frozen=True):
    """What a segment is to hold at most. One with more than half of it is left as it is."""

    events: int
    stored_bytes: int
    long_bytes: int = 64 << 20


# Sealing


def cuts(days: Sequence[tuple[int, int]], own: int) -> list[int]:
    """Where the events of `days`, (UTC day since the epoch, events) ascending, are to be cut: times in ms, ascending.

    A day with `own` events or more gets a segment of its own; those between such days go together until they are as
    many. So late events and imported ones do not widen the times of today's segment.
    """
    groups: list[tuple[int, int]] = []  # (first day, events)
    closed = True
    for day, events in days:
        if closed or events >= own:
            groups.append((day, 0))
        first, gathered = groups[-1]
        groups[-1] = (first, gathered + events)
        closed = gathered + events >= own
    while len(groups) > MOST_CUTS + 1:
        at = min(range(len(groups) - 1), key=lambda left: groups[left][1] + groups[left + 1][1])
        groups[at : at + 2] = [(groups[at][0], groups[at][1] + groups[at + 1][1])]
    return [day * DAY_MS for day, _ in groups[1:]]


# Compaction


def merges(segments: Sequence[SegmentInfo], bounds: SegmentBounds) -> list[list[int]]:
    """The ids of segments that are to be merged, each list into one, neighbours in time; no segment is in two lists.

    Only those in the rollups with one another, and those not yet in them.
    """
    small = [segment for segment in segments if not _is_full(segment, bounds)]
    return [
        [segment.id for segment in run]
        for _, alike in groupby(sorted(small, key=_place), key=lambda segment: _place(segment)[:2])
        for run in _runs(list(alike), bounds)
        if _is_worth_merging(run, bounds)
    ]


def all_merges(segments: Sequence[SegmentInfo], bounds: SegmentBounds) -> list[list[int]]:
    """As `merges`, of all that can be merged at all, whatever its size: for who wants it done now."""
    small = sorted(
        (segment for segment in segments if not _is_full(segment, bounds)), key=lambda segment: segment.rolled
    )
    return [
        [segment.id for segment in run]
        for _, alike in groupby(small, key=lambda segment: segment.rolled)
        for run in _runs(sorted(alike, key=lambda segment: (segment.first_at, segment.id)), bounds)
        if len(run) > 1
    ]


def tier(events: int) -> int:
    """Which size a segment is of: each is four times the one before."""
    return (events.bit_length() - 1) // 2


def _place(segment: SegmentInfo) -> tuple[bool, int, int, int]:
    return segment.rolled, tier(segment.events), segment.first_at, segment.id


def _is_full(segment: SegmentInfo, bounds: SegmentBounds) -> bool:
    return _fills([segment], bounds, half=True)


def _runs(segments: Sequence[SegmentInfo], bounds: SegmentBounds) -> list[list[SegmentInfo]]:
    """The pieces, in the order given, in runs that fill a segment."""
    runs: list[list[SegmentInfo]] = []
    for segment in segments:
        if not runs or _fills([*runs[-1], segment], bounds):
            runs.append([])
        runs[-1].append(segment)
    return runs


def _fills(run: Sequence[SegmentInfo], bounds: SegmentBounds, *, half: bool = False) -> bool:
    """Whether they are more than a segment is to hold, or than half of it."""
    times = 2 if half else 1
    return (
        times * sum(segment.events for segment in run) > bounds.events
        or times * sum(segment.stored_bytes for segment in run) > bounds.stored_bytes
        or times * sum(segment.long_bytes for segment in run) > bounds.long_bytes
    )


def _is_worth_merging(run: Sequence[SegmentInfo], bounds: SegmentBounds) -> bool:
    return len(run) > 1 and (len(run) >= _FAN or _fills(run, bounds, half=True))


# Retention


class EventRetention(msgspec.Struct, frozen=True):
    """For how many days a project's events are kept, those of some types, and its rollups by interval; 0 is for ever.
    What is None or absent is the server's default."""

    days: int | None = None
    types: dict[str, int] = {}
    rollups: dict[str, int] = {}


class RetentionCutoffs(msgspec.Struct, frozen=True):
    """Events before these times are past theirs: of the `types` named, and of all others. None keeps for ever."""

    others: int | None
    types: Mapping[str, int | None]

    def of(self, event_type: str, named: Collection[str]) -> tuple[int | None, int | None]:
        """The earliest and the latest border that may hold for a type of a segment where these are `named`."""
        if event_type != OTHER_TYPES:
            cutoff = self.types.get(event_type, self.others)
            return cutoff, cutoff
        ends = [self.others, *(end for name, end in self.types.items() if name not in named)]
        known = [end for end in ends if end is not None]
        return (min(known) if len(known) == len(ends) else None), max(known, default=None)


def retention_cutoffs(now_ms: int, days: int | None, types: Mapping[str, int | None]) -> RetentionCutoffs:
    """`days` are for types that are not in `types`; 0 and None keep for ever."""
    return RetentionCutoffs(_cutoff(now_ms, days), {name: _cutoff(now_ms, kept) for name, kept in types.items()})


def _cutoff(now_ms: int, days: int | None) -> int | None:
    return now_ms - days * DAY_MS if days else None


def retention_action(segment: SegmentInfo, cutoffs: RetentionCutoffs) -> Literal["keep", "look", "rewrite", "drop"]:
    """What retention does with a segment. `look`: count what is past its time, and ask `is_worth_rewriting`.

    A type that is past its time to the last event goes, however few they are; before that, the events stay until they
    are a worthwhile share. So an event outlives its time by as long as its segment lasts, at most.
    """
    gone = touched = 0
    rewrite = False
    for name, events in segment.types.items():
        earliest, latest = cutoffs.of(name, segment.types)
        if earliest is not None and segment.last_at < earliest:
            gone, rewrite = gone + events, True
        if latest is not None and segment.first_at < latest:
            touched += events
    if gone == segment.events:
        return "drop"
    if rewrite:
        return "rewrite"
    return "look" if is_worth_rewriting(touched, segment.events) else "keep"


def is_worth_rewriting(past_events: int, events: int) -> bool:
    return past_events > 0 and past_events >= _WORTHWHILE * events
