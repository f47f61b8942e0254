"""Bytes in and out of zstd frames: contents encoded against others.

A frame is a dictionary (raw bytes, no training) followed by the body, in one window wide enough for both. Long-distance
matching stays off: with a dictionary it costs up to 18 times the bytes.

Decoding trusts nothing in the frame. zstandard allocates whatever size a header declares (`max_output_size` is ignored
then), so the caller says the exact size, and a frame that declares another is refused before a byte is decoded.
"""

import xxhash
import zstandard

LARGEST_WINDOW = 1 << 28
"""A content of 64 MB against one of 64 MB needs 2^27; a frame that requires more than this is not ours."""


SMALL_BELOW = 64 << 10
"""Of both together: tables of half as many entries as there are bytes are as good, and those of the levels, three times
as large, are cleared for each frame. 20 kB against 20 kB: 0.04 ms in place of 0.1 to 0.3."""
LEAST_LOG = 6
LOOSE_BELOW = 512 << 10
"""Of both together, of a frame that becomes part of a pack later: tables of a quarter of the levels' 3 MB. 130 kB
against 130 kB: 0.44 ms in place of 0.59, for 0.2 per cent more bytes."""
LOOSE_LEVEL = 2
"""No harder than that such frames are compressed: two thirds of the time of level 7, for a quarter more bytes until
then, 230 in place of 190."""
WIDE_ABOVE = 8 << 20
WIDE = {"hash_log": 24, "chain_log": 24}
"""Tables for a larger dictionary. Those of the levels forget the first half of 12 MB while they read the second: 630 kB
for a change of one kB, 8.8 MB in a document of 58 MB; with these 1.1 and 6.6 kB, in less time, for 128 MB of memory."""

NEAR_LOG = 18
"""Tables for some documents that are nearly the same: 2 MB, cleared for each frame, in place of the levels' 24, which
take longer than the frame itself, for half a per cent more bytes."""


class Corrupt(Exception):
    """The bytes are not what was stored."""


def digest(body: bytes | memoryview) -> bytes:
    """The xxh3-128 of `body`, 16 bytes: finds damage, not forgery."""
    return xxhash.xxh3_128_digest(body)


def hasher() -> "xxhash.xxh3_128":
    """`digest`, of pieces."""
    return xxhash.xxh3_128()


def encode(base: bytes | None, body: bytes, *, level: int, near: bool = False, loose: bool = False) -> bytes:
    """`body` as one zstd frame; reading it back takes the same `base`. `near` when that resembles all of it, `loose`
    when it is not for long."""
    base_size = len(base or b"")
    if _is_loose(base_size, len(body), loose=loose):
        level = min(level, LOOSE_LEVEL)
    window_log = max(zstandard.WINDOWLOG_MIN, (len(body) + base_size).bit_length())
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=len(body),
        dict_size=base_size,
        window_log=window_log,
        enable_ldm=False,
        write_dict_id=False,
        write_checksum=False,
        write_content_size=True,
        **_tables(base_size, len(body), near=near, loose=loose),
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(base), compression_params=parameters).compress(body)


def _tables(base_size: int, size: int, *, near: bool, loose: bool) -> dict[str, int]:
    log = max(LEAST_LOG, (base_size + size).bit_length() - 1)
    if base_size > 0 and base_size + size < SMALL_BELOW:
        return {"hash_log": log, "chain_log": log}
    if _is_loose(base_size, size, loose=loose):
        return {"hash_log": log, "chain_log": log - 1}
    if base_size > WIDE_ABOVE:
        return WIDE
    if near:
        log = max(NEAR_LOG, (base_size + size).bit_length() - 4)
        return {"hash_log": log, "chain_log": log}
    return {}


def _is_loose(base_size: int, size: int, *, loose: bool) -> bool:
    return loose and base_size > 0 and SMALL_BELOW <= base_size + size < LOOSE_BELOW


def decode(base: bytes | None, data: bytes | bytearray, *, size: int) -> bytes:
    """The `size` bytes that `encode(base, ...)` was given. Raises Corrupt, MemoryError."""
    check_header(data, size)
    try:
        body = _decompressor(base).decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _translated(error) from None
    if len(body) != size:
        raise Corrupt(f"{len(body)} bytes came out instead of {size}")
    return body


def decode_into(base: bytes | memoryview | None, data: bytes | memoryview, into: memoryview) -> None:
    """Fill `into` with what `encode(base, ...)` was given. Raises Corrupt, MemoryError."""
    check_header(data, len(into))
    try:
        reader = _decompressor(base).stream_reader(data, read_size=max(1, len(data)))
        got = reader.readinto(into) if into else 0
    except zstandard.ZstdError as error:
        raise _translated(error) from None
    if got != len(into):
        raise Corrupt(f"{got} bytes came out instead of {len(into)}")


def check_header(data: bytes | bytearray | memoryview, size: int) -> None:
    """Raise Corrupt unless the frame says of itself that it holds `size` bytes: before memory is set aside for them."""
    try:
        header = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError as error:
        raise Corrupt(f"zstd: {error}") from None
    if header.content_size != size:
        raise Corrupt(f"the frame declares {header.content_size} bytes instead of {size}")
    if header.window_size > max(LARGEST_WINDOW, size):
        raise Corrupt(f"the frame wants a window of {header.window_size} bytes")


def _translated(error: zstandard.ZstdError) -> Exception:
    """Memory that is short for a moment is no damage."""
    if "not enough memory" in str(error):
        return MemoryError(str(error))
    return Corrupt(f"zstd: {error}")


def _decompressor(base: bytes | memoryview | None) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(base), max_window_size=LARGEST_WINDOW)


def _dictionary(base: bytes | memoryview | None) -> zstandard.ZstdCompressionDict | None:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if base else None
