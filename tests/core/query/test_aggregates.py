import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query import aggregates, fields, filters, metrics
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.core.query.plan import Aggregate, Bound, Condition, Field, Interval, Metric, Order, Span
from delta_server.core.times import DAY_MS


def at(text: str) -> int:
    return times.parse(text, field="at")


NOW = at("2026-05-08T12:00:00Z")
DAYS = ["2026-05-01", "2026-05-08"]


def ask(**body: Any) -> aggregates.AggregateQuery:
    return aggregates.parse(msgspec.convert(body, AggregateRequest), now_ms=NOW)


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"metrics": []}, "metrics", "give 1 to 30"),
        ({"metrics": ["count"] * 31}, "metrics", "give 1 to 30"),
        ({"metrics": ["count", "cuont"]}, "metrics[1]", "(count?)"),
        ({"metrics": ["count", "count"]}, "metrics[1]", "twice"),
        ({"groupBy": ["source", "evenType"]}, "groupBy[1]", "(eventType?)"),
        ({"groupBy": ["time"]}, "groupBy[0]", "time:1h"),
        ({"groupBy": ["time:1x"]}, "groupBy[0]", "a length of time"),
        ({"groupBy": ["time:1s"]}, "groupBy[0]", "take 5m"),
        ({"groupBy": ["time:1h", "time:1d"]}, "groupBy[1]", "twice"),
        ({"groupBy": ["eventType", "event_type"]}, "groupBy[1]", "twice"),
        ({"groupBy": [f"data.n{n}" for n in range(11)]}, "groupBy", "at most 10"),
        ({"groupBy": [["source"]]}, "groupBy[0]", "must be the name of a field"),
        ({"range": 7}, "range", "must be an age"),
        ({"range": "yesterday"}, "range", "a length of time"),
        ({"range": "0d"}, "range", "a length of time"),
        ({"range": ["2026-05-01"]}, "range", "must be an age"),
        ({"range": ["2026-05-08", "2026-05-01"]}, "range[0]", "must lie before range[1]"),
        ({"range": {"from": "2026-06-01"}}, "range.from", "must lie before now"),
        ({"range": ["2026-05-01", "first of May"]}, "range[1]", "must be a time"),
        ({"range": ["2026-05-01T10:00", "2026-05-02"]}, "range[0]", "no time zone"),
        ({"range": [5, "2026-05-02"]}, "range[0]", "must be a time"),
        ({"range": {"from": "2026-05-01", "until": "2026-05-02"}}, "range", "until"),
        ({"timezone": "Mars/Olympus"}, "timezone", "is not a known time zone"),
        ({"filters": [["is", "sauce", "api"]]}, "filters[0][1]", "(source?)"),
        ({"having": ["count>10"]}, "having[0]", '["gt", "count", 10]'),
        ({"having": [[">", "count", 10]]}, "having[0][0]", "must be one of is"),
        ({"having": [["gt", "avg_duration", 10]]}, "having[0][1]", "is none of the numbers in metrics"),
        ({"having": [["gt", ["count"], 10]]}, "having[0][1]", "is none of"),
        ({"having": [["gt", "dominant_status", 10]], "metrics": ["dominant_status"]}, "having[0][1]", "they are empty"),
        ({"having": [["gt", "count", "10"]]}, "having[0][2]", "must be a number"),
        ({"having": [["gt", "count", 10**38]]}, "having[0][2]", "must be a number"),
        ({"orderBy": [["conut", "desc"]]}, "orderBy[0][0]", "(count?)"),
        ({"orderBy": ["-conut"]}, "orderBy[0]", "(count?)"),
        ({"orderBy": [["count", "down"]]}, "orderBy[0][1]", '"asc" or "desc"'),
        ({"orderBy": [["count"]]}, "orderBy[0]", "must be like"),
        ({"orderBy": ["count", "count"]}, "orderBy", "has 2 parts"),
        ({"orderBy": ["count", "-count"], "groupBy": ["source"]}, "orderBy[1]", "twice"),
        ({"limit": 0}, "limit", "from 1 to 10000"),
        ({"limit": 10_001}, "limit", "from 1 to 10000"),
        ({"fill": "zero"}, "fill", "put a time in groupBy"),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_stands(body: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        ask(**body)
    assert says in caught.value.message
    assert [error.field for error in caught.value.errors] == [field]
    assert len(caught.value.message) < 700


def test_a_question() -> None:
    given = ask(
        metrics=["count", "p95_duration"],
        groupBy=["time:1h", "data.plan"],
        range="24h",
        filters=[["is", "source", "api"]],
        having=[["gt", "count", 10]],
        orderBy=[["count", "desc"], "time:1h"],
        limit=50,
    )
    assert given.plan == Aggregate(
        Span(NOW - DAY_MS, NOW),
        (Metric("count", "count"), Metric("p95_duration", "quantile", Field("duration", "duration", "number"), 0.95)),
        (Interval("time", 3_600_000, ((times.LATEST_MS + 1, 0),)), Field("data.plan", "data", "json", ("plan",))),
        Condition("is", Field("source", "source", "text"), ("api",)),
        (Bound("gt", "count", 10),),
        (Order("count", True), Order("time", False)),
        50,
    )
    assert msgspec.to_builtins(given.given) == {
        "metrics": ["count", "p95_duration"],
        "groupBy": ["time:1h", "data.plan"],
        "range": ["2026-05-07T12:00:00.000Z", "2026-05-08T12:00:00.000Z"],
        "timezone": "UTC",
        "weekStart": "monday",
        "filters": [["is", "source", "api"]],
        "having": [["gt", "count", 10]],
        "orderBy": [["count", "desc"], "time:1h"],
        "limit": 50,
        "cursor": None,
        "fill": None,
        "compare": None,
    }


def test_what_is_resolved_asks_the_same() -> None:
    given = ask(groupBy=["time:1d"], range=DAYS, timezone="Europe/Paris", compare="previous", fill="null")
    again = aggregates.parse(given.given, now_ms=NOW + DAY_MS)
    assert again == given


@pytest.mark.parametrize(
    ("range", "zone", "first", "end"),
    [
        ("7d", "UTC", "2026-05-01T12:00:00Z", "2026-05-08T12:00:00Z"),
        (DAYS, "UTC", "2026-05-01", "2026-05-08"),
        (DAYS, "Europe/Paris", "2026-05-01T00:00:00+02:00", "2026-05-08T00:00:00+02:00"),
        (["2026-03-28", "2026-03-30"], "Europe/Paris", "2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z"),
        (["2026-04-24", "2026-04-25"], "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
        ({"to": "2026-05-08"}, "UTC", "2026-05-01", "2026-05-08"),
        ({"from": "2026-05-01"}, "Asia/Kolkata", "2026-05-01T00:00:00+05:30", "2026-05-08T12:00:00Z"),
        ({"from": "3d", "to": "24h"}, "Asia/Kolkata", "2026-05-05T12:00:00Z", "2026-05-07T12:00:00Z"),
        (["2026-05-01T10:00:00Z", "2026-05-02"], "Asia/Kolkata", "2026-05-01T10:00:00Z", "2026-05-02T00:00:00+05:30"),
        (["0001-01-01", "0001-01-02"], "Asia/Kolkata", "0001-01-01", "0001-01-01T18:06:32Z"),
    ],
)
def test_ranges(range: Any, zone: str, first: str, end: str) -> None:
    assert ask(range=range, timezone=zone).plan.span == Span(at(first), at(end))


@pytest.mark.parametrize(
    ("body", "first", "end"),
    [
        ({"range": DAYS}, "2026-04-24", "2026-05-01"),
        ({"range": "24h", "groupBy": ["time:1h"]}, "2026-05-06T12:00:00Z", "2026-05-07T12:00:00Z"),
        (  # the days before, though one of them had 23 hours
            {"range": ["2026-03-31", "2026-04-07"], "groupBy": ["time:1d"], "timezone": "Europe/Paris"},
            "2026-03-24T00:00:00+01:00",
            "2026-03-31T00:00:00+02:00",
        ),
    ],
)
def test_the_range_before(body: dict[str, Any], first: str, end: str) -> None:
    previous = ask(compare="previous", **body).previous
    assert previous is not None
    assert previous.span == Span(at(first), at(end))


PARIS = "Europe/Paris"
ANY = ("", "time:1h", "time:6h", "time:1d", "time:1w")


@pytest.mark.parametrize(
    ("range", "zone", "groups", "before"),
    [
        ("2026-03-29 2026-03-30", PARIS, ANY, "2026-03-28T00:00:00+01:00"),  # of 23 hours: the whole day before
        ("2026-03-30 2026-03-31", PARIS, ANY, "2026-03-29T00:00:00+01:00"),
        ("2026-10-25 2026-10-26", PARIS, ANY, "2026-10-24T00:00:00+02:00"),
        ("2026-10-26 2026-10-27", PARIS, ANY, "2026-10-25T00:00:00+02:00"),
        ("2026-04-05 2026-04-06", "Australia/Lord_Howe", ANY, "2026-04-04T00:00:00+11:00"),
        ("2026-03-28T12:00:00+01:00 2026-03-29T12:00:00+02:00", PARIS, ANY, "2026-03-27T12:00:00+01:00"),
        ("2026-10-25T00:00:00Z 2026-10-25T06:00:00Z", PARIS, ("", "time:1h"), "2026-10-24T18:00:00Z"),  # six hours
        ("2026-03-01 2026-04-01", PARIS, ("time:month",), "2026-02-01T00:00:00+01:00"),
        ("2026-04-01 2026-07-01", "UTC", ("time:quarter", "time:1mo"), "2026-01-01"),
        ("2025-01-01 2026-01-01", "UTC", ("time:1y",), "2024-01-01"),
        ("2026-03-15 2026-04-15", "UTC", ("time:month",), "2026-02-15"),
        ("2026-03-31 2026-04-30", "UTC", ("time:month",), "2026-02-28"),
        ("2026-03-01 2026-03-11", "UTC", ("time:month",), "2026-02-19"),  # ten days are no month
        ("2026-03-01 2026-04-01", "UTC", ("", "time:1d"), "2026-01-29"),  # as many days
    ],
)
def test_the_range_before_by_the_calendar(range: str, zone: str, groups: tuple[str, ...], before: str) -> None:
    for group in groups:
        by = [group] if group else []
        found = ask(compare="previous", range=range.split(), timezone=zone, groupBy=by)
        assert found.previous is not None
        assert found.previous.span == Span(at(before), found.plan.span.start_ms)


TIMES = ("time:1h", "time:1d", "time:2mo", "time")
NAMES = st.sampled_from([*fields.NAMES, *metrics.NAMES, "data.a", "avg_data.b", *TIMES, "-count"])
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), NAMES, st.sampled_from(filters.OPERATIONS)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=2)),
)
RANGES = st.one_of(JSON, st.lists(st.datetimes().map(lambda time: time.isoformat()[:10]), min_size=2, max_size=2))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{
                name: st.lists(st.one_of(NAMES, JSON), max_size=4)
                for name in ("metrics", "groupBy", "having", "orderBy")
            },
            "filters": st.lists(JSON, max_size=4),
            "range": RANGES,
            "timezone": st.one_of(st.text(), st.sampled_from(["Europe/Paris", "Pacific/Apia", "UTC"])),
            "limit": st.integers(),
            "weekStart": st.one_of(st.text(), st.sampled_from(["monday", "Sun"])),
            "fill": st.sampled_from(["zero", "null"]),
            "compare": st.just("previous"),
        },
    )
)
def test_anything_is_a_question_or_invalid(body: dict[str, Any]) -> None:
    with contextlib.suppress(Invalid):
        given = ask(**body)
        assert msgspec.json.encode(given.given)
