"""Taking events in: once each, with their profile updates in the same transaction. For how long they are kept, and
what they take."""

import pickle
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import msgspec
import structlog

from delta_server.core import times
from delta_server.core.errors import BadRequest, DeltaError, Invalid, QuotaExceeded, TooCostly, TooLarge
from delta_server.core.event_storage import segment_plan
from delta_server.core.event_storage.segment_plan import EventRetention, RetentionCutoffs
from delta_server.core.events.event import Event, with_key
from delta_server.core.events.event_batch import Parsed, Rejected
from delta_server.core.events.event_time import Arrival
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.events import store
from delta_server.features.events.schemas import NewRetention, NewRollups, RefusedShown, StatsShown, Taken
from delta_server.features.profiles import service as profiles
from delta_server.features.usage import service as usage
from delta_server.services import APART_BYTES, Services
from delta_server.storage.database import Tx

log = structlog.get_logger("delta.events")

_LOGGED = 200
_MOST_TYPES = 1000
_EVENTS_OF_PIECE = 250
ON_THE_LOOP_BYTES = 4 << 10
"""What is read on the event loop: a thread costs a small request as much as all the rest. In so few bytes are a dozen
events, which take 0.03 ms, or 2,000 that are wrong, which take 15: 20 KB of those would hold everybody up for 100."""
IN_TURN_BYTES = 1 << 20
"""From so many bytes on requests of a project that calls alone are read one at a time."""


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
    flags = with_key(accounts.key_number(svc, key)) if key else 0
    arrival = Arrival(svc.clock.now_ms(), svc.config.events.event_bytes, flags=flags)
    try:
        found = await _parse(svc, project, body, partial(_read, read, body, arrival))
    except (BadRequest, Invalid, TooLarge) as error:
        _count_refused(svc, project, key, {error.code: 1}, error.message)
        raise
    if found.rejected:
        _count_refused(svc, project, key, Counter(one.code for one in found.rejected), found.rejected[0].message)
    if not found.events:
        return Taken(0, 0, found.rejected)
    try:
        async with usage.reporting_exceeded(svc, project):
            duplicates = await svc.event_writer.append_events(project, found.events, found.updates)
    except QuotaExceeded as error:
        _count_refused(svc, project, key, {error.code: 1}, error.message)
        raise
    svc.topics.wake("events", project)
    if found.updates:
        await _apply_profile_updates(svc, project)
    return Taken(len(found.events) - len(duplicates), len(duplicates), found.rejected)


def _count_refused(svc: Services, project: int, key: str, reasons: Mapping[str, int], message: str) -> None:
    """Most clients do not read answers: what was refused is counted and logged, once a request."""
    now_ms = svc.clock.now_ms()
    for reason, count in reasons.items():
        svc.state(Refusals).add(project, key, reason, count, now_ms)
    log.warning("events refused", project=project, key=key, reasons=dict(reasons), first=message[:_LOGGED])


class _Found(msgspec.Struct, frozen=True):
    """What is in a request."""

    events: list[Event]
    rejected: list[Rejected]
    updates: profiles.PackedUpdates | None


class _FoundApart(msgspec.Struct, frozen=True):
    """As it comes from a process: some of the events in each piece, so that none that is unpickled keeps the
    interpreter's lock for long."""

    events: list[bytes]
    rejected: list[Rejected]
    updates: profiles.PackedUpdates | None


async def _parse(svc: Services, project: int, body: bytes, read: Callable[[], _Found]) -> _Found:
    """A large request is read in a process while other projects call: in a thread its thousands of small steps would
    keep theirs waiting for the interpreter's lock. While none does, only a very large one waits for its turn: the
    thread for those steps back, and while it waits for a core with that lock, so do all the others."""
    if len(body) <= ON_THE_LOOP_BYTES:
        return read()
    if len(body) < (APART_BYTES if svc.several_call else IN_TURN_BYTES):
        return await svc.event_writer.batch_cpu(read)
    async with svc.one_cpu.turn(project) as thread:
        if svc.several_call:
            with suppress(TooCostly):  # its process died
                return await thread(_joined, await svc.batch_processes(_apart, read))
        return await thread(read)


def _read(read: Callable[[bytes, Arrival], Parsed], body: bytes, arrival: Arrival) -> _Found:
    found = read(body, arrival)
    updates = profiles.pack_updates(found.profile_updates) if found.profile_updates else None
    return _Found(found.events, found.rejected, updates)


def _apart(read: Callable[[], _Found]) -> _FoundApart:
    found = read()
    pieces = [found.events[n : n + _EVENTS_OF_PIECE] for n in range(0, len(found.events), _EVENTS_OF_PIECE)]
    return _FoundApart([pickle.dumps(piece) for piece in pieces], found.rejected, found.updates)


def _joined(found: _FoundApart) -> _Found:
    events = [event for piece in found.events for event in pickle.loads(piece)]  # noqa: S301 - our own
    return _Found(events, found.rejected, found.updates)


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


def retention_cutoffs(svc: Services, project: int, now_ms: int) -> RetentionCutoffs:
    """Before when events are past their time."""
    kept = retention(svc, project)
    days = svc.config.events.retention_days if kept.days is None else kept.days
    return segment_plan.retention_cutoffs(now_ms, days, kept.types)


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
