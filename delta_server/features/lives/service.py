"""The record index: what the deltas say of each place of a document, and of each record in its arrays.

put(tx, endpoint, {captured_at: lives.encoded(entries)})    # with the deltas that say so
await fold(svc, endpoint)                                   # some deltas' entries into a run
changes(tx, endpoint, search, span, limit)                  # of one place
look_back(tx, endpoint, search, until_ms)                   # of leaves, each to its last change
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge

import msgspec
import structlog
import zstandard

from delta_server.core.history import life_runs, lives
from delta_server.core.history.life_runs import LifeRun
from delta_server.core.history.life_search import LeafSearch, PlaceSearch
from delta_server.core.history.lives import RecordEntry
from delta_server.core.history.records import Target
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.times import EARLIEST_MS
from delta_server.features.lives import store
from delta_server.features.lives.store import IndexDamaged, Stored, delete_some, put
from delta_server.services import Services
from delta_server.storage.database import Tx

__all__ = [
    "IndexDamaged",
    "PossibleChange",
    "changes",
    "delete_some",
    "merge_into_runs",
    "observe_until",
    "put",
    "to_be_merged",
]

FOLDED_FROM = 256
"""So many deltas' entries are made into a run, or put into one."""
FOLDED_BYTES = 1 << 18
RUNS_HELD = 16
"""Runs that stay read, at most 1.5 MB each."""

log = structlog.get_logger()


class PossibleChange(msgspec.Struct, frozen=True):
    """A time at which a place may have changed; `value` is the new one where it did for certain (b"-" when it is not
    there any more), else None."""

    at: int
    value: bytes | None


def changes(tx: Tx, endpoint: int, targets: Sequence[Target], span: TimelineSpan, limit: int) -> list[PossibleChange]:
    """Along `span`, the next `limit` times at which the place may have changed; all others surely did not."""
    first_ms, last_ms, seen_ms, _ = span.bounds()
    anew = store.deltas(tx, endpoint, first_ms, last_ms)
    unknown = store.unknown(tx, endpoint, span, limit)
    certainty = {stored.first for stored in anew}
    parts: list[Iterator[PossibleChange]] = [
        iter([PossibleChange(at, None) for at in unknown]),
        _ordered(_of_deltas(targets, anew), span, ()),
        _of_runs(tx, endpoint, targets, span, certainty),
    ]
    found: list[PossibleChange] = []
    for seen in merge(*parts, key=lambda seen: seen.at, reverse=span.descending):
        if found and found[-1].at == seen.at:
            found[-1] = PossibleChange(seen.at, None)
        elif len(found) == limit:
            break
        elif seen.at != seen_ms:
            found.append(seen)
    return found


def _of_deltas(targets: Sequence[Target], stored: Sequence[Stored]) -> PlaceSearch:
    search = PlaceSearch(targets)
    wanted = set(search.records)
    for row in stored:
        for entry in _entries(row):
            if entry.record in wanted:
                search.observe(entry.record, entry.place, entry.what, [row.first], [entry.value])
    return search


def _of_runs(
    tx: Tx, endpoint: int, targets: Sequence[Target], span: TimelineSpan, certainty: set[int]
) -> Iterator[PossibleChange]:
    for stored in store.runs(tx, endpoint, span):
        search = PlaceSearch(targets)
        run = _run(stored)
        for record in search.records:
            for group in run.groups(record, search.wants):
                search.observe(record, group.place, group.what, group.times, group.values)
        yield from _ordered(search, span, certainty)


def _ordered(search: PlaceSearch, span: TimelineSpan, without: "set[int] | tuple[()]") -> Iterator[PossibleChange]:
    first_ms, last_ms, _, _ = span.bounds()
    times = sorted(time for time in search.times if first_ms <= time <= last_ms and time not in without)
    return (PossibleChange(time, search.times[time]) for time in (reversed(times) if span.descending else times))


def observe_until(tx: Tx, endpoint: int, search: LeafSearch, until_ms: int) -> None:
    """Show the search all that happened up to `until_ms`."""
    span = TimelineSpan(EARLIEST_MS, until_ms + 1)
    anew = store.deltas(tx, endpoint, last_ms=until_ms)
    certainty = {stored.first for stored in anew}
    search.mark_all_uncertain(store.unknown(tx, endpoint, span, None)[::-1])
    wanted = set(search.records)
    for row in anew:
        for entry in _entries(row):
            if entry.record in wanted:
                search.observe(entry.record, entry.place, entry.what, [row.first])
    for stored in store.runs(tx, endpoint, span):
        run = _run(stored)
        is_cut = stored.last > until_ms or any(stored.first <= at <= stored.last for at in certainty)
        for record in wanted:
            for group in run.groups(record, search.wants):
                times = [t for t in group.times if t <= until_ms and t not in certainty] if is_cut else group.times
                if times:
                    search.observe(record, group.place, group.what, times)


def _entries(stored: Stored) -> list[RecordEntry]:
    try:
        return lives.decoded(stored.entries)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise IndexDamaged(str(error)) from None


def _run(stored: Stored) -> LifeRun:
    try:
        return _read(stored.entries)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, ArithmeticError) as error:
        raise IndexDamaged(str(error)) from None


@lru_cache(maxsize=RUNS_HELD)
def _read(entries: bytes) -> LifeRun:
    """By what is stored, so none is ever out of date: who looks one record up looks up others."""
    return LifeRun(entries)


# Making runs


class Plan(msgspec.Struct, frozen=True):
    """Deltas whose entries go into runs, together with those of a run that is there, or alone."""

    run: Stored | None
    folded: list[Stored]


async def merge_into_runs(svc: Services, *endpoints: int) -> None:
    """Make runs of what waits, where there is enough of it."""
    for endpoint in svc.db.peek(to_be_merged, endpoints):
        try:
            while svc.db.peek(to_be_merged, [endpoint]):
                if (plan := await svc.db.read(_plan, endpoint)) is None:
                    break
                runs = await svc.spare_cpu(_merge_runs, plan)
                if not await svc.db.write(store.replace, endpoint, plan.run, plan.folded, runs):
                    break
        except IndexDamaged as error:
            log.error("the record index is damaged", endpoint=endpoint, reason=str(error))


def to_be_merged(tx: Tx, endpoints: Sequence[int]) -> list[int]:
    """Those with enough that waits. After nearly every delta none is: that is seen without another thread."""
    waiting = {endpoint: store.waiting(tx, endpoint, FOLDED_FROM) for endpoint in endpoints}
    return [each for each, (count, size) in waiting.items() if count >= FOLDED_FROM or size >= FOLDED_BYTES]


def _plan(tx: Tx, endpoint: int) -> Plan | None:
    """None when nothing waits any more."""
    if not (deltas := store.deltas(tx, endpoint, limit=2 * FOLDED_FROM)):
        return None
    run = store.run_at(tx, endpoint, deltas[0].first)
    following = store.run_after(tx, endpoint, deltas[0].first)
    folded: list[Stored] = []
    size = 0
    for stored in deltas:
        size += len(stored.entries)
        if (following is not None and stored.first >= following.first) or (folded and size > FOLDED_BYTES):
            break
        folded.append(stored)
    if run is not None and any(stored.first <= run.last for stored in folded):
        return Plan(run, folded)
    for beside in (run, following):
        if beside is not None and len(beside.entries) <= size:
            return Plan(beside, folded)
    return Plan(None, folded)


def _merge_runs(plan: Plan) -> list[Stored]:
    there = {} if plan.run is None else _run(plan.run).all()
    groups = life_runs.merged(there, {stored.first: _entries(stored) for stored in plan.folded})
    return [Stored(*life_runs.ends_of(part), life_runs.encoded(part)) for part in life_runs.parts(groups)]
