"""A clock that was set is told of, one that goes is not."""

import pytest

from delta_server.core.clock_watch import JUMP_MS, REPORTED_S, ClockWatch

START = 1_767_225_600_000


@pytest.mark.parametrize("jump_ms", [0, 1, -1, JUMP_MS - 1, 1 - JUMP_MS])
def test_a_clock_that_goes_is_not_told_of(jump_ms: int) -> None:
    watch = ClockWatch(START, 5.0)
    assert watch.check(START + 86_400_000 + jump_ms, 5.0 + 86_400) is None


@pytest.mark.parametrize(
    ("jump_ms", "says"),
    [
        (JUMP_MS, "forward by 10 s"),
        (-JUMP_MS, "back by 10 s"),
        (-86_400_000, "back by 86400 s"),
        (9 * 86_400_000, "forward by 777600 s"),
    ],
)
def test_a_jump_is_told_of_for_an_hour(jump_ms: int, says: str) -> None:
    watch = ClockWatch(START, 5.0)
    assert says in (watch.check(START + jump_ms + 60_000, 65.0) or "")
    later = START + jump_ms + 60_000 + int(REPORTED_S * 1000)
    assert says in (watch.check(later - 1000, 65.0 + REPORTED_S - 1) or "")
    assert watch.check(later, 65.0 + REPORTED_S) is None


def test_by_how_much_it_was_set_is_said_once() -> None:
    watch = ClockWatch(START, 5.0)
    assert watch.jump_ms(START - 7_200_000 + 1000, 6.0) == -7_200_000
    assert watch.jump_ms(START - 7_200_000 + 2000, 7.0) == 0


def test_the_last_jump_is_told() -> None:
    watch = ClockWatch(START, 0.0)
    assert "forward" in (watch.check(START + 86_400_000, 0.0) or "")
    assert "back" in (watch.check(START, 0.0) or "")
