"""What is left of a deleted project's events, some at a time: its blocks are gone before."""

from delta_server.storage import large_files
from delta_server.storage.database import Tx

_OWNED = (
    (10, large_files.OF_PROJECT.format("segment", " LIMIT ?")),
    (
        10,
        "DELETE FROM segment_data WHERE segment IN (SELECT segment FROM segment_data"
        " JOIN segment ON segment.id = segment_data.segment WHERE project = ? LIMIT ?)",
    ),
    (1000, "DELETE FROM segment WHERE id IN (SELECT id FROM segment WHERE project = ? LIMIT ?)"),
    (10, large_files.OF_PROJECT.format("rollup", " LIMIT ?")),
    (
        100,
        "DELETE FROM rollup_data WHERE rollup IN (SELECT rollup FROM rollup_data"
        " JOIN rollup ON rollup.id = rollup_data.rollup WHERE project = ? LIMIT ?)",
    ),
    (1000, "DELETE FROM rollup WHERE id IN (SELECT id FROM rollup WHERE project = ? LIMIT ?)"),
    (1, "DELETE FROM event_settings WHERE project IN (SELECT project FROM event_settings WHERE project = ? LIMIT ?)"),
)
"""(rows at once, statement), in this order: rows go before those they refer to, and few at once where they are large:
26 MB are deleted in a millisecond."""


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project that has no blocks; False when there is nothing left.

    Deduplication keys are of no project and go when they are past their time.
    """
    return any(tx.run(statement, project, min(limit, most)) for most, statement in _OWNED)
