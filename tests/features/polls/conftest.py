"""Servers that may poll what runs on this machine."""

from pathlib import Path

import pytest

from delta_server.config.sections import Config, Egress, Log
from delta_server.storage.sqlite.options import Storage


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        storage=Storage(data_dir=tmp_path / "data"),
        log=Log(level="error"),
        egress=Egress(allow_cidrs=("127.0.0.0/8",)),
    )
