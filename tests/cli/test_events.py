"""`events stats`, `events seal`, `events compact` on a real data directory."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delta_server import app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.storage.sqlite.directory_lock import DirectoryLock
from delta_server.storage.sqlite.options import Storage
from tests.storage.events.kept import made
from tests.storage.opened import FAST

COMMANDS = ["stats", "seal", "compact"]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DELTA_CONFIG", raising=False)
    monkeypatch.setenv("DELTA_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def filled(data_dir: Path) -> Path:
    asyncio.run(_fill(data_dir))
    return data_dir


async def _fill(data_dir: Path) -> None:
    async with app.open_services(Config(storage=Storage(data_dir=data_dir)), tuning=FAST) as svc:
        account = await svc.db.write(accounts.default_account)
        shop = await svc.db.write(projects.ensure, account, "shop")
        await svc.db.write(projects.ensure, account, "quiet")
        for first in range(0, 300, 100):
            await svc.event_writer.append_events(shop.id, made(100, first=first))
            if first < 200:
                await svc.event_maintenance.run_maintenance(shop.id, seal=True)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["events", *words])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_in_use_is_refused(filled: Path, command: str) -> None:
    lock = DirectoryLock(filled)
    try:
        result = run(command)
        assert result.exit_code == 1
        assert "stop that server first" in result.output
    finally:
        lock.release()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_database_and_without_the_project(data_dir: Path, command: str) -> None:
    result = run(command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no Delta database in {data_dir}" in result.stderr
    asyncio.run(_fill(data_dir))
    unknown = run(command, "--project", "nobody")
    assert unknown.exit_code == 1
    assert "no project named nobody: quiet, shop" in unknown.stderr


def test_stats(filled: Path) -> None:
    quiet, shop = run("stats").stdout.splitlines()
    assert quiet == "quiet: no events"
    assert shop.startswith("shop: 100 events wait (0.00 MB), 200 are in 2 segments (")
    assert "of their JSON" in shop
    assert shop.endswith("from 2026-01-01T00:00:00.000Z to 2026-01-01T00:01:39.000Z")
    assert run("stats", "--project", "quiet").stdout == "quiet: no events\n"


def test_seal_and_compact(filled: Path) -> None:
    assert run("seal", "--project", "quiet").stdout.startswith("0 events")
    assert run("seal").stdout.startswith("100 events were sealed")
    assert "0 events wait" in run("stats").stdout
    assert "shop: 3 segments became 1; 0 events wait" in run("compact").stdout
    assert "300 are in 1 segments" in run("stats").stdout
