"""Compressed bytes, decoded piece by piece: gzip, deflate, zstd, Brotli.

No format's declared size is believed: whoever takes the pieces counts them, and stops where it is too much. All members
of a gzip file and all frames of a zstd one are read, and the end of each is demanded: what was cut short is no answer.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping

import zstandard

WINDOW_BYTES = 8 << 20
"""The largest zstd window that is decoded: what RFC 8878 3.1.1.1.2 recommends decoders to support."""

PIECE_BYTES = 1 << 20
_SLICE_BYTES = 64 << 10
_ZSTD_SLICE = 512
"""Input handed to zstd at a time: 4 bytes of it can make 128 KiB, so 16 MiB at most appear between two checks."""


class Undecodable(ValueError):
    """What is wrong with them, to stand behind "the body "."""


def gunzip(body: bytes) -> Iterator[bytes]:
    """Raises Undecodable."""
    return _inflate(body, "gzip", 31)


def inflate(body: bytes) -> Iterator[bytes]:
    """`deflate` of HTTP: zlib's format (RFC 9110, 8.4.1.2), or raw as some servers send it. Raises Undecodable."""
    has_head = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _inflate(body, "deflate", 15 if has_head else -15)


def _inflate(body: bytes, name: str, wbits: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=wbits)
    try:
        for start in range(0, len(body), _SLICE_BYTES):
            waiting = body[start : start + _SLICE_BYTES]
            while waiting:
                if decoder.eof:  # RFC 1952 2.2: a gzip file is one or more members
                    decoder = zlib.decompressobj(wbits=wbits)
                yield decoder.decompress(waiting, PIECE_BYTES)
                waiting = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except zlib.error:
        raise Undecodable(f"is not valid {name}") from None
    if not decoder.eof:
        yield decoder.flush()
        raise Undecodable(f"is {name} that ends too early")


def unzstd(body: bytes) -> Iterator[bytes]:
    """Raises Undecodable."""
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
        raise Undecodable(f"is not valid zstd with a window of at most {WINDOW_BYTES} bytes") from None
    if not decoder.eof:
        raise Undecodable("is zstd that ends too early")


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
