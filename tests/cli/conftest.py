"""What all tests of commands share."""

from pathlib import Path

import pytest

from delta_server.storage.database import Clock
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage


@pytest.fixture(autouse=True)
def _rests_as_it_is(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process do not make a small database smaller at their end, and large again at their beginning:
    two thirds of what a short one takes. Those in processes of their own do, and so do those before what only reads."""
    path: Path = request.path
    if path.name == "test_reading.py":
        return
    opened = SqliteDatabase.open

    def open_as_it_is(storage: Storage, clock: Clock, *, tuning: Tuning | None = None) -> SqliteDatabase:
        return opened(storage, clock, tuning=tuning or Tuning(rests_small=False))

    monkeypatch.setattr(SqliteDatabase, "open", open_as_it_is)
