"""Cursors of lists: they name the place after a page's last row by its key, so that no page is counted off.

A cursor is opaque: base64url of a checksum and a MessagePack array [list name, *key]. It grants nothing (the query
still selects by project), so the checksum is against typing errors only; types and ranges are checked.
"""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, TypeVar

import msgspec

from delta_server.core.errors import BadRequest

K = TypeVar("K", bound=tuple[Any, ...])

_LONGEST_CURSOR = 4096
"""One of a blame names a leaf's place level by level: 512 levels of 5 bytes each, at most."""

_INT64 = 1 << 63
_BEHIND_ALL = 1 << 62


def encode_cursor(list_name: str, *key: int | str | bytes | tuple[int, ...]) -> str:
    packed = msgspec.msgpack.encode([list_name, *key])
    return urlsafe_b64encode(zlib.crc32(packed).to_bytes(4) + packed).rstrip(b"=").decode()


def decode_cursor(list_name: str, text: str, types: type[K]) -> K:
    """The key in a cursor of the list `list_name`, e.g. `types=tuple[int, bytes]`. Raises BadRequest."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= _LONGEST_CURSOR else b""
        if raw[:4] != zlib.crc32(raw[4:]).to_bytes(4) or len(raw) <= 4:
            raise ValueError
        name, *parts = msgspec.msgpack.decode(raw[4:], type=list)
        if name != list_name or not all(-_INT64 <= part < _INT64 for part in parts if isinstance(part, int)):
            raise ValueError
        key: K = msgspec.convert(parts, types, builtin_types=(bytes,))
        return key
    except (ValueError, UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadRequest(
            "the cursor is not valid: use next_cursor of the page before, with the same filters", field="cursor"
        ) from None


def row_below(list_name: str, text: str | None) -> int:
    """The row that the page of a list lies below, of one that begins with the newest. Raises BadRequest."""
    return decode_cursor(list_name, text, tuple[int])[0] if text else _BEHIND_ALL
