import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.events import persons
from delta_server.core.events.persons import KnownLinks, Link, Node, identifies
from delta_server.core.events.profile_update import Alias

NOBODIES = ["", "0", "null", "NULL", "undefined", "Undefined", "anonymous", " anonymous ", "\tServer\n", "server", "  "]
SOMEBODIES = [
    "00",
    "0.0",
    "1",
    "nullx",
    "a null",
    "anonymous-1",
    "server 1",
    "servers",
    "none",
    "é",
    "nobody",
    "null null",
]


@pytest.mark.parametrize("name", NOBODIES)
def test_constant_ids_identify_nobody(name: str) -> None:
    assert not identifies(name)


@pytest.mark.parametrize("name", SOMEBODIES)
def test_all_others_do(name: str) -> None:
    assert identifies(name)


@given(st.from_regex(re.compile(persons.NOBODY, re.IGNORECASE), fullmatch=True))
def test_no_such_id_is_in_a_range_of_somebodies(name: str) -> None:
    assert not any(first.encode() <= name.encode() < end.encode() for first, end in persons.SOMEBODY)


def identify(anonymous: str, user: str, at: int = 0) -> Alias:
    return Alias(anonymous, user, at, anonymous=True)


class Stored:
    """Links as the database has them, changed a request at a time."""

    def __init__(self) -> None:
        self.links: dict[Node, Link] = {}
        self.ignored = 0

    def apply(self, calls: Sequence[Alias]) -> None:
        found = persons.changes(self.known(calls), calls)
        self.ignored += sum(found.ignored.values())
        for link in found.links:
            self.links[link.node] = link
            if not link.anonymous and link.name in found.moved:
                to = found.moved[link.name]
                for node, other in self.links.items():
                    if other.person == link.name:
                        self.links[node] = Link(*node, other.of, other.at, to)

    def known(self, calls: Sequence[Alias]) -> KnownLinks:
        asked = {node for call in calls for node in [*persons.nodes(call), (False, call.of)]}
        links = {node: self.links[node] for node in asked if node in self.links}
        names = {node[1] for node in asked} | {link.person for link in links.values()}
        sizes = {name: sum(link.person == name for link in self.links.values()) for name in names}
        given_to = {link.of for link in self.links.values()}
        return KnownLinks(links, sizes, {name for anonymous, name in links if not anonymous and name in given_to})

    def person(self, name: str, *, anonymous: bool = False) -> str:
        link = self.links.get((anonymous, name))
        return link.person if link else name


CASES: dict[str, tuple[list[Alias], dict[str, str], dict[str, str]]] = {
    "an anonymous id is the user's": ([identify("dev", "ann")], {"dev": "ann"}, {"dev": "dev"}),
    "the first user keeps it": ([identify("dev", "ann", 1), identify("dev", "bob", 2)], {"dev": "ann"}, {}),
    "of one time the one that came first": ([identify("dev", "ann"), identify("dev", "bob")], {"dev": "ann"}, {}),
    "first by the calls' times": ([identify("dev", "bob", 2), identify("dev", "ann", 1)], {"dev": "ann"}, {}),
    "a user of the same name is another": ([identify("bob", "ann")], {"bob": "ann"}, {"bob": "bob"}),
    "aliases join users": ([Alias("old", "new", 1)], {"old": "new"}, {"old": "new"}),
    "aliases take along what was had": (
        [identify("dev", "old", 1), Alias("old", "new", 2)],
        {"dev": "new"},
        {"old": "new"},
    ),
    "in the other order too": ([Alias("old", "new", 1), identify("dev", "old", 2)], {"dev": "new"}, {"old": "new"}),
    "a chain leads to its end": (
        [Alias("a", "b", 1), Alias("b", "c", 2), Alias("c", "d", 3)],
        {"a": "d"},
        {"a": "d", "b": "d", "c": "d", "d": "d"},
    ),
    "a chain from its end": ([Alias("b", "c", 1), Alias("a", "b", 2)], {}, {"a": "c", "b": "c"}),
    "a circle is left open": (
        [Alias("a", "b", 1), Alias("b", "c", 2), Alias("c", "a", 3)],
        {},
        {"a": "c", "b": "c", "c": "c"},
    ),
    "an alias back changes nothing": ([Alias("a", "b", 1), Alias("b", "a", 2)], {}, {"a": "b", "b": "b"}),
    "of itself": ([Alias("a", "a", 1), identify("a", "a", 2)], {}, {"a": "a"}),
    "two users are not joined by an id both aliased": (
        [Alias("dev", "ann", 1), Alias("dev", "bob", 2)],
        {"dev": "ann"},
        {"dev": "ann", "ann": "ann", "bob": "bob"},
    ),
    "an earlier alias takes an id back": (
        [Alias("dev", "bob", 2), Alias("dev", "ann", 1)],
        {"dev": "ann"},
        {"dev": "ann"},
    ),
}


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one request"])
@pytest.mark.parametrize(("calls", "anonymous", "users"), CASES.values(), ids=CASES)
def test_whose_an_id_is(calls: list[Alias], anonymous: dict[str, str], users: dict[str, str], at_once: bool) -> None:
    stored = Stored()
    for request in [calls] if at_once else [[call] for call in calls]:
        stored.apply(request)
    assert {name: stored.person(name, anonymous=True) for name in anonymous} == anonymous
    assert {name: stored.person(name) for name in users} == users


names = st.sampled_from("abcdef")
calls = st.builds(Alias, names, names, st.integers(0, 3), st.booleans())


@given(st.lists(st.lists(calls, max_size=6), max_size=4))
def test_links_are_a_forest_that_leads_to_the_persons(requests: list[list[Alias]]) -> None:
    stored = Stored()
    for request in requests:
        before = dict(stored.links)
        stored.apply(request)
        assert before.keys() <= stored.links.keys()
        assert all(stored.links[node].at <= link.at for node, link in before.items()), "only earlier calls take away"
    for link in stored.links.values():
        at, steps = link.of, 0
        while (False, at) in stored.links:
            at, steps = stored.links[False, at].of, steps + 1
            assert steps <= len(stored.links), "a circle"
        assert link.person == at, "what is stored as the person is where links lead"


@given(st.lists(calls, max_size=12))
def test_the_same_again_changes_nothing(requests: list[Alias]) -> None:
    stored = Stored()
    stored.apply(requests)
    found = persons.changes(stored.known(requests), requests)
    assert found.links == []


def test_a_person_has_so_many_ids_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persons, "MOST_IDS", 3)
    stored = Stored()
    stored.apply([identify(f"dev{n}", "ann", n) for n in range(5)])
    stored.apply([Alias("ann", "new", 9), identify("dev0", "new", -1)])
    assert [stored.person(f"dev{n}", anonymous=True) for n in range(5)] == ["new", "ann", "ann", "dev3", "dev4"]
    assert stored.person("ann") == "ann", "the two together would have too many"
    assert stored.ignored > 0


CHAIN = [Alias(f"c{n}", f"c{n + 1}", 0) for n in range(5000)]


@pytest.mark.parametrize("calls", [CHAIN, CHAIN[::-1]], ids=["from its end", "from its begin"])
def test_chains_take_a_few_steps_a_call(monkeypatch: pytest.MonkeyPatch, calls: list[Alias]) -> None:
    steps, following = 0, persons._LinkForest._next

    def counted(forest: persons._LinkForest, node: Node) -> Node | None:
        nonlocal steps
        steps += 1
        return following(forest, node)

    monkeypatch.setattr(persons._LinkForest, "_next", counted)
    monkeypatch.setattr(persons, "MOST_IDS", len(calls) * 2)
    found = persons.changes(KnownLinks({}, {}, set()), calls)
    assert {link.person for link in found.links} == {f"c{len(calls)}"}
    assert steps < 20 * len(calls)
