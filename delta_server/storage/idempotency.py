"""Idempotency-Key records: a request's effect and its answer are committed together, and answered again from here.

`IdempotencyKey` is made by http from the request and handed to the function that writes, which calls `replay` before it
does anything and `record` before it returns, both in its own transaction. The one writer makes two such requests take
turns."""

import msgspec

from delta_server.core.errors import KeyReused
from delta_server.storage.database import Tx

RETENTION_MS = 24 * 3_600_000


class StoredResponse(msgspec.Struct, frozen=True):
    """What a creating request is answered: `body` is JSON."""

    status: int
    body: bytes
    replayed: bool = False


class IdempotencyKey(msgspec.Struct, frozen=True):
    """One Idempotency-Key. `scope` is a hash of caller, route and key, `request` of everything else in the request."""

    scope: bytes | None
    request: bytes = b""

    @classmethod
    def none(cls) -> "IdempotencyKey":
        """For requests without a key: never replays, keeps nothing."""
        return cls(scope=None)

    def replay(self, tx: Tx) -> StoredResponse | None:
        """The answer this request was given before. Raises KeyReused if the key came with another request."""
        if self.scope is None:
            return None
        row = _find(tx, self.scope, tx.now_ms - RETENTION_MS)
        if row is None:
            return None
        request, status, body = row
        if request != self.request:
            raise KeyReused("this Idempotency-Key was used for another request; use a new key for a new request")
        return StoredResponse(status, body, replayed=True)

    def record(self, tx: Tx, status: int, body: bytes) -> StoredResponse:
        """Record the answer, and hand it back."""
        if self.scope is not None:
            _put(tx, self.scope, self.request, status, body)
        return StoredResponse(status, body)


def _find(tx: Tx, scope: bytes, since_ms: int) -> tuple[bytes, int, bytes] | None:
    row = tx.one("SELECT request, status, body FROM once WHERE scope = ? AND created_at > ?", scope, since_ms)
    return None if row is None else (row[0], row[1], row[2])


def _put(tx: Tx, scope: bytes, request: bytes, status: int, body: bytes) -> None:
    tx.run(
        "INSERT INTO once (scope, request, status, body, created_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (scope) DO UPDATE SET request = excluded.request, status = excluded.status,"
        " body = excluded.body, created_at = excluded.created_at",
        scope,
        request,
        status,
        body,
        tx.now_ms,
    )


def sweep(tx: Tx, limit: int) -> int:
    """Forget up to `limit` records older than a day; the number of them."""
    return tx.run(
        "DELETE FROM once WHERE scope IN (SELECT scope FROM once WHERE created_at <= ? LIMIT ?)",
        tx.now_ms - RETENTION_MS,
        limit,
    )
