"""Brings delta.db to the newest schema: numbered SQL files, each in its own transaction. A new database is made by one
script, schema.sql, which tests hold to be what those files make.

`PRAGMA user_version` is the number of the last file that ran. A file must take the same time however much data there
is; rewriting rows is background work. Before an existing database is changed it is copied to backups/.
"""

import logging
import os
from pathlib import Path

import apsw

from delta_server.core import times
from delta_server.core.errors import DeltaError
from delta_server.storage.sqlite.absent_tables import make_absent_tables
from delta_server.storage.sqlite.connection import APPLICATION_ID
from delta_server.storage.sqlite.schema import Migration, for_new_database

log = logging.getLogger(__name__)


class MigrationRefused(DeltaError):
    """The database cannot be brought to this program's schema; the message says why and what to do."""


def migrate(connection: apsw.Connection, migrations: tuple[Migration, ...], *, backups: Path, now_ms: int) -> None:
    """Make the tables that are absent, then run what is missing. Raises MigrationRefused for a database that is newer,
    not Delta's, or cannot be migrated; FullError where there is no room for those tables."""
    current = _version(connection)
    if current > len(migrations):
        raise MigrationRefused(
            f"the database has schema {current}, made by a newer Delta; this one knows schemas up to "
            f"{len(migrations)}: start the newer version, or restore a backup made by this one"
        )
    make_absent_tables(connection, migrations[:current])
    if not current:
        _run(connection, for_new_database(migrations), None)  # in one transaction: it waits for the disk once
    elif missing := migrations[current:]:
        copy = copy_database(connection, backups, version=current, now_ms=now_ms)
        for migration in missing:
            _run(connection, (migration,), copy)


def copy_database(connection: apsw.Connection, folder: Path, *, version: int, now_ms: int) -> Path:
    """A compact, consistent copy of the database, on disk when this returns. SQLite writes it, no file is copied."""
    folder.mkdir(mode=0o700, exist_ok=True)
    stamp = times.format(now_ms).translate({ord("-"): None, ord(":"): None, ord("."): None})
    path = folder / f"schema-{version:04d}-{stamp}.db"
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))  # VACUUM INTO fills an empty file, and keeps its mode
    try:
        connection.execute("VACUUM INTO ?", (str(path),))
    except apsw.Error:
        path.unlink()  # half a copy is worse than none
        raise
    sync_path(path)
    sync_path(folder)
    log.info("copied the database to %s", path)
    return path


def sync_path(path: Path) -> None:
    """Push a file, or the names in a directory, to the disk. Never for delta.db: see connection.py."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _version(connection: apsw.Connection) -> int:
    """The number of the last migration that ran, 0 for an empty file."""
    owner, version = connection.pragma("application_id"), connection.pragma("user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if owner == APPLICATION_ID or (owner == version == tables == 0):
        return int(version)
    raise MigrationRefused("the file is an SQLite database, but not one of Delta's: use another data directory")


def _run(connection: apsw.Connection, migrations: tuple[Migration, ...], copy: Path | None) -> None:
    """All of them or none."""
    connection.execute("BEGIN IMMEDIATE")
    name = migrations[0].name
    try:
        for migration in migrations:
            name = migration.name
            connection.execute(migration.sql)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", migrations[-1].number)
        connection.execute("COMMIT")
    except apsw.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        kept = f"; a copy from before is {copy}" if copy else ""
        raise MigrationRefused(f"migration {name} failed and was undone: {error}{kept}") from error
    for migration in migrations:
        log.info("migrated the database: %s", migration.name)
