"""`pack` and `verify` on a real data directory."""

import asyncio
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.storage.contents.options import Packs
from delta_server.storage.sqlite.directory_lock import DirectoryLock
from tests.storage.contents.opened import append, documents, new_endpoint, opened

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


def test_pack_refuses_a_directory_in_use(filled: Path) -> None:
    lock = DirectoryLock(filled)
    try:
        result = run("pack")
        assert result.exit_code == 1
        assert "in use" in result.output
        assert "stop that server first" in result.output
    finally:
        lock.release()


def test_verify_works_beside_a_server(filled: Path) -> None:
    spill = filled / "query-spill"
    spill.mkdir()
    (spill / "of the server").touch()
    lock = DirectoryLock(filled)
    try:
        result = run("verify")
    finally:
        lock.release()
    assert result.exit_code == 0, result.output
    assert "30 contents in 0 packs and 30 frames" in result.stdout
    assert (spill / "of the server").exists()


@pytest.mark.parametrize("command", ["pack", "verify"])
def test_a_directory_without_a_database_is_refused_and_not_made(data_dir: Path, command: str) -> None:
    result = run(command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no Delta database in {data_dir}" in result.stderr
    assert not data_dir.exists()


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
    assert "found" in result.stdout
    assert "Restore a backup" in result.stderr
    assert "delta-server verify" not in result.output


SCHEMA = {
    "a column": ("outbox", "'kind'", "'kinf'", "the table outbox is not as it was made"),
    "a column that is read": ("delta", "'similarity'", "'similaritz'", "the table delta is not as it was made"),
    "an index": ("content_time", "'captured_at'", "'size'", "the index content_time is not as it was made"),
}


@pytest.mark.parametrize(("name", "before", "after", "told"), SCHEMA.values(), ids=list(SCHEMA))
def test_a_schema_that_has_changed_is_damage(filled: Path, name: str, before: str, after: str, told: str) -> None:
    change(
        filled,
        f"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, {before}, {after})"
        f" WHERE name = '{name}'",
    )
    result = run("verify")
    assert result.exit_code == 1, result.output
    assert f"the database file is damaged: {told}" in result.stderr


def test_a_text_that_cannot_be_read_is_damage(filled: Path) -> None:
    change(filled, "UPDATE snapshot SET source = CAST(x'61f228' AS TEXT) WHERE id = 3")
    result = run("verify")
    assert result.exit_code == 1, result.output
    assert "the database file is damaged: a source of snapshot is not UTF-8" in result.stderr
    assert "1 fault was found" in result.stdout


@pytest.mark.parametrize(
    ("packed", "table", "column", "named"),
    [
        (True, "content", "size", "pack 1 (endpoint 1) are not"),
        (False, "content", "size", "contents 1 to 30 (endpoint 1) are not"),
        (False, "content", "hash", "content 7 (endpoint 1) is damaged"),
    ],
)
def test_a_value_of_another_type_is_damage(filled: Path, packed: bool, table: str, column: str, named: str) -> None:
    """What one bit makes of a row's header: SQLite itself would not write it."""
    if packed:
        assert run("pack").exit_code == 0
    allow = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, {!r}, {!r}) WHERE name = {!r}"
    strict, loose = f"{column} INTEGER NOT NULL", f"{column} INTEGER"
    strict, loose = (strict, loose) if column == "size" else (f"{column} BLOB NOT NULL", f"{column} BLOB")
    change(filled, allow.format(strict, loose, table))
    change(filled, f"UPDATE {table} SET {column} = NULL WHERE id = 7")
    change(filled, allow.format(loose, strict, table))
    result = run("verify")
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert named in result.stderr
    assert "the database file is damaged" in result.stderr


def test_a_broken_frame_stops_pack_and_stays(filled: Path) -> None:
    change(filled, "UPDATE frame SET data = zeroblob(5) WHERE content = 9")
    packed = run("pack")
    assert packed.exit_code == 1
    assert "frame of content 9" in packed.output
    verified = run("verify")
    assert "1 fault was found" in verified.stdout
    cause, _ = verified.stderr.splitlines()
    assert cause.startswith("the frame of content 9 (endpoint 1) is damaged")
    assert cause.endswith(": content 9, content 10, content 11, content 12, content 13 and 17 more cannot be read")


@pytest.mark.parametrize("table", ["snapshot", "delta", "content"])
def test_verify_looks_at_the_file_itself(filled: Path, table: str) -> None:
    """One page overwritten, in tables whose rows no content is read from too."""
    connection = apsw.Connection(str(filled / "delta.db"))
    size = connection.pragma("page_size")
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).get
    connection.close()
    with (filled / "delta.db").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x55" * 64)
    result = run("verify")
    assert result.exit_code == 1
    assert "the database file is damaged" in result.output
    assert "estore a backup" in result.output


@pytest.mark.parametrize("command", ["pack", "verify"])
def test_nothing_stored_is_fine(data_dir: Path, command: str) -> None:
    assert CliRunner().invoke(cli, ["key", "create", "--project", "p"]).exit_code == 0
    assert run(command).exit_code == 0


def test_pack_then_verify(filled: Path) -> None:
    loose = run("verify")
    assert loose.exit_code == 0
    assert "30 contents in 0 packs and 30 frames" in loose.stdout
    packed = run("pack")
    assert packed.exit_code == 0
    assert "database size:" in packed.stdout
    tight = run("verify")
    assert "30 contents in 1 packs and 0 frames" in tight.stdout
    assert "all as they were stored" in tight.stdout
