import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import Interval, Span
from delta_server.core.times import DAY_MS
from tests.often import FUZZ

ZONES = [
    "UTC",
    "Europe/Paris",
    "Asia/Kolkata",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Havana",
]


def at(text: str) -> int:
    return times.parse(text, field="at")


def span(first: str, end: str) -> Span:
    return Span(at(first), at(end))


def made(text: str, zone: str, of: Span) -> Interval:
    return time_buckets.parse(text, time_buckets.time_zone(zone), of, at="interval")


def shown(text: str, zone: str, of: Span) -> list[str]:
    found = time_buckets.along(made(text, zone, of), of)
    return [time_buckets.text(time_buckets.time_zone(zone), begin).replace(":00.000", "") for begin in found]


@pytest.mark.parametrize(
    "name", ["", "europe/paris", "../../etc/passwd", "/etc/localtime", "Paris", "x" * 1000, "a\0", "\ud800"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is not a known time zone") as caught:
        time_buckets.time_zone(name)
    assert caught.value.errors[0].field == "timezone"


def test_a_zone_is_guessed() -> None:
    with pytest.raises(Invalid, match=r"\(Europe/Paris\?\)"):
        time_buckets.time_zone("europe/pariss")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a length of time"),
        ("0h", "a length of time"),
        ("999ms", "from 1s"),
        ("36h", "whole days"),
        ("521w", "from 1s to 520w"),
        ("1m", "take 5m"),
        ("0mo", "from 1 to 1200 months"),
        ("101y", "from 1 to 1200 months"),
        ("1M", "or month, quarter or year"),
        ("fortnight", "or month, quarter or year"),
    ],
)
def test_what_is_no_interval_is_refused(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        made(text, "UTC", span("2026-05-01", "2026-06-01"))
    assert says in caught.value.message
    assert caught.value.errors[0].field == "interval"


def test_all_of_time_has_an_interval() -> None:
    whole = Span(times.EARLIEST_MS, times.LATEST_MS + 1)
    with pytest.raises(Invalid, match="take 520w"):
        made("1w", "Europe/Paris", whole)
    begins = list(time_buckets.along(made("520w", "Europe/Paris", whole), whole))
    assert begins[0] == times.EARLIEST_MS
    assert begins == sorted(set(begins))


@pytest.mark.parametrize(
    ("text", "zone", "of", "begins"),
    [
        ("1d", "Europe/Paris", span("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
         ["2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"]),
        ("1h", "Europe/Paris", span("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
         ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"]),
        ("6h", "Europe/Paris", span("2026-03-28T23:00:00Z", "2026-03-29T10:00:00Z"),
         ["2026-03-29T00:00+01:00", "2026-03-29T06:00+02:00"]),
        ("1h", "Europe/Paris", span("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
         ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]),
        ("6h", "Europe/Paris", span("2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z"),
         ["2026-10-25T00:00+02:00", "2026-10-25T06:00+01:00"]),
        ("2h", "Europe/Paris", span("2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z"),  # one is of one hour
         ["2026-03-29T00:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
        ("2h", "Europe/Paris", span("2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z"),
         ["2026-10-25T00:00+02:00", "2026-10-25T02:00+02:00", "2026-10-25T04:00+01:00"]),
        ("3h", "Europe/Paris", span("2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z"),
         ["2026-10-25T00:00+02:00", "2026-10-25T03:00+01:00", "2026-10-25T06:00+01:00"]),
        ("90m", "Europe/Paris", span("2026-03-28T23:00:00Z", "2026-03-29T03:00:00Z"),
         ["2026-03-29T00:00+01:00", "2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:30+02:00"]),
        ("6h", "Africa/Cairo", span("2026-04-23T20:00:00Z", "2026-04-24T06:00:00Z"),
         ["2026-04-23T18:00+02:00", "2026-04-24T01:00+03:00", "2026-04-24T06:00+03:00"]),
        ("6h", "Africa/Cairo", span("2026-10-29T20:00:00Z", "2026-10-30T05:00:00Z"),  # 23:00 comes twice
         ["2026-10-29T18:00+03:00", "2026-10-30T00:00+02:00", "2026-10-30T06:00+02:00"]),
        ("2h", "Antarctica/Troll", span("2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z"),  # at three, by two
         ["2026-10-25T00:00+02:00", "2026-10-25T02:00+02:00", "2026-10-25T02:00+00:00"]),
        ("1h", "Pacific/Chatham", span("2026-04-04T12:30:00Z", "2026-04-04T15:00:00Z"),  # set back at 03:45
         ["2026-04-05T02:00+13:45", "2026-04-05T03:00+13:45", "2026-04-05T03:00+12:45"]),
        ("30m", "Australia/Lord_Howe", span("2026-04-04T14:30:00Z", "2026-04-04T15:30:00Z"),
         ["2026-04-05T01:30+11:00", "2026-04-05T01:30+10:30"]),
        ("1d", "America/New_York", span("2026-11-01T12:00:00Z", "2026-11-02T12:00:00Z"),
         ["2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"]),
        ("1h", "Asia/Kolkata", span("2026-05-01T00:00:00Z", "2026-05-01T01:00:00Z"),
         ["2026-05-01T05:00+05:30", "2026-05-01T06:00+05:30"]),
        ("1h", "Australia/Lord_Howe", span("2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z"),
         ["2026-10-04T01:00+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"]),
        ("1h", "Australia/Lord_Howe", span("2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z"),
         ["2026-04-05T01:00+11:00", "2026-04-05T02:00+10:30"]),
        ("1d", "Africa/Cairo", span("2026-04-23T12:00:00Z", "2026-04-25T00:00:00Z"),  # its midnight does not happen
         ["2026-04-23T00:00+02:00", "2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"]),
        ("1d", "America/Havana", span("2026-11-01T00:00:00Z", "2026-11-02T12:00:00Z"),  # its midnight comes twice
         ["2026-10-31T00:00-04:00", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"]),
        ("1d", "Pacific/Apia", span("2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z"),  # a day left out
         ["2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"]),
        ("1w", "Europe/Paris", span("2026-03-26", "2026-04-01"),
         ["2026-03-23T00:00+01:00", "2026-03-30T00:00+02:00"]),
        ("90m", "UTC", span("2026-05-01T01:00:00Z", "2026-05-01T04:00:00Z"),
         ["2026-05-01T00:00Z", "2026-05-01T01:30Z", "2026-05-01T03:00Z"]),
        ("month", "Europe/Paris", span("2026-02-10", "2026-04-02"),
         ["2026-02-01T00:00+01:00", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"]),
        ("2mo", "UTC", span("2025-12-31", "2026-03-02"),
         ["2025-11-01T00:00Z", "2026-01-01T00:00Z", "2026-03-01T00:00Z"]),
        ("quarter", "Asia/Kolkata", span("2026-03-31T18:00:00Z", "2026-03-31T19:00:00Z"),
         ["2026-01-01T00:00+05:30", "2026-04-01T00:00+05:30"]),
        ("1q", "UTC", span("2026-02-01", "2026-04-02"), ["2026-01-01T00:00Z", "2026-04-01T00:00Z"]),
        ("year", "UTC", span("2023-12-31", "2025-01-01"), ["2023-01-01T00:00Z", "2024-01-01T00:00Z"]),
        ("2years", "UTC", span("2023-12-31", "2025-01-01"), ["2022-01-01T00:00Z", "2024-01-01T00:00Z"]),
        ("month", "America/New_York", span("0001-01-01", "0001-02-02"),  # the year 0 there
         ["0001-01-01T00:00Z", "0001-01-01T05:00Z", "0001-02-01T05:00Z"]),
        ("day", "UTC", span("2026-05-01", "2026-05-02"), ["2026-05-01T00:00Z"]),
        ("week", "UTC", span("2026-05-01", "2026-05-02"), ["2026-04-27T00:00Z"]),
        ("hour", "UTC", span("2026-05-01T00:30:00Z", "2026-05-01T01:00:00Z"), ["2026-05-01T00:00Z"]),
    ],
)  # fmt: skip
def test_buckets(text: str, zone: str, of: Span, begins: list[str]) -> None:
    assert shown(text, zone, of) == begins


STEPS = ["1m", "15m", "20m", "1h", "90m", "6h", "7h", "12h", "1d", "3d", "1w", "1mo", "2q"]


@settings(max_examples=75 * FUZZ)
@given(st.sampled_from(ZONES), st.sampled_from(STEPS), st.integers(at("2024-01-01"), at("2027-01-01")), st.data())
def test_every_time_has_one_bucket(zone: str, text: str, first: int, data: st.DataObject) -> None:
    step = 30 * DAY_MS if text in ("1mo", "2q") else times.parse_length(text, field="")
    of = Span(first, first + data.draw(st.integers(1, min(60 * DAY_MS, 2000 * step))))
    interval = made(text, zone, of)
    begins = list(time_buckets.along(interval, of))
    assert begins[0] <= of.start_ms
    assert all(before < after for before, after in pairwise(begins))
    for moment in data.draw(st.lists(st.integers(of.start_ms, of.end_ms - 1), max_size=20)):
        own = time_buckets.begins(interval, time_buckets.key(interval, moment))
        assert own == max(begin for begin in begins if begin <= moment)
        assert time_buckets.begins(interval, time_buckets.key(interval, own)) == own


@given(st.sampled_from(ZONES), st.integers(at("2024-01-01"), at("2027-01-01")))
def test_days_are_the_calendars(zone: str, moment: int) -> None:
    interval = made("1d", zone, Span(moment, moment + 1))
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)).astimezone(time_buckets.time_zone(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp() * 1000
    begin = time_buckets.begins(interval, time_buckets.key(interval, moment))
    # Where midnight is left out, datetime tells when it would have been by the clock before: that is the change.
    assert begin == midnight or time_buckets.text(time_buckets.time_zone(zone), begin)[11:16] == "01:00"


def test_steps_that_divide_a_day_begin_at_midnight() -> None:
    interval = made("90m", "Asia/Kolkata", span("2026-05-01", "2026-05-02"))
    midnight = at("2026-05-01T00:00:00+05:30")
    assert time_buckets.begins(interval, time_buckets.key(interval, midnight + 90 * 60_000 - 1)) == midnight


@pytest.mark.parametrize(
    ("week_start", "begins"),
    [
        ("monday", ["2026-04-27T00:00+02:00", "2026-05-04T00:00+02:00"]),
        ("Sunday", ["2026-04-26T00:00+02:00", "2026-05-03T00:00+02:00"]),
        ("sat", ["2026-05-02T00:00+02:00"]),
        ("wednesday", ["2026-04-29T00:00+02:00"]),
    ],
)
def test_weeks_begin_on_the_day_asked_for(week_start: str, begins: list[str]) -> None:
    zone, of = time_buckets.time_zone("Europe/Paris"), span("2026-05-02T12:00:00Z", "2026-05-05")
    interval = time_buckets.parse("1w", zone, of, at="interval", week_start=week_start)
    found = [time_buckets.text(zone, begin).replace(":00.000", "") for begin in time_buckets.along(interval, of)]
    assert found[: len(begins)] == begins


@pytest.mark.parametrize("week_start", ["", "m", "montag", "0", "\ud800"])
def test_what_is_no_day_of_the_week_is_refused(week_start: str) -> None:
    with pytest.raises(Invalid, match="weekStart must be one of monday") as caught:
        time_buckets.parse("1d", UTC, span("2026-05-01", "2026-05-02"), at="interval", week_start=week_start)
    assert caught.value.errors[0].field == "weekStart"


YEARS = [span("2026-01-01", "2027-01-01"), span("1971-10-01", "1972-04-01")]
"""The second with offsets that are no quarter of an hour."""


SET_BACK_INSIDE = {
    "1h": {"Pacific/Chatham", "NZ-CHAT", "Asia/Hong_Kong", "Hongkong", "Asia/Macao", "Asia/Macau"},
    "2h": {"Antarctica/Troll"},
}
"""At a quarter to four by an hour, at three by two: the bucket that lasts then is of what clocks showed before and
after, so that it is not longer than others either."""


LENGTHS = ["1h", "90m", "2h", "3h", "4h", "6h", "8h", "12h", "1d", "1w", "1mo", "1q", "1y"]


@pytest.mark.parametrize("text", LENGTHS)
def test_buckets_are_the_clocks_in_all_time_zones(text: str) -> None:
    """What the zone's clock shows, rounded down, is the bucket; hours that come twice as such are two. Each zone with
    each fourth of the lengths, with DELTA_FUZZ with all of them."""
    zones = sorted(zoneinfo.available_timezones())
    for name in zones if FUZZ > 1 else zones[LENGTHS.index(text) % 4 :: 4]:
        if name in SET_BACK_INSIDE.get(text, ()):
            continue
        zone = time_buckets.time_zone(name)
        for of in YEARS:
            changes = [until for until, _ in time_buckets.offsets(zone, of)[:-1]]
            near = [change + step * 600_000 for change in changes for step in range(-144, 145, 4)]
            moments = [*near, *range(of.start_ms, of.end_ms, 5 * DAY_MS + 12_345_678)]
            interval = made(text, name, of)
            found: dict[int, set[object]] = {}
            for moment in moments:
                begin = time_buckets.begins(interval, time_buckets.key(interval, moment))
                found.setdefault(begin, set()).add(by_the_clock(zone, text, moment))
                assert begin <= moment
            assert all(len(shown) == 1 for shown in found.values()), name
            assert len({next(iter(shown)) for shown in found.values()}) == len(found), name


def by_the_clock(zone: tzinfo, text: str, moment: int) -> object:
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)
    local = utc.astimezone(zone)
    if text == "1w":
        return tuple(local.isocalendar())[:2]
    if text in ("1mo", "1q", "1y"):
        return local.year, {"1mo": local.month, "1q": (local.month - 1) // 3, "1y": 0}[text]
    if text == "1d":
        return local.date()
    minutes = times.parse_length(text, field="") // 60_000
    label = local.date(), (local.hour * 60 + local.minute) // minutes
    if minutes > 60:
        return label
    twice = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    assert twice[0] is not None
    assert twice[1] is not None
    whole = (twice[0] - twice[1]) % timedelta(minutes=minutes) == timedelta(0)
    return *label, local.fold if whole else 0


@settings(max_examples=75 * FUZZ)
@given(
    zone=st.sampled_from(sorted(zoneinfo.available_timezones())),
    first=st.integers(at("1900-01-02"), at("2099-12-31")),
    length=st.one_of(st.integers(1, 400 * DAY_MS), st.integers(1, 70_000 * DAY_MS)),
    data=st.data(),
)
def test_offsets_are_the_zones(zone: str, first: int, length: int, data: st.DataObject) -> None:
    """At any time of a span, and right before and at each of its changes; a change is told once."""
    of, end = zoneinfo.ZoneInfo(zone), min(first + length, at("2099-12-31"))
    found = time_buckets.offsets(of, Span(first, end))
    clock = Interval(time_buckets.NAME, DAY_MS, found)
    untils = [until for until, _ in found[:-1]]
    assert untils == sorted(set(untils))
    assert all(before != after for (_, before), (_, after) in pairwise(found))
    for moment in [
        data.draw(st.integers(min(first, end), end)),
        *(until - back for until in untils for back in (0, 1)),
    ]:
        if first <= moment <= end:
            local = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment)
            offset = local.astimezone(of).utcoffset()
            assert offset is not None
            assert time_buckets.offset_at(clock, moment) == offset // timedelta(milliseconds=1), zone
