"""Counting by day what was stored before there were such counts (features/activity), the newest first."""

import time

from delta_server.core import times
from delta_server.features.activity import service as activity
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.slices import SliceSize

FIRST_ROWS, ROWS_AT_ONCE = 200, 2000


async def count_activity(svc: Services) -> None:
    """Some versions a write, each in the same transaction as how far it came: it may stop anywhere and go on."""
    size = SliceSize(FIRST_ROWS, most=ROWS_AT_ONCE)
    while (endpoint := await svc.db.read(endpoints.next_uncounted)) is not None:
        size.took(await svc.db.write(_count_some, endpoint, size.now))


def _count_some(tx: Tx, endpoint: int, limit: int) -> float:
    """Count the next `limit` snapshots and the deltas in their time; the seconds it took."""
    began_s = time.monotonic()
    before = endpoints.uncounted_before(tx, endpoint)
    seen = snapshots.times_before(tx, endpoint, before, limit)
    first = seen[-1] if len(seen) == limit else times.EARLIEST_MS
    endpoints.counted_from(tx, endpoint, first if len(seen) == limit else None)
    counted = deltas.counts_between(tx, endpoint, first, before, limit)
    activity.count_snapshots(tx, endpoint, dict.fromkeys(seen, 1))
    activity.count_deltas(tx, endpoint, counted)
    return time.monotonic() - began_s
