"""Learning from an endpoint's versions, those behind its place in the timeline: some at a time, each part a commit."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from delta_server.core.errors import DatabaseFailed, NotFound, TooCostly
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.schemas import changes, steps
from delta_server.core.schemas.steps import Learnt, Lesson, Step
from delta_server.core.times import EARLIEST_MS
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.history.service import WalkedContent
from delta_server.features.schemas import happenings, store
from delta_server.features.schemas.store import ChangeRow, Learned
from delta_server.features.snapshots import service as snapshots
from delta_server.services import APART_BYTES, Services
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.contents import contents
from delta_server.storage.database import Threads, Tx

PART_BYTES = 8 << 20
"""Of documents of an endpoint that are learned from at once."""
TOGETHER_BYTES = 1 << 20
"""Of documents of several endpoints: 10 ms on a thread."""
PEEKED = 16
"""Endpoints that are looked up on the event loop at a time, 0.1 ms each: on a reader's thread that takes twice as
long."""
_BEGIN: Position = (EARLIEST_MS, 0)

log = structlog.get_logger("delta.schemas")


class Plan(msgspec.Struct, frozen=True):
    endpoint: EndpointRef
    learned: Learned | None
    passed: Sequence[WalkedContent]


async def learn_part(svc: Services, project: int, endpoint: int) -> bool:
    """Whether there may be more to learn from. What cannot be read is passed over."""
    return bool(await learn_parts(svc, [(project, endpoint)]))


async def learn_parts(svc: Services, wanted: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of several (project, endpoint) a part each, those with small documents together: to hand one to a thread and back
    takes as long as to learn from it. Those that may have more."""
    more: list[tuple[int, int]] = []
    together: list[tuple[Plan, Lesson]] = []
    for plan in await _planned(svc, wanted):
        try:
            lesson = await _lesson(svc, plan)
        except (NotFound, ColdStorageAway):  # rewritten meanwhile, say: what is there now is looked at the next time
            continue
        except DatabaseFailed as error:
            log.warning("no schema is learned from versions", endpoint=plan.endpoint.id, reason=error.message)
            more += await _stored(svc, [(plan, None)])
            continue
        if lesson.size >= APART_BYTES:
            more += await _learn_apart(svc, plan, lesson)
            continue
        together.append((plan, lesson))
        if sum(lesson.size for _, lesson in together) >= TOGETHER_BYTES:
            more += await _stored(svc, await _learnt(svc, together, svc.spare_cpu))
            together = []
    return more + await _stored(svc, await _learnt(svc, together, svc.spare_cpu))


async def _learn_apart(svc: Services, plan: Plan, lesson: Lesson) -> list[tuple[int, int]]:
    """In a process. What one does not survive is passed over, and what comes behind it is learned from later."""
    try:
        learnt = await _learnt(svc, [(plan, lesson)], svc.processes)
    except TooCostly as error:
        log.warning("no schema is learned from versions", endpoint=plan.endpoint.id, reason=error.message)
        tried = msgspec.structs.replace(plan, passed=plan.passed[: len(lesson.documents)])
        more = await _stored(svc, [(tried, None)])
        is_rest = plan.learned is not None and len(tried.passed) < len(plan.passed)
        return [(plan.endpoint.project, plan.endpoint.id)] if is_rest else more
    return await _stored(svc, learnt)


async def _planned(svc: Services, wanted: Sequence[tuple[int, int]]) -> list[Plan]:
    plans: list[Plan] = []
    for begin in range(0, len(wanted), PEEKED):
        plans += svc.db.peek(_plans, wanted[begin : begin + PEEKED])
        await asyncio.sleep(0)
    return plans


async def _learnt(svc: Services, lessons: Sequence[tuple[Plan, Lesson]], cpu: Threads) -> list[tuple[Plan, Learnt]]:
    if not lessons:
        return []
    learnt = await cpu(steps.learn_each, [lesson for _, lesson in lessons])
    return [(plan, each) for (plan, _), each in zip(lessons, learnt, strict=True)]


async def _stored(svc: Services, learnt: Sequence[tuple[Plan, Learnt | None]]) -> list[tuple[int, int]]:
    """Those that may have more."""
    if not learnt:
        return []
    more: list[tuple[int, int]] = []
    for (plan, each), is_told in zip(learnt, await svc.db.write(_store_all, learnt), strict=True):
        if is_told:
            svc.topics.wake("happenings", plan.endpoint.project)
        count = len(plan.passed)
        if is_told is None or count == history.AT_ONCE or (each is not None and each.count < count):
            more.append((plan.endpoint.project, plan.endpoint.id))
    return more


def _plans(tx: Tx, wanted: Sequence[tuple[int, int]]) -> list[Plan]:
    found = (_plan(tx, project, endpoint) for project, endpoint in wanted)
    return [plan for plan in found if plan is not None and plan.passed]


def _plan(tx: Tx, project: int, endpoint: int) -> Plan | None:
    ref = endpoints.by_row(tx, project, endpoint)
    if ref is None:
        return None
    learned = store.learned(tx, endpoint)
    position = _BEGIN if learned is None else learned.position
    span = TimelineSpan(from_ms=position[0], after=position, descending=False)
    return Plan(ref, learned, history.contents_along(tx, endpoint, span, history.AT_ONCE))


async def _lesson(svc: Services, plan: Plan) -> Lesson:
    """Raises NotFound, DatabaseFailed."""
    endpoint, learned = plan.endpoint.id, plan.learned
    wanted: list[int] = []
    size = 0
    for each in plan.passed:
        size += each.size
        if wanted and size > PART_BYTES:
            break
        wanted.append(each.content)
    before = None if learned is None else contents.cached(svc.contents, endpoint, learned.position[1])
    documents = [body async for _, body in contents.read_run(svc.contents, endpoint, wanted)]
    contents.remember(svc.contents, endpoint, wanted[-1], documents[-1])  # what it has in common with the next is known
    return Lesson(documents, None if learned is None else learned.shape, before)


def _store_all(tx: Tx, learnt: Sequence[tuple[Plan, Learnt | None]]) -> list[bool | None]:
    """Of each as `_store`."""
    return [_store(tx, plan, each) for plan, each in learnt]


def _store(tx: Tx, plan: Plan, learnt: Learnt | None) -> bool | None:
    """Whether others hear of it. What was learned from a place that has moved since is left out, with None."""
    endpoint, before = plan.endpoint, plan.learned
    now = store.learned(tx, endpoint.id)
    if (now and now.position) != (before and before.position) or endpoints.by_row(
        tx, endpoint.project, endpoint.id
    ) is None:
        return None
    passed = plan.passed
    versions = 0 if before is None else before.versions
    if learnt is None:
        if before is not None:
            over = msgspec.structs.replace(before, position=passed[-1].position)
            store.put_learned(tx, endpoint.project, endpoint.id, over)
        return False
    for step in learnt.steps:
        captured_at = passed[step.number].captured_at
        if (uid := snapshots.first_at(tx, endpoint.id, captured_at)) is None:
            continue
        row = _row(step, captured_at, uid, is_first=before is None and not step.number)
        store.insert_change(tx, endpoint.id, row, versions=versions + step.number + 1, shape=step.shape)
        happenings.changed(tx, endpoint, row)
    if learnt.steps:
        store.trim(tx, endpoint.id)
    position = passed[learnt.count - 1].position
    store.put_learned(tx, endpoint.project, endpoint.id, Learned(versions + learnt.count, position, learnt.shape))
    return bool(learnt.steps)


def _row(step: Step, captured_at: int, uid: bytes, *, is_first: bool) -> ChangeRow:
    listed: Sequence[changes.SchemaChange] = step.changes[: changes.MOST_LISTED]
    level = None if is_first else changes.level_of(step.changes)
    return ChangeRow(captured_at, uid, level, len(step.changes), listed)
