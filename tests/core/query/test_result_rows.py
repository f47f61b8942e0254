from typing import Any

import msgspec
import pytest

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query import aggregates, result_rows
from delta_server.core.query.aggregates import AggregateRequest

HOUR = 3_600_000


def at(text: str) -> int:
    return times.parse(text, field="at")


NOW = at("2026-05-08T12:00:00Z")
FIRST = at("2026-05-01")


def ask(*, skip: int = 0, **body: Any) -> aggregates.AggregateQuery:
    return aggregates.parse(msgspec.convert(body, AggregateRequest), now_ms=NOW, skip=skip)


def by_hour(**body: Any) -> aggregates.AggregateQuery:
    return ask(**{"groupBy": ["time:1h"], "range": ["2026-05-01T00:00:00Z", "2026-05-01T04:00:00Z"], **body})


def test_rows_are_named_and_cut() -> None:
    query = ask(groupBy=["data.plan", "receivedAt"], metrics=["count", "avg_duration", "sum_data.n"], limit=2)
    found = [("pro", 0, 3, float("nan"), 1 << 70), (None, None, 1, 2.5, None), ("x", 1, 1, 1.0, 1)]
    assert result_rows.rows(query, found, None) == (
        [
            {"data.plan": "pro", "receivedAt": "1970-01-01T00:00:00.000Z", "count": 3}
            | {"avg_duration": None, "sum_data.n": float(1 << 70)},
            {"data.plan": None, "receivedAt": None, "count": 1, "avg_duration": 2.5, "sum_data.n": None},
        ],
        True,
    )


@pytest.mark.parametrize(("fill", "count"), [("zero", 0), ("null", None)])
def test_buckets_without_events_are_filled_in(fill: str, count: int | None) -> None:
    query = by_hour(fill=fill, metrics=["count", "avg_duration"])
    rows, more = result_rows.rows(query, [(FIRST + HOUR, 5, 1.5)], None)
    assert rows == [
        {"time": "2026-05-01T00:00:00.000Z", "count": count, "avg_duration": None},
        {"time": "2026-05-01T01:00:00.000Z", "count": 5, "avg_duration": 1.5},
        {"time": "2026-05-01T02:00:00.000Z", "count": count, "avg_duration": None},
        {"time": "2026-05-01T03:00:00.000Z", "count": count, "avg_duration": None},
    ]
    assert not more


def test_filled_groups_are_ordered_and_paged() -> None:
    query = by_hour(groupBy=["time:2h", "source"], fill="zero", orderBy=["-count"], limit=4)
    rows, more = result_rows.rows(query, [(FIRST, "b", 2), (FIRST, None, 9), (FIRST + 2 * HOUR, "a", 3)], None)
    assert [(row["time"][11:13], row["source"], row["count"]) for row in rows] == [
        ("00", None, 9),
        ("02", "a", 3),
        ("00", "b", 2),
        ("00", "a", 0),
    ]
    assert more
    rest = by_hour(groupBy=["time:2h", "source"], fill="zero", orderBy=["-count"], limit=4, skip=4)
    rows, more = result_rows.rows(rest, [(FIRST, "b", 2), (FIRST, None, 9), (FIRST + 2 * HOUR, "a", 3)], None)
    assert [(row["time"][11:13], row["source"]) for row in rows] == [("02", "b"), ("02", None)]
    assert not more


@pytest.mark.parametrize(
    ("having", "fill", "hours"),
    [
        (["gt", "count", 2], "zero", ["03"]),
        (["gte", "count", 2], "zero", ["01", "03"]),
        (["lt", "count", 3], "zero", ["00", "01", "02"]),
        (["lte", "count", 0], "zero", ["00", "02"]),
        (["is", "count", 0], "null", []),
        (["is_not", "count", 2], "zero", ["00", "02", "03"]),
        (["lt", "avg_duration", 9], "zero", ["01"]),
    ],
    ids=str,
)
def test_buckets_filled_in_are_had_like_others(having: list[Any], fill: str, hours: list[str]) -> None:
    query = by_hour(metrics=["count", "avg_duration"], having=[having], fill=fill)
    rows, more = result_rows.rows(query, [(FIRST + HOUR, 2, 1.5), (FIRST + 3 * HOUR, 5, None)], None)
    assert [row["time"][11:13] for row in rows] == hours
    assert not more


def test_too_much_to_fill_in_is_refused() -> None:
    query = ask(groupBy=["time:1h", "source"], fill="zero", range="365d")
    with pytest.raises(Invalid, match="8760 buckets of 2 groups") as caught:
        result_rows.rows(query, [(FIRST, "a", 1), (FIRST, "b", 1)], None)
    assert caught.value.errors[0].field == "fill"


def test_the_range_before_stands_beside() -> None:
    query = by_hour(groupBy=["time:1h", "source"], compare="previous", metrics=["count", "max_duration"])
    before = FIRST - 4 * HOUR
    rows, _ = result_rows.rows(
        query,
        [(FIRST, "a", 5, 1.0), (FIRST + HOUR, "a", 6, 1.0), (FIRST + HOUR, "b", 7, 1.0)],
        [(before + HOUR, "b", 70, 9.0), (before + HOUR, "a", 60, None), (before + 2 * HOUR, "a", 1, 1.0)],
    )
    assert [row["previous"] for row in rows] == [
        {"count": 0, "max_duration": None},
        {"count": 60, "max_duration": None},
        {"count": 70, "max_duration": 9.0},
    ]


def test_filled_buckets_have_the_range_before_too() -> None:
    query = by_hour(fill="zero", compare="previous")
    rows, _ = result_rows.rows(query, [], [(FIRST - HOUR, 4)])
    assert [(row["count"], row["previous"]["count"]) for row in rows] == [(0, 0), (0, 0), (0, 0), (0, 4)]


def test_without_time_groups_are_compared() -> None:
    query = ask(groupBy=["source"], compare="previous")
    rows, _ = result_rows.rows(query, [("a", 1), (None, 2)], [(None, 20), ("c", 30)])
    assert [row["previous"]["count"] for row in rows] == [0, 20]


def test_days_are_compared_with_the_calendars_days_before() -> None:
    query = ask(
        groupBy=["time:1d"],
        range=["2026-03-30", "2026-04-01"],
        timezone="Europe/Paris",
        compare="previous",
        fill="zero",
    )
    rows, _ = result_rows.rows(query, [], [(at("2026-03-28"), 28), (at("2026-03-29"), 29)])
    assert [(row["time"][:10], row["previous"]["count"]) for row in rows] == [("2026-03-30", 28), ("2026-03-31", 29)]


@pytest.mark.parametrize(
    "path",
    [
        "plan",
        "größe",
        "a b",
        'with "quotes"',
        r"back\\slash",
        "tab\tinside",
        "\N{GRINNING FACE}",
        "\N{LINE SEPARATOR}",
        "</script>",
    ],
)
@pytest.mark.parametrize(
    "values",
    [
        [("pro", 3, 1.5), (None, 0, None), ("x", 1, float("inf"))],
        [('"', (1 << 64) - 1, 1e300), ("\\", 1, -0.0)],
        [("pro", 1 << 64, 1.5), ("x", -(1 << 63), 2.5)],
        [("pro", -(1 << 63) - 1, float("nan"))],
        [("pro", None, None)],
        [],
    ],
)
def test_what_is_written_are_the_rows(path: str, values: list[tuple[Any, ...]]) -> None:
    query = ask(groupBy=[f"data.{path}"], metrics=["sum_duration", "p50_duration"], limit=2)
    rows, more = result_rows.rows(query, values, None)
    assert result_rows.encoded(query, values, None) == (result_rows.encoder.encode(rows), more)


def test_what_is_written_has_times_and_what_was_before() -> None:
    found = [(FIRST, 5, 1.5), (FIRST + HOUR, 6, None)]
    for query in (by_hour(metrics=["count", "avg_duration"]), by_hour(metrics=["count", "avg_duration"], fill="zero")):
        for before in (None, [(FIRST - HOUR, 4, 2.5)]):
            rows, more = result_rows.rows(query, found, before)
            assert result_rows.encoded(query, found, before) == (result_rows.encoder.encode(rows), more)
