"""A pack for another process: as it is stored, some hundredths of what is in it, and decoded there.

Whoever hands packs over and whoever takes them hold the same few, so that each goes over once.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

import msgspec

from delta_server.core.errors import DatabaseFailed
from delta_server.core.packs import codec, pack_format
from delta_server.core.packs.codec import Corrupt
from delta_server.core.packs.pack_format import Reader

MOST_HELD = 2
"""Decoded packs of a reader, whatever the length of a run."""

T = TypeVar("T")


class HandedPack(msgspec.Struct, frozen=True, array_like=True):
    """`base` and `anchor` are decoded and checked. `size` is that of all contents but the anchor, `name` what
    errors call it."""

    name: str
    base: bytes
    anchor: bytes
    data: bytes
    table: bytes | None
    size: int


class HeldPacks(Generic[T]):
    """Of each the id and what is kept of it; the longest unused makes room."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, T] = OrderedDict()

    def get(self, pack: int) -> T | None:
        if pack in self._held:
            self._held.move_to_end(pack)
        return self._held.get(pack)

    def hold(self, pack: int, kept: T) -> T:
        self._held[pack] = kept
        while len(self._held) > MOST_HELD:
            self._held.popitem(last=False)
        return kept


class OpenPack:
    """Decoded. Raises DatabaseFailed, MemoryError."""

    def __init__(self, handed: HandedPack) -> None:
        self._name, self._anchor = handed.name, handed.anchor
        try:
            self._reader = Reader(handed.table, handed.data, handed.size)
            self._frames = self._reader.decode_all(handed.base or None, handed.anchor)
        except Corrupt as error:
            raise damaged(handed.name, str(error)) from None

    def content(self, position: int, size: int, wanted: bytes) -> bytes:
        """That begins at a position, and whose hash is `wanted`. Raises DatabaseFailed."""
        found = memoryview(self._anchor) if position == pack_format.ANCHOR else self._other(position, size)
        if codec.digest(found) != wanted:
            raise damaged(self._name, f"the bytes at {position} do not match their hash")
        return bytes(found)

    def _other(self, position: int, size: int) -> memoryview:
        number, start = self._reader.place(position)
        frame = self._frames[number]
        if isinstance(frame, str):
            raise damaged(self._name, frame)
        return frame[start : start + size]


def damaged(name: str, reason: str) -> DatabaseFailed:
    return DatabaseFailed(f"{name} is damaged: {reason}; run delta-server verify")
