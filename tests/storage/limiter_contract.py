"""What every adapter of the Limiter port promises. A test class of an adapter inherits this and gives the fixture."""

import pytest

from delta_server.core.rates import Rate
from delta_server.storage.limiter import Limiter
from tests.storage.opened import FakeClock

TWO = Rate(2)
ADA = ("query", 1, "192.0.2.1", "ada")


class LimiterContract:
    def allowed(self, limiter: Limiter, who: tuple[object, ...], clock: FakeClock, rate: Rate = TWO) -> bool:
        return limiter.take(who, rate, clock.now_ms()).allowed

    def test_past_the_limit_the_next_is_refused(self, limiter: Limiter, clock: FakeClock) -> None:
        assert [self.allowed(limiter, ADA, clock) for _ in range(4)] == [True, True, False, False]

    def test_it_says_what_is_left(self, limiter: Limiter, clock: FakeClock) -> None:
        verdicts = [limiter.take(ADA, TWO, clock.now_ms()) for _ in range(3)]
        assert [(v.limit, v.remaining, v.reset_s, v.retry_after_s) for v in verdicts] == [
            (2, 1, 30, 0),
            (2, 0, 60, 0),
            (2, 0, 60, 30),
        ]

    @pytest.mark.parametrize(
        "other",
        [
            ("ingest", 1, "192.0.2.1", "ada"),
            ("query", 2, "192.0.2.1", "ada"),
            ("query", None, "192.0.2.1", "ada"),
            ("query", 1, "192.0.2.2", "ada"),
            ("query", 1, "2001:db8::/64", "ada"),
            ("query", 1, "192.0.2.1", "eve"),
            ("query", "192.0.2.1"),
            ("query", 1, "192.0.2.1", ""),
        ],
        ids=str,
    )
    def test_others_have_limits_of_their_own(
        self, limiter: Limiter, clock: FakeClock, other: tuple[object, ...]
    ) -> None:
        for _ in range(3):
            self.allowed(limiter, ADA, clock)
        assert self.allowed(limiter, other, clock)
        assert not self.allowed(limiter, ADA, clock)

    def test_after_a_while_the_next_may_come(self, limiter: Limiter, clock: FakeClock) -> None:
        for _ in range(3):
            self.allowed(limiter, ADA, clock)
        clock.advance(29_999)
        assert not self.allowed(limiter, ADA, clock)
        clock.advance(1)
        assert self.allowed(limiter, ADA, clock)
        assert not self.allowed(limiter, ADA, clock)
        clock.advance(60_000)
        assert limiter.take(ADA, TWO, clock.now_ms()).remaining == 1

    def test_a_clock_that_was_set_back_holds_nobody_up_past_a_minute(self, limiter: Limiter, clock: FakeClock) -> None:
        for _ in range(3):
            self.allowed(limiter, ADA, clock)
        clock.advance(-86_400_000)
        assert limiter.take(ADA, TWO, clock.now_ms()).retry_after_s <= 60
        clock.advance(60_000)
        assert self.allowed(limiter, ADA, clock)

    def test_another_limit_holds_from_the_next_request_on(self, limiter: Limiter, clock: FakeClock) -> None:
        for _ in range(100):
            self.allowed(limiter, ADA, clock, Rate(100))
        verdict = limiter.take(ADA, TWO, clock.now_ms())
        assert (verdict.limit, verdict.retry_after_s) == (2, 30)
