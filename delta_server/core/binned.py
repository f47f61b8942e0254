"""The bin: what is deleted can be restored until a time, and is removed after it."""

import msgspec

from delta_server.core import times


class Binned(msgspec.Struct, frozen=True):
    """When something was deleted, and until when it lies in the bin, in ms."""

    deleted_at: int
    purge_at: int


def purge_at(now_ms: int, days: int, *, at_once: bool) -> int | None:
    """Until when what is deleted now can be restored; None where it cannot."""
    return None if at_once or not days else min(now_ms + days * times.DAY_MS, times.LATEST_MS)
