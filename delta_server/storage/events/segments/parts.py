"""Large files in parts: 4 MB are inserted in 10 ms, which all other writes wait for, 64 MB in a quarter of a second. So
are many that are stored together: of those only the smallest stay whole, 4 MB in all.

The parts are stored first, each in a transaction of its own. The one that stores the segment or rollup takes them over;
until then they are marked as waiting, and go when that does not happen, at the latest at the next start.
"""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any, Literal, TypeVar

import msgspec

from delta_server.core.packs import codec
from delta_server.storage.database import Database, Tx, frees_space

PART_BYTES = 4 << 20
NUMBER_BITS = 16
_MARK = (1 << NUMBER_BITS) - 1
"""The number of the part that marks a file as waiting: it holds who waits."""

_OF_OWNER = (
    "DELETE FROM file_part WHERE id IN (SELECT part.id FROM {} AS owner JOIN file_part AS part"
    f" ON part.id BETWEEN owner.file << {NUMBER_BITS} AND owner.file << {NUMBER_BITS} | {_MARK}"
    " WHERE owner.project = ?"
)
OF_PROJECT = _OF_OWNER + " LIMIT ?)"

Kind = Literal["segment", "rollup"]


class Stored(msgspec.Struct, frozen=True):
    """A file of which the parts are stored."""

    file: int
    size: int
    hash: bytes
    waiting: bytes


class WithFile(msgspec.Struct, frozen=True, kw_only=True):
    """A segment or rollup that is to be stored: its file, or where that is if it is large."""

    parquet: bytes
    file: Stored | None = None

    def size_and_hash(self) -> tuple[int, bytes]:
        if self.file is not None:
            return self.file.size, self.file.hash
        return len(self.parquet), codec.digest(self.parquet)


New = TypeVar("New", bound=WithFile)


@asynccontextmanager
async def stored(db: Database, every: Sequence[New]) -> AsyncIterator[list[New]]:
    """With the large files stored. Those that are not taken over within the block go."""
    files: list[Stored] = []
    try:
        done = list(every)
        for index in _too_much(every):
            await _store(db, every[index].parquet, files)
            done[index] = msgspec.structs.replace(every[index], parquet=b"", file=files[-1])
        yield done
    finally:
        for file in files:
            await db.write(_drop_waiting, file.file, file.waiting)


def _too_much(every: Sequence[WithFile]) -> list[int]:
    """The indexes of those that are more than PART_BYTES together with all smaller ones."""
    order = sorted(range(len(every)), key=lambda index: len(every[index].parquet))
    together = accumulate(len(every[index].parquet) for index in order)
    return sorted(index for index, total in zip(order, together, strict=True) if total > PART_BYTES)


async def _store(db: Database, data: bytes, files: list[Stored]) -> None:
    """Adds to `files` before all of it is stored."""
    waiting = secrets.token_bytes(8)
    file = await db.write(_begin, data[:PART_BYTES], waiting)
    files.append(Stored(file, len(data), codec.digest(data), waiting))
    for number, begin in enumerate(range(PART_BYTES, len(data), PART_BYTES), 1):
        await db.write(_put, file, number, data[begin : begin + PART_BYTES])


@frees_space  # what it is written for is an erasure, perhaps, or old events that go
def _begin(tx: Tx, part: bytes, waiting: bytes) -> int:
    row = tx.one("SELECT coalesce(max(id), 0) FROM file_part")
    assert row is not None
    file: int = (row[0] >> NUMBER_BITS) + 1
    _put(tx, file, 0, part)
    _put(tx, file, _MARK, waiting)
    return file


@frees_space
def _put(tx: Tx, file: int, number: int, part: bytes) -> None:
    tx.run("INSERT INTO file_part (id, data) VALUES (?, ?)", file << NUMBER_BITS | number, part)


def insert(tx: Tx, kind: Kind, owner: int, new: WithFile) -> None:
    """The file of a segment or rollup, or take over its parts."""
    if new.file is None:
        tx.run(f"INSERT INTO {kind}_data ({kind}, parquet) VALUES (?, ?)", owner, new.parquet)
    else:
        tx.run("DELETE FROM file_part WHERE id = ?", new.file.file << NUMBER_BITS | _MARK)


def delete(tx: Tx, kind: Kind, project: int, numbers: str) -> None:
    """The files of these segments or rollups."""
    tx.run(f"{_OF_OWNER.format(kind)} AND owner.id IN ({numbers}))", project)
    owned = f"SELECT id FROM {kind} WHERE project = ? AND id IN ({numbers})"
    tx.run(f"DELETE FROM {kind}_data WHERE {kind} IN ({owned})", project)


def pieces(file: int, offset: int, count: int) -> Iterator[tuple[int, int, int]]:
    """The parts in which these bytes of the file are, where in them, and how many."""
    while count > 0:
        number, begin = divmod(offset, PART_BYTES)
        length = min(count, PART_BYTES - begin)
        yield file << NUMBER_BITS | number, begin, length
        offset, count = offset + length, count - length


@frees_space
def _drop_waiting(tx: Tx, file: int, waiting: bytes) -> None:
    """Delete a file, unless it was taken over."""
    first, mark = file << NUMBER_BITS, file << NUMBER_BITS | _MARK
    if tx.one("SELECT 1 FROM file_part WHERE id = ? AND data = ?", mark, waiting):
        tx.run("DELETE FROM file_part WHERE id BETWEEN ? AND ?", first, mark)


async def drop_left(db: Database) -> None:
    """Delete what waits since a process ended in the midst of it: to be called before anything is stored."""
    for file, waiting in await db.read(_left):
        await db.write(_drop_waiting, file, waiting)


def _left(tx: Tx) -> list[tuple[int, Any]]:
    """One look for each file."""
    left: list[tuple[int, Any]] = []
    last = 0
    while row := tx.one("SELECT id FROM file_part WHERE id > ? ORDER BY id LIMIT 1", last):
        last = row[0] | _MARK
        if mark := tx.one("SELECT data FROM file_part WHERE id = ?", last):
            left.append((last >> NUMBER_BITS, mark[0]))
    return left
