"""Inbound webhooks: at most one an endpoint. Stored of a token is its SHA-256; `secrets` are the sender's, sealed."""

import msgspec

from delta_server.storage.database import Row, Tx


class Webhook(msgspec.Struct, frozen=True):
    """Times are in ms. The token before the last is taken until `old_until`."""

    endpoint: int
    project: int
    settings: str
    secrets: bytes | None
    old_until: int | None
    created_at: int
    updated_at: int


_COLUMNS = "endpoint, project, settings, secrets, old_until, created_at, updated_at"


def by_token(tx: Tx, token_hash: bytes) -> Webhook | None:
    """It is what finds the tenant."""
    sql = f"SELECT {_COLUMNS} FROM inbound_webhook WHERE token_hash = ? OR (old_token_hash = ? AND old_until > ?)"
    return _webhook(tx.one(sql, token_hash, token_hash, tx.now_ms))


def of_endpoint(tx: Tx, endpoint: int) -> Webhook | None:
    return _webhook(tx.one(f"SELECT {_COLUMNS} FROM inbound_webhook WHERE endpoint = ?", endpoint))


def page(tx: Tx, project: int, *, below: int, limit: int) -> list[Webhook]:
    """Those of the endpoints that were made last first, rows of endpoints below `below`."""
    sql = f"SELECT {_COLUMNS} FROM inbound_webhook WHERE project = ? AND endpoint < ? ORDER BY endpoint DESC LIMIT ?"
    return [Webhook(*row) for row in tx.all(sql, project, below, limit)]


def insert(tx: Tx, project: int, endpoint: int, *, token_hash: bytes, settings: str, secrets: bytes | None) -> None:
    tx.run(
        "INSERT INTO inbound_webhook (endpoint, project, token_hash, settings, secrets, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        endpoint,
        project,
        token_hash,
        settings,
        secrets,
        tx.now_ms,
        tx.now_ms,
    )


def update(tx: Tx, endpoint: int, *, settings: str, secrets: bytes | None) -> None:
    sql = "UPDATE inbound_webhook SET settings = ?, secrets = ?, updated_at = ? WHERE endpoint = ?"
    tx.run(sql, settings, secrets, tx.now_ms, endpoint)


def rotate(tx: Tx, endpoint: int, *, token_hash: bytes, old_until: int) -> bool:
    """The token that was becomes the old one; False where there is no webhook."""
    return (
        tx.run(
            "UPDATE inbound_webhook SET old_token_hash = token_hash, old_until = ?, token_hash = ?, updated_at = ?"
            " WHERE endpoint = ?",
            old_until,
            token_hash,
            tx.now_ms,
            endpoint,
        )
        > 0
    )


def delete(tx: Tx, endpoint: int) -> bool:
    return tx.run("DELETE FROM inbound_webhook WHERE endpoint = ?", endpoint) > 0


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Of a deleted endpoint; False when there is none."""
    return limit > 0 and delete(tx, endpoint)


def _webhook(row: Row | None) -> Webhook | None:
    return Webhook(*row) if row else None
