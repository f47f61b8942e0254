"""What events do in the background: their log seals, merges and expires them, at times that are kept here."""

import asyncio

from delta_server.services import Services

POLL_S = 1.0
"""At 60,000 events a second some 60,000 more than a segment's worth wait by then."""

LOOK_AGAIN_S = 10.0
"""Where none waits, who brings some says so; of those that a crash has left nobody does."""


async def seal(svc: Services) -> None:
    """Seal what is due, again and again; apart from `run_maintenance`, whose merging may take seconds."""
    came = svc.topics.signal("events")
    while True:
        seen = came.count
        sealed = await svc.event_maintenance.seal()
        if sealed is None:
            await came.wait(LOOK_AGAIN_S, since=seen)
        elif not sealed:
            await asyncio.sleep(POLL_S)


async def run_maintenance(svc: Services) -> None:
    """Periodic: roll up, compact and expire what is due."""
    await svc.event_maintenance.run_maintenance()
