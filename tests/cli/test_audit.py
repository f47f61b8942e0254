"""`audit tail`, and what `verify` says of the log."""

import json
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.storage.sqlite.adapter import DATABASE_NAME


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    found = tmp_path / "data"
    for name in ("one", "two"):
        assert run(found, "key", "create", "--project", name, "--name", f"key of {name}").exit_code == 0
    return found


def run(data_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--data-dir", str(data_dir)])


def change(data_dir: Path, sql: str) -> None:
    connection = apsw.Connection(str(data_dir / DATABASE_NAME))
    connection.execute(sql)
    connection.close()


def test_there_must_be_a_database(tmp_path: Path) -> None:
    done = run(tmp_path, "audit", "tail")
    assert (done.exit_code, "no Delta database" in done.output) == (1, True)


def test_the_last_entries_in_their_order(data_dir: Path) -> None:
    lines = run(data_dir, "audit", "tail").output.splitlines()
    assert [line.split("  ")[1:3] for line in lines] == [
        ["command line", action]
        for action in ("account.create", "project.create", "key.create", "project.create", "key.create")
    ]
    assert lines[-1].endswith("key of two")
    assert run(data_dir, "audit", "tail", "-n", "2").output.splitlines() == lines[-2:]
    assert run(data_dir, "audit", "tail", "-n", "0").output == ""


def test_entries_as_json(data_dir: Path) -> None:
    found = [json.loads(line) for line in run(data_dir, "audit", "tail", "--json").output.splitlines()]
    assert [entry["seq"] for entry in found] == [1, 2, 3, 4, 5]
    assert len({entry["hash"] for entry in found}) == 5


def test_new_ones_are_followed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look brings what was recorded since the one before."""
    looks = 0

    async def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt
        change(data_dir, f"INSERT INTO audit SELECT account, {5 + looks}, {'at, actor, address, request_id, action'},"
            " project, target, 'new', outcome, repeats, detail, hash FROM audit WHERE seq = 1")  # fmt: skip

    monkeypatch.setattr("asyncio.sleep", sleep)
    lines = run(data_dir, "audit", "tail", "--follow", "-n", "1").output.splitlines()
    assert [line.split("  ")[-1] for line in lines[:3]] == ["key of two", "new", "new"]


def test_verify_names_the_first_entry_that_is_wrong(data_dir: Path) -> None:
    whole = run(data_dir, "verify")
    assert (whole.exit_code, "5 entries of the audit log: all as they were stored" in whole.output) == (0, True)
    change(data_dir, "UPDATE audit SET actor = 'key x' WHERE seq > 2")
    broken = run(data_dir, "verify")
    assert broken.exit_code == 1
    assert "the audit log is damaged: row 3 is not what was written" in broken.output


def test_verify_says_what_it_cannot_know(data_dir: Path) -> None:
    (data_dir / "delta.key").unlink()
    restored = run(data_dir, "verify")
    assert restored.exit_code == 0
    assert "not signed with the delta.key that is here" in restored.output
