"""When an endpoint is polled next."""

import random

import pytest

from delta_server.core import times
from delta_server.core.polling import schedule
from delta_server.core.polling.schedule import Standing
from delta_server.core.polling.settings import PollingSettings

NOW = times.parse("2026-05-01T12:00:00Z", field="now")
MINUTE = 60_000
EVERY_5M = PollingSettings("https://example.com", interval="5m", retries=2)


def after(seconds: float) -> int:
    return NOW + int(seconds * 1000)


def test_start_times_are_spread_and_stay_what_they_are() -> None:
    seeds = [random.Random(number).getrandbits(48) for number in range(200)]
    times_of = [schedule.regular(EVERY_5M, NOW, seed) for seed in seeds]
    assert all(NOW < at <= NOW + 5 * MINUTE for at in times_of)
    per_minute = [sum(1 for at in times_of if (at - NOW - 1) // MINUTE == minute) for minute in range(5)]
    assert min(per_minute) > 20
    assert schedule.regular(EVERY_5M, times_of[7], seeds[7]) == times_of[7] + 5 * MINUTE


@pytest.mark.parametrize("late_s", [0, 1, 100, 149])
def test_a_late_poll_changes_no_start_time(late_s: int) -> None:
    due = schedule.regular(EVERY_5M, NOW, 12345)
    assert schedule.after_success(EVERY_5M, Standing(), due + late_s * 1000, 12345).due_at == due + 5 * MINUTE


def test_what_was_missed_is_not_made_up_for() -> None:
    due = schedule.regular(EVERY_5M, NOW, 12345)
    week_later = schedule.after_success(EVERY_5M, Standing(), due + 7 * times.DAY_MS, 12345)
    assert week_later.due_at == due + 7 * times.DAY_MS + 5 * MINUTE


def test_a_failure_is_tried_again_soon_then_later_and_later() -> None:
    standing, now, waits, said = Standing(), NOW, [], []
    for _ in range(12):
        verdict = schedule.after_failure(EVERY_5M, standing, now, 0)
        assert verdict.due_at is not None
        waits.append((verdict.due_at - now) / 1000)
        said.append(verdict.says)
        standing, now = verdict.standing, verdict.due_at
    assert waits[:2] == [5, 10]
    assert waits[2] <= 300 < waits[4] < waits[6]
    assert max(waits) <= 3600 + 300
    assert said == [None, None, "failed", *[None] * 9]


def test_it_is_paused_after_a_day_of_failures_and_not_before_the_fifth() -> None:
    day_ago = Standing(failures=3, failing_since=NOW - times.DAY_MS)
    fourth = schedule.after_failure(EVERY_5M, day_ago, NOW, 0)
    assert fourth.says is None
    fifth = schedule.after_failure(EVERY_5M, fourth.standing, NOW, 0)
    assert (fifth.says, fifth.due_at, fifth.standing.paused_at) == ("paused", None, NOW)
    again = schedule.after_failure(EVERY_5M, fifth.standing, NOW + 1, 0)
    assert (again.says, again.due_at) == (None, None)
    assert schedule.after_success(EVERY_5M, again.standing, NOW, 0).says == "recovered"


def test_one_success_forgets_all_failures_and_a_short_one_is_nobodys_news() -> None:
    short = schedule.after_failure(EVERY_5M, Standing(), NOW, 0)
    found = schedule.after_success(EVERY_5M, short.standing, NOW, 0)
    assert (found.standing, found.says) == (Standing(), None)
    assert schedule.after_success(EVERY_5M, Standing(failures=3), NOW, 0).says == "recovered"


@pytest.mark.parametrize(("asked_s", "least_s"), [(7200, 7200), (1, 5), (10 * 86_400, 86_400)])
def test_retry_after_is_kept_to_up_to_a_day(asked_s: int, least_s: int) -> None:
    verdict = schedule.after_failure(EVERY_5M, Standing(), NOW, 0, retry_after_ms=asked_s * 1000)
    assert verdict.due_at is not None
    assert least_s * 1000 <= verdict.due_at - NOW <= max(least_s, 300) * 1000
    state = schedule.state_of(EVERY_5M, verdict.standing, NOW)
    assert state == "waiting"


@pytest.mark.parametrize("interval", ["10s", "1m", "1h", "7d"])
def test_the_next_poll_is_never_at_once_and_at_most_one_and_a_half_intervals_away(interval: str) -> None:
    settings = PollingSettings("https://example.com", interval=interval)
    length = times.parse_length(interval, field="interval")
    for seed in range(0, length, length // 7):
        due = schedule.after_success(settings, Standing(), NOW, seed).due_at
        assert due is not None
        assert length // 2 <= due - NOW <= length * 3 // 2


def test_cron_by_its_time_zone() -> None:
    settings = PollingSettings("https://example.com", cron="30 8 * * *", timezone="Europe/Berlin")
    assert schedule.regular(settings, NOW, 99) == times.parse("2026-05-02T06:30:00Z", field="at")
    every_minute = PollingSettings("https://example.com", cron="* * * * *", retries=0)
    verdict = schedule.after_success(every_minute, Standing(), NOW + 1, 0)
    assert verdict.due_at == NOW + MINUTE
    tenth = schedule.after_failure(every_minute, Standing(failures=9, failing_since=NOW), NOW, 0)
    assert tenth.due_at is not None
    assert 59 * MINUTE <= tenth.due_at - NOW <= 61 * MINUTE


def test_a_clock_that_was_set_back_delays_nothing() -> None:
    due = NOW + 30 * times.DAY_MS
    assert schedule.after_jump(EVERY_5M, Standing(), due, NOW, 7) == schedule.regular(EVERY_5M, NOW, 7)
    assert schedule.after_jump(EVERY_5M, Standing(failures=5), due, NOW, 7) <= NOW + 60 * MINUTE
    soon = NOW + 1
    assert schedule.after_jump(EVERY_5M, Standing(), soon, NOW, 7) == soon


@pytest.mark.parametrize(
    ("standing", "enabled", "state"),
    [
        (Standing(), True, "on"),
        (Standing(), False, "off"),
        (Standing(failures=2), True, "on"),
        (Standing(failures=3), True, "backing_off"),
        (Standing(failures=1, waits_until=NOW + 1), True, "waiting"),
        (Standing(failures=1, waits_until=NOW), True, "on"),
        (Standing(failures=9, paused_at=NOW), True, "paused"),
    ],
)
def test_states(standing: Standing, enabled: bool, state: str) -> None:
    settings = PollingSettings("https://example.com", interval="5m", enabled=enabled)
    assert schedule.state_of(settings, standing, NOW) == state
