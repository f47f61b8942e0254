"""GCRA as it is meant: a minute's requests at once, no more, and no wait for nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.rates import MINUTE_NS, Rate, Verdict, take

START_NS = 1_767_225_600_000_000_000
SECOND_NS = 1_000_000_000

gaps = st.lists(st.integers(0, 20 * SECOND_NS), max_size=60)
limits = st.integers(1, 20)


def taken(limit: int, times: int, now_ns: int = START_NS, arrival_ns: int = 0) -> list[Verdict]:
    verdicts = []
    for _ in range(times):
        verdicts.append(take(Rate(limit), arrival_ns, now_ns))
        arrival_ns = verdicts[-1].arrival_ns
    return verdicts


@pytest.mark.parametrize("limit", [1, 2, 7, 60, 300, 4_999])
def test_the_whole_limit_may_come_at_once_and_no_more(limit: int) -> None:
    verdicts = taken(limit, limit + 2)
    assert [verdict.allowed for verdict in verdicts] == [True] * limit + [False, False]
    assert [verdict.remaining for verdict in verdicts] == [*range(limit - 1, -1, -1), 0, 0]


@pytest.mark.parametrize("limit", [1, 7, 60, 60_000_000])
def test_who_waits_as_long_as_was_said_is_let_through(limit: int) -> None:
    last = take(Rate(limit), START_NS + MINUTE_NS, START_NS)
    later_ns = START_NS + last.retry_after_s * SECOND_NS
    assert not last.allowed
    assert take(Rate(limit), last.arrival_ns, later_ns).allowed


@pytest.mark.parametrize(
    ("kept_ns", "retry_after_s", "why"),
    [
        (MINUTE_NS, 6, "all of it is taken"),
        (2 * MINUTE_NS, 6, "the clock was set back, or the limit was lower"),
    ],
)
def test_how_long_to_wait(kept_ns: int, retry_after_s: int, why: str) -> None:
    verdict = take(Rate(10), START_NS + kept_ns, START_NS)
    assert (verdict.retry_after_s, verdict.remaining, verdict.reset_s) == (retry_after_s, 0, 60), why


def test_a_clock_that_was_set_back_keeps_nobody_out() -> None:
    verdict = take(Rate(10), START_NS + 2 * MINUTE_NS + 1, START_NS)
    assert (verdict.allowed, verdict.remaining) == (True, 9)


def test_reset_says_when_all_of_it_is_there_again() -> None:
    verdicts = taken(6, 3)
    assert [verdict.reset_s for verdict in verdicts] == [10, 20, 30]
    assert take(Rate(6), verdicts[-1].arrival_ns, START_NS + 30 * SECOND_NS).remaining == 5


@given(limits, gaps)
def test_no_minute_has_more_than_twice_the_limit_and_each_wait_is_needed(limit: int, between: list[int]) -> None:
    """Twice: the allowance of a minute, and what comes back during it."""
    now_ns, arrival_ns = START_NS, 0
    allowed: list[int] = []
    for gap in between:
        now_ns += gap
        verdict = take(Rate(limit), arrival_ns, now_ns)
        arrival_ns = verdict.arrival_ns
        if verdict.allowed:
            allowed.append(now_ns)
        else:
            assert len([at for at in allowed if at > now_ns - MINUTE_NS]) >= limit
            assert verdict.retry_after_s >= 1
        assert 0 <= verdict.remaining < limit
        assert len([at for at in allowed if at > now_ns - MINUTE_NS]) <= 2 * limit


@given(limits, gaps)
def test_a_refused_request_changes_nothing(limit: int, between: list[int]) -> None:
    now_ns, arrival_ns = START_NS, taken(limit, limit)[-1].arrival_ns
    for gap in between:
        now_ns += gap
        verdict = take(Rate(limit), arrival_ns, now_ns)
        if not verdict.allowed:
            assert take(Rate(limit), verdict.arrival_ns, now_ns) == verdict
        arrival_ns = verdict.arrival_ns
