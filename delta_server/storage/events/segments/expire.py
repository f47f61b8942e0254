"""Retention: events past their time go, a whole segment where all of it is, else by writing it again without them.

Queries may see an event past its time until its segment's turn has come. Only what is in the rollups goes: they outlive
the events. Rollups have a retention of their own.
"""

from functools import partial
from typing import Any

from delta_server.core.errors import DatabaseFailed
from delta_server.core.event_storage import segment_plan
from delta_server.core.event_storage.segment_plan import EventRetention, RetentionCutoffs, SegmentInfo
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.database import Database, Tx, frees_space
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.options import Events
from delta_server.storage.events.rollups import rollup_catalog
from delta_server.storage.events.segments import catalog, parts, segment_file
from delta_server.storage.events.segments.catalog import NewSegment
from delta_server.storage.events.segments.compact import replace
from delta_server.storage.events.segments.segment_file import Remainder


async def expire_events(
    db: Database, engine: Engine, options: Events, project: int, retention: EventRetention, now_ms: int
) -> int:
    """Delete the project's expired events; how many. Raises DatabaseFailed at the end for segments
    that are damaged, ColdStorageAway for those that cannot be read now."""
    days = options.retention_days if retention.days is None else retention.days
    cutoffs = segment_plan.retention_cutoffs(now_ms, days, retention.types)
    expired = 0
    damage: DatabaseFailed | ColdStorageAway | None = None
    for segment in await db.read(catalog.list_segments, project):
        action = segment_plan.retention_action(segment, cutoffs) if segment.rolled else "keep"
        if action == "keep":
            continue
        remainder: Remainder | None = Remainder(None, segment.events)
        if action != "drop":
            try:
                remainder = await engine.run_background(
                    project, partial(_remainder, segment=segment, cutoffs=cutoffs, count_first=action == "look")
                )
            except (DatabaseFailed, ColdStorageAway) as error:  # the others' time has come all the same
                damage = damage or error
                continue
        if remainder is None:
            continue
        async with parts.stored(db, [] if remainder.new is None else [remainder.new]) as new:
            if await db.write(_expire_segment, project, segment, next(iter(new), None), cutoffs):
                expired += remainder.removed
    if damage is not None:
        raise damage
    return expired


@frees_space
def _expire_segment(
    tx: Tx, project: int, segment: SegmentInfo, new: NewSegment | None, cutoffs: RetentionCutoffs
) -> bool:
    """What is left of time before `cutoffs` is in the rollups alone from now on."""
    rollup_catalog.mark_expired(tx, project, cutoffs)
    return replace_changed(tx, project, segment, new)


def replace_changed(tx: Tx, project: int, segment: SegmentInfo, new: NewSegment | None) -> bool:
    """As compact.replace, when queries get other answers afterwards."""
    done = replace(tx, project, [segment.id], new)
    if done:
        catalog.raise_version(tx, project)
    return done


def _remainder(
    session: QuerySession, segment: SegmentInfo, cutoffs: RetentionCutoffs, *, count_first: bool
) -> Remainder | None:
    """None when the segment is to stay as it is; with `count_first` unless enough of it is past its time."""
    condition, params = _is_expired(cutoffs)
    expired = segment_file.count(session, segment.id, condition, params)
    if not expired or (count_first and not segment_plan.is_worth_rewriting(expired, segment.events)):
        return None
    return segment_file.rewrite_without(session, segment.id, condition, params)


def _is_expired(cutoffs: RetentionCutoffs) -> tuple[str, list[Any]]:
    """SQL that holds for events past their time, and its parameters."""
    params: list[Any] = []
    cases = ""
    for name, end in cutoffs.types.items():
        cases += " WHEN ? THEN ?"
        params += [name, end]
    cutoff = f"CASE event_type{cases} ELSE ? END" if cases else "?"
    return f"coalesce(time_ms < {cutoff}::BIGINT, false)", [*params, cutoffs.others]
