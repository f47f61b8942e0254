"""Accounts that wait for their address to be confirmed. The tenant is the account that they will belong to."""

import msgspec

from delta_server.storage.database import Row, Tx


class Waiting(msgspec.Struct, frozen=True):
    """Times are in ms; `password` is a PHC string."""

    id: int
    uid: bytes
    account: int
    email: str
    name: str
    password: str
    expires_at: int


_COLUMNS = "id, uid, account, email, name, password, expires_at"


def insert(
    tx: Tx, account: int, *, uid: bytes, email: str, name: str, password: str, hash: bytes, expires_at: int
) -> None:
    tx.run(
        "INSERT INTO registration (uid, account, email, name, password, hash, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        uid,
        account,
        email,
        name,
        password,
        hash,
        tx.now_ms,
        expires_at,
    )


def by_uid(tx: Tx, account: int, uid: bytes) -> Waiting | None:
    sql = f"SELECT {_COLUMNS} FROM registration WHERE account = ? AND uid = ? AND expires_at > ?"
    return _waiting(tx.one(sql, account, uid, tx.now_ms))


def by_hash(tx: Tx, hash: bytes) -> Waiting | None:
    """By the token of its link, which finds the tenant."""
    return _waiting(tx.one(f"SELECT {_COLUMNS} FROM registration WHERE hash = ? AND expires_at > ?", hash, tx.now_ms))


def delete_of(tx: Tx, account: int, email: str) -> None:
    tx.run("DELETE FROM registration WHERE account = ? AND email = ?", account, email)


def delete_expired(tx: Tx, limit: int) -> int:
    """Of all accounts."""
    sql = "DELETE FROM registration WHERE id IN (SELECT id FROM registration WHERE expires_at <= ? LIMIT ?)"
    return tx.run(sql, tx.now_ms, limit)


def _waiting(row: Row | None) -> Waiting | None:
    return Waiting(*row) if row else None
