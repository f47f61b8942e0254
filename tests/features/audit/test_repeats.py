from delta_server.core.actor import NOBODY, Actor
from delta_server.features.audit.repeats import MOST, Act, Repeats

LOGIN = Act(1, "login", target="user x", outcome="failed")


def by(address: str) -> Actor:
    return Actor(NOBODY, address, f"request from {address}")


def test_the_first_is_recorded_and_others_are_counted() -> None:
    repeats = Repeats()
    assert repeats.is_first(by("a"), LOGIN)
    assert not repeats.is_first(Actor(NOBODY, "a", "another request"), LOGIN)
    assert not repeats.is_first(by("a"), LOGIN)
    assert repeats.is_first(by("b"), LOGIN)
    assert repeats.take() == [(Actor(NOBODY, "a"), LOGIN, 2)]
    assert repeats.take() == []
    assert repeats.is_first(by("a"), LOGIN)


def test_what_the_log_does_not_tell_apart_is_counted_apart() -> None:
    """So that one address of nobody's is written as often as one of somebody's."""
    repeats = Repeats()
    assert [repeats.is_first(by("a"), LOGIN, each) for each in "xyx"] == [True, True, False]


def test_a_flood_from_everywhere_is_one_row() -> None:
    repeats = Repeats()
    firsts = [repeats.is_first(by(str(n)), LOGIN, str(n)) for n in range(10_000)]
    assert sum(firsts) == MOST
    assert repeats.take() == [(Actor(NOBODY), Act(1, "login", outcome="failed"), 10_000 - MOST)]


def test_a_flood_of_one_kind_hides_no_other() -> None:
    repeats = Repeats()
    for n in range(1000):
        repeats.is_first(by(str(n)), LOGIN)
    assert repeats.is_first(Actor("key a", "1"), Act(1, "sql.run", "p"))
    assert repeats.is_first(by("1"), Act(1, "password.change", outcome="failed"))
    assert repeats.is_first(by("1"), Act(2, "login", outcome="failed"))
