"""What an import says of all its events, and their message ids: the same for the same lines, whenever they are read."""

import hashlib

import msgspec

from delta_server.core.visits import visitors

_ID_BYTES = 12
_REMEMBERED = 200_000
"""Equal lines stand close together: those of a log have their second in common."""


class Sending(msgspec.Struct, frozen=True):
    """`secret` makes ids of visitors out of addresses; it is None where nobody asked for them."""

    received_at: int
    event_bytes: int
    source: str
    secret: bytes | None = None
    pages_only: bool = False
    host: str | None = None

    def visitor(self, at: int, address: str, user_agent: str) -> str | None:
        """As script.js does it, with a salt of the day that follows from the secret of this import alone."""
        if self.secret is None:
            return None
        salt = hashlib.blake2b(visitors.day_of(at).to_bytes(8, signed=True), digest_size=32, key=self.secret).digest()
        return visitors.visitor_id(salt, self.host or "", address, user_agent)


class LineIds:
    """Message ids of lines that have none. Of equal lines, each has another."""

    def __init__(self) -> None:
        self._now: dict[bytes, int] = {}
        self._before: dict[bytes, int] = {}

    def next(self, line: bytes) -> str:
        digest = hashlib.blake2b(line, digest_size=_ID_BYTES).digest()
        count = self._now.get(digest)
        if count is None:
            count = self._before.get(digest, 0)
            if len(self._now) >= _REMEMBERED:
                self._now, self._before = {}, self._now
        self._now[digest] = count + 1
        return f"line-{digest.hex()}" if count == 0 else f"line-{digest.hex()}-{count}"
