"""The contents of an endpoint in order, and where their bytes are: a frame row each, or a place in a pack row."""

from collections.abc import Sequence
from itertools import repeat

import msgspec

from delta_server.core.history.timeline_span import Position
from delta_server.core.packs import pack_format, pack_plan
from delta_server.storage.contents.frame_rows import delete_frames, insert_frame
from delta_server.storage.contents.rows import Content, Frame, NewPack, Pack, RecordedArrays, Version
from delta_server.storage.database import LISTED, Row, Tx, listed

COLUMNS = "id, endpoint, captured_at, size, hash, pack, position, dead"
_PACK_COLUMNS = "id, endpoint, captured_at, deep, base, chain, contents, size, created_at, members"


# One content


def get(tx: Tx, endpoint: int, content: int) -> Content | None:
    """Any content whose row is still there, dead ones too."""
    return _content(tx.one(f"SELECT {COLUMNS} FROM content WHERE id = ? AND endpoint = ?", content, endpoint))


def head(tx: Tx, endpoint: int) -> Content | None:
    sql = f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 ORDER BY captured_at DESC, id DESC LIMIT 1"
    return _content(tx.one(sql, endpoint))


def content_at(tx: Tx, endpoint: int, captured_at: int) -> Content | None:
    """The content in force at a time: the last one captured then or earlier."""
    sql = (
        f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 AND captured_at <= ?"
        " ORDER BY captured_at DESC, id DESC LIMIT 1"
    )
    return _content(tx.one(sql, endpoint, captured_at))


def before(tx: Tx, endpoint: int, position: Position) -> Content | None:
    """The living content just before a position in order."""
    sql = (
        f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 AND captured_at <= ?"
        " AND NOT (captured_at = ? AND id >= ?) ORDER BY captured_at DESC, id DESC LIMIT 1"
    )
    return _content(tx.one(sql, endpoint, position[0], *position))


def after(tx: Tx, endpoint: int, content: Content) -> Content | None:
    """The living content just after this one in order."""
    rows = follow(tx, endpoint, (content.captured_at, content.id), limit=1)
    return rows[0] if rows else None


_FOLLOWING = (
    "FROM content WHERE endpoint = ? AND dead = 0 AND captured_at >= ? AND (captured_at, id) > (?, ?)"
    " ORDER BY captured_at, id LIMIT"
)
_NEXT_PENDING = f"UPDATE content SET pending = 1 WHERE pending <> 1 AND id = (SELECT id {_FOLLOWING} 1)"


def follow(tx: Tx, endpoint: int, position: tuple[int, int], *, limit: int) -> list[Content]:
    """The living contents after a position (captured_at, id), in order."""
    rows = tx.all(f"SELECT {COLUMNS} {_FOLLOWING} ?", endpoint, position[0], *position, limit)
    return [Content(*row) for row in rows]


def by_ids(tx: Tx, endpoint: int, contents: Sequence[int]) -> dict[int, Content]:
    """By id, those of `contents` whose rows are there."""
    sql = f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND id IN {LISTED}"
    return {row[0]: Content(*row) for row in tx.all(sql, endpoint, listed(contents))}


def versions(tx: Tx, project: int, *, limit: int) -> list[Version]:
    """Of all endpoints of a project, by endpoint and time."""
    sql = (
        "SELECT e.id, e.name, c.id, c.captured_at, c.size, c.pack FROM endpoint e JOIN content c ON c.endpoint = e.id"
        " WHERE e.project = ? AND e.deleted_at IS NULL AND c.dead = 0 ORDER BY e.id, c.captured_at, c.id LIMIT ?"
    )
    return [Version(*row) for row in tx.all(sql, project, limit)]


def recorded_arrays(tx: Tx, project: int) -> list[RecordedArrays]:
    sql = "SELECT id, diff, found_keys FROM endpoint WHERE project = ? AND deleted_at IS NULL"
    return [RecordedArrays(*row) for row in tx.all(sql, project)]


def first_snapshots(tx: Tx, endpoint: int) -> dict[int, bytes]:
    """By time, the ids of the snapshots in which contents appeared."""
    sql = (
        "SELECT c.captured_at, s.uid FROM content c JOIN snapshot s ON s.endpoint = c.endpoint"
        " AND s.captured_at = c.captured_at WHERE c.endpoint = ? AND c.dead = 0"
    )
    return {row[0]: bytes(row[1]) for row in tx.all(sql, endpoint)}


def add(tx: Tx, endpoint: int, captured_at: int, frame: Frame) -> int | None:
    """The new content's id; None when the content the frame is based on is gone: encode it again.

    It and the content after it become pending: their deltas are to be computed.
    """
    if frame.base is not None and get(tx, endpoint, frame.base) is None:
        return None
    [content] = insert_contents(tx, endpoint, [captured_at], [frame.size], [frame.hash])
    insert_frame(tx, endpoint, content, frame.size, frame.base, frame.data)
    return content


def touch(tx: Tx, endpoint: int, content: int, captured_at: int) -> None:
    """The first snapshot of this content's run moved: it becomes pending. Its place in the order must stay the same."""
    tx.run(
        "UPDATE content SET captured_at = ?, pending = 1 WHERE id = ? AND endpoint = ?", captured_at, content, endpoint
    )


def mark_dead(tx: Tx, endpoint: int, content: Content) -> None:
    """Take a content out of the order; the content after it becomes pending. Its bytes go with the next sweep."""
    tx.run("UPDATE content SET dead = 1, pending = 0 WHERE id = ? AND endpoint = ?", content.id, endpoint)
    mark_next_pending(tx, endpoint, content.captured_at, content.id)


def insert_contents(
    tx: Tx, endpoint: int, times: Sequence[int], sizes: Sequence[int], hashes: Sequence[bytes], *, is_last: bool = False
) -> list[int]:
    """The new rows' ids, in order, that of their times. They and the contents after them become pending."""
    followed = not is_last and follow(tx, endpoint, (times[0], 0), limit=1)
    sql = "INSERT INTO content (id, endpoint, captured_at, size, hash, dead, pending) VALUES (?, ?, ?, ?, ?, 0, 1)"
    first = tx.insert(sql, None, endpoint, times[0], sizes[0], hashes[0])
    ids = list(range(first, first + len(times)))
    if len(ids) > 1:
        tx.many(sql, list(zip(ids, repeat(endpoint), times, sizes, hashes, strict=False))[1:])
    if followed:
        tx.many(_NEXT_PENDING, [(endpoint, at, at, content) for at, content in zip(times, ids, strict=True)])
    return ids


def mark_next_pending(tx: Tx, endpoint: int, captured_at: int, content: int) -> None:
    tx.run(_NEXT_PENDING, endpoint, captured_at, captured_at, content)


def delete_content(tx: Tx, endpoint: int, content: int) -> None:
    """The row and its frame; nothing may be based on it any more. A dead content has no delta."""
    delete_frames(tx, endpoint, [content])
    tx.run("DELETE FROM content WHERE id = ? AND endpoint = ?", content, endpoint)


# Frames


def frame_depth(tx: Tx, endpoint: int, content: int) -> int:
    """How many frames are decoded at most to read a content, its own included; 0 when it is in a pack."""
    return next(iter(_ids(tx, "SELECT depth FROM frame WHERE content = ? AND endpoint = ?", content, endpoint)), 0)


def loose_frames(tx: Tx, endpoint: int, *, size_limit: int) -> list[Content]:
    """Living contents that are frames and not too large for a pack, in order."""
    sql = (
        f"SELECT {COLUMNS} FROM content WHERE +endpoint = ? AND +dead = 0"  # +: there are fewer frames than contents
        " AND id IN (SELECT content FROM frame WHERE frame.endpoint = ? AND frame.size <= ?) ORDER BY captured_at, id"
    )
    return [Content(*row) for row in tx.all(sql, endpoint, endpoint, size_limit)]


def endpoints_with_loose_frames(tx: Tx) -> list[int]:
    """Endpoints that have frames."""
    return _ids(tx, "SELECT DISTINCT endpoint FROM frame")


def newest_frame(tx: Tx) -> int:
    """The last content that is a frame, 0 without any."""
    return next(iter(_ids(tx, "SELECT content FROM frame ORDER BY content DESC LIMIT 1")), 0)


def with_frames_after(tx: Tx, content: int) -> list[int]:
    """Endpoints with frames of later contents: as many rows are looked at as there are such frames."""
    return _ids(tx, "SELECT DISTINCT endpoint FROM frame NOT INDEXED WHERE content > ?", content)


def fills_a_pack(tx: Tx, endpoint: int, *, size_limit: int, total_bytes: int, contents: int) -> bool:
    """Whether an endpoint's frames that are not too large for a pack reach either bound."""
    sql = "SELECT coalesce(sum(size), 0) >= ? OR count(*) >= ? FROM frame WHERE endpoint = ? AND size <= ?"
    return _ids(tx, sql, total_bytes, contents, endpoint, size_limit) == [1]


def frame_bytes(tx: Tx, endpoint: int, contents: Sequence[int]) -> int:
    """What the frames of these contents take."""
    sql = f"SELECT coalesce(sum(length(data) + file_bytes), 0) FROM frame WHERE endpoint = ? AND content IN {LISTED}"
    return sum(row[0] for row in tx.all(sql, endpoint, listed(contents)))


def frames_based_on(tx: Tx, endpoint: int, content: int) -> list[int]:
    return _ids(tx, "SELECT content FROM frame WHERE base = ? AND endpoint = ? ORDER BY content", content, endpoint)


def has_dependents(tx: Tx, endpoint: int, content: int) -> bool:
    sql = (
        "SELECT EXISTS (SELECT 1 FROM frame WHERE base = ? AND endpoint = ?)"
        " OR EXISTS (SELECT 1 FROM pack WHERE base = ? AND endpoint = ?)"
    )
    return _ids(tx, sql, *(content, endpoint) * 2) == [1]


# Packs


def pack(tx: Tx, endpoint: int, pack_id: int) -> Pack | None:
    return _pack(tx.one(f"SELECT {_PACK_COLUMNS} FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint))


def pack_anchor(tx: Tx, endpoint: int, pack_id: int) -> bytes:
    """The frame of a pack's last content."""
    row = tx.one("SELECT anchor FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint)
    return row[0] if row else b""


def pack_data(tx: Tx, endpoint: int, pack_id: int) -> tuple[bytes, bytes | None]:
    """The frames of all a pack's contents but the last, and the table of them."""
    row = tx.one("SELECT data, frames FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint)
    return (row[0], row[1]) if row else (b"", None)


def pack_before(tx: Tx, endpoint: int, captured_at: int) -> Pack | None:
    """The last pack that begins at a time or earlier."""
    sql = (
        f"SELECT {_PACK_COLUMNS} FROM pack WHERE endpoint = ? AND captured_at <= ?"
        " ORDER BY captured_at DESC, id DESC LIMIT 1"
    )
    return _pack(tx.one(sql, endpoint, captured_at))


def packs(tx: Tx, endpoint: int, *, created_before: int) -> list[Pack]:
    """In order of their first contents."""
    sql = f"SELECT {_PACK_COLUMNS} FROM pack WHERE endpoint = ? AND created_at < ? ORDER BY captured_at, id"
    return [pack for row in tx.all(sql, endpoint, created_before) if (pack := _pack(row))]


def with_packs(tx: Tx, *, created_before: int) -> list[int]:
    """Endpoints with several packs older than that, not all of them deep."""
    sql = "SELECT endpoint FROM pack WHERE created_at < ? GROUP BY endpoint HAVING count(*) > 1 AND min(deep) = 0"
    return _ids(tx, sql, created_before)


def packs_based_on(tx: Tx, endpoint: int, content: int) -> list[Pack]:
    rows = tx.all(f"SELECT {_PACK_COLUMNS} FROM pack WHERE base = ? AND endpoint = ?", content, endpoint)
    return [pack for row in rows if (pack := _pack(row))]


def packs_off_anchors(tx: Tx, endpoint: int) -> list[int]:
    """Packs based on a content that is not an anchor: all of another pack must be decoded to read them."""
    sql = (
        "SELECT pack.id FROM pack JOIN content ON content.id = pack.base"
        " WHERE pack.endpoint = ? AND content.position >= 0 ORDER BY pack.captured_at, pack.id"
    )
    return _ids(tx, sql, endpoint)


def chain_of(tx: Tx, endpoint: int, content: int) -> int | None:
    """The `chain` of the pack a content is in, None when it is in none."""
    sql = (
        "SELECT pack.chain FROM content JOIN pack ON pack.id = content.pack"
        " WHERE content.id = ? AND content.endpoint = ?"
    )
    return next(iter(_ids(tx, sql, content, endpoint)), None)


def insert_pack(tx: Tx, endpoint: int, new: NewPack, members: Sequence[int]) -> int:
    """Store a pack of contents whose rows are there; they are placed in it."""
    pack_id = tx.insert(
        "INSERT INTO pack (endpoint, captured_at, deep, base, chain, contents, size, created_at, members, anchor,"
        " data, frames) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        endpoint,
        new.captured_at,
        int(new.deep),
        new.base,
        new.chain,
        len(members),
        sum(new.sizes),
        new.created_at,
        msgspec.msgpack.encode(pack_plan.to_runs(members)),
        *new.packed,
    )
    places = zip(members, pack_format.positions(new.sizes), strict=True)
    rows = [(pack_id, position, member, endpoint) for member, position in places]
    tx.many("UPDATE content SET pack = ?, position = ? WHERE id = ? AND endpoint = ?", rows)
    return pack_id


def delete_pack(tx: Tx, endpoint: int, pack_id: int) -> bool:
    return tx.run("DELETE FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint) == 1


# What is to be swept away


def with_dead(tx: Tx) -> list[int]:
    living = "SELECT id FROM endpoint WHERE deleted_at IS NULL"
    return _ids(tx, f"SELECT DISTINCT endpoint FROM content WHERE dead = 1 AND endpoint IN ({living})")


def dead_frames(tx: Tx, endpoint: int, *, below: int, limit: int) -> list[int]:
    """Dead contents with smaller ids that are frames, the newest first: what is based on a frame is newer than it."""
    sql = "SELECT id FROM content WHERE endpoint = ? AND dead = 1 AND pack IS NULL AND id < ? ORDER BY id DESC LIMIT ?"
    return _ids(tx, sql, endpoint, below, limit)


def packs_with_dead(tx: Tx, endpoint: int) -> list[int]:
    """Each before those it stands on, so that it has left their dead contents when these are rewritten."""
    sql = (
        "SELECT id FROM pack WHERE id IN (SELECT pack FROM content WHERE endpoint = ? AND dead = 1)"
        " ORDER BY chain DESC, id"
    )
    return _ids(tx, sql, endpoint)


def is_living(tx: Tx, endpoint: int) -> bool:
    """Whether it is not being removed. One that lies in the bin is not: it can be restored."""
    return tx.one(f"SELECT 1 FROM endpoint WHERE id = ? AND {_IS_KEPT}", endpoint) is not None


def endpoints(tx: Tx) -> list[int]:
    return _ids(tx, "SELECT id FROM endpoint WHERE deleted_at IS NULL ORDER BY id")


# What is to be verified


_IS_KEPT = "(deleted_at IS NULL OR purge_at IS NOT NULL)"


def kept_endpoints(tx: Tx) -> list[int]:
    """Those in the bin, too."""
    return _ids(tx, f"SELECT id FROM endpoint WHERE {_IS_KEPT} ORDER BY id")


def count(tx: Tx) -> int:
    return sum(row[0] for row in tx.all("SELECT count(*) FROM content"))


def pack_ids(tx: Tx, endpoint: int) -> list[int]:
    return _ids(tx, "SELECT id FROM pack WHERE endpoint = ? ORDER BY captured_at, id", endpoint)


def frame_ids(tx: Tx, endpoint: int) -> list[int]:
    return _ids(tx, "SELECT content FROM frame WHERE endpoint = ? ORDER BY content", endpoint)


def _ids(tx: Tx, sql: str, *params: int) -> list[int]:
    return [row[0] for row in tx.all(sql, *params)]


def _content(row: Row | None) -> Content | None:
    return Content(*row) if row else None


def _pack(row: Row | None) -> Pack | None:
    if row is None:
        return None
    members = pack_plan.from_runs(msgspec.msgpack.decode(row[-1], type=list[int]))
    return Pack(*(*row[:-1], members))
