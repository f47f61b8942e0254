"""What happened to endpoints, by day and hour: kept by those who store and delete snapshots and deltas.

count_snapshots(tx, endpoint, {time: 1})       # with the snapshots that come or, negative, go
count_deltas(tx, endpoint, {time: counts})     # with the deltas, likewise
"""

from collections.abc import Mapping

from delta_server.core.history import activity
from delta_server.core.history.activity import Counts
from delta_server.features.activity import store
from delta_server.features.activity.store import Day as Day
from delta_server.features.activity.store import days as days
from delta_server.features.activity.store import first_day as first_day
from delta_server.features.activity.store import first_with_content as first_with_content
from delta_server.features.activity.store import last_days_with_content as last_days_with_content
from delta_server.features.activity.store import last_with_content as last_with_content
from delta_server.features.activity.store import snapshots_before as snapshots_before
from delta_server.features.activity.store import snapshots_by_days as snapshots_by_days
from delta_server.features.activity.store import sums_by_days as sums_by_days
from delta_server.features.endpoints import service as endpoints
from delta_server.storage.database import Tx


def count_snapshots(tx: Tx, endpoint: int, counted: Mapping[int, int]) -> None:
    """Snapshots by time. Those that the background has not come to yet are its to count."""
    before = endpoints.uncounted_before(tx, endpoint)
    by_day: dict[int, int] = {}
    for at, count in counted.items():
        if at >= before:
            by_day[activity.day_of(at)] = by_day.get(activity.day_of(at), 0) + count
    for day, count in by_day.items():
        store.add_snapshots(tx, endpoint, day, count)


def count_deltas(tx: Tx, endpoint: int, counted: Mapping[int, Counts]) -> None:
    """Deltas by time, as `count_snapshots`."""
    before = endpoints.uncounted_before(tx, endpoint)
    known = {at: counts for at, counts in counted.items() if at >= before}
    for day, hours in activity.by_day(known).items():
        store.add_deltas(tx, endpoint, day, hours)


def is_whole(tx: Tx, endpoint: int) -> bool:
    """Whether all is counted."""
    return endpoints.is_counted(tx, endpoint)
