"""A real database for tests: SQLite on disk, a clock that stands still until told."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z

FAST = Tuning(synchronous="OFF", reserve_bytes=0, peek_s=60, rests_small=False)
"""Saves the syncs, the space, and writing the file anew at each start and end (5 ms each): for tests that do not pull
the plug. On a busy machine a read may stand still for a second, which is no reason to give it up."""


class FakeClock:
    def __init__(self, now_ms: int = START_MS) -> None:
        self.time_ms, self._set_by_ms = now_ms, 0

    def now_ms(self) -> int:
        return self.time_ms

    def steady_s(self) -> float:
        return (self.time_ms - self._set_by_ms) / 1000

    def advance(self, delay_ms: int) -> None:
        self.time_ms += delay_ms

    def set_by(self, jump_ms: int) -> None:
        """As somebody does who sets the machine's clock: no time has passed."""
        self.time_ms += jump_ms
        self._set_by_ms += jump_ms


def begin(data_dir: Path) -> Path:
    """Put an empty database of the newest schema into a directory that has none: thousands of tests open one, and a
    copy is there sooner than the migrations have run."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = data_dir / DATABASE_NAME
    if not target.exists():
        target.touch(mode=0o600)
        target.write_bytes(_empty_database())
    return data_dir


@cache
def _empty_database() -> bytes:
    async def make(data_dir: Path) -> None:
        await SqliteDatabase.open(Storage(data_dir=data_dir), FakeClock(), tuning=FAST).close()

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make(Path(folder))).result()  # a loop may be running here
        return (Path(folder) / DATABASE_NAME).read_bytes()


@asynccontextmanager
async def opened(
    data_dir: Path, clock: FakeClock | None = None, *, tuning: Tuning = FAST, begins: bool = True, **options: Any
) -> AsyncIterator[SqliteDatabase]:
    """The database in `data_dir`, closed at the end; a new one is a copy unless it is told otherwise, or of another
    kind. `options` are fields of the config's storage section."""
    if begins and tuning is FAST:
        with suppress(OSError):  # which the opening is to meet itself
            begin(data_dir)
    storage = msgspec.structs.replace(Storage(data_dir=data_dir), **options)
    db = SqliteDatabase.open(storage, clock or FakeClock(), tuning=tuning)
    try:
        yield db
    finally:
        await db.close()
