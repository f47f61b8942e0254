"""gzip and zstd, both ways: request bodies by Content-Encoding, answers by Accept-Encoding.

Neither format's declared size is believed: output is counted as it appears, and a body that grows past its limit is
given up with no more than a few MiB of it in memory.
"""

import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

import zstandard

from delta_server.core.errors import BadRequest, NotAcceptable, TooLarge

WINDOW_BYTES = 8 << 20
"""The largest zstd window a request may use: what RFC 8878 3.1.1.1.2 recommends decoders to support."""

_KEPT_BYTES = 8 << 20
_GZIP_SLICE = 64 << 10
_ZSTD_SLICE = 512
"""Input handed to zstd at a time: 4 bytes of it can make 128 KiB, so 16 MiB at most appear between two checks."""

_LONGEST_ACCEPT = 1 << 10
"""Some 60 bytes are usual; 60,000 would keep the event loop for 10 ms."""
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3


def request_encoding(header: bytes) -> str | None:
    """`gzip`, `zstd`, or None for a body as it is. Raises NotAcceptable for any other Content-Encoding."""
    name = header.strip().lower()
    if name in (b"", b"identity"):
        return None
    if name in (b"gzip", b"x-gzip"):
        return "gzip"
    if name == b"zstd":
        return "zstd"
    raise NotAcceptable("this Content-Encoding is not understood: send gzip, zstd or none")


def decode(body: bytes, encoding: str, *, limit: int, reserve: Callable[[int], None] = lambda size: None) -> bytes:
    """The decoded body. Raises TooLarge past `limit` bytes, BadRequest when broken or truncated.

    A body larger than a few MiB is first decoded only to be counted: a bomb never fills memory up to the limit, and
    `reserve` gets the size, and may raise, before it is taken.
    """
    pieces = _gunzip if encoding == "gzip" else _unzstd
    size, kept = 0, []
    for piece in pieces(body):
        size += len(piece)
        if size > limit:
            raise TooLarge(f"the body is larger than {limit} bytes once decoded")
        if size <= _KEPT_BYTES:
            kept.append(piece)
        else:
            kept.clear()
    reserve(size)
    return b"".join(kept if size <= _KEPT_BYTES else pieces(body))


def _gunzip(body: bytes) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    try:
        for start in range(0, len(body), _GZIP_SLICE):
            waiting = body[start : start + _GZIP_SLICE]
            while waiting:
                if decoder.eof:  # RFC 1952 2.2: a gzip file is one or more members
                    decoder = zlib.decompressobj(wbits=31)
                yield decoder.decompress(waiting, 1 << 20)
                waiting = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except zlib.error:
        raise BadRequest("the body is not valid gzip") from None
    if not decoder.eof:
        yield decoder.flush()
        raise BadRequest("the gzip body ends too early")


def _unzstd(body: bytes) -> Iterator[bytes]:
    context = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    decoder = context.decompressobj()
    try:
        for start in range(0, len(body), _ZSTD_SLICE):
            waiting = body[start : start + _ZSTD_SLICE]
            while waiting:
                if decoder.eof:  # RFC 8878 3: one or more frames
                    decoder = context.decompressobj()
                yield decoder.decompress(waiting)
                waiting = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError:
        raise BadRequest(f"the body is not valid zstd with a window of at most {WINDOW_BYTES} bytes") from None
    if not decoder.eof:
        raise BadRequest("the zstd body ends too early")


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(),
    "gzip": lambda: zlib.compressobj(_GZIP_LEVEL, wbits=31),
}


def compress(body: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    return zlib.compress(body, _GZIP_LEVEL, wbits=31)


@lru_cache(256)
def answer_encoding(accept: bytes, offered: tuple[str, ...] = ("zstd", "gzip")) -> str | None:
    """The one of `offered` that Accept-Encoding likes best (RFC 9110 12.5.3), the first on a draw; None for none."""
    if len(accept) > _LONGEST_ACCEPT:
        return None
    weights: dict[str, float] = {}
    for part in accept.decode("latin-1").lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = _quality(parameters)
    rest = weights.get("*", 0.0)
    best = max(offered, key=lambda name: weights.get(name, rest))
    return best if weights.get(best, rest) > 0 else None


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value) if 0 <= float(value) <= 1 else 0.0
            except ValueError:
                return 0.0
    return 1.0
