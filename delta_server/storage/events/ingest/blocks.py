"""Hot blocks: what one write brought of one project, as lines in one row. Encoding them, and the SQL of event_block.

A row of its own for each event, with its key, costs 10.5 us; in a block an event takes 2.5 us, and DuckDB parses the
lines without the interpreter's lock.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec
import zstandard

from delta_server.core.errors import DatabaseFailed
from delta_server.core.event_storage import key_run
from delta_server.core.events.event import Event, lines
from delta_server.core.packs import codec
from delta_server.storage.database import Tx
from delta_server.storage.events.duckdb.failures import damaged

INDEX_BITS = 14
"""An event's seq is that of its block, and behind it its place there: a block has room for 16,384."""
CLOCK_BITS = 6
"""A block's seq is the time in ms, and behind it room for 64 blocks in each."""

EVERYTHING = 1 << 62
"""Bytes."""

_LEVEL = 1
"""Of zstd. A block lives for minutes: level 3 takes twice the time for 5 % less."""

_compressors: list[zstandard.ZstdCompressor] = []
"""Idle ones. Making one takes longer than compressing ten events, and two threads must not share one."""


class Block(msgspec.Struct, frozen=True):
    """Events ready to be stored. `keys` are those of its events that have a message id; `raw_bytes` is the size of the
    lines. `excluded` are the indexes of events that are left out."""

    seq: int
    count: int
    first_at: int
    last_at: int
    received_at: int
    raw_bytes: int
    events: bytes
    keys: list[bytes]
    excluded: frozenset[int] = frozenset()


def keys_of(project: int, events: Sequence[Event]) -> list[bytes | None]:
    """The deduplication key of each event, None without a message id."""
    return key_run.keys(project, [event.message_id for event in events])


def repeated(keys: Sequence[bytes | None]) -> frozenset[int]:
    """The indexes of keys that came before in `keys`."""
    there = [key for key in keys if key is not None]
    if len(set(there)) == len(there):
        return frozenset()
    seen: set[bytes] = set()
    again = []
    for index, key in enumerate(keys):
        if key in seen:
            again.append(index)
        elif key is not None:
            seen.add(key)
    return frozenset(again)


def encode(seq: int, events: Sequence[Event], keys: Sequence[bytes | None], excluded: frozenset[int]) -> Block:
    """The block of `events` but those at the indexes `excluded`; at least one must be left. Numbers the events."""
    kept = events
    if excluded:
        kept = [event for index, event in enumerate(events) if index not in excluded]
        keys = [key for index, key in enumerate(keys) if index not in excluded]
    first = seq << INDEX_BITS
    for number, event in enumerate(kept, first):
        event.seq = number
    raw = lines(kept)
    times = [event.at for event in kept]
    return Block(
        seq=seq,
        count=len(kept),
        first_at=min(times),
        last_at=max(times),
        received_at=max([event.received_at for event in kept]),
        raw_bytes=len(raw),
        events=_compress(raw),
        keys=[key for key in keys if key is not None],
        excluded=excluded,
    )


class StoredLines(NamedTuple):
    """The lines of a block as its row has them; `hash` is None in old rows."""

    id: int
    raw_bytes: int
    events: bytes
    hash: bytes | None


def decode(packed: StoredLines, decompressor: zstandard.ZstdDecompressor) -> bytes:
    """The lines. Raises DatabaseFailed."""
    if packed.hash is None or codec.digest(packed.events) == packed.hash[: len(packed.hash) // 2]:
        try:
            if zstandard.frame_content_size(packed.events) == packed.raw_bytes:  # as much is allocated
                return decompressor.decompress(packed.events)
        except zstandard.ZstdError:
            pass
    raise damaged("waiting block", packed.id)


def _compress(raw: bytes) -> bytes:
    try:
        compressor = _compressors.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=_LEVEL)
    try:
        return compressor.compress(raw)
    finally:
        _compressors.append(compressor)


def insert_block(tx: Tx, project: int, block: Block) -> int:
    keys = b"".join(block.keys)
    return tx.insert(
        "INSERT INTO event_block"
        " (project, seq, events_count, first_at, last_at, received_at, raw_bytes, events, keys, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        project, block.seq, block.count, block.first_at, block.last_at, block.received_at, block.raw_bytes,
        block.events, keys, codec.digest(block.events) + codec.digest(keys),
    )  # fmt: skip


def lines_after(tx: Tx, project: int, block: int, limit: int, size_bytes: int = EVERYTHING) -> list[tuple[int, bytes]]:
    """(id, lines) of up to `limit` blocks after the one with the id `block`, in the order they were committed in: the
    first, and those after it that are not more than `size_bytes` with it."""
    sizes = tx.all(
        "SELECT id, raw_bytes FROM event_block WHERE project = ? AND id > ? ORDER BY id LIMIT ?", project, block, limit
    )
    ends = accumulate(size for _, size in sizes)
    whole = [id for (id, _), end in zip(sizes, ends, strict=True) if end <= size_bytes or id == sizes[0][0]]
    rows = tx.all(
        "SELECT id, raw_bytes, events, hash FROM event_block WHERE project = ? AND id > ? AND id <= ? ORDER BY id",
        project,
        block,
        whole[-1] if whole else block,
    )
    decompressor = zstandard.ZstdDecompressor()
    return [(row[0], decode(StoredLines(*row), decompressor)) for row in rows]


class BlockRow(msgspec.Struct, frozen=True):
    """A block's row."""

    events_count: int
    first_at: int
    last_at: int
    raw_bytes: int
    events: bytes
    keys: bytes
    hash: bytes | None


def ids(tx: Tx, project: int) -> list[int]:
    return [row[0] for row in tx.all("SELECT id FROM event_block WHERE project = ? ORDER BY id", project)]


def row_of(tx: Tx, project: int, block: int) -> BlockRow | None:
    row = tx.one(
        "SELECT events_count, first_at, last_at, raw_bytes, events, keys, hash FROM event_block"
        " WHERE project = ? AND id = ?",
        project,
        block,
    )
    return None if row is None else BlockRow(*row)


def damaged_blocks(tx: Tx, project: int) -> dict[int, int]:
    """Those of the project's blocks that are damaged: the id by the seq."""
    decompressor, found = zstandard.ZstdDecompressor(), {}
    for block in ids(tx, project):
        for seq, *packed in tx.all("SELECT seq, raw_bytes, events, hash FROM event_block WHERE id = ?", block):
            try:
                decode(StoredLines(block, *packed), decompressor)
            except DatabaseFailed:
                found[seq] = block
    return found


def locate(tx: Tx, project: int, seq: int) -> tuple[int, frozenset[int]] | None:
    """(a block's id, the seqs in the next one up to `seq`): `lines_after` goes on from there. None when it is
    sealed."""
    row = tx.one("SELECT id FROM event_block WHERE project = ? AND seq = ?", project, seq >> INDEX_BITS)
    return None if row is None else (row[0] - 1, frozenset(range(seq >> INDEX_BITS << INDEX_BITS, seq + 1)))


def exists(tx: Tx, seq: int) -> bool:
    return tx.one("SELECT 1 FROM event_block WHERE seq = ?", seq) is not None


def keys_after(tx: Tx, block: int, limit: int) -> list[tuple[int, int, bytes]]:
    """(id, seq, keys) of up to `limit` blocks of all projects after the one with the id `block`."""
    return tx.all("SELECT id, seq, keys FROM event_block WHERE id > ? ORDER BY id LIMIT ?", block, limit)


def keys_until(tx: Tx, project: int, block: int) -> list[tuple[int, int, bytes]]:
    """(seq, received_at, keys) of the project's blocks up to the one with the id `block`."""
    return tx.all("SELECT seq, received_at, keys FROM event_block WHERE project = ? AND id <= ?", project, block)


def delete_first(tx: Tx, project: int, limit: int) -> dict[int, bytes]:
    """Delete the project's oldest blocks: the keys of each by its seq."""
    rows = tx.all("SELECT id, seq, keys FROM event_block WHERE project = ? ORDER BY id LIMIT ?", project, limit)
    if rows:
        tx.run("DELETE FROM event_block WHERE project = ? AND id <= ?", project, rows[-1][0])
    return {seq: keys for _, seq, keys in rows}


def received_at(seq: int) -> int:
    """About when the block came in, in ms."""
    return seq >> CLOCK_BITS


def last_seq(tx: Tx) -> int:
    """The largest of any block there is or was, of projects that are not gone: the clock may have been set back."""
    row = tx.one(
        "SELECT max(coalesce((SELECT max(seq) FROM event_block), 0),"
        " coalesce((SELECT max(sealed_seq) FROM event_settings), 0))"
    )
    return row[0] if row else 0
