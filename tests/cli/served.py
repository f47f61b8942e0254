"""A data directory with a key beside it, and a client of a server on it: what the tests of `verify` fill and ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from click.testing import CliRunner

from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.storage.sqlite.options import Storage
from tests.conftest import bearer, built, started

_KEY = "key"


def make_key(data_dir: Path) -> None:
    """As `key create` does: the directory is a new one."""
    made = CliRunner().invoke(cli, ["key", "create", "--project", "home", "--data-dir", str(data_dir)])
    (data_dir / _KEY).write_text(made.stdout.split()[-1])


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """With its own key. A failure of the server is its answer, as to clients outside."""
    headers = bearer((data_dir / _KEY).read_text())
    async with started(built(Config(storage=Storage(data_dir=data_dir)), None)) as application:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            yield client
