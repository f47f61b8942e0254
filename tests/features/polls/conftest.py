"""Servers that may poll what runs on this machine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from delta_server import app as delta_app
from delta_server.config.sections import Config, Egress, Log
from delta_server.services import Services
from delta_server.storage.sqlite.options import Storage
from tests.conftest import shared_fixture
from tests.storage.opened import FAST, FakeClock, begin


def polling_in(folder: Path) -> Config:
    return Config(
        storage=Storage(data_dir=folder / "data"),
        log=Log(level="error"),
        egress=Egress(allow_cidrs=("127.0.0.0/8",)),
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return polling_in(tmp_path)


@shared_fixture
async def shared_services(tmp_path_factory: pytest.TempPathFactory, shared_clock: FakeClock) -> AsyncIterator[Services]:
    """As `services`, of all rows of a table, each with an endpoint of its own."""
    config = polling_in(tmp_path_factory.mktemp("shared"))
    begin(config.storage.data_dir)
    async with delta_app.open_services(config, shared_clock, tuning=FAST) as opened:
        yield opened
