"""The loop that computes deltas behind the writes. The queue is in the database, so nothing is lost by a crash."""

from delta_server.features.deltas import service
from delta_server.services import Services

LOOK_AGAIN_S = 30.0


async def compute(svc: Services) -> None:
    """Compute what waits, then wait for more; for ever."""
    while True:
        seen = svc.contents_changed.count
        if not await service.compute_queued(svc):
            await svc.contents_changed.wait(LOOK_AGAIN_S, since=seen)
