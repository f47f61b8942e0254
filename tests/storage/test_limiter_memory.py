import pytest

from delta_server.core.rates import Rate
from delta_server.storage.limiter_memory import MemoryLimiter
from tests.storage.limiter_contract import LimiterContract
from tests.storage.opened import FakeClock

FIVE = Rate(5)


class TestMemoryLimiter(LimiterContract):
    @pytest.fixture
    def limiter(self) -> MemoryLimiter:
        return MemoryLimiter(places=64)


class TestMemoryLimiterOfOneLine(LimiterContract):
    """Whoever comes shares the line with all others."""

    @pytest.fixture
    def limiter(self) -> MemoryLimiter:
        return MemoryLimiter(places=8)


def clients(count: int) -> list[tuple[str, str]]:
    return [("query", f"192.0.2.{number}") for number in range(count)]


def test_more_clients_than_places_keep_nobody_out(clock: FakeClock) -> None:
    limiter = MemoryLimiter(places=64)
    assert all(limiter.take(who, FIVE, clock.now_ms()).allowed for who in clients(1000))


def test_who_is_at_a_limit_stays_so_whoever_else_comes(clock: FakeClock) -> None:
    limiter = MemoryLimiter(places=64)
    greedy = ("query", "198.51.100.1")
    for _ in range(6):
        limiter.take(greedy, FIVE, clock.now_ms())
    for who in clients(1000):
        limiter.take(who, FIVE, clock.now_ms())
    assert not limiter.take(greedy, FIVE, clock.now_ms()).allowed


def test_places_of_clients_whose_time_has_passed_are_taken_first(clock: FakeClock) -> None:
    limiter = MemoryLimiter(places=8)
    gone, here = clients(8)[:4], clients(8)[4:]
    for who in gone:
        limiter.take(who, FIVE, clock.now_ms())
    clock.advance(12_000)
    for who in here:
        limiter.take(who, FIVE, clock.now_ms())
    for who in [("ingest", "203.0.113.1"), ("ingest", "203.0.113.2"), ("ingest", "203.0.113.3")]:
        limiter.take(who, FIVE, clock.now_ms())
    assert [limiter.take(who, FIVE, clock.now_ms()).remaining for who in here] == [3] * 4


def test_two_servers_place_clients_differently(clock: FakeClock) -> None:
    """Who finds clients that share places with another on one server has found nothing of the next."""

    def first_forgotten() -> list[int]:
        limiter = MemoryLimiter(places=64)
        for who in clients(200):
            limiter.take(who, FIVE, clock.now_ms())
        return [limiter.take(who, FIVE, clock.now_ms()).remaining for who in clients(200)]

    assert first_forgotten() != first_forgotten()
