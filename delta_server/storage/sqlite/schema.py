"""The migrations that this program carries, the schema they make, and the one that a file has."""

from contextlib import closing
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import apsw
import msgspec

_PACKAGE = "delta_server.storage.sqlite"


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
    return load(resources.files(_PACKAGE).joinpath("migrations"))


def load(folder: Traversable) -> tuple[Migration, ...]:
    """The files `NNNN_name.sql` of `folder`, which are numbered from 1 without a gap."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    found = tuple(Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in files)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered 1, 2, 3, ...: {[migration.name for migration in found]}")
    return found


def for_new_database(migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """What to run where there is nothing yet: one script of the finished schema in place of the packaged migrations,
    which take five times as long."""
    packed = packaged()
    if migrations[: len(packed)] != packed:
        return migrations
    script = resources.files(_PACKAGE).joinpath("schema.sql").read_text(encoding="utf-8")
    return Migration(len(packed), "schema.sql", script), *migrations[len(packed) :]


@cache
def schema_of(migrations: tuple[Migration, ...]) -> tuple[SchemaObject, ...]:
    """What they make; takes 10 ms."""
    return made_by(for_new_database(migrations))


def made_by(migrations: tuple[Migration, ...]) -> tuple[SchemaObject, ...]:
    """What is there once each of them has run."""
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
