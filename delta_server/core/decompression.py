"""Compressed bytes, decoded piece by piece: gzip, deflate, zstd, Brotli.

No format's declared size is believed: whoever takes the pieces counts them, and stops where it is too much. All members
of a gzip file and all frames of a zstd one are read, and the end of each is demanded: what was cut short is no answer.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

import zstandard

WINDOW_BYTES = 8 << 20
"""The largest zstd window that is decoded: what RFC 8878 3.1.1.1.2 recommends decoders to support."""

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PIECE_BYTES = 1 << 20
_SLICE_BYTES = 64 << 10
_ZSTD_SLICE = 512
"""Input handed to zstd at a time: 4 bytes of it can make 128 KiB, so 16 MiB at most appear between two checks."""


class Undecodable(ValueError):
    """What is wrong with them, to stand behind "the body "."""


class Decoder(Protocol):
    """`feed` what comes, in pieces of any size, then `end`."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Raises Undecodable."""
        ...

    def end(self) -> None:
        """Raises Undecodable where more should have come."""
        ...


class ZlibDecoder:
    """Decodes `name`, whose windows zlib calls `wbits`."""

    def __init__(self, name: str, wbits: int) -> None:
        self._name, self._wbits = name, wbits
        self._decoder = zlib.decompressobj(wbits=wbits)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        try:
            for waiting in _slices(piece, _SLICE_BYTES):
                while waiting:
                    if self._decoder.eof:  # RFC 1952 2.2: a gzip file is one or more members
                        self._decoder = zlib.decompressobj(wbits=self._wbits)
                    yield self._decoder.decompress(waiting, PIECE_BYTES)
                    waiting = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
        except zlib.error:
            raise Undecodable(f"is not valid {self._name}") from None

    def end(self) -> None:
        if not self._decoder.eof:
            raise Undecodable(f"is {self._name} that ends too early")


class ZstdDecoder:
    def __init__(self, window_bytes: int = WINDOW_BYTES) -> None:
        self._window_bytes = window_bytes
        self._context = zstandard.ZstdDecompressor(max_window_size=window_bytes)
        self._decoder = self._context.decompressobj()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        try:
            for waiting in _slices(piece, _ZSTD_SLICE):
                while waiting:
                    if self._decoder.eof:  # RFC 8878 3: one or more frames
                        self._decoder = self._context.decompressobj()
                    yield self._decoder.decompress(waiting)
                    waiting = self._decoder.unused_data if self._decoder.eof else b""
        except zstandard.ZstdError:
            raise Undecodable(f"is not valid zstd with a window of at most {self._window_bytes} bytes") from None

    def end(self) -> None:
        if not self._decoder.eof:
            raise Undecodable("is zstd that ends too early")


def gzip_decoder() -> ZlibDecoder:
    return ZlibDecoder("gzip", 31)


def gunzip(body: bytes) -> Iterator[bytes]:
    """Raises Undecodable."""
    return _decoded([body], gzip_decoder())


def inflate(body: bytes) -> Iterator[bytes]:
    """`deflate` of HTTP: zlib's format (RFC 9110, 8.4.1.2), or raw as some servers send it. Raises Undecodable."""
    has_head = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _decoded([body], ZlibDecoder("deflate", 15 if has_head else -15))


def unzstd(body: bytes) -> Iterator[bytes]:
    """Raises Undecodable."""
    return _decoded([body], ZstdDecoder())


def _decoded(pieces: Iterable[bytes], decoder: Decoder) -> Iterator[bytes]:
    for piece in pieces:
        yield from decoder.feed(piece)
    decoder.end()


def _slices(piece: bytes, size: int) -> Iterator[bytes]:
    return (piece[at : at + size] for at in range(0, len(piece), size))


def unpacked(pieces: Iterable[bytes], *, window_bytes: int = WINDOW_BYTES) -> Iterator[bytes]:
    """What comes in pieces, in pieces, decoded if its first bytes say that it is gzip or zstd. Raises Undecodable."""
    coming = iter(pieces)
    first = b""
    while len(first) < len(ZSTD_MAGIC) and (piece := next(coming, b"")):
        first += piece
    whole = chain([first], coming)
    if first.startswith(GZIP_MAGIC):
        return _decoded(whole, gzip_decoder())
    if first.startswith(ZSTD_MAGIC):
        return _decoded(whole, ZstdDecoder(window_bytes))
    return whole


def unbrotli(body: bytes) -> Iterator[bytes]:
    """Raises Undecodable."""
    import brotli  # here: only answers of other servers come so

    decoder = brotli.Decompressor()
    try:
        waiting = body
        while not decoder.is_finished():
            piece = decoder.process(waiting, output_buffer_limit=PIECE_BYTES)
            if not piece and not waiting:
                raise Undecodable("is Brotli that ends too early")
            yield piece
            waiting = b""
    except brotli.error:
        raise Undecodable("is not valid Brotli") from None


DECODERS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": gunzip,
    "x-gzip": gunzip,
    "deflate": inflate,
    "zstd": unzstd,
    "br": unbrotli,
}
"""By the name in Content-Encoding."""
