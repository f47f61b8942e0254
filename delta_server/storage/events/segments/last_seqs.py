"""The largest seq of each segment from before that was kept: looked up in the background, a segment at a time."""

from functools import partial

from delta_server.storage.database import Database
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.maintenance.damage import ErrorCollector
from delta_server.storage.events.segments import catalog, segment_file


class LastSeqs:
    def __init__(self, db: Database, engine: Engine) -> None:
        self._db = db
        self._engine = engine
        self._damaged: set[int] = set()
        """Segments that are not tried again until the next start: whoever asks for their events reads them."""

    async def fill(self, project: int) -> None:
        """While nothing else changes the project's segments. Raises DatabaseFailed at the end for what is damaged."""
        errors = ErrorCollector()
        for number in await self._db.read(catalog.without_last_seq, project):
            if number in self._damaged:
                continue
            with errors.collecting(partial(self._damaged.add, number)):
                last_seq = await self._engine.run_background(project, partial(_last_seq, number=number))
                await self._db.write(catalog.set_last_seq, project, number, last_seq)
        errors.raise_first()


def _last_seq(session: QuerySession, number: int) -> int | None:
    """None when the segment is gone."""
    rows = segment_file.of_segments(session.read_view, [number])
    if rows is None:
        return None
    _, [(last_seq,)] = session.rows(f"SELECT coalesce(max(seq), 0) FROM ({rows})")
    return int(last_seq)
