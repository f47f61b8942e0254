"""Retention: snapshots that no rule of their endpoint keeps go, oldest first; the sweep gives the space back."""

import msgspec
import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.times import DAY_MS
from delta_server.features.endpoints.service import Retention
from delta_server.features.snapshots import store, timeline
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx, frees_space

log = structlog.get_logger("delta.snapshots")

AT_ONCE = 50
"""Snapshots that go in one write: with hundreds of fields in each delta, 15 ms."""


async def apply_retention(svc: Services) -> None:
    """The sweep comes right behind: what no rule keeps any more gives its space back at once."""
    await apply_retention_rules(svc)
    await contents.sweep(svc.contents)


async def apply_retention_rules(svc: Services) -> None:
    """Periodic: apply each endpoint's `retention`."""
    for endpoint, text in await svc.db.read(store.with_retention):
        try:
            await _retain(svc, endpoint, msgspec.json.decode(text, type=Retention))
        except DeltaError as error:  # one endpoint's failure does not keep the others' snapshots
            log.error("retention of an endpoint failed", endpoint=endpoint, reason=error.message)


async def _retain(svc: Services, endpoint: int, retention: Retention) -> None:
    before_ms = await svc.db.read(retention_cutoff, endpoint, retention, svc.clock.now_ms())
    if before_ms is not None:
        await _delete_before(svc, endpoint, before_ms)


def retention_cutoff(tx: Tx, endpoint: int, retention: Retention, now_ms: int) -> int | None:
    """Snapshots captured before this moment go; None when all stay. The latest one always stays."""
    borders = [store.newest_at(tx, endpoint, retention.keep_last or 1)]
    if retention.keep_days is not None:
        borders.append(now_ms - retention.keep_days * DAY_MS)
    kept = [border for border in borders if border is not None]
    return min(kept) if len(kept) == len(borders) else None


async def _delete_before(svc: Services, endpoint: int, before_ms: int) -> None:
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        async with svc.state(timeline.EndpointLocks).hold([endpoint]):
            deleted = await svc.db.write(_delete_some_before, endpoint, before_ms)
        if deleted:
            svc.topics.wake("contents")


@frees_space
def _delete_some_before(tx: Tx, endpoint: int, before_ms: int) -> int:
    """As many as were deleted; none if the latest snapshot is not the one it was and would go too."""
    latest = store.newest_at(tx, endpoint, 1)
    if latest is None or latest < before_ms:
        return 0
    return timeline.cut_before(tx, endpoint, before_ms, AT_ONCE)
