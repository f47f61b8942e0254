"""What the record index tells of one place, and of the leaves of a document.

search = PlaceSearch(targets)         # when a place changed
search = LeafSearch(base, leaves)     # when each leaf changed last
for record in search.records: for group in ...: search.see(record, group.place, group.what, times, values)
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from delta_server.core.history import records
from delta_server.core.history.blame import LeafPlace
from delta_server.core.history.lives import ADDED, ANYTHING, ELEMENTS, REPLACED
from delta_server.core.history.records import Point, Target
from delta_server.core.json import pointer

MAX_CANDIDATES = 1 << 20
"""Leaves that may have changed, at each time at which they may have: 50 ms to gather."""


class PlaceSearch:
    """`times`: those at which the value may have changed, with the new value where that is known for certain."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._points: dict[bytes, list[tuple[Point, bool]]] = defaultdict(list)
        for target in targets:
            for point in target.points:
                self._points[point.record].append((point, target.is_plain))
        self.times: dict[int, bytes | None] = {}

    @property
    def records(self) -> list[bytes]:
        return list(self._points)

    def wants(self, record: bytes, place: str, what: str) -> bool:
        """Whether such entries tell anything."""
        return any(_certainty(point, place, what) is not False for point, _ in self._points[record])

    def observe(self, record: bytes, place: str, what: str, times: Sequence[int], values: Sequence[bytes]) -> None:
        certainty = [_certainty(point, place, what) and (is_plain or None) for point, is_plain in self._points[record]]
        if all(each is False for each in certainty):
            return
        is_sure = True in certainty
        for time, value in zip(times, values, strict=True):
            self.times[time] = value if is_sure and value and time not in self.times else None


def _certainty(point: Point, place: str, what: str) -> bool | None:
    """Whether an entry tells of a change at `point` for certain; None: perhaps, False: not at all."""
    if place == point.place:
        if point.fields is None:
            return True if what in (ADDED, REPLACED) else None
        return False if what == entered(point.fields) else None
    if _is_under(point.place, place):
        step = point.place[len(place) + 1 :].partition("/")[0]
        return False if what.startswith(ELEMENTS) and not pointer.is_index(step) else None
    return None if point.fields is None and _is_under(place, point.place) else False


def entered(fields: Sequence[str]) -> str:
    """What an entry says of an array whose elements have entries of their own by this key."""
    return ELEMENTS + "\0".join(fields)


def _is_under(place: str, above: str) -> bool:
    return place.startswith(above + "/")


def _above(place: str) -> Iterator[str]:
    """The places above one, in the same record."""
    while place:
        place = place.rpartition("/")[0]
        yield place


class _TrackedItem:
    """A leaf, where `enters` is None; else an array that leads to leaves, by the key that is `entered`."""

    __slots__ = ("enters", "leaves")

    def __init__(self, enters: str | None) -> None:
        self.enters = enters
        self.leaves: list[int] = []


class LeafSearch:
    """`last`: by leaf, the last time at which it changed for certain; `changes`: how often it did."""

    def __init__(self, base: Target, leaves: Mapping[int, LeafPlace]) -> None:
        self._at: dict[bytes, dict[str, dict[str | None, _TrackedItem]]] = defaultdict(dict)
        self._under: dict[bytes, dict[str, set[_TrackedItem]]] = defaultdict(lambda: defaultdict(set))
        self._points: dict[int, tuple[Point, ...]] = {}
        self._base = base.points
        for number, leaf in leaves.items():
            for point in self._points_of(leaf):
                self._item(point).leaves.append(number)
        self.last: dict[int, int] = {}
        self.changes: Counter[int] = Counter()
        self._perhaps: list[tuple[Sequence[int], list[int]]] = []

    @property
    def records(self) -> list[bytes]:
        return list(self._at)

    def _points_of(self, place: LeafPlace) -> tuple[Point, ...]:
        if place.above is None:
            return self._base
        known = self._points.get(id(place.above))
        if known is None:
            known = self._points[id(place.above)] = self._points_of(place.above)
        *above, last = known
        if place.fields is None:
            return (*above, Point(last.record, f"{last.place}/{place.step()}"))
        enters = Point(last.record, last.place, records.in_order(place.fields))
        record = records.element(last.record, last.place, place.fields, records.texts_of(place.key))
        return (*above, enters, Point(record, ""))

    def _item(self, point: Point) -> _TrackedItem:
        enters = None if point.fields is None else entered(point.fields)
        items = self._at[point.record].setdefault(point.place, {})
        item = items.get(enters)
        if item is None:
            item = items[enters] = _TrackedItem(enters)
            for above in _above(point.place):
                self._under[point.record][above].add(item)
        return item

    def wants(self, record: bytes, place: str, what: str) -> bool:
        """Whether such entries may tell anything: that elements changed tells nothing of those which are entered."""
        return not what.startswith(ELEMENTS) or self._at[record].get(place, {}).keys() != {what}

    def observe(self, record: bytes, place: str, what: str, times: Sequence[int]) -> None:
        """Entries of one place of a record, at `times` in order."""
        for item in self._at[record].get(place, {}).values():
            if item.enters is None and what != ANYTHING:
                self._mark_certain(item, times)
            elif item.enters is None or what != item.enters:
                self._mark_uncertain(item, what, times)
        for item in self._under[record].get(place, ()):
            self._mark_uncertain(item, what, times)
        for above in _above(place):
            leaf = self._at[record].get(above, {}).get(None)
            if leaf is not None:  # what is now a leaf had something in it that changed
                self._mark_uncertain(leaf, what if what == ANYTHING else ADDED, times)

    def mark_all_uncertain(self, times: Sequence[int]) -> None:
        """What happened at some times, in order, is not known."""
        if not times:
            return
        items = [item for places in self._at.values() for at in places.values() for item in at.values()]
        self._perhaps.append((times, sorted({leaf for item in items for leaf in item.leaves})))

    def _mark_uncertain(self, item: _TrackedItem, what: str, times: Sequence[int]) -> None:
        if what == ADDED:
            self._mark_certain(item, times)
        else:
            self._perhaps.append((times, item.leaves))

    def _mark_certain(self, item: _TrackedItem, times: Sequence[int]) -> None:
        at = times[-1]
        for leaf in item.leaves:
            self.changes[leaf] += len(times)
            if self.last.get(leaf, at) <= at:
                self.last[leaf] = at

    def candidates(self) -> dict[int, set[int]] | None:
        """By time, the leaves that may have changed then and surely did not since. None for too many."""
        found: dict[int, set[int]] = {}
        count = 0
        for times, leaves in self._perhaps:
            since = {leaf: self.last.get(leaf, times[0] - 1) for leaf in leaves}
            first = min(since.values(), default=0)
            for time in times[bisect_right(times, first) :]:
                some = {leaf for leaf, last in since.items() if last < time}
                found.setdefault(time, set()).update(some)
                count += len(some)
                if count > MAX_CANDIDATES:
                    return None
        return found
