"""Uploads, their parts, and what of them is staged."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from delta_server.features.sync.writing import Sums
from delta_server.storage.database import Tx, frees_space

MOST_LINES_OF_PART = 100

State: TypeAlias = Literal["open", "waiting", "staging", "undoing", "done"]


class Upload(msgspec.Struct, frozen=True):
    id: int
    uid: bytes
    space: int
    device: int
    upload_id: str
    state: State
    lines: int
    size_bytes: int
    staged_lines: int
    applied: int
    duplicate: int
    conflict: int
    last_seq: int | None
    confirm: str | None
    refusal: bytes | None
    touched_at: int


class Part(msgspec.Struct, frozen=True):
    """Lines from number `first_line` on, counted from 0."""

    id: int
    first_line: int
    lines: int
    content: bytes | None
    results: bytes | None


class Shown(msgspec.Struct, frozen=True):
    """An upload's first number, and when it became visible."""

    first: int
    at: int


_UPLOAD = (
    "id, uid, space, device, upload_id, state, lines, size_bytes, staged_lines, applied, duplicate, conflict, last_seq,"
    " confirm, refusal, touched_at"
)
_PART = "id, first_line, lines, content, results"


def upload(tx: Tx, space: int, device: int, upload_id: str) -> Upload | None:
    sql = f"SELECT {_UPLOAD} FROM sync_upload WHERE space = ? AND device = ? AND upload_id = ?"
    row = tx.one(sql, space, device, upload_id)
    return None if row is None else Upload(*row)


def by_uid(tx: Tx, space: int, uid: bytes) -> Upload | None:
    row = tx.one(f"SELECT {_UPLOAD} FROM sync_upload WHERE space = ? AND uid = ?", space, uid)
    return None if row is None else Upload(*row)


def insert_upload(tx: Tx, space: int, device: int, upload_id: str) -> None:
    tx.run(
        "INSERT INTO sync_upload (uid, space, device, upload_id, created_at, touched_at) VALUES (?, ?, ?, ?, ?, ?)",
        tx.new_id(),
        space,
        device,
        upload_id,
        tx.now_ms,
        tx.now_ms,
    )


def open_uploads(tx: Tx, space: int) -> tuple[int, int]:
    """How many are not visible yet, and their bytes."""
    sql = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM sync_upload WHERE space = ? AND state <> 'done'"
    row = tx.one(sql, space)
    return (0, 0) if row is None else (row[0], row[1])


def not_shown(tx: Tx, space: int) -> list[Upload]:
    """Those that are not visible yet: few (receiving.MOST_OPEN), the first begun first."""
    rows = tx.all(f"SELECT {_UPLOAD} FROM sync_upload WHERE space = ? AND state <> 'done'", space)
    return sorted((Upload(*row) for row in rows), key=lambda upload: upload.id)


def shown_around(tx: Tx, space: int, seq: int) -> Shown | None:
    """The first whose numbers end at `seq` or behind it."""
    row = tx.one(
        "SELECT first_seq, shown_at FROM sync_upload WHERE space = ? AND last_seq >= ? AND shown_at IS NOT NULL"
        " ORDER BY last_seq LIMIT 1",
        space,
        seq,
    )
    return None if row is None else Shown(*row)


def add_part(tx: Tx, space: int, upload: Upload, lines: int, size_bytes: int, content: bytes) -> None:
    """Behind those that are there."""
    tx.run(
        "INSERT INTO sync_upload_part (upload, first_line, lines, content) VALUES (?, ?, ?, ?)",
        upload.id,
        upload.lines,
        lines,
        content,
    )
    tx.run(
        "UPDATE sync_upload SET lines = lines + ?, size_bytes = size_bytes + ?, refusal = NULL, touched_at = ?"
        " WHERE space = ? AND id = ?",
        lines,
        size_bytes,
        tx.now_ms,
        space,
        upload.id,
    )


def parts(tx: Tx, space: int, upload: Upload, line: int, limit: int, *, with_conflicts: bool = False) -> list[Part]:
    """From the one with that line on."""
    some = " AND conflicts > 0" if with_conflicts else ""
    rows = tx.all(
        f"SELECT {_PART} FROM sync_upload_part WHERE upload = (SELECT id FROM sync_upload WHERE space = ? AND id = ?)"
        f" AND first_line > ? AND first_line + lines > ?{some} ORDER BY first_line LIMIT ?",
        space,
        upload.id,
        line - MOST_LINES_OF_PART,
        line,
        limit,
    )
    return [Part(*row) for row in rows]


def wait(tx: Tx, space: int, upload: int, confirm: str | None) -> None:
    """All of it is there."""
    tx.run(
        "UPDATE sync_upload SET state = 'waiting', confirm = ?, refusal = NULL, touched_at = ? WHERE space = ?"
        " AND id = ?",
        confirm,
        tx.now_ms,
        space,
        upload,
    )


def stage(tx: Tx, space: int, seq: int | None) -> None:
    """What is numbered above the space's number, up to `seq`, is hidden, and nothing is pushed; with None all is
    shown."""
    tx.run("UPDATE sync_space AS space SET staged = ? WHERE space.id = ?", seq, space)


def begin(tx: Tx, space: int, upload: int, seq: int) -> None:
    """From now on nothing is pushed, and what is numbered above `seq` is hidden."""
    stage(tx, space, seq)
    tx.run(
        "UPDATE sync_upload SET state = 'staging', first_seq = ?, staged_lines = 0, applied = 0, duplicate = 0,"
        " conflict = 0 WHERE space = ? AND id = ?",
        seq + 1,
        space,
        upload,
    )


def add_sums(tx: Tx, space: int, upload: int, collection: int, sums: Sums) -> None:
    before = tx.one(
        "SELECT records, tombstones, size_bytes, deleted, digest, changes FROM sync_upload_sum WHERE upload ="
        " (SELECT id FROM sync_upload WHERE space = ? AND id = ?) AND collection = ?",
        space,
        upload,
        collection,
    ) or (0, 0, 0, 0, bytes(16), 0)
    digest = int.from_bytes(before[4]) ^ int.from_bytes(sums.digest)
    tx.run(
        "INSERT INTO sync_upload_sum (upload, collection, seq, records, tombstones, size_bytes, deleted, digest,"
        " changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq),"
        " records = excluded.records, tombstones = excluded.tombstones, size_bytes = excluded.size_bytes,"
        " deleted = excluded.deleted, digest = excluded.digest, changes = excluded.changes",
        upload,
        collection,
        sums.seq,
        before[0] + sums.records,
        before[1] + sums.tombstones,
        before[2] + sums.size_bytes,
        before[3] + sums.deleted,
        digest.to_bytes(16),
        before[5] + sums.changes,
    )


def sums(tx: Tx, space: int, upload: int) -> dict[int, Sums]:
    """By collections, what they become more by."""
    rows = tx.all(
        "SELECT collection, seq, records, tombstones, size_bytes, deleted, digest, changes FROM sync_upload_sum"
        " WHERE upload = (SELECT id FROM sync_upload WHERE space = ? AND id = ?)",
        space,
        upload,
    )
    return {row[0]: Sums(*row[1:]) for row in rows}


def part_staged(
    tx: Tx, space: int, upload: int, part: Part, staged: int, results: bytes, counts: tuple[int, int, int], at: int
) -> None:
    """`staged` is the newest number given, `counts` are of applied, duplicate and conflict."""
    stage(tx, space, staged)
    tx.run(
        "UPDATE sync_upload_part SET results = ?, conflicts = ? WHERE upload = ? AND id = ?",
        results,
        counts[2],
        upload,
        part.id,
    )
    tx.run(
        "UPDATE sync_upload SET staged_lines = ?, applied = applied + ?, duplicate = duplicate + ?,"
        " conflict = conflict + ?, touched_at = ? WHERE space = ? AND id = ?",
        part.first_line + part.lines,
        *counts,
        at,
        space,
        upload,
    )


def show(tx: Tx, space: int, upload: int, seq: int, at: int) -> None:
    """It is visible when this is committed, up to the number `seq`."""
    stage(tx, space, None)
    tx.run(
        "UPDATE sync_upload SET state = 'done', last_seq = ?, shown_at = ?, touched_at = ?, confirm = NULL"
        " WHERE space = ? AND id = ?",
        seq,
        at,
        tx.now_ms,
        space,
        upload,
    )


@frees_space
def refuse(tx: Tx, space: int, upload: int, refusal: bytes) -> None:
    """What is staged of it is to be undone."""
    sql = "UPDATE sync_upload SET state = 'undoing', refusal = ? WHERE space = ? AND id = ?"
    tx.run(sql, refusal, space, upload)


@frees_space
def open_again(tx: Tx, space: int) -> None:
    """What was staged is undone."""
    stage(tx, space, None)


def staged_by_pushes(tx: Tx) -> list[int]:
    """Spaces that no upload has closed."""
    rows = tx.all(
        "SELECT space.id FROM sync_space AS space WHERE space.staged IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM sync_upload WHERE sync_upload.space = space.id AND state IN ('staging', 'undoing'))"
    )
    return [row[0] for row in rows]


@frees_space
def unstage(tx: Tx, space: int, limit: int) -> bool:
    """Take the newest of what is hidden away again; False when nothing is left."""
    row = tx.one(
        "SELECT min(seq) FROM (SELECT seq FROM sync_change WHERE space = ?1 AND seq >"
        " (SELECT seq FROM sync_space AS space WHERE space.id = ?1 AND staged IS NOT NULL) ORDER BY seq DESC LIMIT ?2)",
        space,
        limit,
    )
    if row is None or row[0] is None:
        return False
    tx.run("DELETE FROM sync_change WHERE space = ? AND seq >= ?", space, row[0])
    tx.run("UPDATE sync_change SET superseded_by = NULL WHERE space = ? AND superseded_by >= ?", space, row[0])
    return True


@frees_space
def reopen(tx: Tx, space: int, upload: int) -> None:
    """All of it is undone."""
    stage(tx, space, None)
    tx.run("DELETE FROM sync_upload_sum WHERE upload = ?", upload)
    tx.run(
        "UPDATE sync_upload SET state = 'open', staged_lines = 0, first_seq = NULL, confirm = NULL, touched_at = ?"
        " WHERE space = ? AND id = ?",
        tx.now_ms,
        space,
        upload,
    )


@frees_space
def drop_contents(tx: Tx, space: int, upload: int, limit: int) -> int:
    """Of some parts of a visible one; how many it was."""
    return tx.run(
        "UPDATE sync_upload_part SET content = NULL WHERE id IN (SELECT id FROM sync_upload_part WHERE upload ="
        " (SELECT id FROM sync_upload WHERE space = ? AND id = ? AND state = 'done') AND content IS NOT NULL LIMIT ?)",
        space,
        upload,
        limit,
    )


def old(tx: Tx, state: State, before: int, limit: int) -> list[tuple[int, int]]:
    """Spaces and rows of those that nothing came to since then."""
    return tx.all("SELECT space, id FROM sync_upload WHERE state = ? AND touched_at < ? LIMIT ?", state, before, limit)


@frees_space
def delete_some(tx: Tx, space: int, uploads: Sequence[int], limit: int) -> bool:
    """Delete up to `limit` parts of these, then them; False when nothing is left."""
    for upload in uploads:
        if tx.run(
            "DELETE FROM sync_upload_part WHERE id IN (SELECT id FROM sync_upload_part WHERE upload = ? LIMIT ?)",
            upload,
            limit,
        ):
            return True
        tx.run("DELETE FROM sync_upload_sum WHERE upload = ?", upload)
        tx.run("DELETE FROM sync_upload WHERE space = ? AND id = ?", space, upload)
    return False


def any_of_space(tx: Tx, space: int) -> list[int]:
    return [row[0] for row in tx.all("SELECT id FROM sync_upload WHERE space = ? LIMIT 1", space)]
