"""The key commands: in this process through click, and once as a process of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.features.projects import commands
from delta_server.storage.sqlite.directory_lock import DirectoryLock

KEY = re.compile(r"dk_(proj|user|write)_([0-9A-Za-z]{11})_[0-9A-Za-z]{49}")


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DELTA_CONFIG", raising=False)
    monkeypatch.setenv("DELTA_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["key", *words])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["create"], 2, "either --project NAME or --account"),
        (["create", "--project", "a", "--account"], 2, "either --project NAME or --account"),
        (["create", "--project", ""], 1, "name is empty"),
        (["create", "--project", "a\nb"], 1, "U+000A"),
        (["create", "--project", "a", "--scope", "root"], 2, "root"),
        (["create", "--project", "a", "--expires", "soon"], 1, "--expires-in must be a length of time"),
        (["create", "--project", "a", "--expires", "999999999d"], 1, "before the year 10000"),
        (["create", "--project", "a", "--name", "a\x1b[2J"], 1, "U+001B"),
        (["create", "--project", "a", "--kind", "root"], 2, "root"),
        (["create", "--kind", "write"], 2, "either --project NAME or --account"),
        (["create", "--account", "--kind", "write"], 2, "belongs to a project"),
        (["create", "--project", "a", "--kind", "write", "--scope", "read"], 2, "leave --scope out"),
        (["create", "--project", "a", "--origin", "*"], 2, "--origin is for --kind write"),
        (["create", "--project", "a", "--kind", "write", "--origin", "a.example"], 1, "is not an origin"),
        (["create", "--project", "a", "--kind", "write", "--expires", "999999999d"], 1, "before the year 10000"),
        (["revoke"], 2, "PUBLIC_ID"),
        (["rotate"], 2, "PUBLIC_ID"),
        (["create", "--project", "a", "--scope", "ingest"], 2, "ingest"),
        (["create", "--project", "a", "--scope", "sql:write"], 2, "sql:write"),
        (["create", "--project", "a", "--expires-in", "0d"], 1, "--expires-in must be a length of time"),
        (["destroy"], 2, "No such command"),
    ],
)
def test_refusals(data_dir: Path, words: list[str], code: int, says: str) -> None:
    refused = run(*words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert says in refused.stderr
    assert "Traceback" not in refused.output


@pytest.mark.parametrize("words", [["list"], ["revoke", "00000000000"], ["rotate", "00000000000"]])
def test_no_database_is_made_where_there_is_none(data_dir: Path, words: list[str]) -> None:
    refused = run(*words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"there is no Delta database in {data_dir}" in refused.stderr
    assert not data_dir.exists()


def test_a_key_that_is_not_there_is_not_revoked(data_dir: Path) -> None:
    run("create", "--project", "a")
    refused = run("revoke", "00000000000")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no such key" in refused.stderr


@pytest.mark.parametrize(
    ("path", "says"),
    [("file", "a file has that name"), ("file/under", "a part of its path is a file"), ("x" * 300, "too long")],
)
def test_a_data_directory_that_cannot_be_says_what_to_do(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "file").write_text("")
    refused = run("create", "--project", "a", "--data-dir", str(tmp_path / path))
    assert refused.exit_code == 1
    assert says in refused.stderr
    assert "Errno" not in refused.output
    assert "over HTTP" not in refused.output


def test_the_key_alone_goes_to_standard_output(data_dir: Path) -> None:
    made = run("create", "--project", "GET /prices")
    assert made.exit_code == 0
    assert KEY.fullmatch(made.stdout.rstrip("\n"))
    assert "not shown again" in made.stderr


def test_keys_are_listed_and_revoked(data_dir: Path) -> None:
    ids = [
        key_id(run("create", "--project", "shop", "--name", "collector", "--expires", "90d")),
        key_id(run("create", "--project", "shop", "--scope", "read", "--scope", "admin")),
        key_id(run("create", "--account"), kind="user"),
        key_id(run("create", "--project", "shop", "--kind", "write"), kind="write"),
        key_id(
            run("create", "--project", "shop", "--kind", "write", "--origin", "http://a", "--origin", "https://B"),
            kind="write",
        ),
    ]
    assert run("revoke", ids[1]).stdout == f"Revoked {ids[1]}.\n"
    assert run("revoke", ids[1]).exit_code == 1
    header, *rows = [re.split(r"  +", line) for line in run("list").stdout.splitlines()]
    assert header == ["ID", "FOR", "SCOPES", "NAME", "CREATED", "EXPIRES", "LAST USED", "STATE", "ORIGINS", "BY"]
    shown = [(row[0], row[1], row[2], row[3], row[5] == "-", row[7], row[8]) for row in rows]
    assert shown == [
        (ids[4], "shop", "ingest", "-", True, "active", "http://a https://b"),
        (ids[3], "shop", "ingest", "-", True, "active", "*"),
        (ids[2], "(account)", "admin", "-", True, "active", "-"),
        (ids[1], "shop", "read,admin", "-", True, "revoked", "-"),
        (ids[0], "shop", "admin", "collector", False, "active", "-"),
    ]


def test_the_first_key_may_do_everything_and_others_what_they_are_given(data_dir: Path) -> None:
    first = run("create", "--project", "shop")
    assert "scope: admin" in first.stderr
    run("create", "--project", "shop")
    run("create", "--project", "shop", "--scope", "events:write", "--scope", "snapshots:read", "--expires-in", "30d")
    shown = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [key["scopes"] for key in shown] == [["snapshots:read", "events:write"], ["write"], ["admin"]]
    assert [key["expires_at"] is None for key in shown] == [False, True, True]
    assert [key["created_by"] for key in shown] == [None] * 3
    assert shown[2]["last_four"] == first.stdout.strip()[-4:]
    made = json.loads(run("create", "--project", "new", "--name", "ci", "--json").stdout)
    assert KEY.fullmatch(made["key"])
    assert (made["api_key"]["name"], made["api_key"]["scopes"]) == ("ci", ["write"])


def test_a_rotated_key_is_valid_until_the_overlap_is_over(data_dir: Path) -> None:
    old = key_id(run("create", "--project", "shop", "--scope", "read", "--name", "ci"))
    refused = run("rotate", old, "--overlap", "soon")
    assert (refused.exit_code, refused.stdout) == (1, "")
    rotated = run("rotate", old)
    assert "old key is valid until 20" in rotated.stderr
    new = key_id(rotated)
    again = run("rotate", old)
    assert (again.exit_code, again.stdout) == (1, "")
    assert new in again.stderr
    answer = json.loads(run("rotate", new, "--overlap", "0s", "--expires-in", "1d", "--json").stdout)
    assert KEY.fullmatch(answer["key"])
    shown = {key["id"]: key for key in map(json.loads, run("list", "--json").stdout.splitlines())}
    last = answer["api_key"]["id"]
    assert [shown[id]["state"] for id in (old, new, last)] == ["active", "expired", "active"]
    assert [shown[id]["replaced_by"] for id in (old, new, last)] == [new, last, None]
    assert {(key["name"], *key["scopes"]) for key in shown.values()} == {("ci", "read")}
    assert shown[last]["expires_at"] is not None
    revoked = json.loads(run("revoke", last, "--json").stdout)
    assert (revoked["id"], revoked["state"]) == (last, "revoked")


def test_long_lists_come_in_parts(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        run("create", "--project", "shop")
    whole = run("list", "--json").stdout
    for at_once in (1, 2, 5, 6):
        monkeypatch.setattr(commands, "LISTED_AT_ONCE", at_once)
        assert run("list", "--json").stdout == whole
    assert len(whole.splitlines()) == 5


def test_a_directory_that_another_command_holds_is_left_alone(data_dir: Path) -> None:
    run("create", "--project", "shop")
    lock = DirectoryLock(data_dir)
    try:
        for words in (["create", "--project", "shop"], ["list"], ["revoke", "x"]):
            refused = run(*words)
            assert (refused.exit_code, refused.stdout) == (1, "")
            assert "in use by another Delta" in refused.stderr
    finally:
        lock.release()
    assert run("list").exit_code == 0


def test_as_a_process(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "delta_server",
        "key",
        "create",
        "--project",
        "shop",
        "--data-dir",
        str(tmp_path / "d"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert KEY.fullmatch(done.stdout.strip())
    assert (tmp_path / "d" / "delta.db").stat().st_mode & 0o777 == 0o600


def key_id(made: Result, *, kind: str = "proj") -> str:
    match = KEY.fullmatch(made.stdout.strip())
    assert match, made.output
    assert match[1] == kind
    return match[2]


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [("list", 0, "active"), ("revoke", 0, "Revoked"), ("create --project a", 1, "the disk is full")],
)
def test_on_a_full_disk(data_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int, says: str) -> None:
    made = KEY.search(run("create", "--project", "a").output)
    assert made is not None
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    words = [*command.split(), *([made[2]] if command == "revoke" else [])]
    answer = run(*words)
    assert (answer.exit_code, says in answer.output) == (code, True), answer.output
