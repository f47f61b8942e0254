"""What sources answered when they were tried, for a while: who edits `transform` has nobody asked again."""

import hashlib
from collections import OrderedDict

import msgspec
from zstandard import ZstdCompressor, ZstdDecompressor

from delta_server.core.formats.formats import Format
from delta_server.core.polling.settings import PollingSettings
from delta_server.core.polling.trial import Conditional, Suggested

KEPT_MS = 600_000
MOST_OF_ONE = 4
"""Of one project; the oldest makes room."""
MOST_BYTES = 16 << 20
"""Of all projects, compressed."""


class Tried(msgspec.Struct, frozen=True):
    """Two answers as JSON, compressed, and what the later one said."""

    first: bytes
    last: bytes
    read_as: Format
    status: int
    content_type: str
    received_bytes: int
    pages: int
    note: str | None
    suggested: Suggested
    conditional: Conditional

    @property
    def size(self) -> int:
        return len(self.first) + len(self.last)


class TriedSources:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, bytes], tuple[int, Tried]] = OrderedDict()
        self._size = 0

    def find(self, project: int, settings: PollingSettings, now_ms: int) -> Tried | None:
        self._drop_old(now_ms)
        _, found = self._kept.get((project, _asked_by(settings)), (0, None))
        return found

    def put(self, project: int, settings: PollingSettings, tried: Tried, now_ms: int) -> None:
        key = project, _asked_by(settings)
        self._drop(key)
        own = [each for each in self._kept if each[0] == project]
        for each in own[: len(own) + 1 - MOST_OF_ONE]:
            self._drop(each)
        self._kept[key] = now_ms, tried
        self._size += tried.size
        while self._size > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop_old(self, now_ms: int) -> None:
        for key, (at_ms, _) in list(self._kept.items()):
            if not 0 <= now_ms - at_ms < KEPT_MS:
                self._drop(key)

    def _drop(self, key: tuple[int, bytes]) -> None:
        if key in self._kept:
            self._size -= self._kept.pop(key)[1].size


def _asked_by(settings: PollingSettings) -> bytes:
    """A hash of what makes the answer, secrets included: neither what is made of it nor when it is asked for."""
    asked = msgspec.structs.replace(
        settings, transform=None, expect=None, interval=None, cron=None, timezone="UTC", enabled=True, retries=0
    )
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest()


def packed(first: bytes, last: bytes) -> tuple[bytes, bytes]:
    pack = ZstdCompressor(level=1).compress
    return pack(first), pack(last)


def unpacked(tried: Tried) -> tuple[bytes, bytes]:
    unpack = ZstdDecompressor().decompress
    return unpack(tried.first), unpack(tried.last)
