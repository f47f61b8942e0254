"""Taking events in: once each, with what they tell of profiles in the same transaction."""

from collections.abc import Callable, Sequence
from functools import partial

from delta_server.core.errors import TooLarge
from delta_server.core.event_batch import Parsed
from delta_server.core.event_time import Arrival
from delta_server.core.profile_change import Told
from delta_server.features.events.schemas import Taken
from delta_server.features.profiles import service as profiles
from delta_server.services import Services
from delta_server.storage.database import Tx

ON_THE_LOOP_BYTES = 4 << 10
"""What is read on the event loop: a thread costs a small request as much as all the rest. In so few bytes are a dozen
events, which take 0.03 ms, or 2,000 that are wrong, which take 15: 20 KB of those would hold everybody up for 100."""


def check_size(svc: Services, size_bytes: int) -> None:
    """Raise TooLarge for a request larger than events.request_bytes."""
    limit = svc.config.events.request_bytes
    if size_bytes > limit:
        raise TooLarge(f"the body has {size_bytes} bytes, more than events.request_bytes = {limit}: split it")


async def take(svc: Services, project: int, body: bytes, read: Callable[[bytes, Arrival], Parsed]) -> Taken:
    """Store the events that `read` finds in `body`. Raises what it raises, and Unavailable: then none is stored."""
    arrival = Arrival(svc.clock.now_ms(), svc.config.events.event_bytes)
    if len(body) <= ON_THE_LOOP_BYTES:
        found = read(body, arrival)
    else:
        found = await svc.cpu(read, body, arrival)
    if not found.events:
        return Taken(0, 0, found.rejected)
    beside = partial(_tell, project, found.told) if found.told else None
    duplicates = await svc.eventlog.append(project, found.events, beside)
    svc.live.happened(project)
    return Taken(len(found.events) - len(duplicates), len(duplicates), found.rejected)


def _tell(project: int, told: Sequence[tuple[int, Told]], tx: Tx, duplicates: frozenset[int]) -> None:
    """A duplicate's news are old: what was told since must not be undone."""
    profiles.apply(tx, project, [one for index, one in told if index not in duplicates])
