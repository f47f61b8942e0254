"""Secrets that features keep and must read again: sealed (core/sealing.py) with the key of the data directory."""

import os
from pathlib import Path

from delta_server.core import sealing
from delta_server.core.access_tokens import KEY_BYTES
from delta_server.storage import key_file


class Vault:
    """The key is read when it is first needed. For any thread: transactions merge secrets with those that are kept."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._key: bytes | None = None

    def seal(self, secret: bytes, *, bound_to: str) -> bytes:
        """`bound_to` says whose it is, `polling of endpoint 7`. Raises Unavailable."""
        return sealing.seal(self._loaded(), os.urandom(sealing.NONCE_BYTES), secret, bound_to=bound_to)

    def unseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Raises sealing.Unreadable, where it was sealed with another key too, and Unavailable."""
        return sealing.unseal(self._loaded(), sealed, bound_to=bound_to)

    def _loaded(self) -> bytes:
        if self._key is None:
            self._key = key_file.load(self._data_dir, KEY_BYTES)
        return self._key
