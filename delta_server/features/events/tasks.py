"""What events do in the background: their log seals, merges and lets go of them, at times that are kept here."""

import asyncio

from delta_server.services import Services

LOOK_EVERY_S = 1.0
"""At 60,000 events a second some 60,000 more than a segment's worth wait by then."""


async def seal(svc: Services) -> None:
    """Seal what is due, again and again; apart from `tend`, whose merging may take seconds."""
    while True:
        if not await svc.event_maintenance.seal():
            await asyncio.sleep(LOOK_EVERY_S)


async def tend(svc: Services) -> None:
    """Periodic: roll up, merge and let go of what is due."""
    await svc.event_maintenance.tend()
