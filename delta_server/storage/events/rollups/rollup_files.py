"""What the files of rollups are to hold: work for the engine's threads, see rollups/rollup.py for when it is done."""

from collections.abc import Sequence

from delta_server.core.errors import Conflict
from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import WIDTHS, RollupFile, RollupState, Width
from delta_server.core.query.plan import Span
from delta_server.core.times import DAY_MS
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.query import person_joins, relation
from delta_server.storage.events.query.person_joins import LinksBaseCache
from delta_server.storage.events.query.read_view import ALWAYS, Rollup
from delta_server.storage.events.rollups import rollup_cells
from delta_server.storage.events.rollups.rollup_catalog import NewRollup
from delta_server.storage.events.segments import segment_file

CELLS_AT_ONCE = 20_000


def add_segments(
    session: QuerySession, segments: Sequence[int], known: RollupState, bases: LinksBaseCache
) -> list[NewRollup]:
    """The files after the events of these segments were added. Raises Conflict when one is gone."""
    found = [segment for segment in session.read_view.segments() if segment.id in segments and not segment.rolled]
    if len(found) != len(segments):
        raise Conflict("segments are not there any more that were to be rolled up: the project is being deleted")
    events = relation.of_files(session.read_view, ALWAYS, found, ())
    made = []
    person_joins.attach(session, bases)
    for width, table in _cells_by_interval(
        session, f"SELECT * FROM {person_joins.events(session.read_view, events.sql)}"
    ):
        units = _cells_by_unit(session, table, width, known.there_from(width))
        for part in width.parts:
            files = {_span(file): file for file in session.read_view.rollups(width.ms, part)}
            spans = rollup_plan.ranges(width, units, list(files))
            made += [_new_file(session, width, part, span, table) for span in spans if span not in files]
            for few in _few_at_once(width, units, [files[span] for span in spans if span in files]):
                made += _add_to_files(session, width, part, few, table)
    return made


def recompute_day(session: QuerySession, day: int, known: RollupState, bases: LinksBaseCache) -> list[NewRollup]:
    """The files of a UTC day with its cells from the segments, where all events of a type are still there."""
    today = Span(day * DAY_MS, (day + 1) * DAY_MS)
    whole = _complete_types(session, today, known)
    segments = [segment for segment in session.read_view.segments(today) if segment.rolled]
    events = relation.of_files(session.read_view, today, segments, ())
    made = []
    person_joins.attach(session, bases)
    rows = f"SELECT * FROM {person_joins.events(session.read_view, events.sql)} WHERE {whole}"
    for width, table in _cells_by_interval(session, rows):
        if whole != _ALL:
            _keep_cells(session, width, table, f"{_where_within(today)} AND NOT coalesce({whole}, false)", today)
        since = max(today.start_ms, known.there_from(width))
        units = range(since // width.unit_ms, -(-today.end_ms // width.unit_ms))
        for part in width.parts:
            files = {_span(file): file for file in session.read_view.rollups(width.ms, part, today)}
            for span in rollup_plan.ranges(width, units, list(files)):
                cells = f"SELECT * FROM {table} WHERE part = {part} AND {_where_within(span)}"
                made.append(_replace_day(session, width, part, span, cells, files.get(span), today))
    return [new for new in made if new.rows or new.old]


def days_of_moved_links(session: QuerySession, since: int) -> tuple[int, list[int]]:
    """(the number of changes of links, the UTC days of events in the rollups that another person has
    since there were `since`)."""
    read_view = session.read_view
    rolled = [segment for segment in read_view.segments() if segment.rolled]
    path = person_joins.changed_path(read_view, since)
    if not rolled or path is None:
        return person_joins.state(read_view).rev, []
    _, days = session.rows(person_joins.events_of_links(path, relation.sealed(read_view, rolled), segment_file.DAY))
    return person_joins.state(read_view).rev, sorted(day for (day,) in days)


def _keep_cells(session: QuerySession, width: Width, table: str, condition: str, today: Span) -> None:
    """Add the cells of today's files that `condition` holds for to the table of those computed again."""
    files = session.read_view.rollups(width.ms, 0, today)
    if files:
        session.run(f"INSERT INTO {table} SELECT * FROM {_read(session, files)} WHERE {condition}")
    if len(width.parts) > 1:
        session.run(f"DELETE FROM {table} WHERE part > 0")
        rollup_cells.add_marginals(session, table, width)


def merge_files(session: QuerySession, width: Width, part: int, run: Sequence[RollupFile]) -> NewRollup:
    """One file of several. Raises Conflict when one is gone."""
    ids = {piece.id for piece in run}
    files = [file for file in session.read_view.rollups(width.ms, part) if file.id in ids]
    if len(files) != len(run):
        raise Conflict("rollups are not there any more that were to be merged: the project is being deleted")
    span = Span(files[0].first_at, files[-1].end_at)
    rows, parquet = rollup_cells.encode_file(session, f"FROM {_read(session, files)}", width)
    return NewRollup(width.ms, part, span, rows, tuple(ids), parquet=parquet)


def _cells_by_interval(session: QuerySession, rows: str) -> list[tuple[Width, str]]:
    """(interval, table of its cells) of the events that `rows` selects."""
    rollup_cells.prepare(session, rows)
    made: list[tuple[Width, str]] = []
    for width in WIDTHS:
        table = f"cells_{width.name}"
        if made and len(made[-1][0].parts) > 1:
            rollup_cells.coarser_cells(session, made[-1][1], table, width)
        else:  # 1M events take 50 ms, and as much to put together the lists of a finer interval's many cells
            rollup_cells.cells_of_events(session, table, width)
            if len(width.parts) > 1:
                rollup_cells.add_marginals(session, table, width)
        made.append((width, table))
    return made


def _cells_by_unit(session: QuerySession, table: str, width: Width, since_ms: int) -> dict[int, int]:
    """How many cells there are of each range of files."""
    _, rows = session.rows(
        f"SELECT {_unit(width)} AS unit, count(*) FROM {table} WHERE time_ms >= {since_ms:d} GROUP BY unit"
    )
    return dict(rows)


def _unit(width: Width) -> str:
    return f"{rollup_cells.begin('time_ms', width.unit_ms)} // {width.unit_ms}"


def _units_within(width: Width, file: Rollup) -> range:
    return range(file.first_at // width.unit_ms, file.end_at // width.unit_ms)


def _few_at_once(width: Width, cells: dict[int, int], files: Sequence[Rollup]) -> list[list[Rollup]]:
    """Files that so many cells together come to, or one: the cells that they touch are in memory at once."""
    few: list[list[Rollup]] = []
    left = 0
    for file in files:
        wanted = sum(cells.get(unit, 0) for unit in _units_within(width, file))
        if wanted > left or not few:
            few.append([])
            left = CELLS_AT_ONCE
        few[-1].append(file)
        left -= wanted
    return few


def _new_file(session: QuerySession, width: Width, part: int, span: Span, table: str) -> NewRollup:
    cells = f"FROM {table} WHERE part = {part} AND {_where_within(span)}"
    rows, parquet = rollup_cells.encode_file(session, cells, width)
    return NewRollup(width.ms, part, span, rows, (), parquet=parquet)


def _add_to_files(
    session: QuerySession, width: Width, part: int, files: Sequence[Rollup], table: str
) -> list[NewRollup]:
    """The files with the table's new cells of their times in them. A statement takes longer to be understood than to
    go through a few cells: what can be done of all files together is."""
    theirs = " OR ".join(_where_within(_span(file)) for file in files)
    cells = f"FROM {table} WHERE part = {part} AND ({theirs})"
    both = f"(FROM cells UNION ALL {rollup_cells.changed_cells(_read(session, files), 'cells')})"
    session.run(
        f"CREATE OR REPLACE TEMP TABLE merged AS WITH cells AS MATERIALIZED ({cells})"
        f" {rollup_cells.merge_cells(both, width.ms)}"
    )
    rollup_cells.reduce(session, "merged")
    made = []
    for file in files:
        span = _span(file)
        unchanged = rollup_cells.unchanged_cells(_read(session, [file]), "merged")
        select = f"FROM merged WHERE {_where_within(span)} UNION ALL {unchanged}"
        rows, parquet = rollup_cells.encode_file(session, select, width)
        made.append(NewRollup(width.ms, part, span, rows, (file.id,), parquet=parquet))
    return made


def _replace_day(
    session: QuerySession, width: Width, part: int, span: Span, select: str, old: Rollup | None, today: Span
) -> NewRollup:
    """The file of `span` with the selected cells instead of those of today."""
    if old is not None:
        select += f" UNION ALL SELECT * FROM {_read(session, [old])} WHERE NOT ({_where_within(today)})"
    rows, parquet = rollup_cells.encode_file(session, select, width)
    return NewRollup(width.ms, part, span, rows, (old.id,) if old is not None else (), parquet=parquet)


_ALL = "true"


def _complete_types(session: QuerySession, today: Span, known: RollupState) -> str:
    """SQL that holds for the types of which no event of today has expired."""
    if known.whole_from() <= today.start_ms:
        return _ALL
    others = known.whole_from(("",)) <= today.start_ms
    named = [name for name in known.raw if name and (known.whole_from((name,)) <= today.start_ms) != others]
    session.run("CREATE OR REPLACE TEMP TABLE named_types AS SELECT unnest($1::VARCHAR[]) AS name", [named])
    return f"event_type {'NOT ' if others else ''}IN (SELECT name FROM named_types)"


def _read(session: QuerySession, files: Sequence[Rollup]) -> str:
    paths = ", ".join(f"'{session.read_view.rollup_path(file.id)}'" for file in files)
    return f"read_parquet([{paths}])"


def _span(file: Rollup) -> Span:
    return Span(file.first_at, file.end_at)


def _where_within(span: Span) -> str:
    return f"time_ms >= {span.start_ms:d} AND time_ms < {span.end_ms:d}"
