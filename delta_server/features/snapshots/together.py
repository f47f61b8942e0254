"""Snapshots of several endpoints that come at the same time, as those of polls do: one look at what there is and one
write, with the deltas that lead to them. Each by itself, and the deltas behind it, would take twice the processor time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

import structlog

from delta_server.config.plans import Plans
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import Basis, Foreseen, Stored, Successor
from delta_server.features.enforcement import service as enforcement
from delta_server.features.snapshots import lanes
from delta_server.features.snapshots.appending import CreatedSnapshots
from delta_server.features.snapshots.incoming import NewSnapshot
from delta_server.features.snapshots.lanes import ON_THE_LOOP_BYTES, Round
from delta_server.features.snapshots.timeline import EndpointLocks, TailSnapshot, TimelineTail
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

T = TypeVar("T")

log = structlog.get_logger("delta.snapshots")


class _Written(NamedTuple):
    """`merged` are endpoints whose record index is to be merged."""

    appended: list[tuple[NewSnapshot, CreatedSnapshots | Exception]]
    merged: list[int]


async def append_together(
    svc: Services, news: Sequence[NewSnapshot], beside: Callable[[Tx], T]
) -> tuple[list[bool], T]:
    """Whether each was stored, with its companion, and the result of `beside`, which is written in the same
    transaction. Each is the latest of an endpoint that is there, no two of the same one. What is large, has a schema to
    fit or follows a document that is not at hand, for which the others would wait, or was refused, is left to
    `create_snapshots`, which says why."""
    small = [new for new in news if len(new.body) <= ON_THE_LOOP_BYTES and _is_free(svc, new)]
    stored: set[int] = set()
    async with svc.state(EndpointLocks).hold(lanes.endpoint_of(new).id for new in small):
        rounds, successors = await _rounds(svc, small)
        foreseen = await deltas.foresee(svc, successors)
        written, result = await svc.db.write(_write, rounds, foreseen, svc.config.plans, beside)
        for new, appended in written.appended:
            if isinstance(appended, CreatedSnapshots):
                for endpoint, content in appended.contents:
                    contents.remember(svc.contents, endpoint, content, new.body)
                    stored.add(endpoint)
    for project in {each.endpoint.project for each in rounds}:
        svc.topics.wake("happenings", project)
    if stored:
        svc.topics.wake("contents")
    if written.merged:
        try:
            await deltas.merge_into_runs(svc, *written.merged)
        except Exception as error:  # what was stored is, and the next delta tries it again
            log.warning("the record index is merged later", reason=str(error))
    return [lanes.endpoint_of(new).id in stored for new in news], result


def _is_free(svc: Services, new: NewSnapshot) -> bool:
    return enforcement.rule_of(svc, lanes.endpoint_of(new).id) is None


async def _rounds(svc: Services, news: Sequence[NewSnapshot]) -> tuple[list[Round], list[Successor]]:
    """By project; those that follow a document."""
    rounds: list[Round] = []
    successors: list[Successor] = []
    tails = svc.db.peek(_tails, [lanes.endpoint_of(new).id for new in news]) if news else []
    for new, (tail, depth, basis) in zip(news, tails, strict=True):
        endpoint, head, before = lanes.endpoint_of(new), tail.head, None
        if head is not None and (before := contents.cached(svc.contents, endpoint.id, head.id)) is None:
            continue
        [planned] = await lanes.plan(svc, endpoint.id, [(new, None)], tail, depth)
        if isinstance(planned, TailSnapshot):
            rounds.append(Round(endpoint, [(new, IdempotencyKey.none())], [planned]))
            if head is not None and before is not None and planned.frame is not None:
                successors.append(Successor(endpoint.id, basis, head.id, before, new.body))
        await asyncio.sleep(0)  # 0.2 ms each
    return sorted(rounds, key=_project), successors


def _project(this: Round) -> int:
    return this.endpoint.project


def _tails(tx: Tx, endpoints: Sequence[int]) -> list[tuple[TimelineTail, int, Basis]]:
    return [(*lanes.tail_of(tx, endpoint), deltas.basis(tx, endpoint)) for endpoint in endpoints]


def _write(
    tx: Tx, rounds: Sequence[Round], foreseen: Mapping[int, Foreseen], plans: Plans, beside: Callable[[Tx], T]
) -> tuple[_Written, T]:
    written = _Written([], [])
    for project, group in groupby(rounds, _project):
        some = list(group)
        stored: list[Stored] = []
        for each, [result] in zip(some, lanes.insert_rounds(tx, project, some, plans), strict=True):
            written.appended.append((each.requests[0][0], result))
            if isinstance(result, CreatedSnapshots):
                at = each.lasts[0].captured_at
                stored += [Stored(foreseen[id], content, at) for id, content in result.contents if id in foreseen]
        written.merged.extend(deltas.store_foreseen(tx, project, stored))
    return written, beside(tx)
