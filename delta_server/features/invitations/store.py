"""Invitations. The tenant is the account; `project` None stands for the instance."""

import msgspec

from delta_server.storage.database import Row, Tx


class Invitation(msgspec.Struct, frozen=True):
    """Times are in ms. Who made it is a user's row, a key's public id, or neither for a command."""

    id: int
    uid: bytes
    account: int
    project: int | None
    email: str
    role: str
    made_by_user: int | None
    made_by_key: str | None
    created_at: int
    expires_at: int
    accepted_at: int | None
    revoked_at: int | None


_COLUMNS = (
    "id, uid, account, project, email, role, made_by_user, made_by_key, created_at, expires_at, accepted_at, revoked_at"
)
_OPEN = "accepted_at IS NULL AND revoked_at IS NULL"


def insert(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    uid: bytes,
    email: str,
    role: str,
    hash: bytes,
    made_by_user: int | None,
    made_by_key: str | None,
    expires_at: int,
) -> Invitation:
    id = tx.insert(
        "INSERT INTO invitation (uid, account, project, email, role, hash, made_by_user, made_by_key, created_at,"
        " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        uid,
        account,
        project,
        email,
        role,
        hash,
        made_by_user,
        made_by_key,
        tx.now_ms,
        expires_at,
    )
    return Invitation(
        id, uid, account, project, email, role, made_by_user, made_by_key, tx.now_ms, expires_at, None, None
    )


def by_hash(tx: Tx, hash: bytes) -> Invitation | None:
    """One that can be accepted: it is what finds the tenant."""
    sql = f"SELECT {_COLUMNS} FROM invitation WHERE hash = ? AND {_OPEN} AND expires_at > ?"
    return _invitation(tx.one(sql, hash, tx.now_ms))


def by_uid(tx: Tx, account: int, project: int | None, uid: bytes) -> Invitation | None:
    """As `by_hash`, by its id."""
    sql = (
        f"SELECT {_COLUMNS} FROM invitation WHERE account = ? AND project IS ? AND uid = ? AND {_OPEN}"
        " AND expires_at > ?"
    )
    return _invitation(tx.one(sql, account, project, uid, tx.now_ms))


def page(tx: Tx, account: int, project: int | None, *, below: int, limit: int) -> list[Invitation]:
    """The newest first, rows below `below`."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM invitation WHERE account = ? AND project IS ? AND id < ? ORDER BY id DESC LIMIT ?",
        account,
        project,
        below,
        limit,
    )
    return [Invitation(*row) for row in rows]


def count_open(tx: Tx, account: int, project: int | None, *, most: int) -> int:
    """Counted up to `most`."""
    row = tx.one(
        f"SELECT count(*) FROM (SELECT 1 FROM invitation WHERE account = ? AND project IS ? AND {_OPEN}"
        " AND expires_at > ? LIMIT ?)",
        account,
        project,
        tx.now_ms,
        most,
    )
    assert row is not None
    return int(row[0])


def revoke_for(tx: Tx, account: int, project: int | None, email: str) -> int:
    """The open ones for the address."""
    return tx.run(
        f"UPDATE invitation SET revoked_at = ? WHERE account = ? AND project IS ? AND email = ? AND {_OPEN}"
        " AND expires_at > ?",
        tx.now_ms,
        account,
        project,
        email,
        tx.now_ms,
    )


def revoke(tx: Tx, account: int, project: int | None, uid: bytes) -> str | None:
    """The address that it was for; None when there is none that can be accepted."""
    row = tx.one(
        f"UPDATE invitation SET revoked_at = ? WHERE account = ? AND project IS ? AND uid = ? AND {_OPEN}"
        " AND expires_at > ? RETURNING email",
        tx.now_ms,
        account,
        project,
        uid,
        tx.now_ms,
    )
    return None if row is None else str(row[0])


def accept(tx: Tx, account: int, id: int) -> None:
    tx.run("UPDATE invitation SET accepted_at = ? WHERE account = ? AND id = ?", tx.now_ms, account, id)


def delete_expired(tx: Tx, before: int, limit: int) -> int:
    """Invitations of all accounts that expired before `before`, however they ended."""
    sql = "DELETE FROM invitation WHERE id IN (SELECT id FROM invitation WHERE expires_at < ? LIMIT ?)"
    return tx.run(sql, before, limit)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` of a deleted project; False when there are none."""
    sql = "DELETE FROM invitation WHERE id IN (SELECT id FROM invitation WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, limit) > 0


def _invitation(row: Row | None) -> Invitation | None:
    return Invitation(*row) if row else None
