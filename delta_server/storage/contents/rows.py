"""What the store keeps of a content, of a frame and of a pack."""

from typing import NamedTuple, TypeAlias

import msgspec

from delta_server.core.packs.pack_format import Packed
from delta_server.storage.cold.store import ColdObject
from delta_server.storage.large_files import StoredFile


class Content(msgspec.Struct, frozen=True):
    """`hash` is the xxh3-128 of the `size` bytes. `pack` and `position` are None while they are a frame; in a pack,
    `position` is where they begin among its other contents, or ANCHOR (core/packs/pack_format.py)."""

    id: int
    endpoint: int
    captured_at: int
    size: int
    hash: bytes
    pack: int | None
    position: int | None
    dead: int


class Version(msgspec.Struct, frozen=True, gc=False):
    """A living content of an endpoint and that one's name."""

    endpoint: int
    name: str
    content: int
    captured_at: int
    size: int
    pack: int | None


class RecordedArrays(msgspec.Struct, frozen=True, gc=False):
    """Of an endpoint: its settings of comparison and the keys that its deltas found, as JSON."""

    endpoint: int
    diff: str
    found_keys: str


class Base(msgspec.Struct, frozen=True):
    """What a frame may be encoded against: a content's bytes, and how many frames are decoded to read it. `content` is
    None while it is itself on its way into the store."""

    content: int | None
    body: bytes
    depth: int


FrameData: TypeAlias = bytes | StoredFile
"""What a frame holds, or where that is stored already (large_frames.py)."""


class Frame(msgspec.Struct, frozen=True):
    """An encoded content on its way into the store; `base` is the content its `data` was encoded against, None if it
    stands alone or that is on its way too. `depth` counts the frames that are decoded to read it."""

    hash: bytes
    size: int
    base: int | None
    alone: bool
    depth: int
    data: FrameData

    @property
    def stored_bytes(self) -> int:
        return self.data.size if isinstance(self.data, StoredFile) else len(self.data)


class StoredFrame(msgspec.Struct, frozen=True):
    content: int
    base: int | None
    data: bytes


class Pack(msgspec.Struct, frozen=True):
    """A pack without its bytes. `captured_at` is its first content's; `members` are content ids, the anchor last."""

    id: int
    endpoint: int
    captured_at: int
    deep: int
    base: int | None
    chain: int
    contents: int
    size: int
    created_at: int
    members: list[int]


class NewPack(msgspec.Struct, frozen=True):
    """An encoded pack on its way into the store. `sizes` are those of its contents, in order."""

    captured_at: int
    deep: bool
    base: int | None
    chain: int
    sizes: list[int]
    created_at: int
    packed: Packed


class PackData(NamedTuple):
    """The frames of all a pack's contents but the last, and the table of them; or, with `cold`, where those are."""

    data: bytes | bytearray
    table: bytes | None
    cold: ColdObject | None = None


class DecodeStep(msgspec.Struct, frozen=True):
    """One decode on the way to a content: its own frame, or the frame of its pack it is in, which `cold` says the place
    of where it is not here; or its cached `body`."""

    content: Content
    pack: Pack | None
    data: bytes | bytearray
    body: bytes | None = None
    table: bytes | None = None
    cold: ColdObject | None = None


PackTrail: TypeAlias = tuple[Pack, PackData, list[DecodeStep], list[DecodeStep]]
"""A pack, its frames, and the steps to its base and to its anchor."""
