"""Whose an event is, and which ids are one person's: pure.

An event that names a user is that user's. One that names none is the user's who was first identified (or aliased) with
its anonymous id, by the calls' own times; until there is one, it is of a person who goes by that anonymous id. An alias
call joins two users: the events of `previousId` are those of `userId`.

Ids are the nodes of a forest: each has at most one link, to a user, and who has none is a person. Of two calls that
give one id to different users the earlier counts, of the same time the one that came first. A call that would close a
circle is left out, and so is one after which a person would have more than MOST_IDS other ids.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from delta_server.core.events.profile_update import Alias

MOST_IDS = 1000
"""Other ids of one person. Joining two persons rewrites so many rows in one transaction: 5 ms."""

NOBODY = r"[ \t\n\r\f\v]*(?:anonymous|server|undefined|null|0|)[ \t\n\r\f\v]*"
"""Ids that clients send when they know none, in any case: they identify nobody. Python and RE2 read it alike."""
SOMEBODY = (("0!", "A"), ("ao", "nU"), ("nv", "sE"), ("sf", "uN"), ("uo", "{"))
"""From and before which ids none matches that, by their bytes: most ids are found to be somebody's sooner."""
_is_nobody = re.compile(NOBODY, re.IGNORECASE).fullmatch

Node: TypeAlias = tuple[bool, str]
"""(whether it is an anonymous id, the id)."""


def identifies(name: str | None) -> bool:
    return name is not None and _is_nobody(name) is None


class PersonIds(msgspec.Struct, frozen=True):
    """All ids of a person: events that name one of `users`, or no user but one of `anonymous`, are theirs."""

    users: tuple[str, ...]
    anonymous: tuple[str, ...] = ()


class Link(msgspec.Struct, frozen=True):
    """The id is the user's `of` since the call of `at` (ms); `person` is where links lead from there."""

    anonymous: bool
    name: str
    of: str
    at: int
    person: str

    @property
    def node(self) -> Node:
        return self.anonymous, self.name


class KnownLinks(msgspec.Struct):
    """What is stored of the ids that calls are about: their links and those of the users they are given to, how many
    other ids each of the persons concerned has, and the users that are given to others and have ids given to them."""

    links: dict[Node, Link]
    sizes: dict[str, int]
    between: set[str]


class LinkChanges(msgspec.Struct, frozen=True):
    """`links` are to be stored; all links to a person in `moved` lead to another from now on. `ignored` calls of each
    person were too many. `persons` are those of the ids that were requested."""

    links: list[Link]
    moved: dict[str, str]
    ignored: dict[str, int]
    persons: dict[Node, str]


def nodes(call: Alias) -> list[Node]:
    """What a call gives to a user: a previous id may have been an anonymous one or a user's."""
    return [(True, call.name)] if call.anonymous else [(False, call.name), (True, call.name)]


def changes(known: KnownLinks, calls: Iterable[Alias], asked: Iterable[Node] = ()) -> LinkChanges:
    """What these calls, in order of arrival, make of what is known."""
    forest = _LinkForest(known)
    for call in sorted(calls, key=lambda call: call.at):
        for node in nodes(call):
            if node != (False, call.of):
                forest.give(node, call)
    return forest.changes(asked)


class _LinkForest:
    """Calls come by time, so that only what is stored can be taken away by an earlier one. A user between others stays
    where it is all the same: what leads to it is not known here."""

    def __init__(self, known: KnownLinks) -> None:
        self._stored = known.links
        self._sizes = Counter(known.sizes)
        self._between = set(known.between)
        self._given: dict[Node, Alias] = {}
        self._ends: dict[Node, Node] = {}
        self._ignored: Counter[str] = Counter()

    def give(self, node: Node, call: Alias) -> None:
        """The node becomes an id of the user `call.of`, if it may."""
        if node in self._given:
            return
        stored = self._stored.get(node)
        if stored is not None and (stored.at <= call.at or (not node[0] and node[1] in self._between)):
            return
        person = self._end((False, call.of))
        former = self._end(node) if stored is not None else None
        if person == node[1] and not node[0] and stored is None:  # a circle
            return
        if person != former:
            brought = 1 + (self._sizes[node[1]] if stored is None and not node[0] else 0)
            if self._sizes[person] + brought > MOST_IDS:
                self._ignored[person] += 1
                return
            self._sizes[person] += brought
            if former is not None:
                self._sizes[former] -= 1
        self._given[node] = call
        self._ends[node] = (False, call.of)
        self._between.add(call.of)

    def changes(self, asked: Iterable[Node]) -> LinkChanges:
        links = [Link(*node, call.of, call.at, self._end(node)) for node, call in self._given.items()]
        moved = {
            name: self._end((False, name))
            for anonymous, name in self._given
            if not anonymous and (anonymous, name) not in self._stored
        }
        return LinkChanges(links, moved, dict(self._ignored), {node: self._end(node) for node in asked})

    def _end(self, node: Node) -> str:
        """The person that links lead to from here."""
        passed = []
        while (next := self._next(node)) is not None:
            passed.append(node)
            node = next
        for each in passed[:-1]:  # the next time it is one step
            self._ends[each] = node
        return node[1]

    def _next(self, node: Node) -> Node | None:
        if node in self._ends:
            return self._ends[node]
        stored = self._stored.get(node)
        return None if stored is None else (False, stored.person)
