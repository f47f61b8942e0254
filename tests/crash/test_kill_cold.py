"""`kill -9` while packs and segments move into cold storage and back: nothing is lost, and the move goes on."""

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from delta_server import app as delta_app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.services import Services
from delta_server.storage.sqlite.options import Storage
from tests.crash.test_kill_background import counted, made_events, run_until_killed
from tests.features.cold.opened import HISTORY, fresh, read_all
from tests.storage.contents.opened import append_batch, new_endpoint, opened_services
from tests.storage.opened import FAST

MOVE = ("cold", "move")
PROJECT = 1
THERE = [
    ("cold.store.insert_place", 0),
    ("cold.store.insert_free", 1),
    ("contents.cold_packs._leave", 1),
    ("segments.cold_segments._leave", 0),
]
BACK = [("contents.cold_packs._come_back", 1), ("segments.cold_segments._come_back", 0)]
MOVES = {
    "DELTA_STORAGE_COLD_AFTER_DAYS": "0",
    "DELTA_STORAGE_COLD_LEAST_BYTES": "1KiB",
}


def config_of(directory: Path) -> Config:
    return Config(storage=Storage(data_dir=directory / "delta-data"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("filled")

    async def work() -> None:
        async with opened_services(directory / "delta-data") as svc:
            endpoint = await new_endpoint(svc.contents)
            await append_batch(svc.contents, endpoint, list(enumerate(HISTORY)))
            await svc.event_writer.append_events(PROJECT, made_events(svc.clock.now_ms()))
            await svc.event_maintenance.run_maintenance(PROJECT, seal=True, compact=True)

    asyncio.run(work())
    return directory


async def whole(svc: Services) -> bool:
    ids = await svc.db.read(lambda tx: [row[0] for row in tx.all("SELECT id FROM content ORDER BY captured_at")])
    users = await counted(svc, PROJECT)
    assert users == Counter(event.user_id for event in made_events(0))
    return await read_all(fresh(svc), 1, ids) == HISTORY


async def state(directory: Path) -> tuple[int, int]:
    """Objects in use, and those that are not."""
    async with delta_app.open_services(config_of(directory), tuning=FAST) as svc:
        assert await whole(svc)
        sql = "SELECT count(pack) + count(segment), sum(pack IS NULL AND segment IS NULL) FROM cold_object"
        rows = await svc.db.read(lambda tx: tx.all(sql))
        return rows[0][0], rows[0][1] or 0


def move(*options: str) -> None:
    done = CliRunner().invoke(cli, [*MOVE, *options])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(("write", "before"), [*THERE, *BACK], ids=[name for name, _ in (*THERE, *BACK)])
@pytest.mark.parametrize("when", ["in it", "behind it"])
def test_it_dies_in_the_midst_and_nothing_is_lost(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str, before: int, when: str
) -> None:
    directory = Path(shutil.copytree(filled, tmp_path / "copy"))
    for name, value in (MOVES | {"DELTA_DATA_DIR": str(directory / "delta-data")}).items():
        monkeypatch.setenv(name, value)
    cold = str(tmp_path / "cold")
    if (write, before) in BACK:
        monkeypatch.setenv("DELTA_STORAGE_COLD", cold)
        move()
        monkeypatch.setenv("DELTA_STORAGE_COLD", "")
        cold = ""
    run_until_killed(directory, MOVE, str(before), write, when, **MOVES, DELTA_STORAGE_COLD=cold)
    asyncio.run(state(directory))
    monkeypatch.setenv("DELTA_STORAGE_COLD", cold)
    move()
    used, left = asyncio.run(state(directory))
    assert (used > 1, left <= 1) == (True, True) if cold else used == 0
    verified = CliRunner().invoke(cli, ["verify"])
    assert verified.exit_code == 0, verified.output
