"""`backup` and `restore` on a real data directory."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DELTA_CONFIG", raising=False)
    monkeypatch.setenv("DELTA_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["backup"], "Missing argument"),
        (["backup", "b.zst"], "no Delta database"),
        (["restore", "nowhere.zst"], "does not exist"),
    ],
)
def test_refusals(data_dir: Path, words: list[str], says: str) -> None:
    result = run(*words)
    assert result.exit_code in (1, 2)
    assert says in result.output
    assert not data_dir.exists()


def test_a_directory_comes_back_as_it_was(data_dir: Path, tmp_path: Path) -> None:
    assert run("key", "create", "--project", "home").exit_code == 0
    assert "verified" in run("backup", "home.zst").output
    keys = run("key", "list").output
    assert run("key", "create", "--project", "later").exit_code == 0
    assert "--overwrite" in run("restore", "home.zst").output
    assert run("restore", "home.zst", "--overwrite").exit_code == 0
    assert run("key", "list").output == keys
    assert "restored" in run("restore", "home.zst", "--data-dir", str(tmp_path / "other")).output
    assert run("key", "list", "--data-dir", str(tmp_path / "other")).output == keys
