"""The server's own secret: random bytes in a file of the data directory that only its user can read."""

import hmac
import os
import threading
from contextlib import suppress
from pathlib import Path

from delta_server.core.access_tokens import KEY_BYTES
from delta_server.core.errors import Unavailable

NAME = "delta.key"
_MAKING = threading.Lock()
"""Several threads may ask for the first time at once."""


def load(data_dir: Path, size: int) -> bytes:
    """The bytes, made when they are first asked for. Raises Unavailable when they cannot be read or written."""
    path = data_dir / NAME
    try:
        with _MAKING:
            if not path.exists():
                _make(path, os.urandom(size))
        if path.stat().st_mode & 0o077:  # as copies and restored archives have it
            with suppress(PermissionError):  # mounted from elsewhere, its mode is not ours to say
                path.chmod(0o600)
        key = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{NAME} in the data directory cannot be used: {error.strerror}") from error
    if len(key) != size:
        raise Unavailable(f"{NAME} in the data directory is damaged: delete it, and everybody signs in again")
    return key


class ServerKey:
    """Signs what is in the database, so that it can be shown to be this server's. Read when it is first needed."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._key: bytes | None = None

    def sign(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA-256 by a key that is derived for the purpose. Raises Unavailable."""
        if self._key is None:
            self._key = load(self._data_dir, KEY_BYTES)
        return hmac.digest(hmac.digest(self._key, f"purpose {purpose}".encode(), "sha256"), data, "sha256")


def is_there(data_dir: Path) -> bool:
    """Whether `load` would find the key, and not make one."""
    return (data_dir / NAME).exists()


def _make(path: Path, key: bytes) -> None:
    """Whole or not at all: a crash leaves no half of it."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, key)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
