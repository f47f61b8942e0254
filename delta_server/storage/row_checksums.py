"""Checksums of rows: what a column `checksum` holds, and a check of all rows of a table that has one.

A CRC-32, which finds any one byte that changed, and fits into 4 bytes: many of these rows are no longer than the 16 of
an xxh3-128. NULL in rows from before there were checksums: of those is checked what can be.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from delta_server.core.errors import DatabaseFailed, DeltaError
from delta_server.storage.database import Database, Row, Tx

ROWS_AT_ONCE = 64
"""The longest are 256 kB."""
MAX_NAMED = 20
"""Rows of a table that are named."""

_encode = msgspec.msgpack.Encoder().encode
_HALF = 1 << 31


class ChecksummedTable(msgspec.Struct, frozen=True):
    """`key` is the primary key, `covered` the columns that the checksum is of. `check` is given a row's covered values
    and raises for what cannot be what was stored; it is all there is where a table has no checksum."""

    name: str
    key: tuple[str, ...]
    covered: tuple[str, ...]
    check: Callable[..., object] = lambda *covered: None
    has_text: bool = False
    has_checksum: bool = True

    def checksum(self, *covered: Any) -> int:
        """Of the values of `covered`, in that order."""
        if self.has_text:  # as its bytes: a damaged one may not be UTF-8
            covered = tuple([value.encode() if isinstance(value, str) else value for value in covered])
        return zlib.crc32(_encode(covered)) - _HALF

    def is_damaged(self, checksum: int | None, *covered: Any) -> bool:
        return checksum is not None and checksum != self.checksum(*covered)

    def require(self, key: object, checksum: int | None, *covered: Any) -> None:
        """Raises DatabaseFailed when a row is not what was stored."""
        if self.is_damaged(checksum, *covered):
            raise DatabaseFailed(f"{self.described(key)} is not what was stored: restore a backup")

    def described(self, key: object) -> str:
        return f"row {key} of {self.name}"


class RowsVerified(msgspec.Struct):
    rows: int = 0
    broken: list[str] = []


async def verify(
    db: Database, tables: Sequence[ChecksummedTable], progress: Callable[[int, int], None] = lambda done, of: None
) -> RowsVerified:
    """Read all rows of these tables; `progress(done, of)` counts them. Damage is named, not raised."""
    verified = RowsVerified()
    total = sum([await db.read(_count, table) for table in tables])
    for table in tables:
        broken: list[str] = []
        after: Row = ()
        while rows := await db.read(_rows_after, table, after):
            broken += [fault for row in rows if (fault := _fault(table, row)) is not None]
            after = rows[-1][: len(table.key)]
            verified.rows += len(rows)
            progress(verified.rows, max(total, verified.rows))
        more = [f"and {len(broken) - MAX_NAMED} more rows of {table.name}"] if len(broken) > MAX_NAMED else []
        verified.broken += broken[:MAX_NAMED] + more
    return verified


def _count(tx: Tx, table: ChecksummedTable) -> int:
    return int((tx.one(f"SELECT count(*) FROM {table.name}") or (0,))[0])


def _rows_after(tx: Tx, table: ChecksummedTable, after: Row) -> list[Row]:
    """Key, checksum and covered values, texts as their bytes: a damaged one may not be UTF-8."""
    key = ", ".join(table.key)
    where = f"WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
    covered = ", ".join(f"iif(typeof({name}) = 'text', CAST({name} AS BLOB), {name})" for name in table.covered)
    checksum = "checksum" if table.has_checksum else "NULL"
    return tx.all(
        f"SELECT {key}, {checksum}, {covered} FROM {table.name} {where} ORDER BY {key} LIMIT ?", *after, ROWS_AT_ONCE
    )


def _fault(table: ChecksummedTable, row: Row) -> str | None:
    width = len(table.key)
    key, checksum, covered = row[:width], row[width], row[width + 1 :]
    named = table.described(key if width > 1 else key[0])
    try:
        if table.is_damaged(checksum, *covered):
            return f"{named} is not what was stored"
        table.check(*covered)
    except DeltaError as error:
        return f"{named} cannot be read: {error.message.removesuffix(': restore a backup')}"
    except Exception as error:  # a value of a damaged row is of any type
        return f"{named} cannot be read: {error}"
    return None
