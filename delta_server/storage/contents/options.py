"""The options in the section `packs`."""

import msgspec

from delta_server.core.option_types import MIB, Count, Days, Level, Size


class Packs(msgspec.Struct, frozen=True):
    frame_level: Level = 7
    pack_level: Level = 11
    pack_bytes: Size = 12 * MIB
    pack_contents: Count = 512
    deep_bytes: Size = 24 * MIB
    deep_contents: Count = 2048
    deep_after_days: Days = 7
