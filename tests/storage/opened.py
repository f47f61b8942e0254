"""A real database for tests: SQLite on disk, a clock that stands still until told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from delta_server.config import Storage
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z

FAST = Tuning(synchronous="OFF", reserve_bytes=0)
"""Saves the syncs and the space: for tests that do not pull the plug."""


class FakeClock:
    def __init__(self, now_ms: int = START_MS) -> None:
        self.time_ms = now_ms

    def now_ms(self) -> int:
        return self.time_ms

    def advance(self, delay_ms: int) -> None:
        self.time_ms += delay_ms


@asynccontextmanager
async def opened(
    data_dir: Path, clock: FakeClock | None = None, *, tuning: Tuning = FAST, **options: Any
) -> AsyncIterator[SqliteDatabase]:
    """The database in `data_dir`, closed at the end. `options` are fields of the config's storage section."""
    storage = msgspec.structs.replace(Storage(data_dir=data_dir), **options)
    db = SqliteDatabase.open(storage, clock or FakeClock(), tuning=tuning)
    try:
        yield db
    finally:
        await db.close()
