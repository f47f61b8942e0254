"""Identities: whom providers name, by issuer and subject."""

from delta_server.storage.database import Tx


def user_of(tx: Tx, issuer: str, subject: str) -> int | None:
    """It is what finds the tenant."""
    row = tx.one("SELECT user FROM identity WHERE issuer = ? AND subject = ?", issuer, subject)
    return None if row is None else int(row[0])


def insert(tx: Tx, user: int, *, issuer: str, subject: str) -> None:
    tx.run(
        "INSERT INTO identity (issuer, subject, user, created_at) VALUES (?, ?, ?, ?)", issuer, subject, user, tx.now_ms
    )


def delete_of(tx: Tx, user: int, *, issuer: str) -> int:
    return tx.run("DELETE FROM identity WHERE user = ? AND issuer = ?", user, issuer)
