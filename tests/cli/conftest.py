"""What all tests of commands share."""

from contextlib import suppress
from pathlib import Path

import pytest

from delta_server.storage.database import Clock
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from tests.storage.opened import begin


@pytest.fixture(autouse=True)
def _rests_as_it_is(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process do not make a small database smaller at their end, and large again at their beginning:
    two thirds of what a short one takes. A new one is a copy: half of the rest. Those in processes of their own do all
    of that, and so do those before what only reads."""
    path: Path = request.path
    if path.name == "test_reading.py":
        return
    opened = SqliteDatabase.open

    def open_as_it_is(storage: Storage, clock: Clock, *, tuning: Tuning | None = None) -> SqliteDatabase:
        with suppress(OSError):  # which the command is to meet itself
            if tuning is None and (not storage.data_dir.exists() or not any(storage.data_dir.iterdir())):
                begin(storage.data_dir)
        return opened(storage, clock, tuning=tuning or Tuning(rests_small=False))

    monkeypatch.setattr(SqliteDatabase, "open", open_as_it_is)
