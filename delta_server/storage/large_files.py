"""Large files in parts: each MB takes the writer 3 ms and more, and all other writes wait for it.

The parts are stored first, each in a transaction of its own. The one that stores what a file belongs to takes it over;
until then it is marked as waiting, and goes when that does not happen, at the latest at the next start. What a
transaction gives up is marked too, and goes part by part behind it.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from delta_server.storage.database import Database, Tx, frees_space

NUMBER_BITS = 16
_MARK = (1 << NUMBER_BITS) - 1
"""The number of the part that marks a file as waiting: it holds who waits, or nothing when it is given up."""
_GIVEN_UP = b""
_DROPPED_AT_ONCE = 4

OF_PROJECT = (
    "DELETE FROM file_part WHERE id IN (SELECT part.id FROM {} AS owner JOIN file_part AS part"
    f" ON part.id BETWEEN owner.file << {NUMBER_BITS} AND owner.file << {NUMBER_BITS} | {_MARK}"
    " WHERE owner.project = ?{})"
)
"""The parts of what a table with a column `file` has of a project; with more conditions, or a LIMIT."""


class StoredFile(msgspec.Struct, frozen=True):
    """A file of which the parts are stored."""

    file: int
    size: int
    waiting: bytes


Store = Callable[[bytes], Awaitable[StoredFile]]


@asynccontextmanager
async def storing(db: Database, part_bytes: int, *, frees: bool) -> AsyncIterator[Store]:
    """What stores files within the block; those that are not taken over in it go. With `frees` they are for what makes
    room on a full disk."""
    files: list[StoredFile] = []
    begin, put = (_begin_freeing, _put_freeing) if frees else (_begin, _put)

    async def store(data: bytes) -> StoredFile:
        waiting = secrets.token_bytes(8)
        stored = StoredFile(await db.write(begin, data[:part_bytes], waiting), len(data), waiting)
        files.append(stored)
        for number, at in enumerate(range(part_bytes, len(data), part_bytes), 1):
            await db.write(put, stored.file, number, data[at : at + part_bytes])
        return stored

    try:
        yield store
    finally:
        for stored in files:
            await _drop(db, stored.file, stored.waiting)


def _begin(tx: Tx, part: bytes, waiting: bytes) -> int:
    row = tx.one("SELECT coalesce(max(id), 0) FROM file_part")
    assert row is not None
    file: int = (row[0] >> NUMBER_BITS) + 1
    _put(tx, file, 0, part)
    _put(tx, file, _MARK, waiting)
    return file


def _put(tx: Tx, file: int, number: int, part: bytes) -> None:
    tx.run("INSERT INTO file_part (id, data) VALUES (?, ?)", file << NUMBER_BITS | number, part)


_begin_freeing = frees_space(partial(_begin))
_put_freeing = frees_space(partial(_put))


def take_over(tx: Tx, stored: StoredFile) -> None:
    """From now on it is somebody's."""
    taken = tx.run("DELETE FROM file_part WHERE id = ? AND data = ?", _mark(stored.file), stored.waiting)
    assert taken, "what waits is taken over within the block that stored it"


def read(tx: Tx, file: int) -> bytes:
    """Of a damaged file, what there is of it."""
    rows = tx.all("SELECT data FROM file_part WHERE id >= ? AND id < ? ORDER BY id", _first(file), _mark(file))
    return b"".join(row[0] for row in rows)


def pieces(file: int, part_bytes: int, offset: int, count: int) -> Iterator[tuple[int, int, int]]:
    """The parts in which these bytes of the file are, where in them, and how many."""
    while count > 0:
        number, begin = divmod(offset, part_bytes)
        length = min(count, part_bytes - begin)
        yield file << NUMBER_BITS | number, begin, length
        offset, count = offset + length, count - length


def give_up(tx: Tx, files: Iterable[int]) -> None:
    """What they belonged to is gone; `drop_given_up` deletes them."""
    tx.many("INSERT INTO file_part (id, data) VALUES (?, ?)", [(_mark(file), _GIVEN_UP) for file in files])


def delete_some(tx: Tx, file: int) -> int:
    """Delete parts, so few that no other write waits for long, and a mark last; how many."""
    some = "SELECT id FROM file_part WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
    return tx.run(f"DELETE FROM file_part WHERE id IN ({some})", _first(file), _mark(file), _DROPPED_AT_ONCE)


async def drop_given_up(db: Database) -> None:
    for file, mark in await db.read(_marked):
        if mark == _GIVEN_UP:
            await _drop(db, file, mark)


async def drop_left(db: Database) -> None:
    """Delete what waits since a process ended in the midst of it, too: to be called before anything is stored."""
    for file, mark in await db.read(_marked):
        await _drop(db, file, mark)


def _marked(tx: Tx) -> list[tuple[int, bytes]]:
    rows = tx.all(f"SELECT id, data FROM file_part WHERE id & {_MARK} = {_MARK}")
    return [(row[0] >> NUMBER_BITS, row[1]) for row in rows]


async def _drop(db: Database, file: int, mark: bytes) -> None:
    """Delete a file, unless it was taken over."""
    while await db.write(_drop_some, file, mark):
        pass


@frees_space
def _drop_some(tx: Tx, file: int, mark: bytes) -> bool:
    """False when nothing of it is left; the mark goes last."""
    if not tx.one("SELECT 1 FROM file_part WHERE id = ? AND data = ?", _mark(file), mark):
        return False
    return delete_some(tx, file) == _DROPPED_AT_ONCE


def _first(file: int) -> int:
    return file << NUMBER_BITS


def _mark(file: int) -> int:
    return file << NUMBER_BITS | _MARK
