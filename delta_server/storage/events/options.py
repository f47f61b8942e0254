"""The options in the section `events`, and what else the log reads of the configuration."""

from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from delta_server.core.option_types import KIB, MIB, Count, Days, Seconds, Size
from delta_server.storage.sqlite.options import Storage


class Events(msgspec.Struct, frozen=True):
    event_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 32 * KIB
    request_bytes: Size = 4 * MIB
    dedup_days: Annotated[int, Meta(ge=1, le=365)] = 7
    seal_events: Count = 131_072
    seal_seconds: Seconds = 3600
    segment_events: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_048_576
    retention_days: Days = 0
    rollup_1m_days: Days = 7
    rollup_5m_days: Days = 30
    rollup_15m_days: Days = 730
    rollup_1h_days: Days = 730
    rollup_1d_days: Days = 0
    query_seconds: Seconds = 30
    query_memory_bytes: Size = 512 * MIB
    query_threads: Annotated[int, Meta(ge=0, le=256)] = 0


class LogOptions(Protocol):
    """The part of the configuration that the log is opened with."""

    @property
    def events(self) -> Events: ...

    @property
    def storage(self) -> Storage: ...
