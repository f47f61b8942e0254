"""When backups are due, their names, and which are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from delta_server.core.backup_plan import Kept, name_of, parse, superfluous, time_of
from delta_server.core.errors import Invalid


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize("text", ["5", "24:00", "1:30", "5m", "0h", "99999d", "daily", "-6h", "6h30m"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


@pytest.mark.parametrize(
    ("schedule", "newest", "now", "due"),
    [
        ("6h", None, "2026-05-01T10:00", "2026-05-01T10:00"),
        ("6h", "2026-05-01T05:00", "2026-05-01T10:00", "2026-05-01T11:00"),
        ("6h", "2026-04-01T05:00", "2026-05-01T10:00", "2026-04-01T11:00"),
        ("03:30", None, "2026-05-01T10:00", "2026-05-01T10:00"),
        ("03:30", "2026-05-01T03:30", "2026-05-01T10:00", "2026-05-02T03:30"),
        ("03:30", "2026-05-01T02:00", "2026-05-01T03:00", "2026-05-01T03:30"),
        ("03:30", "2026-06-01T02:00", "2026-05-01T03:00", "2026-05-01T03:00"),
    ],
)
def test_when_the_next_is_due(schedule: str, newest: str | None, now: str, due: str) -> None:
    found = parse(schedule)
    assert found is not None
    assert found.next_after(at(newest) if newest else None, at(now)) == at(due)


def test_off_is_no_schedule() -> None:
    assert parse("off") is None


@pytest.mark.parametrize("name", ["delta.db", "delta-20260501T033000Z.db.zst.part", "delta-20261301T033000Z.db.zst"])
def test_other_names_are_no_backups(name: str) -> None:
    assert time_of(name) is None


def test_names_tell_their_time() -> None:
    assert time_of(name_of(at("2026-05-01T03:30:07") + 999)) == at("2026-05-01T03:30:07")


def test_of_three_years_of_hours_the_newest_of_days_weeks_and_months_stay() -> None:
    now = datetime(2026, 5, 20, 12, tzinfo=UTC)
    times = [round((now - timedelta(hours=6 * number)).timestamp()) * 1000 for number in range(4 * 365 * 3)]
    stays = sorted(set(times) - superfluous(times, Kept(7, 4, 12)), reverse=True)
    days = [datetime.fromtimestamp(one / 1000, UTC) for one in stays]
    assert [day.hour for day in days[:4]] == [12, 6, 0, 18], "of the last 24 hours all"
    del days[1:3]
    assert [day.date().day for day in days[:7]] == [20, 19, 18, 17, 16, 15, 14]
    assert [f"{day:%m-%d}" for day in days[7:9]] == ["05-10", "05-03"], "Sundays of the weeks before"
    assert [f"{day:%y-%m-%d}" for day in days[9:12]] == ["26-04-30", "26-03-31", "26-02-28"]
    assert len(days) == 7 + 2 + 11
    assert superfluous(times[:6], Kept(0, 0, 0)) == set(times[4:6]), "the newest stay whatever is asked"
