from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core import intervals, times
from delta_server.core.errors import Invalid
from delta_server.core.plan import Interval, Span
from delta_server.core.times import DAY_MS

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
    return intervals.parse(text, intervals.zone(zone), of, at="interval")


def shown(text: str, zone: str, of: Span) -> list[str]:
    found = intervals.along(made(text, zone, of), of)
    return [intervals.text(intervals.zone(zone), begin).replace(":00.000", "") for begin in found]


@pytest.mark.parametrize(
    "name", ["", "europe/paris", "../../etc/passwd", "/etc/localtime", "Paris", "x" * 1000, "a\0", "\ud800"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is no time zone") as caught:
        intervals.zone(name)
    assert caught.value.errors[0].field == "timezone"


def test_a_zone_is_guessed() -> None:
    with pytest.raises(Invalid, match=r"\(Europe/Paris\?\)"):
        intervals.zone("europe/pariss")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a length of time"),
        ("0h", "a length of time"),
        ("999ms", "from 1s"),
        ("36h", "whole days"),
        ("521w", "from 1s to 520w"),
        ("1m", "take 5m"),
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
    begins = list(intervals.along(made("520w", "Europe/Paris", whole), whole))
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
         ["2026-03-29T00:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T06:00+02:00"]),
        ("1h", "Europe/Paris", span("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
         ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]),
        ("6h", "Europe/Paris", span("2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z"),
         ["2026-10-25T00:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T06:00+01:00"]),
        ("1d", "America/New_York", span("2026-11-01T12:00:00Z", "2026-11-02T12:00:00Z"),
         ["2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"]),
        ("1h", "Asia/Kolkata", span("2026-05-01T00:00:00Z", "2026-05-01T01:00:00Z"),
         ["2026-05-01T05:00+05:30", "2026-05-01T06:00+05:30"]),
        ("1h", "Australia/Lord_Howe", span("2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z"),
         ["2026-10-04T01:00+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"]),
        ("1h", "Australia/Lord_Howe", span("2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z"),
         ["2026-04-05T01:00+11:00", "2026-04-05T01:30+10:30", "2026-04-05T02:00+10:30"]),
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
    ],
)  # fmt: skip
def test_stretches(text: str, zone: str, of: Span, begins: list[str]) -> None:
    assert shown(text, zone, of) == begins


STEPS = ["1m", "15m", "20m", "1h", "90m", "6h", "7h", "12h", "1d", "3d", "1w"]


@settings(max_examples=300)
@given(st.sampled_from(ZONES), st.sampled_from(STEPS), st.integers(at("2024-01-01"), at("2027-01-01")), st.data())
def test_every_time_has_one_stretch(zone: str, text: str, first: int, data: st.DataObject) -> None:
    step = times.parse_length(text, field="")
    of = Span(first, first + data.draw(st.integers(1, min(60 * DAY_MS, 2000 * step))))
    interval = made(text, zone, of)
    begins = list(intervals.along(interval, of))
    assert begins[0] <= of.start_ms
    assert all(before < after for before, after in pairwise(begins))
    for moment in data.draw(st.lists(st.integers(of.start_ms, of.end_ms - 1), max_size=20)):
        own = intervals.begins(interval, intervals.key(interval, moment))
        assert own == max(begin for begin in begins if begin <= moment)
        assert intervals.begins(interval, intervals.key(interval, own)) == own


@given(st.sampled_from(ZONES), st.integers(at("2024-01-01"), at("2027-01-01")))
def test_days_are_the_calendars(zone: str, moment: int) -> None:
    interval = made("1d", zone, Span(moment, moment + 1))
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)).astimezone(intervals.zone(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp() * 1000
    begin = intervals.begins(interval, intervals.key(interval, moment))
    # Where midnight is left out, datetime tells when it would have been by the clock before: that is the change.
    assert begin == midnight or intervals.text(intervals.zone(zone), begin)[11:16] == "01:00"


def test_steps_that_divide_a_day_begin_at_midnight() -> None:
    interval = made("90m", "Asia/Kolkata", span("2026-05-01", "2026-05-02"))
    midnight = at("2026-05-01T00:00:00+05:30")
    assert intervals.begins(interval, intervals.key(interval, midnight + 90 * 60_000 - 1)) == midnight
