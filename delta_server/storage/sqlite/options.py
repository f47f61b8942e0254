"""The options in the section `storage`."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from delta_server.core.option_types import KIB, MIB, Days, Seconds, Size


class Storage(msgspec.Struct, frozen=True):
    data_dir: Path = Path("delta-data")
    cache_bytes: Size = 64 * MIB
    readers: Annotated[int, Meta(ge=1, le=64)] = 4
    read_seconds: Seconds = 30
    checkpoint_seconds: Seconds = 60
    wal_bytes: Size = 256 * MIB
    blobs: str = ""
    slow_query_ms: Annotated[int, Meta(ge=0, le=600_000)] = 1000
    cold: str = ""
    cold_after_days: Days = 90
    cold_kept_days: Days = 7
    cold_least_bytes: Size = 64 * KIB
    cold_cache_bytes: Size = 64 * MIB
    bin_days: Annotated[int, Meta(ge=0, le=3650)] = 7
