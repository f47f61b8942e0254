"""`pack` and `verify` on a real data directory."""

import asyncio
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.config import Packs
from delta_server.storage.lock import DirectoryLock
from tests.features.contents.opened import append, documents, new_endpoint, opened

HISTORY = documents(30)


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
    async with opened(data_dir, packs=Packs()) as svc:
        endpoint = await new_endpoint(svc)
        for at, body in enumerate(HISTORY):
            await append(svc, endpoint, at, body)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def change(data_dir: Path, sql: str) -> None:
    """As a bad disk would: no server is running, and this process has no other connection to the file."""
    connection = apsw.Connection(str(data_dir / "delta.db"))
    connection.execute(sql)
    connection.close()


@pytest.mark.parametrize("command", ["pack", "verify"])
def test_a_directory_in_use_is_refused(data_dir: Path, command: str) -> None:
    data_dir.mkdir()
    lock = DirectoryLock(data_dir)
    try:
        result = run(command)
        assert result.exit_code == 1
        assert "in use" in result.output
    finally:
        lock.release()


DAMAGE = {
    "a pack": ("UPDATE pack SET data = zeroblob(length(data))", "pack 1"),
    "an anchor": ("UPDATE pack SET anchor = zeroblob(length(anchor))", "pack 1"),
    "a content": ("DELETE FROM content WHERE id = 7", "snapshot 7"),
}


@pytest.mark.parametrize(("sql", "named"), DAMAGE.values(), ids=list(DAMAGE))
def test_verify_names_what_is_broken(filled: Path, sql: str, named: str) -> None:
    assert run("pack").exit_code == 0
    change(filled, sql)
    result = run("verify")
    assert result.exit_code == 1
    assert named in result.stderr
    assert "broken" in result.stdout


def test_a_broken_frame_stops_pack_and_stays(filled: Path) -> None:
    change(filled, "UPDATE frame SET data = zeroblob(5) WHERE content = 9")
    packed = run("pack")
    assert packed.exit_code == 1
    assert "frame of content 9" in packed.output
    assert run("verify").stderr.count("cannot be read") == 22  # all that is based on it


@pytest.mark.parametrize("command", ["pack", "verify"])
def test_nothing_stored_is_fine(data_dir: Path, command: str) -> None:
    assert run(command).exit_code == 0


def test_pack_then_verify(filled: Path) -> None:
    loose = run("verify")
    assert loose.exit_code == 0
    assert "30 contents in 0 packs and 30 frames" in loose.stdout
    packed = run("pack")
    assert packed.exit_code == 0
    assert "the database took" in packed.stdout
    tight = run("verify")
    assert "30 contents in 1 packs and 0 frames" in tight.stdout
    assert "all as they were stored" in tight.stdout
