"""What the files of rollups are to hold: work for the engine's threads, see rollups/rollup.py for when it is done."""

from collections.abc import Sequence

from delta_server.core.errors import Conflict
from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import WIDTHS, Known, Piece, Width
from delta_server.core.query.plan import Span
from delta_server.core.times import DAY_MS
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.query import person_joins, relation
from delta_server.storage.events.query.person_joins import Bases
from delta_server.storage.events.query.read_view import ALWAYS, Rollup
from delta_server.storage.events.rollups import rollup_cells
from delta_server.storage.events.rollups.rollup_catalog import NewRollup
from delta_server.storage.events.segments import segment_file


def added(reading: Reading, segments: Sequence[int], known: Known, bases: Bases) -> list[NewRollup]:
    """The files after the events of these segments were added. Raises Conflict when one is gone."""
    found = [segment for segment in reading.snapshot.segments() if segment.id in segments and not segment.rolled]
    if len(found) != len(segments):
        raise Conflict("segments are not there any more that were to be rolled up: the project is being deleted")
    events = relation.of(reading.snapshot, ALWAYS, found, ())
    made = []
    person_joins.attach(reading, bases)
    for width, table in _levels(reading, f"SELECT * FROM {person_joins.events(reading.snapshot, events.sql)}"):
        units = _units(reading, table, width, known.there_from(width))
        for part in width.parts:
            files = {_span(file): file for file in reading.snapshot.rollups(width.ms, part)}
            for span in rollup_plan.ranges(width, units, list(files)):
                cells = f"(SELECT * FROM {table} WHERE part = {part} AND {_within(span)})"
                made.append(_with(reading, width, part, span, cells, files.get(span)))
    return made


def computed_again(reading: Reading, day: int, known: Known, bases: Bases) -> list[NewRollup]:
    """The files of a UTC day with its cells from the segments, where all events of a type are still there."""
    today = Span(day * DAY_MS, (day + 1) * DAY_MS)
    whole = _whole(reading, today, known)
    segments = [segment for segment in reading.snapshot.segments(today) if segment.rolled]
    events = relation.of(reading.snapshot, today, segments, ())
    made = []
    person_joins.attach(reading, bases)
    rows = f"SELECT * FROM {person_joins.events(reading.snapshot, events.sql)} WHERE {whole}"
    for width, table in _levels(reading, rows):
        if whole != _ALL:
            _keep(reading, width, table, f"{_within(today)} AND NOT coalesce({whole}, false)", today)
        since = max(today.start_ms, known.there_from(width))
        units = range(since // width.unit_ms, -(-today.end_ms // width.unit_ms))
        for part in width.parts:
            files = {_span(file): file for file in reading.snapshot.rollups(width.ms, part, today)}
            for span in rollup_plan.ranges(width, units, list(files)):
                cells = f"SELECT * FROM {table} WHERE part = {part} AND {_within(span)}"
                made.append(_instead(reading, width, part, span, cells, files.get(span), today))
    return [new for new in made if new.rows or new.old]


def days_of_moved(reading: Reading, since: int) -> tuple[int, list[int]]:
    """(how many changes of whose which id is there were, the UTC days of events in the rollups that another person has
    since there were `since`)."""
    snapshot = reading.snapshot
    rolled = [segment for segment in snapshot.segments() if segment.rolled]
    path = person_joins.changed_path(snapshot, since)
    if not rolled or path is None:
        return person_joins.state(snapshot).rev, []
    _, days = reading.rows(person_joins.moved(path, relation.sealed(snapshot, rolled), segment_file.DAY))
    return person_joins.state(snapshot).rev, sorted(day for (day,) in days)


def _keep(reading: Reading, width: Width, table: str, condition: str, today: Span) -> None:
    """Add the cells of today's files that `condition` holds for to the table of those computed again."""
    files = reading.snapshot.rollups(width.ms, 0, today)
    if files:
        reading.run(f"INSERT INTO {table} SELECT * FROM {_read(reading, files)} WHERE {condition}")
    if len(width.parts) > 1:
        reading.run(f"DELETE FROM {table} WHERE part > 0")
        rollup_cells.add_marginals(reading, table, width)


def joined(reading: Reading, width: Width, part: int, run: Sequence[Piece]) -> NewRollup:
    """One file of several. Raises Conflict when one is gone."""
    ids = {piece.id for piece in run}
    files = [file for file in reading.snapshot.rollups(width.ms, part) if file.id in ids]
    if len(files) != len(run):
        raise Conflict("rollups are not there any more that were to be merged: the project is being deleted")
    span = Span(files[0].first_at, files[-1].end_at)
    parquet = rollup_cells.file(reading, f"SELECT * FROM {_read(reading, files)}", width)
    return NewRollup(width.ms, part, span, sum(file.rows_count for file in files), tuple(ids), parquet=parquet)


def _levels(reading: Reading, rows: str) -> list[tuple[Width, str]]:
    """(interval, table of its cells) of the events that `rows` selects."""
    rollup_cells.prepare(reading, rows)
    made: list[tuple[Width, str]] = []
    for width in WIDTHS:
        table = f"cells_{width.name}"
        if made and len(made[-1][0].parts) > 1:
            rollup_cells.coarser(reading, made[-1][1], table, width)
        else:  # 1M events take 50 ms, and as much to put together the lists of a finer interval's many cells
            rollup_cells.of_events(reading, table, width)
            if len(width.parts) > 1:
                rollup_cells.add_marginals(reading, table, width)
        made.append((width, table))
    return made


def _units(reading: Reading, table: str, width: Width, since_ms: int) -> list[int]:
    begin = rollup_cells.begin("time_ms", width.unit_ms)
    _, rows = reading.rows(f"SELECT DISTINCT {begin} // {width.unit_ms} FROM {table} WHERE time_ms >= {since_ms:d}")
    return [unit for (unit,) in rows]


def _with(reading: Reading, width: Width, part: int, span: Span, new: str, old: Rollup | None) -> NewRollup:
    """The file of `span` with the `new` cells in it."""
    if old is None:
        parquet = rollup_cells.file(reading, f"FROM {new}", width)
        return NewRollup(width.ms, part, span, _count(reading, new), (), parquet=parquet)
    reading.run(f"CREATE OR REPLACE TEMP TABLE cells AS FROM {new}")
    before = _read(reading, [old])
    reading.run(f"CREATE OR REPLACE TEMP TABLE touched AS {rollup_cells.touched(before, 'cells')}")
    both = "(SELECT * FROM cells UNION ALL SELECT * FROM touched)"
    reading.run(f"CREATE OR REPLACE TEMP TABLE merged AS {rollup_cells.merged(both, width.ms)}")
    rollup_cells.reduce(reading, "merged")
    rows = old.rows_count - _count(reading, "touched") + _count(reading, "merged")
    select = f"SELECT * FROM merged UNION ALL {rollup_cells.untouched(before, 'cells')}"
    return NewRollup(width.ms, part, span, rows, (old.id,), parquet=rollup_cells.file(reading, select, width))


def _instead(
    reading: Reading, width: Width, part: int, span: Span, select: str, old: Rollup | None, today: Span
) -> NewRollup:
    """The file of `span` with the selected cells instead of those of today."""
    if old is not None:
        select += f" UNION ALL SELECT * FROM {_read(reading, [old])} WHERE NOT ({_within(today)})"
    rows = _count(reading, f"({select})")
    parquet = rollup_cells.file(reading, select, width) if rows else b""
    return NewRollup(width.ms, part, span, rows, (old.id,) if old is not None else (), parquet=parquet)


_ALL = "true"


def _whole(reading: Reading, today: Span, known: Known) -> str:
    """SQL that holds for the types of which no event of today was let go of."""
    if known.whole_from() <= today.start_ms:
        return _ALL
    others = known.whole_from(("",)) <= today.start_ms
    named = [name for name in known.raw if name and (known.whole_from((name,)) <= today.start_ms) != others]
    reading.run("CREATE OR REPLACE TEMP TABLE named_types AS SELECT unnest($1::VARCHAR[]) AS name", [named])
    return f"event_type {'NOT ' if others else ''}IN (SELECT name FROM named_types)"


def _read(reading: Reading, files: Sequence[Rollup]) -> str:
    paths = ", ".join(f"'{reading.snapshot.rollup_path(file.id)}'" for file in files)
    return f"read_parquet([{paths}])"


def _span(file: Rollup) -> Span:
    return Span(file.first_at, file.end_at)


def _within(span: Span) -> str:
    return f"time_ms >= {span.start_ms:d} AND time_ms < {span.end_ms:d}"


def _count(reading: Reading, source: str) -> int:
    _, [(count,)] = reading.rows(f"SELECT count(*) FROM {source}")
    return int(count)
