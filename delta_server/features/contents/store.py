"""The contents of an endpoint in order, and where their bytes are: a frame row each, or a place in a pack row."""

from collections.abc import Sequence

import msgspec

from delta_server.core import chain
from delta_server.storage.database import Row, Tx

COLUMNS = "id, endpoint, captured_at, size, hash, pack, position, dead"


class Content(msgspec.Struct, frozen=True):
    """`hash` is the xxh3-128 of the `size` bytes. `pack` and `position` are None while they are a frame."""

    id: int
    endpoint: int
    captured_at: int
    size: int
    hash: bytes
    pack: int | None
    position: int | None
    dead: int


class Frame(msgspec.Struct, frozen=True):
    """An encoded content on its way into the store; `base` is the content its `data` was encoded against."""

    hash: bytes
    size: int
    base: int | None
    data: bytes


class StoredFrame(msgspec.Struct, frozen=True):
    content: int
    base: int | None
    data: bytes


class Pack(msgspec.Struct, frozen=True):
    """A pack without its data. `captured_at` is its first content's; `members` are content ids by position."""

    id: int
    endpoint: int
    captured_at: int
    deep: int
    base: int | None
    chain: int
    contents: int
    size: int
    created_at: int
    members: list[int]


class NewPack(msgspec.Struct, frozen=True):
    """An encoded pack on its way into the store. `sizes` are those of its contents, in order."""

    base: int | None
    chain: int
    deep: bool
    sizes: list[int]
    data: bytes


_PACK_COLUMNS = "id, endpoint, captured_at, deep, base, chain, contents, size, created_at, members"


# One content


def get(tx: Tx, endpoint: int, content: int) -> Content | None:
    """Any content whose row is still there, dead ones too."""
    return _content(tx.one(f"SELECT {COLUMNS} FROM content WHERE id = ? AND endpoint = ?", content, endpoint))


def head(tx: Tx, endpoint: int) -> Content | None:
    return _content(
        tx.one(
            f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 ORDER BY captured_at DESC, id DESC LIMIT 1",
            endpoint,
        )
    )


def at(tx: Tx, endpoint: int, captured_at: int) -> Content | None:
    """The content in force at a time: the last one captured then or earlier."""
    return _content(
        tx.one(
            f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 AND captured_at <= ?"
            " ORDER BY captured_at DESC, id DESC LIMIT 1",
            endpoint,
            captured_at,
        )
    )


def before(tx: Tx, endpoint: int, content: Content) -> Content | None:
    """The living content just before this one in order."""
    return _content(
        tx.one(
            f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 AND captured_at <= ?"
            " AND (captured_at, id) < (?, ?) ORDER BY captured_at DESC, id DESC LIMIT 1",
            endpoint,
            content.captured_at,
            content.captured_at,
            content.id,
        )
    )


def after(tx: Tx, endpoint: int, content: Content) -> Content | None:
    """The living content just after this one in order."""
    rows = follow(tx, endpoint, (content.captured_at, content.id), limit=1)
    return rows[0] if rows else None


def follow(tx: Tx, endpoint: int, position: tuple[int, int], *, limit: int) -> list[Content]:
    """The living contents after a position (captured_at, id), in order."""
    captured_at, content = position
    rows = tx.all(
        f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0 AND captured_at >= ?"
        " AND (captured_at, id) > (?, ?) ORDER BY captured_at, id LIMIT ?",
        endpoint,
        captured_at,
        captured_at,
        content,
        limit,
    )
    return [Content(*row) for row in rows]


def many(tx: Tx, endpoint: int, contents: Sequence[int]) -> dict[int, Content]:
    """By id, those of `contents` whose rows are there; at most some thousands at a time."""
    marks = ",".join("?" * len(contents))
    rows = tx.all(f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND id IN ({marks})", endpoint, *contents)
    return {row[0]: Content(*row) for row in rows}


def add(tx: Tx, endpoint: int, captured_at: int, frame: Frame) -> int | None:
    """The new content's id; None when the content the frame is based on is gone: encode it again.

    It and the content after it become pending: their deltas are to be computed.
    """
    if frame.base is not None and get(tx, endpoint, frame.base) is None:
        return None
    content = insert_content(tx, endpoint, captured_at, frame.size, frame.hash)
    insert_frame(tx, endpoint, content, frame)
    mark_next_pending(tx, endpoint, captured_at, content)
    return content


def touch(tx: Tx, endpoint: int, content: int, captured_at: int) -> None:
    """The first snapshot of this content's run moved: it becomes pending. Its place in the order must stay the same."""
    tx.run("UPDATE content SET captured_at = ?, pending = 1 WHERE id = ? AND endpoint = ?", captured_at, content, endpoint)


def mark_dead(tx: Tx, endpoint: int, content: Content) -> None:
    """Take a content out of the order; the content after it becomes pending. Its bytes go with the next sweep."""
    tx.run("UPDATE content SET dead = 1, pending = 0 WHERE id = ? AND endpoint = ?", content.id, endpoint)
    mark_next_pending(tx, endpoint, content.captured_at, content.id)


def insert_content(tx: Tx, endpoint: int, captured_at: int, size: int, digest: bytes) -> int:
    return tx.insert(
        "INSERT INTO content (endpoint, captured_at, size, hash, dead, pending) VALUES (?, ?, ?, ?, 0, 1)",
        endpoint,
        captured_at,
        size,
        digest,
    )


def mark_next_pending(tx: Tx, endpoint: int, captured_at: int, content: int) -> None:
    rows = follow(tx, endpoint, (captured_at, content), limit=1)
    if rows:
        tx.run("UPDATE content SET pending = 1 WHERE id = ? AND endpoint = ?", rows[0].id, endpoint)


def place(tx: Tx, endpoint: int, content: int, pack: int, position: int) -> None:
    """The content's bytes are in a pack from now on."""
    tx.run("UPDATE content SET pack = ?, position = ? WHERE id = ? AND endpoint = ?", pack, position, content, endpoint)


def delete_content(tx: Tx, endpoint: int, content: int) -> None:
    """The row, its frame and its delta; nothing may be based on it any more."""
    delete_frame(tx, endpoint, content)
    tx.run("DELETE FROM delta WHERE content = ?", content)
    tx.run("DELETE FROM content WHERE id = ? AND endpoint = ?", content, endpoint)


# Frames


def frame(tx: Tx, endpoint: int, content: int) -> StoredFrame | None:
    row = tx.one("SELECT content, base, data FROM frame WHERE content = ? AND endpoint = ?", content, endpoint)
    return StoredFrame(*row) if row else None


def frame_base(tx: Tx, endpoint: int, content: int) -> tuple[int | None] | None:
    """(base,) of a content's frame, None when it is in a pack."""
    row = tx.one("SELECT base FROM frame WHERE content = ? AND endpoint = ?", content, endpoint)
    return (row[0],) if row else None


def insert_frame(tx: Tx, endpoint: int, content: int, frame: Frame) -> None:
    tx.run(
        "INSERT INTO frame (content, endpoint, size, base, data) VALUES (?, ?, ?, ?, ?)",
        content,
        endpoint,
        frame.size,
        frame.base,
        frame.data,
    )


def replace_frame(tx: Tx, endpoint: int, content: int, old_base: int, base: int | None, data: bytes) -> bool:
    """Give a frame another base; False when it is not based on `old_base` any more."""
    changed = tx.run(
        "UPDATE frame SET base = ?, data = ? WHERE content = ? AND endpoint = ? AND base = ?",
        base,
        data,
        content,
        endpoint,
        old_base,
    )
    return changed == 1


def delete_frame(tx: Tx, endpoint: int, content: int) -> bool:
    return tx.run("DELETE FROM frame WHERE content = ? AND endpoint = ?", content, endpoint) == 1


def loose(tx: Tx, endpoint: int, *, size_limit: int) -> list[Content]:
    """Living contents that are frames and not too large for a pack, in order."""
    rows = tx.all(
        f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 0"
        " AND id IN (SELECT content FROM frame WHERE frame.endpoint = ? AND frame.size <= ?) ORDER BY captured_at, id",
        endpoint,
        endpoint,
        size_limit,
    )
    return [Content(*row) for row in rows]


def with_loose(tx: Tx, *, size_limit: int, total_bytes: int, contents: int) -> list[int]:
    """Endpoints whose frames that are not too large for a pack reach either bound."""
    rows = tx.all(
        "SELECT endpoint FROM frame WHERE size <= ? GROUP BY endpoint HAVING sum(size) >= ? OR count(*) >= ?",
        size_limit,
        total_bytes,
        contents,
    )
    return [row[0] for row in rows]


def frames_based_on(tx: Tx, endpoint: int, content: int) -> list[int]:
    rows = tx.all("SELECT content FROM frame WHERE base = ? AND endpoint = ? ORDER BY content", content, endpoint)
    return [row[0] for row in rows]


# Packs


def pack(tx: Tx, endpoint: int, pack_id: int) -> Pack | None:
    return _pack(tx.one(f"SELECT {_PACK_COLUMNS} FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint))


def pack_data(tx: Tx, endpoint: int, pack_id: int) -> bytes | None:
    row = tx.one("SELECT data FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint)
    return row[0] if row else None


def pack_before(tx: Tx, endpoint: int, captured_at: int) -> Pack | None:
    """The last pack that begins at a time or earlier."""
    return _pack(
        tx.one(
            f"SELECT {_PACK_COLUMNS} FROM pack WHERE endpoint = ? AND captured_at <= ?"
            " ORDER BY captured_at DESC, id DESC LIMIT 1",
            endpoint,
            captured_at,
        )
    )


def packs(tx: Tx, endpoint: int, *, created_before: int) -> list[Pack]:
    """In order of their first contents."""
    rows = tx.all(
        f"SELECT {_PACK_COLUMNS} FROM pack WHERE endpoint = ? AND created_at < ? ORDER BY captured_at, id",
        endpoint,
        created_before,
    )
    return [decoded for row in rows if (decoded := _pack(row))]


def with_packs(tx: Tx, *, created_before: int) -> list[int]:
    """Endpoints that have a pack older than that which is not a deep one, and another pack."""
    rows = tx.all(
        "SELECT endpoint FROM pack WHERE created_at < ? GROUP BY endpoint HAVING count(*) > 1 AND min(deep) = 0",
        created_before,
    )
    return [row[0] for row in rows]


def packs_based_on(tx: Tx, endpoint: int, content: int) -> list[Pack]:
    rows = tx.all(f"SELECT {_PACK_COLUMNS} FROM pack WHERE base = ? AND endpoint = ?", content, endpoint)
    return [decoded for row in rows if (decoded := _pack(row))]


def insert_pack(tx: Tx, endpoint: int, captured_at: int, new: NewPack, members: Sequence[int]) -> int:
    """Store a pack of contents whose rows are there; they are placed in it."""
    pack_id = tx.insert(
        "INSERT INTO pack (endpoint, captured_at, deep, base, chain, contents, size, created_at, members, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        endpoint,
        captured_at,
        int(new.deep),
        new.base,
        new.chain,
        len(members),
        sum(new.sizes),
        tx.now_ms,
        msgspec.msgpack.encode(chain.to_runs(members)),
        new.data,
    )
    for member, position in zip(members, chain.positions(new.sizes), strict=True):
        place(tx, endpoint, member, pack_id, position)
    return pack_id


def delete_pack(tx: Tx, endpoint: int, pack_id: int) -> bool:
    return tx.run("DELETE FROM pack WHERE id = ? AND endpoint = ?", pack_id, endpoint) == 1


# What is to be swept away


def with_dead(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT DISTINCT endpoint FROM content WHERE dead = 1")]


def dead(tx: Tx, endpoint: int, *, limit: int) -> list[Content]:
    """Frames first, then pack by pack."""
    rows = tx.all(
        f"SELECT {COLUMNS} FROM content WHERE endpoint = ? AND dead = 1 ORDER BY pack, id LIMIT ?", endpoint, limit
    )
    return [Content(*row) for row in rows]


def _content(row: Row | None) -> Content | None:
    return Content(*row) if row else None


def _pack(row: Row | None) -> Pack | None:
    if row is None:
        return None
    members = chain.from_runs(msgspec.msgpack.decode(row[-1], type=list[int]))
    return Pack(*(*row[:-1], members))
