"""An event as it is kept: what every protocol's requests are turned into, and what hot blocks hold line by line."""

from collections.abc import Sequence

import msgspec

FUTURE, ANCIENT, SKEWED, CLAMPED, MENDED = 1, 2, 4, 8, 16
"""Bits of `flags`: its time is ahead of the server's, its time is very old, it was moved by the clock skew of its
sender, that skew was too large to believe and was cut or left out; it was not JSON, and was mended
(json/salvage.py)."""
ODD = 0xFF
"""All of those. The bits above hold the number of the API key that the event came with: so it needs no column, which
older segments would not have, and in a segment it takes next to nothing, for there are few keys."""
_MOST_KEYS = 1 << 23
FLAG_NAMES = {FUTURE: "future", ANCIENT: "ancient", SKEWED: "skewed", CLAMPED: "clamped", MENDED: "mended"}


def with_key(number: int) -> int:
    """The flags of an event that came with the key of that number, 0 for none."""
    return number << 8 if number < _MOST_KEYS else 0


def key_of(flags: int) -> int:
    """The number of the key, 0 where none is known."""
    return flags >> 8


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """Times are in ms, `duration` is a plain number (ms by convention). The short names stand in each line of a hot
    block; storage/events/schema.py tells DuckDB the long ones.

    `seq` is unique in the server and ascends with arrival; the event log gives it. `original_at` is the sender's time
    before the correction of its clock's skew, None when that is `at`. `data` and `metadata` are JSON objects.
    """

    at: int = msgspec.field(name="t")
    received_at: int = msgspec.field(name="r")
    type: str = msgspec.field(name="e")
    seq: int = msgspec.field(name="s", default=0)
    source: str | None = msgspec.field(name="o", default=None)
    user_id: str | None = msgspec.field(name="u", default=None)
    anonymous_id: str | None = msgspec.field(name="n", default=None)
    session_id: str | None = msgspec.field(name="x", default=None)
    duration: float | None = msgspec.field(name="l", default=None)
    priority: int | None = msgspec.field(name="p", default=None)
    status: str | None = msgspec.field(name="a", default=None)
    tags: list[str] | None = msgspec.field(name="g", default=None)
    data: msgspec.Raw | None = msgspec.field(name="d", default=None)
    metadata: msgspec.Raw | None = msgspec.field(name="m", default=None)
    message_id: str | None = msgspec.field(name="i", default=None)
    original_at: int | None = msgspec.field(name="y", default=None)
    flags: int = msgspec.field(name="f", default=0)
    data_text: str | None = msgspec.field(name="j", default=None)
    metadata_text: str | None = msgspec.field(name="k", default=None)
    """What `data` and `metadata` are while `lines` writes them: a text is read back letter by letter, where DuckDB
    would read an object's numbers and write them anew (1.10 as 1.1)."""


_encoder = msgspec.json.Encoder()


def lines(events: Sequence[Event]) -> bytes:
    """The events as NDJSON, a line each, with their data and metadata as texts."""
    data = [event for event in events if event.data is not None]
    metadata = [event for event in events if event.metadata is not None]
    data_was, metadata_was = [event.data for event in data], [event.metadata for event in metadata]
    try:
        for event, text in zip(data, _texts(data_was), strict=True):
            event.data_text, event.data = text, None
        for event, text in zip(metadata, _texts(metadata_was), strict=True):
            event.metadata_text, event.metadata = text, None
        return _encoder.encode_lines(events)
    finally:
        for event, raw in zip(data, data_was, strict=True):
            event.data_text, event.data = None, raw
        for event, raw in zip(metadata, metadata_was, strict=True):
            event.metadata_text, event.metadata = None, raw


def _texts(bodies: Sequence[msgspec.Raw | None]) -> list[str]:
    """JSON holds no NUL. One by one this would take five times as long."""
    return b"\0".join(bodies).decode().split("\0") if bodies else []  # type: ignore[arg-type]  # join takes a Raw, and no None comes
