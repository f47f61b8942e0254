"""Retention: events past their time go, a whole segment where all of it is, else by writing it again without them.

Queries may see an event past its time until its segment's turn has come. Only what is in the rollups goes: they outlive
the events. Rollups have a retention of their own.
"""

from functools import partial
from typing import Any

from delta_server.core.errors import DatabaseFailed
from delta_server.core.event_storage import segment_plan
from delta_server.core.event_storage.segment_plan import Borders, Piece, Retention
from delta_server.storage.database import Database, Tx, frees_space
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.options import Events
from delta_server.storage.events.rollups import rollup_catalog
from delta_server.storage.events.segments import catalog, parts, segment_file
from delta_server.storage.events.segments.catalog import NewSegment
from delta_server.storage.events.segments.compact import replace
from delta_server.storage.events.segments.segment_file import Rest


async def let_go(db: Database, engine: Engine, options: Events, project: int, retention: Retention, now_ms: int) -> int:
    """Let go of the project's events that are past their time; how many. Raises DatabaseFailed at the end for segments
    that are damaged."""
    days = options.retention_days if retention.days is None else retention.days
    past = segment_plan.borders(now_ms, days, retention.types)
    gone = 0
    damage: DatabaseFailed | None = None
    for piece in await db.read(catalog.pieces, project):
        said = segment_plan.sentence(piece, past) if piece.rolled else "keep"
        if said == "keep":
            continue
        rest: Rest | None = Rest(None, piece.events)
        if said != "drop":
            try:
                rest = await engine.tend(project, partial(_rest, piece=piece, past=past, look=said == "look"))
            except DatabaseFailed as error:  # the others' time has come all the same
                damage = damage or error
                continue
        if rest is None:
            continue
        async with parts.stored(db, [] if rest.new is None else [rest.new]) as new:
            if await db.write(_let_go, project, piece, next(iter(new), None), past):
                gone += rest.gone
    if damage is not None:
        raise damage
    return gone


@frees_space
def _let_go(tx: Tx, project: int, piece: Piece, new: NewSegment | None, past: Borders) -> bool:
    """What is left of time before `past` is in the rollups alone from now on."""
    rollup_catalog.lost(tx, project, past)
    return replace_changed(tx, project, piece, new)


def replace_changed(tx: Tx, project: int, piece: Piece, new: NewSegment | None) -> bool:
    """As compact.replace, when queries get other answers afterwards."""
    done = replace(tx, project, [piece.id], new)
    if done:
        catalog.raise_version(tx, project)
    return done


def _rest(reading: Reading, piece: Piece, past: Borders, *, look: bool) -> Rest | None:
    """None when the segment is to stay as it is; with `look` unless enough of it is past its time."""
    condition, params = _past(past)
    gone = segment_file.count(reading, piece.id, condition, params)
    if not gone or (look and not segment_plan.is_worth_rewriting(gone, piece.events)):
        return None
    return segment_file.rest(reading, piece.id, condition, params)


def _past(past: Borders) -> tuple[str, list[Any]]:
    """SQL that holds for events past their time, and its parameters."""
    params: list[Any] = []
    cases = ""
    for name, end in past.types.items():
        cases += " WHEN ? THEN ?"
        params += [name, end]
    border = f"CASE event_type{cases} ELSE ? END" if cases else "?"
    return f"coalesce(time_ms < {border}::BIGINT, false)", [*params, past.others]
