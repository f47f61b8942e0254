"""Profiles: who the users and groups are that events speak of. Other ids of a user lead to the one profile."""

from collections.abc import Sequence
from typing import Any

import msgspec

from delta_server.core.profile_change import ProfileChange, Told, merged
from delta_server.features.profiles import store
from delta_server.features.profiles.store import Kind, Profile
from delta_server.storage.database import Tx

__all__ = ["Kind", "Profile"]


class Person(msgspec.Struct, frozen=True):
    """A user by any of their ids: `name` is the one the profile goes by, `names` are all. `profile` is None for one of
    whom only events can tell."""

    name: str
    aliases: list[str]
    profile: Profile | None

    @property
    def names(self) -> list[str]:
        return [self.name, *self.aliases]


def apply(tx: Tx, project: int, told: Sequence[Told]) -> None:
    """Keep what identify, group and alias calls told, in order."""
    for one in told:
        if isinstance(one, ProfileChange):
            _change(tx, project, one)
        else:
            _alias(tx, project, one.name, of=one.of)


def person(tx: Tx, project: int, name: str) -> Person:
    name = store.of(tx, project, name) or name
    return Person(name, store.aliases(tx, project, name), store.find(tx, project, "user", name))


def find(tx: Tx, project: int, kind: Kind, name: str) -> Profile | None:
    return store.find(tx, project, kind, name)


def page(
    tx: Tx, project: int, kind: Kind, *, words: list[str], before: tuple[int, int] | None, limit: int
) -> list[Profile]:
    """Last seen first."""
    return store.page(tx, project, kind, words=words, before=before, limit=limit)


def seen(tx: Tx, project: int, rows: Sequence[tuple[str, int, int]]) -> None:
    """Users as sealed events tell of them: (id, first time, last time). May be told again."""
    known = [(store.of(tx, project, name) or name, first, last) for name, first, last in rows]
    store.seen(tx, project, "user", known)


def read_until(tx: Tx, project: int) -> int:
    return store.read_until(tx, project)


def set_read_until(tx: Tx, project: int, until: int) -> None:
    store.set_read_until(tx, project, until)


def forget(tx: Tx, project: int, names: Sequence[str]) -> None:
    """Delete the profiles that go by any of `names`, and that they were one person."""
    store.delete(tx, project, "user", list(names))
    for name in names:
        store.delete_aliases(tx, project, name)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    return store.delete_some(tx, project, limit)


def _change(tx: Tx, project: int, change: ProfileChange) -> None:
    name = (store.of(tx, project, change.name) or change.name) if change.kind == "user" else change.name
    found = store.find(tx, project, change.kind, name)
    before: dict[str, Any] = msgspec.json.decode(found.traits) if found else {}
    traits = msgspec.json.encode(merged(before, change.traits)).decode()
    store.tell(tx, project, change.kind, name, traits=traits, at=change.at)


def _alias(tx: Tx, project: int, name: str, *, of: str) -> None:
    """`name` becomes another id of `of`, and its profile part of that one's. A circle is left as it is."""
    of = store.of(tx, project, of) or of
    if name == of or store.of(tx, project, name) == of:
        return
    store.set_alias(tx, project, name, of=of)
    own = store.find(tx, project, "user", name)
    if own is None:
        return
    into = store.find(tx, project, "user", of)
    traits = merged(msgspec.json.decode(own.traits), msgspec.json.decode(into.traits) if into else {})
    store.tell(tx, project, "user", of, traits=msgspec.json.encode(traits).decode(), at=own.last_seen_at)
    store.seen(tx, project, "user", [(of, own.first_seen_at, own.last_seen_at)])
    store.delete(tx, project, "user", [name])
