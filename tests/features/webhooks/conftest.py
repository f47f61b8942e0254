from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from delta_server.config.sections import Config, Egress, Log
from delta_server.storage.sqlite.options import Storage
from tests.features.webhooks.receiver import Receiver, receiving


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Of a server that may send to this machine."""
    return Config(
        storage=Storage(data_dir=tmp_path / "data"), log=Log(level="error"), egress=Egress(allow_cidrs=("127.0.0.0/8",))
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made
