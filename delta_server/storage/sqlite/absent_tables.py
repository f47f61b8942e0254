"""A small database is closed without its empty tables.

Each table, each index and each statement that makes one takes room, rows or none: most of a small file, and more of it
with every feature. So when such a database is closed (page_size.py) tables without rows are dropped and their names are
written into the table `absent`; when it is opened they are made again, before anything else is done. The statements are
those of the migrations: a table goes only if it is exactly as they make it. It stays, too, if it has had rows and never
uses an id twice, as the last of its ids would be forgotten with it.

While a server runs no table is absent. Commands that read a closed database find the absent ones, empty, in a second
schema; SQLite looks for a name in the file first, so as soon as a server has made them these are read.
"""

from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import apsw

from delta_server.storage.sqlite.connection import Tuning, open_reader
from delta_server.storage.sqlite.schema import Migration, SchemaObject, packaged, read_schema, schema_of

_LIST = "absent"


def drop_empty_tables(connection: apsw.Connection) -> None:
    """In one transaction, for who has the database alone. Raises apsw.Error, and then nothing is dropped."""
    there = _by_table(read_schema(connection))
    has_had_rows = {name for (name,) in connection.execute("SELECT name FROM sqlite_sequence")}
    empty = [
        table
        for table, objects in _by_table(schema_of(packaged())).items()
        if table != _LIST
        and table not in has_had_rows
        and set(there.get(table, ())) == set(objects)
        and connection.execute(f'SELECT NOT EXISTS (SELECT 1 FROM "{table}")').get
    ]
    connection.pragma("foreign_keys", "OFF")  # else rows that refer to each are looked for
    try:
        with connection:
            for table in empty:
                connection.execute(f'DROP TABLE "{table}"')
            connection.executemany("INSERT INTO absent (name) VALUES (?)", [(table,) for table in empty])
    finally:
        connection.pragma("foreign_keys", "ON")


def make_absent_tables(connection: apsw.Connection, migrations: tuple[Migration, ...]) -> None:
    """In one transaction; `migrations` are those that the database has had. Raises apsw.Error."""
    if tables := absent_tables(connection):
        with connection:
            for sql in _statements(migrations, tables):
                connection.execute(sql)
            connection.execute("DELETE FROM absent")


def absent_tables(connection: apsw.Connection) -> frozenset[str]:
    """Their names; none of a database from before there was a list of them."""
    if not connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = ?", (_LIST,)).get:
        return frozenset()
    names = connection.execute("SELECT CAST(name AS BLOB) FROM main.absent")
    return frozenset(bytes(name).decode(errors="replace") for (name,) in names)  # also of a damaged file


def open_whole_reader(path: Path, tuning: Tuning) -> apsw.Connection:
    """As `open_reader`, but absent tables are there, empty.

    A connection with such keeps no prepared statements, and a transaction of it is to begin with `look_at_schema`: a
    statement goes on reading the empty table that it was prepared for, whatever a server has made meanwhile.
    """
    connection = open_reader(path, tuning)
    tables: frozenset[str] = frozenset()
    with suppress(apsw.CorruptError, apsw.NotADBError):  # the first read says so
        tables = absent_tables(connection)
    if not tables:
        return connection
    connection.close()
    connection = open_reader(path, tuning, statements=0)
    connection.execute("ATTACH ':memory:' AS empty")
    connection.deserialize("empty", _image(packaged(), tables))
    return connection


def has_absent_tables(connection: apsw.Connection) -> bool:
    """Whether it had when it was opened."""
    return "empty" in connection.db_names()


def look_at_schema(connection: apsw.Connection) -> None:
    connection.execute("SELECT 1 FROM main.sqlite_schema LIMIT 1").fetchall()


@cache
def _image(migrations: tuple[Migration, ...], tables: frozenset[str]) -> bytes:
    """A database of these tables alone."""
    with closing(apsw.Connection(":memory:")) as memory:
        for sql in _statements(migrations, tables):
            memory.execute(sql)
        return memory.serialize("main")


def _statements(migrations: tuple[Migration, ...], tables: frozenset[str]) -> list[str]:
    return [each.sql for each in schema_of(migrations) if each.table in tables]


def _by_table(objects: tuple[SchemaObject, ...]) -> dict[str, list[SchemaObject]]:
    grouped: dict[str, list[SchemaObject]] = {}
    for each in objects:
        grouped.setdefault(each.table, []).append(each)
    return grouped
