"""Migrations: each whole or not at all, a copy before, and no schema is touched that is not understood."""

import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.storage.sqlite.connection import APPLICATION_ID, open_writer
from delta_server.storage.sqlite.migrate import MigrationRefused, migrate
from delta_server.storage.sqlite.schema import Migration, for_new_database, load, made_by, packaged
from tests.storage.opened import FAST, START_MS, opened

ONE = Migration(1, "0001_core.sql", "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1), (2);")
TWO = Migration(2, "0002_more.sql", "CREATE TABLE b (y INTEGER); INSERT INTO b SELECT x * 10 FROM a;")
BROKEN = Migration(3, "0003_broken.sql", "DELETE FROM a; CREATE TABLE c (z INTEGER); SELECT nonsense;")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = open_writer(tmp_path / "delta.db", FAST)
    yield connection
    connection.close()


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def tables(connection: apsw.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_a_newer_schema_is_refused_and_left_alone(connection: apsw.Connection, backups: Path):
    migrate(connection, (ONE, TWO), backups=backups, now_ms=START_MS)
    with pytest.raises(MigrationRefused, match=r"schema 2.*newer Delta.*schemas up to 1"):
        migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    assert connection.pragma("user_version") == 2
    assert not backups.exists()


def test_a_database_of_another_program_is_refused(connection: apsw.Connection, backups: Path):
    connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(MigrationRefused, match="not one of Delta's"):
        migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    assert tables(connection) == {"theirs"}


def test_a_new_database_gets_all_of_them_and_no_copy(connection: apsw.Connection, backups: Path):
    migrate(connection, (ONE, TWO), backups=backups, now_ms=START_MS)
    assert connection.execute("SELECT y FROM b").fetchall() == [(10,), (20,)]
    assert connection.pragma("user_version") == 2
    assert connection.pragma("application_id") == APPLICATION_ID
    assert not backups.exists()


def test_an_existing_database_is_copied_first(connection: apsw.Connection, backups: Path):
    migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    migrate(connection, (ONE, TWO), backups=backups, now_ms=START_MS)
    assert tables(connection) == {"a", "b"}
    (copy,) = backups.iterdir()
    assert copy.name == "schema-0001-20260101T000000000Z.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(backups.stat().st_mode) == 0o700
    kept = apsw.Connection(str(copy))
    assert tables(kept) == {"a"}
    assert kept.execute("SELECT x FROM a").fetchall() == [(1,), (2,)]
    assert (kept.pragma("application_id"), kept.pragma("user_version")) == (APPLICATION_ID, 1)
    assert kept.pragma("integrity_check") == "ok"
    kept.close()


def test_the_copy_opens_as_a_database_of_the_old_version(connection: apsw.Connection, backups: Path, tmp_path: Path):
    migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    migrate(connection, (ONE, TWO), backups=backups, now_ms=START_MS)
    (copy,) = backups.iterdir()
    restored = open_writer(copy.rename(tmp_path / "restored.db"), FAST)
    migrate(restored, (ONE,), backups=backups, now_ms=START_MS)
    assert restored.pragma("auto_vacuum") == 2
    assert restored.pragma("page_size") == FAST.page_size
    restored.close()


def test_a_failing_migration_is_undone_and_those_before_it_stay(connection: apsw.Connection, backups: Path):
    migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    with pytest.raises(
        MigrationRefused, match=r"0003_broken\.sql failed and was undone: .*nonsense.*a copy from before"
    ):
        migrate(connection, (ONE, TWO, BROKEN), backups=backups, now_ms=START_MS)
    assert tables(connection) == {"a", "b"}
    assert connection.execute("SELECT count(*) FROM a").get == 2
    assert connection.pragma("user_version") == 2


def test_a_new_database_is_made_whole_or_not_at_all(connection: apsw.Connection, backups: Path):
    with pytest.raises(MigrationRefused, match=r"0003_broken\.sql failed and was undone"):
        migrate(connection, (ONE, TWO, BROKEN), backups=backups, now_ms=START_MS)
    assert (tables(connection), connection.pragma("user_version")) == (set(), 0)
    migrate(connection, (ONE, TWO), backups=backups, now_ms=START_MS)
    assert tables(connection) == {"a", "b"}


def test_nothing_to_do_is_nothing_done(connection: apsw.Connection, backups: Path):
    migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    before = connection.total_changes()
    migrate(connection, (ONE,), backups=backups, now_ms=START_MS)
    assert connection.total_changes() == before
    assert not backups.exists()


def test_the_script_for_a_new_database_makes_what_the_migrations_make():
    (script,) = for_new_database(packaged())
    assert script.number == len(packaged())
    assert made_by((script,)) == made_by(packaged()), "run `make schema`"
    assert _rows(packaged()) == _rows((script,)) == {}


def test_the_script_stands_for_the_packaged_migrations_alone():
    (script,) = for_new_database(packaged())
    more = Migration(len(packaged()) + 1, "9999_more.sql", "CREATE TABLE more (x INTEGER)")
    assert for_new_database((*packaged(), more)) == (script, more)
    for others in ((ONE, TWO), packaged()[:-1], (*packaged()[:-1], more)):
        assert for_new_database(others) == others


def _rows(migrations: tuple[Migration, ...]) -> dict[str, int]:
    """How many rows each table is made with, where it is any."""
    with closing(apsw.Connection(":memory:")) as memory:
        for migration in migrations:
            memory.execute(migration.sql)
        counts = {table: memory.execute(f'SELECT count(*) FROM "{table}"').get for table in tables(memory)}
        return {table: count for table, count in counts.items() if count}


def test_the_packaged_migrations_are_numbered_without_a_gap(tmp_path: Path):
    assert [migration.number for migration in packaged()] == list(range(1, len(packaged()) + 1))
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    (tmp_path / "0003_c.sql").write_text("SELECT 1")
    (tmp_path / "notes.txt").write_text("not a migration")
    with pytest.raises(ValueError, match="0003_c"):
        load(tmp_path)


async def test_the_server_refuses_a_newer_database_and_lets_go_of_it(tmp_path: Path):
    async with opened(tmp_path):
        pass
    raw = apsw.Connection(str(tmp_path / "delta.db"))
    raw.pragma("user_version", 9999)
    raw.close()
    for _ in range(2):  # the second refusal is the same: the first let go of the lock and the file
        with pytest.raises(MigrationRefused, match="schema 9999"):
            async with opened(tmp_path):
                pass


async def test_the_server_copies_before_it_migrates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with opened(tmp_path):
        pass
    newer = (*packaged(), Migration(len(packaged()) + 1, "9999_more.sql", "CREATE TABLE more (x INTEGER)"))
    monkeypatch.setattr("delta_server.storage.sqlite.adapter.packaged", lambda: newer)
    async with opened(tmp_path) as db:
        assert db.peek(lambda tx: tx.all("SELECT * FROM more")) == []
    assert len(list((tmp_path / "backups").iterdir())) == 1


async def test_a_copy_that_cannot_be_made_stops_the_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with opened(tmp_path):
        pass
    (tmp_path / "backups").write_bytes(b"a file where the folder should be")
    newer = (*packaged(), Migration(len(packaged()) + 1, "9999_more.sql", "CREATE TABLE more (x INTEGER)"))
    monkeypatch.setattr("delta_server.storage.sqlite.adapter.packaged", lambda: newer)
    with pytest.raises(Exception, match="backups"):
        async with opened(tmp_path):
            pass
    monkeypatch.undo()
    async with opened(tmp_path) as db:
        with pytest.raises(apsw.SQLError, match="no such table: more"):
            db.peek(lambda tx: tx.all("SELECT * FROM more"))


def test_a_damaged_file_is_not_taken_for_an_empty_one(tmp_path: Path):
    (tmp_path / "delta.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    with pytest.raises((apsw.Error, DatabaseFailed)):
        migrate(open_writer(tmp_path / "delta.db", FAST), (ONE,), backups=tmp_path, now_ms=START_MS)


def test_synced_records_become_rows_in_their_order(connection: apsw.Connection, backups: Path):
    migrate(connection, packaged()[:38], backups=backups, now_ms=START_MS)
    connection.pragma("foreign_keys", "OFF")
    insert = "INSERT INTO sync_change (space, seq, collection, record_id, kind, content, changed_at) VALUES"
    for space, seq in ((2, 1), (1, 2), (1, 1)):
        connection.execute(f"{insert} (?, ?, 1, ?, 0, x'7b7d', 5)", (space, seq, f"r{space}{seq}"))
    connection.pragma("foreign_keys", "ON")
    migrate(connection, packaged()[:39], backups=backups, now_ms=START_MS)
    rows = connection.execute("SELECT id, space, seq, record_id, content, changed_at FROM sync_change").fetchall()
    assert rows == [(1, 1, 1, "r11", b"{}", 5), (2, 1, 2, "r12", b"{}", 5), (3, 2, 1, "r21", b"{}", 5)]
    assert "sync_change_by_seq" not in tables(connection)
