"""Taking events in: once each, with their profile updates in the same transaction. For how long they are kept, and
what they take."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import msgspec
import structlog

from delta_server.core import times
from delta_server.core.errors import BadRequest, DeltaError, Invalid, QuotaExceeded, TooLarge
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.features.audit import service as audit
from delta_server.features.events import store
from delta_server.features.events.schemas import NewRetention, NewRollups, RefusedShown, StatsShown, Taken
from delta_server.features.profiles import service as profiles
from delta_server.features.usage import service as usage
from delta_server.services import APART_BYTES, Services
from delta_server.storage.database import Threads, Tx

log = structlog.get_logger("delta.events")

_LOGGED = 200
_MOST_TYPES = 1000
ON_THE_LOOP_BYTES = 4 << 10
"""What is read on the event loop: a thread costs a small request as much as all the rest. In so few bytes are a dozen
events, which take 0.03 ms, or 2,000 that are wrong, which take 15: 20 KB of those would hold everybody up for 100."""


class Refused(msgspec.Struct):
    """`key` is the id of the sender's API key, `reason` the code in answers; requests that were refused as a
    whole count as one."""

    key: str
    reason: str
    count: int
    last_at: int


class Refusals:
    """Since the server started: most clients read no answer, so this and the log are where somebody notices.
    Used on the event loop only."""

    def __init__(self) -> None:
        self._found: dict[int, dict[tuple[str, str], Refused]] = {}

    def add(self, project: int, key: str, reason: str, count: int, now_ms: int) -> None:
        of_project = self._found.setdefault(project, {})
        found = of_project.setdefault((key, reason), Refused(key, reason, 0, now_ms))
        found.count += count
        found.last_at = now_ms

    def of(self, project: int) -> list[Refused]:
        """Those of a project, most first."""
        return sorted(self._found.get(project, {}).values(), key=lambda one: (-one.count, one.key, one.reason))


def check_size(svc: Services, project: int, key: str, size_bytes: int) -> None:
    """Raise TooLarge for a request larger than events.request_bytes."""
    limit = svc.config.events.request_bytes
    if size_bytes > limit:
        _count_refused(svc, project, key, {TooLarge.code: 1}, "the request is too large")
        raise TooLarge(f"the body has {size_bytes} bytes, more than events.request_bytes = {limit}: split it")


async def append_events(
    svc: Services, project: int, body: bytes, read: Callable[[bytes, Arrival], Parsed], *, key: str = ""
) -> Taken:
    """Store the events that `read` finds in `body`, sent with the key of the id `key`. Raises what it raises, and
    Unavailable, QuotaExceeded: then none is stored."""
    arrival = Arrival(svc.clock.now_ms(), svc.config.events.event_bytes)
    try:
        found = (
            read(body, arrival)
            if len(body) <= ON_THE_LOOP_BYTES
            else await _parsing(svc, project, body)(read, body, arrival)
        )
    except (BadRequest, Invalid, TooLarge) as error:
        _count_refused(svc, project, key, {error.code: 1}, error.message)
        raise
    if found.rejected:
        _count_refused(svc, project, key, Counter(one.code for one in found.rejected), found.rejected[0].message)
    if not found.events:
        return Taken(0, 0, found.rejected)
    news = await _pack_profile_updates(svc, project, body, found) if found.profile_updates else None
    try:
        async with usage.reporting_exceeded(svc, project):
            duplicates = await svc.event_writer.append_events(project, found.events, news)
    except QuotaExceeded as error:
        _count_refused(svc, project, key, {error.code: 1}, error.message)
        raise
    svc.topics.wake("events", project)
    if found.profile_updates:
        await _apply_profile_updates(svc, project)
    return Taken(len(found.events) - len(duplicates), len(duplicates), found.rejected)


def _count_refused(svc: Services, project: int, key: str, reasons: Mapping[str, int], message: str) -> None:
    """Most clients do not read answers: what was refused is counted and logged, once a request."""
    now_ms = svc.clock.now_ms()
    for reason, count in reasons.items():
        svc.state(Refusals).add(project, key, reason, count, now_ms)
    log.warning("events refused", project=project, key=key, reasons=dict(reasons), first=message[:_LOGGED])


def _parsing(svc: Services, project: int, body: bytes) -> Threads:
    return cast("Threads", partial(svc.one_cpu, project)) if len(body) >= APART_BYTES else svc.cpu


async def _pack_profile_updates(svc: Services, project: int, body: bytes, found: Parsed) -> profiles.PackedUpdates:
    if len(body) <= ON_THE_LOOP_BYTES:
        return profiles.pack_updates(found.profile_updates)
    return await _parsing(svc, project, body)(profiles.pack_updates, found.profile_updates)


async def _apply_profile_updates(svc: Services, project: int) -> None:
    """Apply updates before the answer, so that whoever sent it finds it. It is stored: what fails is tried again
    in the background."""
    try:
        await profiles.apply_updates(svc, project)
    except DeltaError as error:
        log.warning("profile updates are delayed", project=project, reason=error.message)


async def delete_some(svc: Services, project: int, limit: int) -> bool:
    """Of a deleted project; False when nothing is left."""
    return await svc.event_maintenance.delete_batch(project, limit)


def retention(svc: Services, project: int) -> EventRetention:
    return msgspec.json.decode(svc.db.peek(store.retention, project), type=EventRetention)


async def set_retention(svc: Services, project: int, new: NewRetention) -> EventRetention:
    """Raises Invalid."""
    if new.types and len(new.types) > _MOST_TYPES:
        raise Invalid(f"at most {_MOST_TYPES} event types can have a retention of their own", field="types")
    rollups = msgspec.to_builtins(new.rollups or NewRollups())
    kept = EventRetention(new.days, new.types or {}, {name: days for name, days in rollups.items() if days is not None})
    await svc.db.write(_set_retention, project, kept)
    return kept


def _set_retention(tx: Tx, project: int, kept: EventRetention) -> None:
    store.put_retention(tx, project, msgspec.json.encode(kept).decode())
    audit.record_in(tx, project, "event.retention", detail={"days": kept.days})


async def stats(svc: Services, project: int) -> StatsShown:
    values = msgspec.structs.asdict(await svc.event_maintenance.stats(project))
    first, last = (None if values[name] is None else times.format(values[name]) for name in ("first_at", "last_at"))
    refused = [
        RefusedShown(one.key, one.reason, one.count, times.format(one.last_at))
        for one in svc.state(Refusals).of(project)
    ]
    return StatsShown(**{**values, "first_at": first, "last_at": last, "refused": refused})
