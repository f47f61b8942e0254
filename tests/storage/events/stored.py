"""Events put into the database as the log stores them, without the log: for tests of what reads them."""

from collections.abc import Callable, Sequence

from zstandard import ZstdCompressor

from delta_server.core.events.event import Event, lines
from delta_server.storage.database import Tx
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.schema import FROM_LINES, LINE_TYPES, SEGMENT_COLUMNS
from delta_server.storage.sqlite.adapter import SqliteDatabase

DAY_MS = 86_400_000


def make_project(tx: Tx, name: str = "mine") -> int:
    tx.run("INSERT OR IGNORE INTO account (id, uid, name, created_at) VALUES (1, x'01', 'one', 0)")
    return tx.insert(
        "INSERT INTO project (uid, account, name, description, created_at, updated_at) VALUES (?, 1, ?, '', 0, 0)",
        tx.new_id(),
        name,
    )


def put_block(tx: Tx, project: int, events: Sequence[Event], write: Callable[[Sequence[Event]], bytes] = lines) -> int:
    """The events as one waiting block; those without a `seq` are not given one."""
    text = write(events)
    times = [event.at for event in events]
    found = tx.one("SELECT coalesce(max(seq), 0) + 1 FROM event_block")
    assert found is not None
    return tx.insert(
        "INSERT INTO event_block (project, seq, events_count, first_at, last_at, received_at, raw_bytes, events, keys)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, x'')",
        project, found[0], len(events), min(times), max(times), 0, len(text), ZstdCompressor(1).compress(text),
    )  # fmt: skip


def put_segment(tx: Tx, project: int, parquet: bytes, count: int, first_at: int, last_at: int) -> int:
    segment = tx.insert(
        "INSERT INTO segment (project, events_count, first_at, last_at, types, json_bytes, stored_bytes, created_at)"
        " VALUES (?, ?, ?, ?, '{}', 0, ?, 0)",
        project, count, first_at, last_at, len(parquet),
    )  # fmt: skip
    tx.run("INSERT INTO segment_data (segment, parquet) VALUES (?, ?)", segment, parquet)
    return segment


async def seal(db: SqliteDatabase, engine: Engine, project: int, *, row_group: int = 131_072) -> None:
    """Every waiting block becomes a segment of its own."""

    def make(session: QuerySession) -> list[tuple[int, bytes, int, int, int]]:
        made = []
        for block in session.read_view.blocks():
            path = session.read_view.hot_path([block])
            lines = f"SELECT {FROM_LINES} FROM read_ndjson('{path}', columns = {LINE_TYPES})"
            parquet = session.copy(
                f"SELECT {SEGMENT_COLUMNS} FROM ({lines}) ORDER BY time_ms, seq",
                options=f"FORMAT parquet, PARQUET_VERSION v2, ROW_GROUP_SIZE {row_group}, USE_TMP_FILE false",
            )
            made.append((block.id, parquet, block.events_count, block.first_at, block.last_at))
        return made

    def swap(tx: Tx, made: list[tuple[int, bytes, int, int, int]]) -> None:
        for block, parquet, count, first_at, last_at in made:
            put_segment(tx, project, parquet, count, first_at, last_at)
            tx.run("DELETE FROM event_block WHERE id = ?", block)

    await db.write(swap, await engine.run_background(project, make))
