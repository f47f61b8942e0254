"""Visits to websites: what is kept of them, who may send them, and the salt that makes visitors' ids."""

import os
from collections.abc import Callable
from functools import partial

import msgspec

from delta_server.core import origins, sealing
from delta_server.core.errors import DeltaError, TooLarge
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.core.visits import agents, visit, visitors
from delta_server.core.visits.visit import Sender
from delta_server.features.audit import service as audit
from delta_server.features.events import service as events
from delta_server.features.visits import store
from delta_server.features.visits.schemas import NewVisitSettings, VisitSettings
from delta_server.services import Services
from delta_server.storage import zone_countries
from delta_server.storage.database import Tx, frees_space

MOST_BYTES = 16 << 10
"""Of what a page or a pixel sends at once."""
_AT_ONCE = 1000


class Salts:
    """Those in use, by project, with their day. Used on the event loop only."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[int, bytes]] = {}


class Visited(msgspec.Struct, frozen=True):
    """Where a visit comes from, as its request says."""

    key: str
    address: str
    user_agent: str
    origin: str | None
    page: str | None = None
    """What the browser says of the page in the request itself."""


def settings(svc: Services, project: int) -> VisitSettings:
    return msgspec.json.decode(svc.db.peek(store.settings, project), type=VisitSettings)


async def set_settings(svc: Services, project: int, new: NewVisitSettings) -> VisitSettings:
    """Raises Invalid."""
    fields = visit.VisitFields(**msgspec.structs.asdict(new.fields))
    kept = VisitSettings(origins.check(new.origins), fields)
    await svc.db.write(_set_settings, project, kept)
    return kept


def _set_settings(tx: Tx, project: int, kept: VisitSettings) -> None:
    store.put_settings(tx, project, msgspec.json.encode(kept).decode())
    audit.record_in(tx, project, "visit.settings", detail={"origins": len(kept.origins)})


async def append_script_visit(svc: Services, project: int, body: bytes, visited: Visited) -> None:
    """Store what the script sends. Raises BadRequest, Invalid, TooLarge, Forbidden, Unavailable, QuotaExceeded."""
    await _append(svc, project, body, visited, visit.parse_body)


async def append_pixel_visit(svc: Services, project: int, query: bytes, visited: Visited) -> None:
    """As `append_script_visit`, of the pixel."""
    await _append(svc, project, query, visited, partial(visit.parse_query, page=visited.page))


async def _append(svc: Services, project: int, sent: bytes, visited: Visited, parse: Callable[..., Parsed]) -> None:
    if len(sent) > MOST_BYTES:
        raise TooLarge(f"a visit has at most {MOST_BYTES} bytes, and this one {len(sent)}")
    sender = await _sender(svc, project, visited)
    if sender.fields.visitor:
        salt = _known_salt(svc, project)
        if salt is None and _can_be_read(svc, sent, partial(parse, sender=sender)):
            salt = await _make_salt(svc, project)
        sender = msgspec.structs.replace(sender, salt=salt)
    await events.append_events(svc, project, sent, partial(parse, sender=sender), key=visited.key)


def _can_be_read(svc: Services, sent: bytes, read: Callable[[bytes, Arrival], Parsed]) -> bool:
    """For what is refused nothing is written, so no salt either."""
    try:
        read(sent, Arrival(svc.clock.now_ms(), svc.config.events.event_bytes))
    except DeltaError:
        return False
    return True


async def _sender(svc: Services, project: int, visited: Visited) -> Sender:
    kept = settings(svc, project).fields
    return Sender(
        await svc.cpu(agents.read, visited.user_agent[: agents.MOST_CHARACTERS]),
        kept,
        (await svc.cpu(zone_countries.table)) if kept.country else {},
        visited.address,
        visited.user_agent,
        visited.origin,
    )


def _known_salt(svc: Services, project: int) -> bytes | None:
    """Today's, where it is in memory."""
    day, salt = svc.state(Salts).known.get(project, (-1, b""))
    return salt if day == visitors.day_of(svc.clock.now_ms()) else None


async def _make_salt(svc: Services, project: int) -> bytes:
    """Today's, stored where it was not. Raises Unavailable."""
    vault, day = svc.vault, visitors.day_of(svc.clock.now_ms())
    bound_to = f"visits of project {project} on day {day}"
    made = await svc.cpu(partial(vault.seal, os.urandom(visitors.SALT_BYTES), bound_to=bound_to))
    kept = await svc.db.write(_kept_salt, project, day, made)
    try:
        salt = await svc.cpu(partial(vault.unseal, kept, bound_to=bound_to))
    except sealing.Unreadable:  # of a data directory whose key is another now
        await svc.db.write(store.replace_salt, project, day, made)
        salt = await svc.cpu(partial(vault.unseal, made, bound_to=bound_to))
    svc.state(Salts).known[project] = day, salt
    return salt


def _kept_salt(tx: Tx, project: int, day: int, made: bytes) -> bytes:
    """The day's salt, sealed, which is `made` where there was none."""
    found = store.salt(tx, project, day)
    if found is None:
        store.replace_salt(tx, project, day, made)
    return found or made


async def delete_old_salts(svc: Services) -> None:
    """Those of days that are over: nobody can tell any more whose the ids of that day were."""
    known, day = svc.state(Salts).known, visitors.day_of(svc.clock.now_ms())
    for project in [project for project, (of, _) in known.items() if of != day]:
        del known[project]
    while await svc.db.write(_delete_old_salts, day) == _AT_ONCE:
        pass


@frees_space
def _delete_old_salts(tx: Tx, day: int) -> int:
    return store.delete_salts_before(tx, day, _AT_ONCE)
