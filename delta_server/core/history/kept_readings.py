"""Readings of a series that are kept: by content, so that what becomes of others makes none of them wrong."""

import msgspec
import zstandard

from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys
from delta_server.core.history.series import Reading, SeriesPath
from delta_server.core.packs.codec import digest

MOST_BYTES = 256 << 10
_MOST_RAW = 8 << 20
_LEVEL = 3


class KeptReadings(msgspec.Struct, frozen=True, array_like=True):
    """`labels` are those of the records in the last version that had them."""

    readings: dict[int, Reading]
    labels: dict[str, str | None]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(KeptReadings).decode


def encoded(kept: KeptReadings) -> bytes | None:
    """None for what is too large to be kept."""
    raw = _encode(kept)
    if len(raw) > _MOST_RAW:
        return None
    data = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(raw)
    return data if len(data) <= MOST_BYTES else None


def decoded(data: bytes | None) -> KeptReadings:
    """None, and what is damaged, are no readings: they are read again."""
    if data is None:
        return KeptReadings({}, {})
    try:
        return _decode(zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_RAW))
    except (zstandard.ZstdError, msgspec.MsgspecError):
        return KeptReadings({}, {})


def made_with(path: SeriesPath, settings: DiffSettings, known: KnownKeys) -> bytes:
    """What readings depend on beside the documents: how records are named, where the path has any."""
    return digest(_encode((settings, known))) if path.is_of_records else b""
