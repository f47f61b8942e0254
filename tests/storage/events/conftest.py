"""A real database in a temporary directory, a project in it, and the engine that reads it."""

import gc
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from delta_server.core.option_types import MIB
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.options import Events
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from tests.storage.events.stored import make_project
from tests.storage.opened import FAST, begin, opened


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with opened(begin(tmp_path)) as database:
        yield database


@pytest.fixture
async def project(db: SqliteDatabase) -> int:
    return await db.write(make_project)


@pytest.fixture
async def engine(db: SqliteDatabase, tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(tmp_path / DATABASE_NAME, Events(query_threads=2, query_memory_bytes=256 * MIB), FAST)
    yield made
    await made.close()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a failing disk leaves behind is neither logged nor told of."""
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    logging.disable(logging.CRITICAL)
    yield
    gc.collect(1)  # what a test made is young; all of it takes 0.4 s late in a run
    logging.disable(logging.NOTSET)
