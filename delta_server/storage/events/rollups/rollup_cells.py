"""How the cells of rollups are computed, in DuckDB alone: from events, from finer ones, from other cells of theirs.

A cell holds what is known of the events of one bucket, type and source (`part` 0), of one bucket and type (1), or of
one bucket (2). All of it is additive: cells of one key become one by `merge_cells`, in any order and as often as one
likes. Small cells keep a histogram entry and a code for each event; from FULL events on they are reduced to one for
each bucket and register, which costs ten times as much as to put lists together. Sorted they are half as large.
`users_n` and `sessions_n` are the estimates of a reduced cell, for queries of this very cell, else NULL."""

import io

from delta_server.core.event_storage.rollup_plan import Width
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.rollups import sketches

FULL = 512

KEY = ("part", "time_ms", "event_type", "source")
_TYPES = {
    "events": "BIGINT",
    "dur_n": "BIGINT",
    "dur_sum": "DOUBLE",
    "dur_min": "DOUBLE",
    "dur_max": "DOUBLE",
    "hist": "BIGINT[]",
    "users": "INTEGER[]",
    "sessions": "INTEGER[]",
    "users_n": "DOUBLE",
    "sessions_n": "DOUBLE",
}
COLUMNS = (*KEY, *_TYPES)
"""`time_ms` is the bucket's begin, so that filters and keys of events serve for cells as they are."""

_LISTED = ", ".join(COLUMNS)
_PLAIN = ", ".join((*KEY, "events", "dur_n", "dur_sum", "dur_min", "dur_max"))
_SUMS = (
    "sum(events)::BIGINT AS events, sum(dur_n)::BIGINT AS dur_n, sum(dur_sum) AS dur_sum, min(dur_min) AS dur_min,"
    " max(dur_max) AS dur_max, flatten(list(hist)) AS hist, flatten(list(users)) AS users,"
    " flatten(list(sessions)) AS sessions, NULL::DOUBLE AS users_n, NULL::DOUBLE AS sessions_n"
)


def begin(time: str, step_ms: int) -> str:
    """The begin of a time's bucket, before the epoch too."""
    return f"({time} - (({time} % {step_ms}) + {step_ms}) % {step_ms})"


def prepare(session: QuerySession, rows: str) -> None:
    """CREATE TABLE happened: what cells need to know of the events that `rows` selects, with `person`. An MD5 is
    computed once a text."""
    codes = (
        f"codes_{name} AS (SELECT {name}, {sketches.code(name)} AS {name}_code"
        f" FROM (SELECT DISTINCT {name} FROM texts WHERE {name} IS NOT NULL))"
        for name in ("person", "session_id")
    )
    session.run(
        "CREATE OR REPLACE TEMP TABLE happened AS WITH texts AS MATERIALIZED"
        f" (SELECT time_ms, event_type, source, person, session_id, duration FROM ({rows})), {', '.join(codes)}"
        " SELECT time_ms, event_type, source, duration,"
        f" {sketches.entry(sketches.bucket('duration'))} AS entry, person_code, session_id_code"
        " FROM texts LEFT JOIN codes_person USING (person) LEFT JOIN codes_session_id USING (session_id)"
    )


def cells_of_events(session: QuerySession, table: str, width: Width) -> None:
    """CREATE TABLE of part 0 from what was prepared."""
    session.run(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT 0::UTINYINT AS part,"
        f" {begin('time_ms', width.ms)} AS time_ms, event_type, source,"
        " count(*) AS events, count(duration) AS dur_n, coalesce(sum(duration), 0) AS dur_sum,"
        " min(duration) AS dur_min, max(duration) AS dur_max,"
        f" {_list('entry', 'BIGINT')} AS hist, {_list('person_code', 'INTEGER')} AS users,"
        f" {_list('session_id_code', 'INTEGER')} AS sessions, NULL::DOUBLE AS users_n, NULL::DOUBLE AS sessions_n"
        " FROM happened GROUP BY ALL"
    )
    reduce(session, table)


def _list(name: str, kind: str) -> str:
    return f"coalesce(list({name}::{kind}) FILTER ({name} IS NOT NULL), []::{kind}[])"


def merge_cells(cells: str, step_ms: int, *, part: int | None = None) -> str:
    """SELECT of one cell a key, from `cells` (behind FROM) of this interval or finer ones; all of part 0, or of the
    part before, into `part`."""
    kept = ("event_type", "NULL::VARCHAR") if part == 1 else ("NULL::VARCHAR", "NULL::VARCHAR")
    event_type, source = kept if part else ("event_type", "source")
    part_sql = "part" if part is None else f"{part}::UTINYINT"
    return (
        f"SELECT {part_sql} AS part, {begin('time_ms', step_ms)} AS time_ms, {event_type} AS event_type,"
        f" {source} AS source, {_SUMS} FROM {cells} GROUP BY 1, 2, 3, 4"
    )


def reduce(session: QuerySession, table: str) -> None:
    """Full cells of the table are kept to one entry for each bucket and register."""
    if not session.rows(f"SELECT 1 FROM {table} WHERE events >= {FULL} LIMIT 1")[1]:
        return
    session.run(
        f"CREATE OR REPLACE TEMP TABLE full_cells AS SELECT row_number() OVER () AS id, * FROM {table}"
        f" WHERE events >= {FULL}"
    )
    session.run(
        f"CREATE OR REPLACE TEMP TABLE reduced AS SELECT {_LISTED} FROM {table} WHERE events < {FULL} UNION ALL"
        f" SELECT {_PLAIN}, coalesce(h.hist, []), coalesce(u.users, []), coalesce(s.sessions, []),"
        " coalesce(u.users_n, 0), coalesce(s.sessions_n, 0)"
        f" FROM full_cells LEFT JOIN ({_REDUCED_HIST}) h USING (id) LEFT JOIN ({_reduced('users')}) u USING (id)"
        f" LEFT JOIN ({_reduced('sessions')}) s USING (id)"
    )
    session.run("DROP TABLE full_cells")
    session.run(f"DROP TABLE {table}")
    session.run(f"ALTER TABLE reduced RENAME TO {table}")


_BUCKET = f"(id << 16) | {sketches.bucket_of('entry')}"
_REDUCED_HIST = (
    f"SELECT key >> 16 AS id, list_sort(list({sketches.entry('(key & 65535)', 'count')})) AS hist FROM ("
    f"SELECT {_BUCKET} AS key, sum({sketches.count_of('entry')})::BIGINT AS count"
    " FROM (SELECT id, unnest(hist) AS entry FROM full_cells) GROUP BY 1) GROUP BY 1"
)


def _reduced(name: str) -> str:
    estimate = sketches.distinct("count(*)", f"sum({sketches.weight('code')})")
    return (
        f"SELECT key >> 12 AS id, list_sort(list(code)) AS {name}, {estimate} AS {name}_n FROM ("
        f"SELECT (id << 12) | {sketches.register('code')} AS key, max(code) AS code"
        f" FROM (SELECT id, unnest({name}) AS code FROM full_cells) GROUP BY 1) GROUP BY 1"
    )


def coarser_cells(session: QuerySession, finer: str, table: str, width: Width) -> None:
    """CREATE TABLE of an interval's cells from those of the next finer one."""
    session.run(f"CREATE OR REPLACE TEMP TABLE {table} AS {merge_cells(finer, width.ms)}")
    reduce(session, table)


def add_marginals(session: QuerySession, table: str, width: Width) -> None:
    """To a table of part 0."""
    for part, of in ((1, 0), (2, 1)):
        session.run(
            f"CREATE OR REPLACE TEMP TABLE marginal AS "
            f"{merge_cells(f'(SELECT * FROM {table} WHERE part = {of})', width.ms, part=part)}"
        )
        reduce(session, "marginal")
        session.run(f"INSERT INTO {table} SELECT {_LISTED} FROM marginal")
    session.run("DROP TABLE marginal")


_OPTIONS = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL {level:d}, ROW_GROUP_SIZE {rows:d},"
    " USE_TMP_FILE false"
)


_LASTING_MS = 900_000
"""Files of these intervals and longer ones are kept for years."""


def encode_file(session: QuerySession, select: str, width: Width) -> tuple[int, bytes]:
    """How many cells `select` has, in the order of COLUMNS, and the file with them."""
    rows, level = 2048 if len(width.parts) > 1 else 16_384, 6 if width.ms >= _LASTING_MS else 1
    file = io.BytesIO()
    options = _OPTIONS.format(rows=rows, level=level)
    count = session.copy_into(file, f"{select} ORDER BY time_ms, event_type, source", options=options)
    return count, file.getvalue()


def changed_cells(old: str, new: str) -> str:
    """SELECT of the cells of `old` whose key is in `new`."""
    return f"SELECT {_LISTED} FROM {old} AS old WHERE EXISTS (SELECT 1 FROM {new} AS new WHERE {_SAME})"


def unchanged_cells(old: str, new: str) -> str:
    """SELECT of the cells of `old` whose key is not in `new`."""
    return f"SELECT {_LISTED} FROM {old} AS old WHERE NOT EXISTS (SELECT 1 FROM {new} AS new WHERE {_SAME})"


_SAME = " AND ".join(f"old.{name} IS NOT DISTINCT FROM new.{name}" for name in KEY)
