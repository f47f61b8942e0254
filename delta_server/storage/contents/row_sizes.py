"""What frames and packs take, and the deletion of an endpoint's: no more at once than other writes can wait for."""

from delta_server.storage import slices
from delta_server.storage.contents import frame_rows
from delta_server.storage.database import LISTED, Tx, listed

_FRAMES = "frame", "content", "length(data) + file_bytes"
_PACKS = "pack", "id", "length(anchor) + length(data)"
"""Tables of large rows, their ids, and what they take: SQLite knows that without reading it."""
_SIZES = "SELECT {1}, {2} FROM {0} WHERE endpoint = ?"


def frame_sizes(tx: Tx, endpoint: int) -> dict[int, int]:
    """What each frame takes, by its content."""
    return {row[0]: row[1] for row in tx.all(_SIZES.format(*_FRAMES), endpoint)}


def pack_sizes(tx: Tx, endpoint: int) -> dict[int, int]:
    return {row[0]: row[1] for row in tx.all(_SIZES.format(*_PACKS), endpoint)}


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint, and SLICE_BYTES; False when none is left. Living contents go in
    order of time.

    Contents go before what they are stored in: a request that still reads finds them gone rather than damaged.
    """
    return (
        any(
            tx.run(sql, endpoint, limit)
            for sql in (
                "DELETE FROM content WHERE id IN"
                " (SELECT id FROM content WHERE endpoint = ? AND dead = 0 ORDER BY captured_at, id LIMIT ?)",
                "DELETE FROM content WHERE id IN (SELECT id FROM content WHERE endpoint = ? AND dead = 1 LIMIT ?)",
            )
        )
        or frame_rows.delete_some_data(tx, endpoint)
        or any(_delete_large(tx, endpoint, limit, *table) for table in (_FRAMES, _PACKS))
    )


def _delete_large(tx: Tx, endpoint: int, limit: int, table: str, id: str, size: str) -> int:
    rows = [(row[0], row[1]) for row in tx.all(_SIZES.format(table, id, size) + " LIMIT ?", endpoint, limit)]
    return tx.run(f"DELETE FROM {table} WHERE {id} IN {LISTED}", listed(slices.first_within(rows)))
