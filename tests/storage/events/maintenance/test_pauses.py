"""A clock that is set does not make a pause longer than it may be."""

from delta_server.storage.events.maintenance.pauses import LONGEST_MS, Pauses

NOW = 1_767_225_600_000


def test_it_holds_until_its_end() -> None:
    pauses = Pauses()
    pauses.begin(1, NOW, 5000)
    held = [pauses.holds(1, NOW + after) for after in (0, 4999, 5000)]
    assert held == [True, True, False]
    assert not pauses.holds(2, NOW)


def test_a_clock_set_back_ends_it() -> None:
    pauses = Pauses()
    pauses.begin(1, NOW, 5000)
    assert not pauses.holds(1, NOW - 86_400_000)


def test_a_clock_set_forward_while_it_was_reckoned_does_not_make_it_last() -> None:
    pauses = Pauses()
    pauses.begin(1, NOW, 9 * 86_400_000)
    assert not pauses.holds(1, NOW + LONGEST_MS)
