"""`datasets diff`: what it prints, and how it ends."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli

BEFORE = b'{"id":1,"v":1,"at":1}\n{"id":2,"v":1,"at":1}\n'
AFTER = b'{"id":2,"v":1.05,"at":9}\n{"id":1,"v":1,"at":9}\n'


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    before, after = tmp_path / "before.ndjson", tmp_path / "after.ndjson.gz"
    before.write_bytes(BEFORE)
    after.write_bytes(gzip.compress(AFTER))
    return str(before), str(after)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["datasets", "diff", *arguments])
    assert "Traceback" not in result.output
    return result


def test_files_that_differ(files: tuple[str, str]) -> None:
    result = run(*files)
    assert result.exit_code == 1
    *ops, end = map(json.loads, result.stdout.splitlines())
    assert [op["key"] for op in ops] == [{"id": 2}, {"id": 1}]
    assert end["summary"]["changed"] == 2
    assert result.stderr == "0 added, 2 changed, 0 removed, 0 unchanged, by id\n"


SUMMARIES = [
    (["--ignore", "/at"], 1, 1),
    (["--ignore", "/at", "--tolerance", "0.1"], 0, 0),
    (["--key", "id", "--trusted-hash", "v", "--ignore", "/v"], 1, 1),
]


@pytest.mark.parametrize(("options", "changed", "code"), SUMMARIES)
def test_summaries(files: tuple[str, str], options: list[str], changed: int, code: int) -> None:
    result = run(*files, "--summary", *options)
    assert (json.loads(result.stdout)["changed"], result.exit_code) == (changed, code)


def test_output(files: tuple[str, str], tmp_path: Path) -> None:
    table = tmp_path / "delta.csv"
    assert run(*files, "--format", "csv", "--output", str(table)).stdout == ""
    assert table.read_bytes().splitlines()[1].startswith(b"change,2,")
    assert run(*files, "--format", "parquet", "--output", str(tmp_path / "delta.parquet")).exit_code == 1
    assert (tmp_path / "delta.parquet").read_bytes()[:4] == b"PAR1"


TROUBLE = [
    (["--key", "nix"], "before: 2 of 2 rows lack the key field nix"),
    (["--format", "parquet"], "Parquet goes into a file: name it with --output"),
    (["--tolerance", "-1"], "-1.0 is not a tolerance"),
    (["--temp-dir", "nowhere"], "does not exist"),
    (["--output", "nowhere/x"], "No such file or directory"),
]


@pytest.mark.parametrize(("options", "message"), TROUBLE)
def test_trouble(files: tuple[str, str], options: list[str], message: str) -> None:
    result = run(*files, *options)
    assert result.exit_code == 2
    assert message in result.stderr


MISSING = ["nowhere", "file:///nowhere/at-all.ndjson", "s4://bucket/key", "s3://bucket/rows.parquet"]


@pytest.mark.parametrize("place", MISSING)
def test_what_is_not_there(files: tuple[str, str], place: str) -> None:
    found = run(files[0], place)
    assert found.exit_code == 2
    assert "[Errno" not in found.stderr


def test_addresses(files: tuple[str, str]) -> None:
    """Those of a folder are read as those of a bucket."""
    here, there = run(*files), run(*[f"file://{file}" for file in files])
    assert (there.exit_code, there.stdout) == (1, here.stdout)
