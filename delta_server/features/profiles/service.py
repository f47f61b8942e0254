"""Profiles: who the users and groups are that events speak of. Other ids of a user lead to the one profile."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

import msgspec
import structlog
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from delta_server.core import times
from delta_server.core.errors import DeltaError, NotFound, TooCostly
from delta_server.core.events.persons import KnownLinks, PersonIds, identifies
from delta_server.core.events.profile_update import Alias, ProfileUpdate
from delta_server.core.query.plan import Aggregate, Field, Metric, OfPerson, Span
from delta_server.features.profiles import settling, store
from delta_server.features.profiles.schemas import EventCounts, UserWithEvents
from delta_server.features.profiles.store import Kind, Profile
from delta_server.services import Services
from delta_server.storage.database import Threads, Tx
from delta_server.storage.keyed_locks import KeyedLocks

__all__ = ["Kind", "Profile"]

_SMALL_BYTES = 2 << 10
"""So little is worked out on the event loop: some 100 calls, a ms."""
_LARGE_BYTES = 8 << 10
"""More takes tens of ms: large updates of a project come one after the other (tasks/threads.py)."""
ALIASES_PER_WRITE = 200

ALL_TIME = Span(times.EARLIEST_MS, times.LATEST_MS + 1)
USER_ID = Field("userId", "user_id", "text")
AT, EVENT_TYPE = Field("timestamp", "time_ms", "time"), Field("eventType", "event_type", "text")

log = structlog.get_logger("delta.profiles")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[int, ProfileUpdate]]).decode


class _Reading(KeyedLocks):
    """By project: users are read out of its events."""


class _Damaged:
    """The ids of waiting updates that cannot be read: nothing behind them waits for them."""

    def __init__(self) -> None:
        self.ids: frozenset[int] = frozenset()


class _UnreadableError(Exception):
    """Of the waiting updates with this id."""

    def __init__(self, id: int) -> None:
        self.id = id


class Person(msgspec.Struct, frozen=True):
    """A user by any of their ids: `name` is the one the profile goes by. `profile` is None for one of whom only events
    can tell."""

    name: str
    ids: PersonIds
    profile: Profile | None

    @property
    def aliases(self) -> list[str]:
        return sorted({*self.ids.users, *self.ids.anonymous} - {self.name})


class PackedUpdates(msgspec.Struct, frozen=True):
    """The updates of `calls` events of a request."""

    calls: int
    changes: bytes


def pack_updates(updates: Sequence[tuple[int, ProfileUpdate]]) -> PackedUpdates:
    """The updates of a request's events, each with its event's place. May be megabytes."""
    return PackedUpdates(len(updates), ZstdCompressor(1).compress(_encode(updates)))


def store_updates(tx: Tx, project: int, packed: PackedUpdates, duplicates: frozenset[int]) -> None:
    """Store updates, to be applied by settling.py. Those of duplicates do not count."""
    store.insert_waiting(
        tx,
        project,
        calls=packed.calls,
        changes=packed.changes,
        duplicates=msgspec.json.encode(sorted(duplicates)).decode(),
    )


def unpack_updates(rows: Sequence[store.WaitingUpdates]) -> list[ProfileUpdate]:
    """What counts of it, in order. Raises _UnreadableError."""
    found: list[ProfileUpdate] = []
    for row in rows:
        try:
            if row.is_damaged:
                raise _UnreadableError(row.id)
            duplicates = set(msgspec.json.decode(row.duplicates, type=list[int]))
            updates = _decode(ZstdDecompressor().decompress(row.changes))
        except (msgspec.MsgspecError, ZstdError):
            raise _UnreadableError(row.id) from None
        found += [one for index, one in updates if index not in duplicates]
    return found


async def get_user(svc: Services, project: int, name: str) -> UserWithEvents:
    """The user by any of their ids, with what all kept events tell of them. Raises NotFound."""
    known = await svc.db.read(person, project, name, as_user=await is_user(svc, project, name))
    profile, found = known.profile, await svc.event_reader.run_query(project, _events_of(known))
    if not found.rows and profile is None:
        raise NotFound("there is no such user: GET /v1/users?q=... searches those there are")
    if profile is not None:
        profile.require_traits()
    first = [row[2] for row in found.rows] + ([profile.first_seen_at] if profile else [])
    last = [row[3] for row in found.rows] + ([profile.last_seen_at] if profile else [])
    by_type = {row[0]: row[1] for row in found.rows}
    return UserWithEvents(
        id=known.name,
        traits=msgspec.json.decode(profile.traits) if profile else {},
        first_seen=times.format(int(min(first))),
        last_seen=times.format(int(max(last))),
        aliases=known.aliases,
        aliases_ignored=profile.ids_ignored if profile else 0,
        events=EventCounts(sum(by_type.values()), by_type),
    )


async def is_user(svc: Services, project: int, name: str) -> bool:
    """Whether an id that leads to another user, as an anonymous one, is a user's in some event all the same. Profiles
    get to know those a minute later."""
    known = await svc.db.read(person, project, name)
    if name in known.ids.users:
        return True
    where = OfPerson((name,), ())
    found = await svc.event_reader.run_query(project, Aggregate(ALL_TIME, (Metric("count", "count"),), where=where))
    return bool(found.rows[0][0])


def get_group(svc: Services, project: int, name: str) -> Profile:
    """Raises NotFound."""
    found = svc.db.peek(store.find, project, "group", name)
    if found is None:
        raise NotFound("there is no such group: GET /v1/groups lists them")
    return found


async def list_profiles(
    svc: Services, project: int, kind: Kind, *, q: str, before: tuple[int, int] | None, limit: int
) -> list[Profile]:
    """Last seen first, those whose id or traits hold every word of `q`."""
    words = q.lower().split()
    return await svc.db.read(store.page, project, kind, words=words, before=before, limit=limit)


def unread(svc: Services, project: int) -> AbstractAsyncContextManager[None]:
    """While nobody reads users out of the project's events (tasks.py). What was read before a person is forgotten would
    make the profile anew afterwards."""
    return svc.state(_Reading).hold([project])


async def apply_updates(svc: Services, project: int) -> None:
    """Apply all that waits of a project, but what is damaged. Raises Unavailable: then the rest waits on."""
    damaged = svc.state(_Damaged)
    while svc.db.peek(store.is_waiting, project, damaged.ids):
        async with svc.person_locks.hold([project]):
            try:
                await _apply_some(svc, project, damaged.ids)
            except _UnreadableError as error:
                damaged.ids |= {error.id}
                log.error("what calls said of persons is damaged", project=project, row=error.id)


async def _apply_some(svc: Services, project: int, damaged: frozenset[int]) -> None:
    rows = await svc.db.read(partial(store.waiting, calls=settling.CALLS_AT_ONCE, excluded=damaged), project)
    if not rows:
        return
    size_bytes = sum(len(row.changes) for row in rows)
    if size_bytes <= _SMALL_BYTES:
        await _settle_rows(svc, project, rows, thread=None)
    elif size_bytes <= _LARGE_BYTES:
        await _settle_rows(svc, project, rows, thread=svc.cpu)
    else:
        async with svc.one_cpu.turn(project) as thread:
            if svc.several_call:
                with suppress(TooCostly):  # its process died
                    await _settle_apart(svc, project, rows)
                    return
            await _settle_rows(svc, project, rows, thread=thread)


async def _settle_rows(
    svc: Services, project: int, rows: Sequence[store.WaitingUpdates], *, thread: Threads | None
) -> None:
    """On the event loop where no thread is given."""
    updates = unpack_updates(rows) if thread is None else await thread(unpack_updates, rows)
    wanted = settling.wanted(updates) if thread is None else await thread(settling.wanted, updates)
    known = await svc.db.read(settling.known, project, wanted)
    steps = (
        settling.steps(project, updates, known)
        if thread is None
        else await thread(settling.steps, project, updates, known)
    )
    await _write(svc, project, rows, steps)


async def _settle_apart(svc: Services, project: int, rows: Sequence[store.WaitingUpdates]) -> None:
    """In a process, which reads the rows twice rather than have all of them come here in between."""
    known = await svc.db.read(settling.known, project, await svc.batch_processes(_wanted, rows))
    await _write(svc, project, rows, await svc.batch_processes(_steps, project, rows, known))


def _wanted(rows: Sequence[store.WaitingUpdates]) -> settling.Wanted:
    return settling.wanted(unpack_updates(rows))


def _steps(project: int, rows: Sequence[store.WaitingUpdates], known: KnownLinks) -> list[settling.Step]:
    return settling.steps(project, unpack_updates(rows), known)


async def _write(
    svc: Services, project: int, rows: Sequence[store.WaitingUpdates], steps: Sequence[settling.Step]
) -> None:
    done = 0
    while done <= len(steps):
        done = await svc.db.write(settling.write, project, steps, done, rows)


async def apply_all_updates(svc: Services) -> None:
    """Apply what a crash or a full disk left. One project's failure does not keep the others waiting."""
    while svc.db.peek(store.old_aliases, 1):
        await svc.db.write(_convert_some)
    for project in await svc.db.read(store.projects_waiting) if svc.db.peek(store.any_waits) else ():
        try:
            await apply_updates(svc, project)
        except DeltaError as error:
            log.error("profile updates could not be applied", project=project, reason=error.message)


def _convert_some(tx: Tx) -> None:
    """Bring other ids as they were kept before there were links to what waits."""
    rows = store.old_aliases(tx, ALIASES_PER_WRITE)
    for project in {row[0] for row in rows}:
        mine = [row[1:] for row in rows if row[0] == project]
        updates = [Alias(name, of, at) for name, of, at in mine if identifies(name) and identifies(of)]
        store_updates(tx, project, pack_updates(list(enumerate(updates))), frozenset())
        store.delete_old_aliases(tx, project, [name for name, _, _ in mine])


def person(tx: Tx, project: int, name: str, *, as_user: bool = False) -> Person:
    """The one who has this id; `as_user`: as a user's, not an anonymous one."""
    name = _resolve(tx, project, name, as_user=as_user)
    return Person(name, _ids(tx, project, name), store.find(tx, project, "user", name))


def seen(tx: Tx, project: int, rows: Sequence[tuple[str, int, int]]) -> None:
    """Users as sealed events tell of them: (id, first time, last time). May be repeated."""
    known = []
    for name, first, last in rows:
        link = store.find_link(tx, project, (False, name))
        known.append((link.person if link else name, first, last))
    store.seen(tx, project, "user", known)


def delete_profiles(tx: Tx, project: int, ids: PersonIds) -> None:
    """Delete the profiles that go by any of these ids, and that they were one person."""
    store.delete(tx, project, "user", [*ids.users, *ids.anonymous])
    for name in ids.users:
        store.delete_links(tx, project, name)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    return store.delete_some(tx, project, limit)


def _resolve(tx: Tx, project: int, name: str, *, as_user: bool) -> str:
    """The person who has this id: a user's before an anonymous one."""
    link = store.find_link(tx, project, (False, name))
    if link is None and not as_user and not store.count_ids(tx, project, name) and not store.is_user(tx, project, name):
        link = store.find_link(tx, project, (True, name))
    return link.person if link else name


def _ids(tx: Tx, project: int, person: str) -> PersonIds:
    """Who has no link is, to events without a user, a person by its anonymous id as well."""
    if not identifies(person):
        return PersonIds(())
    found = store.other_ids(tx, project, person)
    users = [person, *(name for anonymous, name in found if not anonymous)]
    own = [] if store.find_link(tx, project, (True, person)) else [person]
    return PersonIds(tuple(users), (*own, *(name for anonymous, name in found if anonymous)))


def _events_of(person: Person) -> Aggregate:
    where = OfPerson(person.ids.users, person.ids.anonymous)
    metrics = (Metric("count", "count"), Metric("first", "min", AT), Metric("last", "max", AT))
    return Aggregate(ALL_TIME, metrics, keys=(EVENT_TYPE,), where=where)
