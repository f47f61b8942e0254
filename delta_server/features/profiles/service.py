"""Profiles: who the users and groups are that events speak of. Other ids of a user lead to the one profile."""

from collections.abc import Sequence

import msgspec
import structlog
from zstandard import ZstdCompressor, ZstdDecompressor

from delta_server.core.errors import DeltaError
from delta_server.core.events.persons import Ids, identifies
from delta_server.core.events.profile_update import Alias, Told
from delta_server.features.profiles import settling, store
from delta_server.features.profiles.store import Kind, Profile
from delta_server.services import Services
from delta_server.storage.database import Tx

__all__ = ["Kind", "Profile"]

_SMALL_BYTES = 2 << 10
"""So little is worked out on the event loop: some 100 calls, a ms."""
_CONVERTED = 200

log = structlog.get_logger("delta.profiles")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[int, Told]]).decode


class Person(msgspec.Struct, frozen=True):
    """A user by any of their ids: `name` is the one the profile goes by. `profile` is None for one of whom only events
    can tell."""

    name: str
    ids: Ids
    profile: Profile | None

    @property
    def aliases(self) -> list[str]:
        return sorted({*self.ids.users, *self.ids.anonymous} - {self.name})


class Packed(msgspec.Struct, frozen=True):
    """What `calls` events of a request told."""

    calls: int
    changes: bytes


def pack(told: Sequence[tuple[int, Told]]) -> Packed:
    """What events of a request told, each with its event's place. May be megabytes."""
    return Packed(len(told), ZstdCompressor(1).compress(_encode(told)))


def keep(tx: Tx, project: int, packed: Packed, duplicates: frozenset[int]) -> None:
    """Store what was told, to be applied by settling.py. A duplicate's news are old: they do not count."""
    store.add_waiting(
        tx,
        project,
        calls=packed.calls,
        changes=packed.changes,
        duplicates=msgspec.json.encode(sorted(duplicates)).decode(),
    )


def unpack(rows: Sequence[store.Waiting]) -> list[Told]:
    """What counts of it, in order."""
    found: list[Told] = []
    for row in rows:
        duplicates = set(msgspec.json.decode(row.duplicates, type=list[int]))
        told = _decode(ZstdDecompressor().decompress(row.changes))
        found += [one for index, one in told if index not in duplicates]
    return found


async def settle(svc: Services, project: int) -> None:
    """Apply all that waits of a project. Raises Unavailable: then the rest waits on."""
    while svc.db.peek(store.is_waiting, project):
        async with svc.person_locks.hold([project]):
            await _settle_some(svc, project)


async def _settle_some(svc: Services, project: int) -> None:
    rows = await svc.db.read(store.waiting, project, calls=settling.CALLS_AT_ONCE)
    if not rows:
        return
    small = sum(len(row.changes) for row in rows) <= _SMALL_BYTES
    told = unpack(rows) if small else await svc.cpu(unpack, rows)
    known = await svc.db.read(settling.known, project, told)
    steps = settling.steps(project, told, known) if small else await svc.cpu(settling.steps, project, told, known)
    done = 0
    while done <= len(steps):
        done = await svc.db.write(settling.write, project, steps, done, rows)


async def settle_all(svc: Services) -> None:
    """Apply what a crash or a full disk left. One project's failure does not keep the others waiting."""
    while await svc.db.read(store.old_aliases, 1):
        await svc.db.write(_convert_some)
    for project in await svc.db.read(store.projects_waiting):
        try:
            await settle(svc, project)
        except DeltaError as error:
            log.error("profile updates could not be applied", project=project, reason=error.message)


def _convert_some(tx: Tx) -> None:
    """Bring other ids as they were kept before there were links to what waits."""
    rows = store.old_aliases(tx, _CONVERTED)
    for project in {row[0] for row in rows}:
        mine = [row[1:] for row in rows if row[0] == project]
        told = [Alias(name, of, at) for name, of, at in mine if identifies(name) and identifies(of)]
        keep(tx, project, pack(list(enumerate(told))), frozenset())
        store.delete_old_aliases(tx, project, [name for name, _, _ in mine])


def person(tx: Tx, project: int, name: str, *, as_user: bool = False) -> Person:
    """The one who has this id; `as_user`: as a user's, not an anonymous one."""
    name = _resolve(tx, project, name, as_user=as_user)
    return Person(name, _ids(tx, project, name), store.find(tx, project, "user", name))


def find(tx: Tx, project: int, kind: Kind, name: str) -> Profile | None:
    return store.find(tx, project, kind, name)


def page(
    tx: Tx, project: int, kind: Kind, *, words: list[str], before: tuple[int, int] | None, limit: int
) -> list[Profile]:
    """Last seen first."""
    return store.page(tx, project, kind, words=words, before=before, limit=limit)


def seen(tx: Tx, project: int, rows: Sequence[tuple[str, int, int]]) -> None:
    """Users as sealed events tell of them: (id, first time, last time). May be told again."""
    known = []
    for name, first, last in rows:
        link = store.find_link(tx, project, (False, name))
        known.append((link.person if link else name, first, last))
    store.seen(tx, project, "user", known)


def read_until(tx: Tx, project: int) -> int:
    return store.read_until(tx, project)


def set_read_until(tx: Tx, project: int, until: int) -> None:
    store.set_read_until(tx, project, until)


def forget(tx: Tx, project: int, ids: Ids) -> None:
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


def _ids(tx: Tx, project: int, person: str) -> Ids:
    """Who has no link is, to events without a user, a person by its anonymous id as well."""
    if not identifies(person):
        return Ids(())
    found = store.other_ids(tx, project, person)
    users = [person, *(name for anonymous, name in found if not anonymous)]
    own = [] if store.find_link(tx, project, (True, person)) else [person]
    return Ids(tuple(users), (*own, *(name for anonymous, name in found if anonymous)))
