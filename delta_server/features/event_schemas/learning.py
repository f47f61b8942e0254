"""Learning from a project's events: from a sample of those that were not looked at, some at a time.

What is learned is stored a few types in a commit, and how far it came with the last of them. Learning again from the
same events adds nothing: after a crash in between it does so.
"""

from collections.abc import Sequence
from contextlib import aclosing
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.event_storage.segment_plan import RetentionCutoffs
from delta_server.core.query.plan import Sample, Span
from delta_server.core.schemas import changes, samples
from delta_server.core.schemas.samples import Sampled, SampledEvent, SampleLearnt
from delta_server.features.event_schemas import happenings, store
from delta_server.features.event_schemas.store import ChangeRow, Progress, SchemaThen, TypeSchema, Values
from delta_server.features.events import service as events
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx

OF_A_TYPE, OF_ALL = 200, 2_000
"""Events of a sample: of each type, together."""
TYPES_AT_ONCE, BYTES_AT_ONCE = 100, 1 << 19
"""Types that are stored together, and what is stored of them."""
_ALL_TIME = Span(times.EARLIEST_MS, times.LATEST_MS + 1)


class Lesson(msgspec.Struct, frozen=True):
    """A type, new or with what was known of it and of its values, and what its sample says."""

    known: TypeSchema
    values: Values | None
    sampled: Sampled
    learnt: SampleLearnt


async def learn_part(svc: Services, project: int) -> bool:
    """Whether there may be more to learn from."""
    before = await svc.db.read(store.progress, project)
    rows = await _sample(svc, project, before)
    now_ms = svc.clock.now_ms()
    cutoffs = events.retention_cutoffs(svc, project, now_ms)
    by_type, reached, has_more = await svc.spare_cpu(_by_type, rows, before, cutoffs)
    known = await svc.db.read(_known, project, list(by_type))
    sampled = [
        Sampled(
            by_type[each.event_type],
            each.shape or None,
            values.shape if values else None,
            _recent(cutoffs, each, now_ms),
        )
        for each, values in known
    ]
    learnt = await svc.cpu_for(sum(map(_size, sampled)))(samples.learn_each, sampled) if sampled else []
    lessons = [Lesson(*pair, of, what) for pair, of, what in zip(known, sampled, learnt, strict=True)]
    for some in _slices(lessons):
        is_told = await svc.db.write(_store, project, before, some)
        if is_told is None:  # it begins anew in the next run, or the project is gone
            return False
        if is_told:
            svc.topics.wake("happenings", project)
    return bool(await svc.db.write(_reach, project, before, reached)) and has_more


async def _sample(svc: Services, project: int, before: Progress) -> list[tuple[Any, ...]]:
    plan = Sample(_ALL_TIME, before.file, before.seq, OF_A_TYPE, store.MOST_TYPES, OF_ALL)
    async with aclosing(svc.event_reader.stream_query(project, plan, has_caller=False)) as batches:
        await anext(batches)  # the columns' names
        return [row async for batch in batches for row in batch]


def is_past(cutoffs: RetentionCutoffs, event_type: str, time_ms: int) -> bool:
    """Whether its time is before what is kept of the type."""
    cutoff, _ = cutoffs.of(event_type, (event_type,))
    return cutoff is not None and time_ms < cutoff


def _by_type(
    rows: list[tuple[Any, ...]], before: Progress, cutoffs: RetentionCutoffs
) -> tuple[dict[str, list[SampledEvent]], Progress, bool]:
    """Events that are kept, how far they go, and whether there are more. See Sample for the row without a type."""
    [(_, seq, file, _, _, _, _, has_more, *_)] = [row for row in rows if row[0] is None]
    kept = [row for row in rows if row[0] is not None and not is_past(cutoffs, row[0], row[2])]
    found = sorted(kept, key=itemgetter(0))
    by_type = {name: [SampledEvent(*row[1:]) for row in some] for name, some in groupby(found, key=itemgetter(0))}
    return by_type, Progress(file, seq, before.begun), bool(has_more)


def _known(tx: Tx, project: int, names: Sequence[str]) -> list[tuple[TypeSchema, Values | None]]:
    """New ones as far as there is room for them."""
    room = store.MOST_TYPES - store.count(tx, project)
    found: list[tuple[TypeSchema, Values | None]] = []
    for name in names:
        known = store.find(tx, project, name)
        if known is not None:
            found.append((known, store.values(tx, project, known.id)))
        elif room > 0:
            room -= 1
            found.append((TypeSchema(0, name, 0, 0, times.EARLIEST_MS, times.EARLIEST_MS, b""), None))
    return found


def _recent(cutoffs: RetentionCutoffs, known: TypeSchema, now_ms: int) -> int:
    """Values of the last three quarters of its retention are kept: then they are learned anew once in a quarter."""
    cutoff, _ = cutoffs.of(known.event_type, (known.event_type,))
    return times.EARLIEST_MS if cutoff is None else cutoff + (now_ms - cutoff) // 4


def _size(sampled: Sampled) -> int:
    """Bytes that are read, of what is known those that are packed."""
    of_events = sum(len(event.data or "") + len(event.metadata or "") for event in sampled.events)
    return of_events + len(sampled.shape or b"") + len(sampled.seen or b"")


def _slices(lessons: Sequence[Lesson]) -> list[list[Lesson]]:
    found: list[list[Lesson]] = []
    size = 0
    for each in lessons:
        own = len(each.learnt.shape) + len(each.learnt.seen or b"")
        if not found or len(found[-1]) >= TYPES_AT_ONCE or size + own > BYTES_AT_ONCE:
            found.append([])
            size = 0
        found[-1].append(each)
        size += own
    return found


def _is_as_before(tx: Tx, project: int, before: Progress) -> bool:
    return store.progress(tx, project) == before and projects.by_row(tx, project) is not None


def _reach(tx: Tx, project: int, before: Progress, reached: Progress) -> bool:
    if not _is_as_before(tx, project, before):
        return False
    if reached != before:
        store.put_progress(tx, project, reached)
    return True


def _store(tx: Tx, project: int, before: Progress, lessons: Sequence[Lesson]) -> bool | None:
    """Whether others hear of it. What was learned while values were dropped is left out, with None."""
    if not _is_as_before(tx, project, before):
        return None
    return sum(_store_type(tx, project, before.begun, lesson) for lesson in lessons) > 0


def _store_type(tx: Tx, project: int, begun: int, lesson: Lesson) -> bool:
    known, learnt, sample = lesson.known, lesson.learnt, lesson.sampled.events
    now = TypeSchema(
        known.id,
        known.event_type,
        begun,
        (known.events if known.begun == begun else 0) + len(sample),
        max(known.learned_at, max(event.received_at for event in sample)),
        max(known.last_at, max(event.time_ms for event in sample)),
        learnt.shape,
    )
    schema = store.put(tx, project, now)
    if learnt.seen is not None and learnt.recent:
        store.put_values(tx, project, schema, _values(lesson, learnt.seen))
    number, changed_at = store.last_change(tx, project, schema)
    is_first = number == 0
    if not (is_first or learnt.changes):
        return False
    found = () if is_first else learnt.changes
    level = None if is_first else changes.level_of(found)
    row = ChangeRow(number + 1, max(changed_at, learnt.changed_at), level, len(found), found[: changes.MOST_LISTED])
    store.insert_change(tx, project, schema, row, SchemaThen(row.changed_at, now.events, learnt.shape))
    return happenings.changed(tx, project, known.event_type, row, happened_at=learnt.happened_at)


def _values(lesson: Lesson, seen: bytes) -> Values:
    recent = [event.time_ms for event in lesson.sampled.events if event.time_ms >= lesson.sampled.recent_from]
    before = lesson.values or Values(0, times.LATEST_MS, b"")
    return Values(before.events + len(recent), min(before.first_at, *recent), seen)
