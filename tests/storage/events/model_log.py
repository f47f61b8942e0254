"""An event log that can be started again and whose disk can fail, for test_model.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from delta_server.config.sections import Config
from delta_server.core.errors import Unavailable
from delta_server.core.option_types import MIB
from delta_server.storage.database import Tx
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.events.options import Events
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks.threads import ThreadPool
from tests.storage.opened import FAST, FakeClock

OPTIONS = Events(seal_events=16, segment_events=64, query_threads=1, query_memory_bytes=128 * MIB)


class Failing:
    """A database of which some write fails when it is about to be committed, and with `for_good` all that follow."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db
        self._writes_left = -1
        self._for_good = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def fail(self, after_writes: int, *, for_good: bool) -> None:
        self._writes_left, self._for_good = after_writes, for_good

    def heal(self) -> None:
        self._writes_left = -1

    async def write(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        failing = self._writes_left == 0
        if self._writes_left > 0 or (failing and not self._for_good):
            self._writes_left -= 1

        def wholly(tx: Tx) -> Any:
            done = fn(tx, *args, **kwargs)
            if failing:
                raise Unavailable("the disk is full")
            return done

        return await self._db.write(wholly)


class Running:
    """A log on the database in `data_dir`, as after a start of the server."""

    def __init__(self, data_dir: Path, clock: FakeClock) -> None:
        storage = Storage(data_dir=data_dir)
        self.data_dir = data_dir
        self.cpu, self.spare_cpu = ThreadPool(1, "cpu"), ThreadPool(1, "spare")
        self.db = Failing(SqliteDatabase.open(storage, clock, tuning=FAST))
        self._config = Config(storage=storage, events=OPTIONS)
        self._clock = clock

    async def open(self) -> EmbeddedEventLog:
        db: Any = self.db
        self.log = await EmbeddedEventLog.open(self._config, db, self._clock, cpu=self.cpu, spare_cpu=self.spare_cpu)
        return self.log

    async def close(self) -> None:
        await self.log.close()
        await self.db.close()
        for threads in (self.cpu, self.spare_cpu):
            await threads.close()
