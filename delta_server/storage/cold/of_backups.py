"""What backups have to do with cold storage: they are of the database alone and name objects, which must be there when
one is restored, and which may be needed by the database that it is a copy of."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec

from delta_server.core.errors import DeltaError
from delta_server.storage.blobs.opening import open_blobs
from delta_server.storage.cold.pieces import MARKER, OF_BLOBS
from delta_server.storage.database import Tx

ANSWER_S = 120.0
_NAMED_AT_MOST = 3
_THERE = "SELECT 1 FROM sqlite_schema WHERE name = 'cold_object'"
_USED = (
    "SELECT p.address, p.folder, o.key, o.size FROM cold_object AS o JOIN cold_place AS p ON p.id = o.place"
    " WHERE o.pack IS NOT NULL OR o.segment IS NOT NULL"
)


class Named(msgspec.Struct, frozen=True):
    """What a database names in cold storage; `fault` says what of it is not there, None where all is."""

    objects: int
    size_bytes: int
    addresses: list[str]
    fault: str | None


def hold(database: Path) -> None:
    """Mark all that a restored database names as not its own: it deletes none of it, until somebody says that it may.
    Raises apsw.Error."""
    with closing(apsw.Connection(str(database))) as connection:
        if connection.execute(_THERE).get:
            connection.execute("UPDATE cold_object SET held = 1")


def named_in(database: Path) -> Named:
    """Blocks; asks for lists of the stores. `database` is a file that nobody writes."""
    with closing(apsw.Connection(f"{database.absolute().as_uri()}?immutable=1", _READ_ONLY)) as connection:
        rows: list[Any] = connection.execute(_USED).fetchall() if connection.execute(_THERE).get else []
    return _named(rows)


def named_by(tx: Tx) -> Callable[[], Named]:
    """As `named_in`, of a database that is open; what is read of it, and then asks the stores."""
    return partial(_named, tx.all(_USED))


def answers(address: str) -> str | None:
    """Why it does not, None where it does. Blocks."""
    try:
        asyncio.run(_probe(address))
    except (DeltaError, TimeoutError) as error:
        return _reason(error)
    return None


async def _probe(address: str) -> None:
    async with asyncio.timeout(ANSWER_S):
        await open_blobs(address, Path()).resource_exists(MARKER)


def _named(rows: Sequence[tuple[str, str, str, int]]) -> Named:
    folders: dict[tuple[str, str], dict[str, int]] = {}
    for address, folder, key, size in rows:
        folders.setdefault((address, folder), {})[key] = size
    faults = [fault for (address, folder), keys in folders.items() for fault in _faults(address, folder, keys)]
    addresses = sorted({address for address, _ in folders})
    return Named(len(rows), sum(row[3] for row in rows), addresses, "; ".join(faults) or None)


def _faults(address: str, folder: str, keys: dict[str, int]) -> Iterator[str]:
    try:
        there = asyncio.run(_listed(address, folder))
    except (DeltaError, TimeoutError) as error:
        yield f"{len(keys)} packs and segments are in cold storage ({address}), which cannot be read: {_reason(error)}"
        return
    missing = [key for key, size in keys.items() if there.get(key) != size]
    if missing:
        named = ", ".join(missing[:_NAMED_AT_MOST])
        yield f"{len(missing)} of {len(keys)} packs and segments are not in cold storage ({address}) any more: {named}"


def _reason(error: DeltaError | TimeoutError) -> str:
    return error.message.removesuffix(OF_BLOBS) if isinstance(error, DeltaError) else "no answer"


async def _listed(address: str, folder: str) -> dict[str, int]:
    async with asyncio.timeout(ANSWER_S):
        return {blob.key: blob.size async for blob in open_blobs(address, Path()).list(folder)}


_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
