"""Large files of segments and rollups, which are stored in parts before these: 4 MB are inserted in 10 ms, which all
other writes wait for. So are many that are stored together: of those only the smallest stay whole, 4 MB in all.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Literal, TypeVar

import msgspec

from delta_server.core.packs import codec
from delta_server.storage import large_files
from delta_server.storage.database import Database, Tx
from delta_server.storage.large_files import StoredFile

PART_BYTES = 4 << 20

Kind = Literal["segment", "rollup"]


class Stored(msgspec.Struct, frozen=True):
    """A file of which the parts are stored."""

    parts: StoredFile
    hash: bytes

    @property
    def file(self) -> int:
        return self.parts.file


class WithFile(msgspec.Struct, frozen=True, kw_only=True):
    """A segment or rollup that is to be stored: its file, or where that is if it is large."""

    parquet: bytes
    file: Stored | None = None

    def size_and_hash(self) -> tuple[int, bytes]:
        if self.file is not None:
            return self.file.parts.size, self.file.hash
        return len(self.parquet), codec.digest(self.parquet)


New = TypeVar("New", bound=WithFile)


@asynccontextmanager
async def stored(db: Database, every: Sequence[New]) -> AsyncIterator[list[New]]:
    """With the large files stored. Those that are not taken over within the block go."""
    async with large_files.storing(db, PART_BYTES, frees=True) as store:  # for an erasure, perhaps, or an expiry
        done = list(every)
        for index in _too_much(every):
            data = every[index].parquet
            file = Stored(await store(data), codec.digest(data))
            done[index] = msgspec.structs.replace(every[index], parquet=b"", file=file)
        yield done


def _too_much(every: Sequence[WithFile]) -> list[int]:
    """The indexes of those that are more than PART_BYTES together with all smaller ones."""
    order = sorted(range(len(every)), key=lambda index: len(every[index].parquet))
    together = accumulate(len(every[index].parquet) for index in order)
    return sorted(index for index, total in zip(order, together, strict=True) if total > PART_BYTES)


def insert(tx: Tx, kind: Kind, owner: int, new: WithFile) -> None:
    """The file of a segment or rollup, or take over its parts."""
    if new.file is None:
        tx.run(f"INSERT INTO {kind}_data ({kind}, parquet) VALUES (?, ?)", owner, new.parquet)
    else:
        large_files.take_over(tx, new.file.parts)


def delete(tx: Tx, kind: Kind, project: int, numbers: str) -> None:
    """The files of these segments or rollups."""
    tx.run(large_files.OF_PROJECT.format(kind, f" AND owner.id IN ({numbers})"), project)
    owned = f"SELECT id FROM {kind} WHERE project = ? AND id IN ({numbers})"
    tx.run(f"DELETE FROM {kind}_data WHERE {kind} IN ({owned})", project)


def pieces(file: int, offset: int, count: int) -> Iterator[tuple[int, int, int]]:
    """The parts in which these bytes of the file are, where in them, and how many."""
    return large_files.pieces(file, PART_BYTES, offset, count)
