"""Answers of other servers: their headers, and bodies decoded under a limit of their own."""

import asyncio
from collections.abc import Mapping

import msgspec

from delta_server.core.decompression import DECODERS, Undecodable

ACCEPT_ENCODING = "gzip, zstd, br"
MOST_ENCODINGS = 3


class TooLarge(ValueError):
    """More bytes than the limit, once decoded."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """By names in lower case; the values of one that comes several times with commas between (RFC 9110, 5.3)."""
    body: bytes
    received_bytes: int = 0
    """Of the body as it came."""
    url: str = ""
    """What answered, after redirects."""


def encodings_of(headers: Mapping[str, str]) -> list[str]:
    """Of the body, in the order in which they were applied."""
    names = (name.strip().lower() for name in headers.get("content-encoding", "").split(","))
    return [name for name in names if name not in ("", "identity")]


async def decoded(body: bytes, encodings: list[str], limit_bytes: int) -> bytes:
    """Raises Undecodable, for an encoding that nobody asked for too, and TooLarge."""
    return await asyncio.to_thread(decode, body, encodings, limit_bytes) if encodings else body


def decode(body: bytes, encodings: list[str], limit_bytes: int) -> bytes:
    """As `decoded`."""
    if len(encodings) > MOST_ENCODINGS or any(name not in DECODERS for name in encodings):
        raise Undecodable(f"is encoded in a way that was not asked for: {', '.join(encodings)[:100]}")
    for name in reversed(encodings):
        parts: list[bytes] = []
        size = 0
        for piece in DECODERS[name](body):
            size += len(piece)
            if size > limit_bytes:
                raise TooLarge(f"more than {limit_bytes} bytes once decoded")
            parts.append(piece)
        body = b"".join(parts)
    return body
