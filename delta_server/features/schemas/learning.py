"""Learning from an endpoint's versions, those behind its place in the timeline: some at a time, each part a commit."""

from collections.abc import Sequence

import msgspec
import structlog

from delta_server.core.errors import DatabaseFailed, NotFound
from delta_server.core.history.timeline_span import Position
from delta_server.core.schemas import changes, steps
from delta_server.core.schemas.steps import Learnt, Step
from delta_server.core.times import EARLIEST_MS
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.history.service import Stretch
from delta_server.features.schemas import happenings, store
from delta_server.features.schemas.store import ChangeRow, Learned
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

PART_BYTES = 8 << 20
"""Of documents that are learned from at once."""
_BEGIN: Position = (EARLIEST_MS, 0)

log = structlog.get_logger("delta.schemas")


class Plan(msgspec.Struct, frozen=True):
    endpoint: EndpointRef
    learned: Learned | None
    stretch: Stretch


async def learn_part(svc: Services, project: int, endpoint: int) -> bool:
    """Whether there may be more to learn from. What cannot be read is passed over."""
    plan = await svc.db.read(_plan, project, endpoint)
    if plan is None or not plan.stretch.passed:
        return False
    try:
        documents = await _read(svc, plan)
        known = None if plan.learned is None else plan.learned.shape
        learnt = await svc.cpu_for(sum(map(len, documents)))(steps.learn_all, known, documents)
    except (NotFound, ColdStorageAway):  # rewritten meanwhile, say: what is there now is looked at the next time
        return False
    except DatabaseFailed as error:
        log.warning("no schema is learned from versions", endpoint=endpoint, reason=error.message)
        learnt = None
    is_told = await svc.db.write(_store, plan, learnt)
    if is_told:
        svc.topics.wake("happenings", project)
    count = len(plan.stretch.passed)
    return is_told is None or count == history.AT_ONCE or (learnt is not None and learnt.count < count)


def _plan(tx: Tx, project: int, endpoint: int) -> Plan | None:
    ref = endpoints.by_row(tx, project, endpoint)
    if ref is None:
        return None
    learned = store.learned(tx, endpoint)
    return Plan(ref, learned, history.versions_after(tx, ref, _BEGIN if learned is None else learned.position))


async def _read(svc: Services, plan: Plan) -> list[bytes]:
    wanted: list[int] = []
    size = 0
    for each in plan.stretch.passed:
        size += each.size
        if wanted and size > PART_BYTES:
            break
        wanted.append(each.content)
    return [body async for _, body in contents.read_run(svc.contents, plan.endpoint.id, wanted)]


def _store(tx: Tx, plan: Plan, learnt: Learnt | None) -> bool | None:
    """Whether others hear of it. What was learned from a place that has moved since is left out, with None."""
    endpoint, before = plan.endpoint, plan.learned
    now = store.learned(tx, endpoint.id)
    if (now and now.position) != (before and before.position) or endpoints.by_row(
        tx, endpoint.project, endpoint.id
    ) is None:
        return None
    passed = plan.stretch.passed
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
