"""`log`, `show`, `diff`, `history`, `blame`: what they refuse, what they print, and that they only read."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.cli.reading import printable
from delta_server.storage.sqlite.directory_lock import DirectoryLock
from tests.cli.imports import imported, line, second

DOCUMENTS = [
    '{"EUR": 1.08, "items": [{"sku": "A", "n": 1}, {"sku": "B", "n": 1}]}',
    '{"EUR": 1.08, "items": [{"sku": "A", "n": 1}, {"sku": "B", "n": 1}]}',
    '{"EUR": 1.09, "items": [{"sku": "A", "n": 1}, {"sku": "B", "n": 1}]}',
    '{"items": [{"sku": "B", "n": 2},\n {"sku": "A", "n": 1}], "new": "\\u001b[2J\x9b"}',
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"".join(line(second(n), text) for n, text in enumerate(DOCUMENTS)))
    imported("a")
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def rows(*arguments: str) -> list[Any]:
    return [json.loads(text) for text in run(*arguments, "--json").stdout_bytes.splitlines()]


REFUSED = [
    (["log"], 2, "Missing argument"),
    (["log", "none"], 1, "there is no endpoint none"),
    (["log", "e", "--project", "other"], 1, "no project named other"),
    (["log", "e", "--from", "soon"], 1, "--from must be a time"),
    (["log", "e", "--kind", "big"], 1, "kind must be"),
    (["log", "e", "--path", "EUR"], 1, "begin with /"),
    (["log", "e", "--limit", "0"], 2, "--limit"),
    (["log", "e", "--data-dir", "nowhere"], 1, "there is no Delta database"),
    (["show", "e", "--at", "soon"], 1, "--at must be a time"),
    (["show", "e", "--at", "1999-01-01"], 1, "no snapshot at or before"),
    (["show", "e", "--at", "01890a5d-ac96-774b-bcce-b302099a8057"], 1, "no such snapshot"),
    (["diff", "e", "--to", second(0)], 1, "no version before"),
    (["diff", "e", "--from", "1999-01-01"], 1, "no snapshot at or before"),
    (["history", "e"], 2, "Missing argument"),
    (["history", "e", "EUR"], 1, "begin with /"),
    (["blame", "e", "/none"], 1, "there is nothing at /none"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), REFUSED, ids=[" ".join(row[0]) for row in REFUSED])
def test_refused(here: Path, arguments: list[str], code: int, says: str) -> None:
    refused = run(*arguments, code=code)
    assert says in refused.stderr
    assert refused.stdout == ""
    assert not (here / "nowhere").exists()


def test_log(here: Path) -> None:
    newest, older = (row.splitlines() for row in run("log", "e").stdout.split("2020-01-01T00:00:0")[1:])
    assert older[0].startswith("2.000Z  content, 1 change  ")
    assert older[1:] == ["    /EUR  1.08 -> 1.09"]
    assert newest[0].startswith("3.000Z  content, ")
    assert "    /EUR  removed 1.09" in newest
    assert "    /items/[sku=B]/n  1 -> 2" in newest
    assert [row["changes_count"] for row in rows("log", "e", "--path", "/EUR", "--to", second(3))] == [1]
    found = rows("log", "e", "--limit", "1")
    assert [row["captured_at"] for row in found] == [second(3)]
    assert "there are more" in run("log", "e", "--limit", "1").stderr
    assert run("log", "e", "--from", "1h").stderr == "nothing found\n"


def test_show(here: Path) -> None:
    assert run("show", "e").stdout_bytes == DOCUMENTS[3].encode()
    assert run("show", "e", "--at", second(2)).stdout_bytes == DOCUMENTS[2].encode()
    [shown] = rows("show", "e")
    assert shown["data"] == json.loads(DOCUMENTS[3])
    assert run("show", "e", "--at", shown["snapshot"]["id"]).stdout_bytes == DOCUMENTS[3].encode()


def test_diff(here: Path) -> None:
    assert "/EUR  removed 1.09" in run("diff", "e").stdout
    assert run("diff", "e", "--to", second(2)).stdout == "/EUR  1.08 -> 1.09\n"
    assert run("diff", "e", "--from", second(2), "--to", second(0)).stdout == "/EUR  1.09 -> 1.08\n"
    assert run("diff", "e", "--from", second(0), "--to", second(1)).stdout == ""
    [found] = rows("diff", "e", "--to", second(2))
    assert [(change["old"], change["new"]) for change in found["diff"]] == [(1.08, 1.09)]
    [last] = rows("diff", "e")
    assert rows("diff", "e", "--from", last["from_snapshot_id"], "--to", last["to_snapshot_id"]) == [last]


def test_history(here: Path) -> None:
    lines = run("history", "e", "/EUR").stdout.splitlines()
    assert lines == [f"{second(3)}  (gone)", f"{second(2)}  1.09", f"{second(0)}  1.08"]
    assert [row.get("value") for row in rows("history", "e", "/items/[sku=B]/n")] == [2, 1]
    assert rows("history", "e", "/EUR", "--to", second(3), "--limit", "1")[0]["value"] == 1.09


def test_blame(here: Path) -> None:
    lines = run("blame", "e").stdout.splitlines()
    assert f"{second(0)}  /items/[sku=A]/n  1" in lines
    assert f"{second(3)}  /items/[sku=B]/n  2" in lines
    assert run("blame", "e", "/EUR", "--at", second(2)).stdout == f"{second(2)}  /EUR  1.09\n"
    assert len(rows("blame", "e")) == len(lines)
    assert "there are more" in run("blame", "e", "--limit", "1").stderr


def test_documents_do_not_steer_the_terminal(here: Path) -> None:
    for command in (["log", "e"], ["diff", "e"], ["history", "e", "/new"], ["blame", "e"]):
        assert all(printable(text) == text for text in run(*command).stdout.splitlines())
    assert printable("a\x1b[2J\x9b\u202e\ud800") == "a\\x1b[2J\\x9b\\u202e\\ud800"


@pytest.mark.parametrize(
    "command", [["log", "e"], ["show", "e"], ["diff", "e"], ["history", "e", "/EUR"], ["blame", "e"]]
)
def test_beside_a_running_server(here: Path, command: list[str]) -> None:
    """Whoever holds the directory's lock may write; reading takes none, and changes nothing."""
    lock = DirectoryLock(here / "delta-data")
    try:
        assert run(*command).stdout
        assert rows(*command)
    finally:
        lock.release()
