"""The port of large things that are kept outside of the database: deliveries of datasets, kept
backups, and what has left the database for cold storage.

A resource has a key, `a/b/c`, and is there whole or not at all. What several may change at once is a small resource
that is replaced by `put_if`; all others are written once, under a new key.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from delta_server.core.errors import DeltaError, Invalid

PIECE_BYTES = 4 << 20
"""Of what is read at once."""
_MOST_KEY = 900


class BlobStoreFailed(DeltaError):
    """The store does not do what it is asked; that what was to be written broke off is another error."""

    code, status = "BLOB_STORE_ERROR", 503


class Changed(Exception):
    """Somebody else has replaced the resource since it was read."""


class Blob(msgspec.Struct, frozen=True):
    key: str
    size: int


class Tagged(msgspec.Struct, frozen=True):
    """A small resource, and what names this state of it."""

    content: bytes
    tag: str


class WriteStream(Protocol):
    async def write(self, piece: bytes) -> None:
        """Returns when the next piece may come. Raises BlobStoreFailed."""


class Blobs(Protocol):
    """Each raises BlobStoreFailed, and Invalid for what is no key."""

    async def create_read_stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes] | None:
        """The bytes of the range, in pieces; None when there is no such resource."""

    async def get_range(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes of a range, by one request; fewer where the resource ends before. None when there is no such
        resource."""

    def create_write_stream(self, key: str) -> AbstractAsyncContextManager[WriteStream]:
        """The resource is there when the block has ended, durably; whatever the block raises, it is not."""

    async def move_resource(self, source: str, target: str) -> None:
        """`target` is replaced. Copies where the store cannot rename, so it is no way to publish: see `put_if`. Raises
        FileNotFoundError."""

    async def delete_resource(self, key: str) -> None:
        """Nothing when there is none."""

    async def resource_exists(self, key: str) -> bool: ...

    async def ensure_parent(self, key: str) -> None:
        """Make the folder of a key, where there are folders; writing does it too."""

    def list(self, prefix: str) -> AsyncIterator[Blob]:
        """All resources whose keys begin with the folders `prefix`, in no certain order."""

    async def get(self, key: str) -> Tagged | None:
        """A small resource."""

    async def put_if(self, key: str, content: bytes, tag: str | None) -> str:
        """Replace the state that `tag` names, None for none yet; the new tag. Raises Changed; after an answer that got
        lost on its way, for one's own writing too."""

    async def delete_unfinished(self) -> None:
        """What was being written when its server ended."""

    def read(self, key: str) -> Iterator[bytes]:
        """As `create_read_stream`, for a process that has nothing else to do. Raises FileNotFoundError."""


def checked_key(key: str) -> str:
    """Raises Invalid unless it means the same in every store."""
    parts = key.split("/")
    if len(key.encode()) > _MOST_KEY or not all(parts) or any(part.startswith(".") for part in parts):
        raise Invalid("a key has parts with a slash between, of which none is empty or begins with a dot", field="key")
    if any(ord(letter) < 32 or letter in '\\:*?"<>|' for letter in key):
        raise Invalid('a key has no control characters and none of \\ : * ? " < > |', field="key")
    return key
