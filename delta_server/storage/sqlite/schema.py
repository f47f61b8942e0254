"""The migrations that this program carries, the schema they make, and the one that a file has."""

from contextlib import closing
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import apsw
import msgspec


class Migration(msgspec.Struct, frozen=True):
    number: int
    name: str
    sql: str


class SchemaObject(msgspec.Struct, frozen=True):
    """A table, an index or a trigger."""

    name: str
    """With its kind: `index content_time`."""
    table: str
    sql: str


@cache
def packaged() -> tuple[Migration, ...]:
    """The migrations that this program carries, in order."""
    return load(resources.files("delta_server.storage.sqlite").joinpath("migrations"))


def load(folder: Traversable) -> tuple[Migration, ...]:
    """The files `NNNN_name.sql` of `folder`, which are numbered from 1 without a gap."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    found = tuple(Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in files)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered 1, 2, 3, ...: {[migration.name for migration in found]}")
    return found


@cache
def schema_of(migrations: tuple[Migration, ...]) -> tuple[SchemaObject, ...]:
    """What they make; takes 10 ms."""
    with closing(apsw.Connection(":memory:")) as memory:
        for migration in migrations:
            memory.execute(migration.sql)
        return read_schema(memory)


def read_schema(connection: apsw.Connection) -> tuple[SchemaObject, ...]:
    """What the file has, in the order in which it can be made; of a damaged one there may be nonsense."""
    rows = connection.execute(_OBJECTS)
    return tuple(SchemaObject(*(bytes(value).decode(errors="replace") for value in row)) for row in rows)


_OBJECTS = """SELECT CAST(type || ' ' || name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB)
    FROM main.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"""
