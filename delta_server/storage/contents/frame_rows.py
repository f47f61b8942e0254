"""The data of frames: in their rows, or in parts where it is much (large_frames.py)."""

from collections.abc import Sequence

from delta_server.storage import large_files
from delta_server.storage.contents.rows import FrameData, StoredFrame
from delta_server.storage.database import LISTED, Row, Tx, listed

_DEPTH = "1 + coalesce((SELECT below.depth FROM frame AS below WHERE below.content = ?), 0)"


def frame(tx: Tx, endpoint: int, content: int) -> StoredFrame | None:
    row = tx.one("SELECT content, base, data, file FROM frame WHERE content = ? AND endpoint = ?", content, endpoint)
    if row is None:
        return None
    content, base, data, file = row
    return StoredFrame(content, base, data if file is None else large_files.read(tx, file))


def insert_frame(tx: Tx, endpoint: int, content: int, size: int, base: int | None, data: FrameData) -> None:
    sql = (
        "INSERT INTO frame (content, endpoint, size, base, depth, data, file, file_bytes)"
        f" VALUES (?, ?, ?, ?, {_DEPTH}, ?, ?, ?)"
    )
    tx.run(sql, content, endpoint, size, base, base, *_taken_over(tx, data))


def _taken_over(tx: Tx, data: FrameData) -> tuple[bytes, int | None, int]:
    """The columns data, file and file_bytes."""
    if isinstance(data, bytes):
        return data, None, 0
    large_files.take_over(tx, data)
    return b"", data.file, data.size


def replace_frame(tx: Tx, endpoint: int, content: int, old_base: int, base: int | None, data: FrameData) -> bool:
    """Give a frame another base; False when it is not based on `old_base` any more."""
    found = tx.one(
        "SELECT file FROM frame WHERE content = ? AND endpoint = ? AND base = ?", content, endpoint, old_base
    )
    if found is None:
        return False
    _give_up_files(tx, [found])
    sql = (
        f"UPDATE frame SET base = ?, depth = {_DEPTH}, data = ?, file = ?, file_bytes = ?"
        " WHERE content = ? AND endpoint = ?"
    )
    return tx.run(sql, base, base, *_taken_over(tx, data), content, endpoint) == 1


def delete_frames(tx: Tx, endpoint: int, contents: Sequence[int]) -> int:
    """How many of the contents had one. What these have in parts is given up."""
    where = f"endpoint = ? AND content IN {LISTED}"
    _give_up_files(tx, tx.all(f"SELECT file FROM frame WHERE file IS NOT NULL AND {where}", endpoint, listed(contents)))
    return tx.run(f"DELETE FROM frame WHERE {where}", endpoint, listed(contents))


def delete_some_data(tx: Tx, endpoint: int) -> bool:
    """Of a deleted endpoint, some parts of a frame, or one that has none left; False when no frame is in parts."""
    row = tx.one("SELECT content, file FROM frame WHERE endpoint = ? AND file IS NOT NULL LIMIT 1", endpoint)
    if row is None:
        return False
    content, file = row
    if not large_files.delete_some(tx, file):
        tx.run("DELETE FROM frame WHERE content = ? AND endpoint = ?", content, endpoint)
    return True


def _give_up_files(tx: Tx, found: Sequence[Row]) -> None:
    large_files.give_up(tx, [row[0] for row in found if row[0] is not None])
