"""The index of fields: which field patterns of an endpoint changed, how often and when.

ids = recount(tx, endpoint, added, removed)         # with the deltas that they are counted from
times = between(tx, endpoint, fields, first, last)  # of the deltas in which any of the fields changed
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge

import msgspec

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.fields import store
from delta_server.features.fields.rows import Field, FieldCount
from delta_server.features.fields.store import all_fields, at_or_under, delete_some, most_changed, near, pattern
from delta_server.storage.database import Tx

__all__ = [
    "Field",
    "FieldCount",
    "all_fields",
    "along",
    "at_or_under",
    "between",
    "delete_some",
    "most_changed",
    "near",
    "pattern",
    "recount",
]


MOST_FIELDS = 4096
"""An endpoint with more fields than this gets no new ones for members of maps: some have a new one in every version."""


class _FieldCounts(msgspec.Struct):
    """What deltas add to one field, or take from it."""

    changes: int = 0
    types: int = 0
    times: list[int] = []

    def add(self, at: int, changes: int, types: int = 0) -> None:
        self.changes += changes
        self.types |= types
        self.times.append(at)


def recount(
    tx: Tx,
    endpoint: int,
    added: Mapping[int, Sequence[FieldCount]],
    removed: Mapping[int, Mapping[int, int]],
) -> dict[int, list[tuple[int, int]]]:
    """Count what the deltas at some times changed, and no longer what those that are gone did (field id -> changes).

    A field that is in both at the same time keeps its place in the index. Answers (field id, changes) of those added.
    """
    more: dict[str, _FieldCounts] = defaultdict(_FieldCounts)
    settled = _settled(tx, endpoint, added)
    for at, counts in settled.items():
        for name, count in counts.items():
            more[name].add(at, count.changes, count.types)
    less: dict[int, _FieldCounts] = defaultdict(_FieldCounts)
    for at, changes in removed.items():
        for field, number in changes.items():
            less[field].add(at, number)
    ids = {pattern: _count(tx, endpoint, pattern, counted, less) for pattern, counted in more.items()}
    counted_again = set(ids.values())
    for field, uncounted in less.items():
        if field not in counted_again:
            store.change(tx, endpoint, field, added=(), removed=uncounted.times)
        store.remove_counts(
            tx, endpoint, field, changes=uncounted.changes, deltas=len(uncounted.times), until=max(uncounted.times)
        )
    return {at: [(ids[pattern], count.changes) for pattern, count in counts.items()] for at, counts in settled.items()}


def _count(tx: Tx, endpoint: int, pattern: str, counted: _FieldCounts, less: Mapping[int, _FieldCounts]) -> int:
    times = set(counted.times)
    field = store.add_counts(
        tx,
        endpoint,
        pattern,
        changes=counted.changes,
        deltas=len(times),
        types=counted.types,
        changed_at=max(times),
    )
    gone = set(less[field].times) if field in less else set()
    store.change(tx, endpoint, field, added=times - gone, removed=gone - times)
    return field


def _settled(tx: Tx, endpoint: int, added: Mapping[int, Sequence[FieldCount]]) -> dict[int, dict[str, FieldCount]]:
    """By pattern, with those members of maps folded that would be new to an endpoint with many fields."""
    every = [count for counts in added.values() for count in counts]
    of_maps = {count.pattern for count in every if count.folded} - {c.pattern for c in every if not c.folded}
    new = [pattern for pattern in sorted(of_maps) if store.at(tx, endpoint, pattern) is None]
    folded = set(new[max(0, MOST_FIELDS - store.count_fields(tx, endpoint)) :] if new else ())
    found: dict[int, dict[str, FieldCount]] = {}
    for at, counts in added.items():
        patterns = found[at] = {}
        for count in counts:
            pattern = count.folded if count.pattern in folded else count.pattern
            same = patterns.get(pattern)
            changes, types = (same.changes, same.types) if same else (0, 0)
            patterns[pattern] = FieldCount(pattern, changes + count.changes, types | count.types)
    return found


def between(tx: Tx, endpoint: int, fields: Iterable[int], first_ms: int, last_ms: int) -> set[int]:
    """The times of all deltas from `first_ms` to `last_ms` in which any of `fields` changed, and of some near them."""
    return {time for field in fields for time in store.between(tx, endpoint, field, first_ms, last_ms)}


def along(tx: Tx, endpoint: int, fields: Iterable[int], span: TimelineSpan) -> Iterator[int]:
    """The times of the deltas along `span` in which any of `fields` changed, each once."""
    last: int | None = None
    for time in merge(*(store.along(tx, endpoint, field, span) for field in fields), reverse=span.descending):
        if time != last:
            yield time
        last = time
