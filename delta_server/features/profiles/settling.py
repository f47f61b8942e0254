"""Updates from identify, group and alias calls become links of ids and profiles, a little in each transaction.

The calls are stored with their events, in one small row. Here a project's rows are taken in order of arrival: what they
are about is read, what they make of it is worked out away from the event loop and from the writer, and then written in
steps, so that no request, whatever it holds, keeps other writes waiting for more than a few ms. A crash in between is
made good by doing the same again: links and traits carry the times of the calls, and the rows go with the last step.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TypeAlias

import msgspec

from delta_server.core.events import event_time, persons, profile_update
from delta_server.core.events.persons import KnownLinks, Link, Node
from delta_server.core.events.profile_update import Alias, ProfileUpdate, Traits, TraitsUpdate
from delta_server.features.profiles import store
from delta_server.features.profiles.store import Kind, Profile, WaitingUpdates
from delta_server.storage.database import Tx

CALLS_AT_ONCE = 10_000
"""In one round, and those of one request: calls that come at the same time share its transactions."""
COST = 320
"""Of what one transaction does, some 5 us each: 1 to 3 ms on an idle machine."""
_ROWS_OF_COST, _BYTES_OF_COST = 6, 1000

Step: TypeAlias = Callable[[Tx, Callable[[], int]], int]
"""Writes something; what it cost. Links ask for the transaction's number of their change."""


class _CombinedUpdate(msgspec.Struct, frozen=True):
    """All updates of one user or group, as one change."""

    kind: Kind
    name: str
    traits: Traits
    first_at: int
    last_at: int
    anonymous: bool
    weight: int


class Wanted(msgspec.Struct, frozen=True):
    """The ids in some updates, each once: users whose traits are set, and those that alias calls are about."""

    users: list[Node]
    aliases: list[Node]


def wanted(updates: Sequence[ProfileUpdate]) -> Wanted:
    """What `known` is to find."""
    users, aliases = dict[Node, None](), dict[Node, None]()
    for one in updates:
        if isinstance(one, Alias):
            aliases.update(dict.fromkeys([*persons.nodes(one), (False, one.of)]))
        elif one.kind == "user":
            users[one.anonymous, one.name] = None
    return Wanted([*users], [*aliases])


def known(tx: Tx, project: int, wanted: Wanted) -> KnownLinks:
    """What is stored of the ids in it."""
    found = KnownLinks({}, {}, set())

    def find_link(node: Node) -> Link | None:
        if node not in found.links and (link := store.find_link(tx, project, node)):
            found.links[node] = link
            if not node[0] and store.is_linked_user(tx, project, link):
                found.between.add(node[1])
        return found.links.get(node)

    for node in wanted.users:
        find_link(node)
    for node in wanted.aliases:
        link = find_link(node)
        person = link.person if link else node[1]
        if person not in found.sizes and (link or not node[0]):
            found.sizes[person] = store.count_ids(tx, project, person)
    return found


def steps(project: int, updates: Sequence[ProfileUpdate], known: KnownLinks) -> list[Step]:
    """What is to be written, in this order."""
    users = [one for one in updates if isinstance(one, TraitsUpdate) and one.kind == "user"]
    found = persons.changes(
        known, (one for one in updates if isinstance(one, Alias)), {(user.anonymous, user.name) for user in users}
    )
    made: list[Step] = [
        partial(_link, project=project, link=link, moved=not link.anonymous and link.name in found.moved)
        for link in found.links
    ]
    changes: defaultdict[tuple[Kind, str], list[TraitsUpdate]] = defaultdict(list)
    for one in updates:
        if isinstance(one, TraitsUpdate):
            name = found.persons[one.anonymous, one.name] if one.kind == "user" else one.name
            changes[one.kind, name].append(one)
    made += [partial(_write_profile, project=project, updates=_combine(*key, all)) for key, all in changes.items()]
    made += [partial(_count_ignored, project=project, name=name, calls=calls) for name, calls in found.ignored.items()]
    return made


def _combine(kind: Kind, name: str, changes: Sequence[TraitsUpdate]) -> _CombinedUpdate:
    traits = profile_update.combined(changes)
    return _CombinedUpdate(
        kind,
        name,
        traits,
        first_at=min(change.at for change in changes),
        last_at=max(change.at for change in changes),
        anonymous=all(change.anonymous and change.name == name for change in changes),
        weight=len(msgspec.json.encode(traits)) // _BYTES_OF_COST,
    )


def write(tx: Tx, project: int, steps: Sequence[Step], done: int, rows: Sequence[WaitingUpdates]) -> int:
    """Do some of the steps, from `done` on; how many are done then. With the last one what waited goes."""
    left, rev = COST, cache(partial(store.next_rev, tx, project))
    while done < len(steps):
        if left <= 0:
            return done
        left -= steps[done](tx, rev)
        done += 1
    store.delete_waiting(tx, project, [row.id for row in rows])
    return done + 1


def _link(tx: Tx, rev: Callable[[], int], *, project: int, link: Link, moved: bool) -> int:
    """Store it; ids that led to it, and what its profile tells, are the person's from now on."""
    store.put_link(tx, project, link, rev())
    cost = 2
    if moved:
        cost += store.move_ids(tx, project, link.name, to=link.person, rev=rev()) // _ROWS_OF_COST
    own = store.find(tx, project, "user", link.name)
    if own is None or link.name == link.person or (link.anonymous and not own.anonymous):
        return cost
    into = store.find(tx, project, "user", link.person)
    traits = profile_update.merged(_traits(own), _traits(into))
    store.put(
        tx,
        project,
        "user",
        link.person,
        traits,
        first_at=own.first_seen_at,
        last_at=own.last_seen_at,
        anonymous=False,
        damaged=own.is_damaged or (into is not None and into.is_damaged),
    )
    store.delete(tx, project, "user", [link.name])
    return cost + _weight(own) + _weight(into)


def _write_profile(tx: Tx, rev: Callable[[], int], *, project: int, updates: _CombinedUpdate) -> int:
    found = store.find(tx, project, updates.kind, updates.name)
    before = profile_update.without_future(_traits(found), tx.now_ms + event_time.AHEAD_MS)
    store.put(
        tx,
        project,
        updates.kind,
        updates.name,
        profile_update.merged(before, updates.traits),
        first_at=updates.first_at,
        last_at=updates.last_at,
        anonymous=updates.anonymous,
        damaged=found is not None and found.is_damaged,
    )
    return 1 + _weight(found) + updates.weight


def _count_ignored(tx: Tx, rev: Callable[[], int], *, project: int, name: str, calls: int) -> int:
    store.count_ignored(tx, project, name, calls)
    return 1


def _traits(profile: Profile | None) -> Traits:
    if profile is None:
        return Traits({}, {})
    return Traits(msgspec.json.decode(profile.traits), msgspec.json.decode(profile.told_at))


def _weight(profile: Profile | None) -> int:
    return 1 if profile is None else 1 + (len(profile.traits) + len(profile.told_at)) // _BYTES_OF_COST
