"""Funnels, retention and paths: DuckDB's answers against the plain ones, on random events."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delta_server.core.query import time_buckets
from delta_server.core.query.plan import Condition, Field, Funnel, Paths, Retention, Span, Step
from delta_server.core.times import DAY_MS
from delta_server.storage.events.query import funnels
from delta_server.storage.events.query.relation import Params
from delta_server.storage.events.schema import COLUMNS
from tests.often import FUZZ
from tests.storage.events import behaviour_reference as plain
from tests.storage.events.behaviour_reference import Happened

SPAN = Span(0, 200 * DAY_MS)
TYPE = Field("eventType", "event_type", "text")
SOURCE = Field("source", "source", "text")

FEW = settings(max_examples=40 * FUZZ, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def happenings(draw: st.DrawFn, longest_ms: int = 12) -> list[Happened]:
    """A few persons, few types, many equal times; some events are nobody's."""
    one = st.tuples(
        st.integers(0, longest_ms), st.sampled_from("abc"), st.sampled_from(["u", "v", None]),
        st.sampled_from(["n", None]), st.sampled_from(["web", "ios", None]),
    )  # fmt: skip
    drawn = draw(st.lists(one, max_size=24))
    seqs = draw(st.permutations(range(len(drawn))))
    return [Happened(one[0], seq, *one[1:]) for seq, one in zip(seqs, drawn, strict=True)]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        columns = ", ".join(f"{column.name} {column.type}" for column in COLUMNS)
        connection.execute(f"CREATE TABLE happened ({columns}, person VARCHAR)")
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, events: list[Happened]) -> None:
    connection.execute("DELETE FROM happened")
    rows = [(e.at, e.seq, e.type, e.person, e.source) for e in events]
    if rows:
        names = "time_ms, seq, event_type, person, source"
        connection.executemany(f"INSERT INTO happened ({names}) VALUES (?, ?, ?, ?, ?)", rows)


def is_type(*types: str) -> Condition:
    return Condition("is", TYPE, types)


def of(*types: str) -> plain.Is:
    return lambda event: event.type in types


@FEW
@given(
    happenings(),
    st.lists(st.sampled_from(["a", "b", "c", "ab"]), min_size=2, max_size=4),
    st.integers(0, 8),
    st.booleans(),
)
def test_funnels(
    connection: duckdb.DuckDBPyConnection, events: list[Happened], steps: list[str], window_ms: int, by_source: bool
) -> None:
    fill(connection, events)
    plan = Funnel(
        SPAN, tuple(Step(types, is_type(*types)) for types in steps), window_ms, by=SOURCE if by_source else None
    )
    params = Params()
    rows = connection.execute(funnels.funnel(plan, "happened", params), params.values).fetchall()
    wanted = plain.funnel(
        events, [of(*types) for types in steps], window_ms, lambda event: event.source if by_source else None
    )
    assert len(rows) == len(set(rows))
    assert set(rows) == wanted
    sizes = [row[2] for row in rows if row[1] == 0]
    assert sizes == sorted(sizes, reverse=True)


def test_a_funnel_shows_the_largest_values(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection, [Happened(n, n, "a", f"u{n}", None, "web" if n < 3 else f"s{n}") for n in range(9)])
    plan = Funnel(SPAN, (Step("a", is_type("a")), Step("b", is_type("b"))), 5, by=SOURCE, limit=2)
    params = Params()
    rows = connection.execute(funnels.funnel(plan, "happened", params), params.values).fetchall()
    assert rows == [("web", 0, 3, None), ("web", 1, 0, None), ("s3", 0, 1, None), ("s3", 1, 0, None)]


@FEW
@given(
    happenings(6),
    st.integers(1, 4),
    st.sampled_from(["1d", "1w", "3d", "month", "2mo"]),
    st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata"]),
    st.sampled_from(["monday", "saturday"]),
    st.integers(1, 30),
    st.booleans(),
)
def test_retention(
    connection: duckdb.DuckDBPyConnection,
    events: list[Happened],
    periods: int,
    every: str,
    zone: str,
    week_start: str,
    halves: int,
    first_ever: bool,
) -> None:
    """Times are some half days apart, around a change of the clocks in spring."""
    step = halves * DAY_MS // 2
    moved = [Happened(event.at * step + 85 * DAY_MS, *_rest(event)) for event in events]
    fill(connection, moved)
    span = Span(87 * DAY_MS, SPAN.end_ms) if first_ever else SPAN
    interval = time_buckets.parse(every, time_buckets.time_zone(zone), SPAN, at="every", week_start=week_start)
    plan = Retention(span, interval, periods, is_type("a"), is_type("a", "b"), first_ever=first_ever)
    params = Params()
    rows = connection.execute(funnels.retention(plan, "happened", params), params.values).fetchall()
    since = span.start_ms if first_ever else None
    assert set(rows) == plain.retention(moved, interval, periods, of("a"), of("a", "b"), since)
    assert rows == sorted(rows)


def _rest(event: Happened) -> tuple:
    return event.seq, event.type, event.user, event.anonymous, event.source


@FEW
@given(happenings(), st.booleans(), st.integers(1, 4), st.integers(0, 4), st.booleans())
def test_paths(
    connection: duckdb.DuckDBPyConnection,
    events: list[Happened],
    begins: bool,
    depth: int,
    gap_ms: int,
    backwards: bool,
) -> None:
    fill(connection, events)
    plan = Paths(SPAN, is_type("a") if begins else None, SOURCE, depth, gap_ms, 100, backwards)
    params = Params()
    rows = connection.execute(funnels.paths(plan, "happened", params), params.values).fetchall()
    wanted = plain.paths(events, of("a") if begins else None, lambda event: event.source, depth, gap_ms, backwards)
    assert len(rows) == len(set(rows))
    assert set(rows) == wanted


def test_paths_show_the_most_frequent_moves(connection: duckdb.DuckDBPyConnection) -> None:
    events = [Happened(n, n, kind, "u") for n, kind in enumerate("abababac")]
    fill(connection, events)
    plan = Paths(SPAN, is_type("a", "b"), TYPE, 1, 5, 2)
    params = Params()
    rows = connection.execute(funnels.paths(plan, "happened", params), params.values).fetchall()
    assert rows == [(1, "a", "b", 1, 3), (1, "b", "a", 1, 3)]
