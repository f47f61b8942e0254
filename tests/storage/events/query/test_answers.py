"""Every plan's answer equals the one computed from a plain list, whether events wait or are sealed or both."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delta_server.core.errors import Invalid
from delta_server.core.events.event import Event
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import (
    Aggregate,
    AllOf,
    AnyOf,
    Bound,
    Condition,
    Field,
    Filter,
    FullText,
    Interval,
    Listing,
    Metric,
    Negation,
    Operation,
    Order,
    Span,
)
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.options import Events
from delta_server.storage.events.query import answers, compile
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.events.query.runner import QueryRunner
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from tests.often import FUZZ
from tests.storage.events import evaluate
from tests.storage.events.stored import DAY_MS, make_project, put_block, seal
from tests.storage.opened import FAST, START_MS, opened

TYPE = Field("eventType", "event_type", "text")
SOURCE = Field("source", "source", "text")
USER = Field("userId", "user_id", "text")
MESSAGE = Field("messageId", "message_id", "text")
DURATION = Field("duration", "duration", "number")
PRIORITY = Field("priority", "priority", "number")
TIME = Field("timestamp", "time_ms", "time")
TAGS = Field("tags", "tags", "list")
ODD_NAMES = ("plan", "a.b", 'a"b', "a'b", "$", "$.x", "~1", "a/b", "é", "0", "*", "'); DROP TABLE x; --", "$1", "?")
COLUMNS = (TYPE, SOURCE, USER, MESSAGE, DURATION, PRIORITY, TIME, TAGS)

times = st.integers(START_MS - 3 * DAY_MS, START_MS + 3 * DAY_MS) | st.integers(-5 * DAY_MS, 5 * DAY_MS)
words = st.sampled_from(
    ["a", "b", "ab", "A", "é", "", "'", "%", "nan", "12", "12.0", "1_2", " 7", "1e1", "1.5", "x y", 'q"', "true"]
)
numbers = st.integers(-9, 9) | st.sampled_from([0.5, -1.25, 3.0, 12, 12.0, 1.5, -0.0])
large = st.integers(-2, 2).map(lambda n: (1 << 53) + n) | st.integers(-2, 2).map(lambda n: (1 << 63) + n)
names = st.sampled_from(ODD_NAMES)
json_values = st.none() | st.booleans() | words | numbers | large
objects = st.dictionaries(names, json_values | st.dictionaries(names, json_values, max_size=2), max_size=3)
json_fields = st.builds(
    lambda root, path: Field(".".join((root, *path)), root, "json", tuple(path)),
    st.sampled_from(["data", "metadata"]),
    st.lists(names, min_size=1, max_size=2),
)
fields = st.sampled_from(COLUMNS) | json_fields


def rarely(usual: Any, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`strategy` one time in three: else hardly a row would be left of so few events."""
    return st.integers(0, 2).flatmap(lambda n: st.just(usual) if n < 2 else strategy)


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


events = st.lists(
    st.builds(
        Event,
        at=times,
        received_at=times,
        type=words,
        source=st.none() | words,
        user_id=st.none() | words,
        anonymous_id=st.none() | words,
        session_id=st.none() | words,
        duration=st.none() | numbers.map(float),
        priority=st.none() | st.integers(-2, 9),
        status=st.none() | words,
        tags=st.none() | st.lists(words, max_size=3),
        data=st.none() | objects.map(raw),
        metadata=st.none() | objects.map(raw),
        message_id=st.none() | words.filter(bool) | st.uuids().map(str) | st.uuids().map(lambda u: str(u).upper()),
    ),
    min_size=3,
    max_size=20,
).map(lambda found: [msgspec.structs.replace(event, seq=n + 1) for n, event in enumerate(found)])


OF_ALL: list[Operation] = ["is", "is_not", "gt", "gte", "lt", "lte", "exists", "missing"]
OF_TEXT: list[Operation] = ["contains", "not_contains", "starts_with", "ends_with"]


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    field = draw(fields)
    op = draw(st.sampled_from(OF_ALL))
    if field.kind not in ("number", "time") and draw(st.booleans()):
        op = draw(st.sampled_from(OF_TEXT))
    if op in ("exists", "missing"):
        return Condition(op, field)
    values = {
        "number": numbers,
        "time": times,
        "json": words if op in OF_TEXT else words | numbers | large | st.booleans(),
    }.get(field.kind, words)
    most = 1 if op in ("gt", "gte", "lt", "lte") else 3
    return Condition(op, field, tuple(draw(st.lists(values, min_size=1, max_size=most))))


texts = st.lists(st.sampled_from(["a", "É", "ab", "12", "zz"]), min_size=1, max_size=2).map(
    lambda w: FullText(tuple(w))
)
filters: st.SearchStrategy[Filter] = st.recursive(
    conditions() | texts,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Negation, inner)
    ),
    max_leaves=5,
)
spans = st.just(ALWAYS) | st.tuples(times, times).map(lambda pair: Span(min(pair), max(pair)))
metrics = st.lists(
    st.builds(
        Metric,
        name=st.just(""),
        function=st.sampled_from(["avg", "min", "max", "sum", "quantile"]),
        field=st.sampled_from([DURATION, PRIORITY]) | json_fields,
        share=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    )
    | st.builds(Metric, name=st.just(""), function=st.sampled_from(["unique", "mode", "count"]), field=fields)
    | st.just(Metric("", "count")),
    min_size=1,
    max_size=4,
).map(lambda found: tuple(msgspec.structs.replace(each, name=f"m{n}") for n, each in enumerate(found)))


def interval(text: str, zone: str) -> Interval:
    return time_buckets.parse(
        text, time_buckets.time_zone(zone), Span(START_MS - DAY_MS, START_MS + DAY_MS), at="interval"
    )


LENGTHS = (
    *(("1h", "UTC"), ("7h", "Asia/Kolkata"), ("6h", "Europe/Paris"), ("1h", "Australia/Lord_Howe")),
    *(("1d", "Europe/Paris"), ("1w", "UTC"), ("1mo", "Asia/Kolkata"), ("quarter", "UTC"), ("1y", "America/New_York")),
)
INTERVALS = [interval(*each) for each in LENGTHS]
keys = st.lists(fields | st.sampled_from(INTERVALS), max_size=3, unique_by=lambda key: key.name).map(tuple)


@st.composite
def aggregates(draw: st.DrawFn) -> Aggregate:
    asked, by = draw(metrics), draw(keys)
    count = Metric("n", "count")
    bound = st.builds(Bound, st.sampled_from(["gt", "is", "is_not", "lte"]), st.just("n"), st.integers(0, 3))
    having = draw(rarely((), st.tuples(bound)))
    named = [*(key.name for key in by), "n"]
    order = draw(st.lists(st.builds(Order, st.sampled_from(named), st.booleans()), max_size=2))
    return Aggregate(
        draw(rarely(ALWAYS, spans)), (*asked, count), by, draw(rarely(None, filters)), having, tuple(order),
        draw(rarely(None, st.integers(1, 5))), draw(rarely(0, st.integers(1, 2))),
    )  # fmt: skip


class Asked:
    """A log of events on disk, asked about."""

    def __init__(self, db: SqliteDatabase, engine: Engine) -> None:
        self.db = db
        self.engine = engine
        self.answering = QueryRunner(db, engine, Answers({}, answers.compile_aggregate))
        self.count = 0

    async def project_with(self, stored: Sequence[Event], *, sealed: int, blocks: int) -> int:
        """A new project with these events in blocks, of which the first `sealed` are segments."""
        self.count += 1
        project = await self.db.write(make_project, f"p{self.count}")
        cut = [list(stored[n::blocks]) for n in range(blocks)]
        for number, block in enumerate(block for block in cut if block):
            await self.db.write(put_block, project, block)
            if number + 1 == sealed:
                await seal(self.db, self.engine, project)
        return project

    async def seqs(self, project: int, plan: Listing) -> list[int]:
        answer = await self.answering.run_query(project, plan)
        return [row[0] for row in answer.rows]


@pytest.fixture
async def asked(db: SqliteDatabase, engine: Engine) -> Asked:
    return Asked(db, engine)


@asynccontextmanager
async def opened_log() -> AsyncIterator[Asked]:
    with tempfile.TemporaryDirectory() as directory:
        async with opened(Path(directory)) as db:
            engine = Engine(Path(directory) / DATABASE_NAME, Events(query_threads=1), FAST)
            try:
                yield Asked(db, engine)
            finally:
                await engine.close()


@pytest.fixture(scope="module")
def loop_and_log() -> Any:
    """One log for all examples of a hypothesis test, which runs outside of pytest's event loop."""
    with asyncio.Runner() as runner:
        manager = opened_log()
        log = runner.run(manager.__aenter__())
        yield runner, log
        runner.run(manager.__aexit__(None, None, None))


FREE = settings(max_examples=40 * FUZZ, suppress_health_check=list(HealthCheck))


@FREE
@given(stored=events, where=filters, span=rarely(ALWAYS, spans), ascending=st.booleans(), sealed=st.integers(0, 3))
def test_filters_hold_for_the_same_events(
    loop_and_log: Any, stored: list[Event], where: Filter, span: Span, ascending: bool, sealed: int
):
    runner, log = loop_and_log

    async def check() -> None:
        project = await log.project_with(stored, sealed=sealed, blocks=3)
        plan = Listing(span, where, ascending)
        assert await log.seqs(project, plan) == evaluate.listing(stored, plan)

    runner.run(check())


@FREE
@given(stored=events, plan=aggregates(), sealed=st.integers(0, 3))
def test_aggregates_are_the_same(loop_and_log: Any, stored: list[Event], plan: Aggregate, sealed: int):
    runner, log = loop_and_log

    async def check() -> None:
        project = await log.project_with(stored, sealed=sealed, blocks=3)
        answer = await log.answering.run_query(project, plan)
        expected = evaluate.aggregate(stored, plan)
        assert len(answer.rows) == len(expected)
        for row, wanted in zip(answer.rows, expected, strict=True):
            assert row == pytest.approx(wanted, nan_ok=False) if all(map(is_number, wanted)) else same(row, wanted)
        assert answer.columns == compile.columns(plan)

    runner.run(check())


def is_number(cell: Any) -> bool:
    return isinstance(cell, int | float)


def same(row: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    pairs = list(zip(row, wanted, strict=True))
    return all(a == (pytest.approx(b) if is_number(b) else b) for a, b in pairs)


@FREE
@given(
    stored=events,
    where=st.none() | filters,
    ascending=st.booleans(),
    limit=st.integers(1, 4),
    skip=st.integers(0, 4),
    after=st.none() | st.tuples(times, st.integers(0, 13)),
    after_seq=st.none() | st.integers(0, 13),
)
def test_pages_are_cut_from_the_whole(
    loop_and_log: Any,
    stored: list[Event],
    where: Filter | None,
    ascending: bool,
    limit: int,
    skip: int,
    after: Any,
    after_seq: int | None,
):
    runner, log = loop_and_log

    async def check() -> None:
        project = await log.project_with(stored, sealed=2, blocks=4)
        plan = Listing(ALWAYS, where, ascending, after, limit, skip, after_seq)
        assert await log.seqs(project, plan) == evaluate.listing(stored, plan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "_FIRST_EVENTS", 2)
        patch.setattr(answers, "_GROWTH", 2)
        runner.run(check())


ODD = [
    Event(at=START_MS + n, received_at=0, type="a", seq=n + 1, data=raw({name: name}))
    for n, name in enumerate(ODD_NAMES)
]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_no_name_or_value_is_read_as_sql_or_as_a_path(asked: Asked, name: str):
    project = await asked.project_with(ODD, sealed=1, blocks=2)
    field = Field("data.x", "data", "json", (name,))
    wanted = [ODD_NAMES.index(name) + 1]
    assert await asked.seqs(project, Listing(ALWAYS, Condition("is", field, (name,)))) == wanted
    assert await asked.seqs(project, Listing(ALWAYS, Condition("exists", field))) == wanted
    by = await asked.answering.run_query(project, Aggregate(ALWAYS, (Metric("n", "count"),), (field,)))
    assert by.rows == [(name, 1), (None, len(ODD) - 1)]


async def test_a_broken_pattern_is_told_even_where_there_is_nothing(asked: Asked):
    project = await asked.project_with([], sealed=0, blocks=1)
    for field in (TYPE, TAGS):
        with pytest.raises(Invalid, match="missing"):
            await asked.seqs(project, Listing(ALWAYS, Condition("matches", field, ("(",))))


async def test_patterns_match_anywhere(asked: Asked):
    stored = [Event(START_MS + n, 0, kind, n + 1, tags=[kind]) for n, kind in enumerate(["checkout", "check", "out"])]
    project = await asked.project_with(stored, sealed=1, blocks=2)
    for field in (TYPE, TAGS):
        found = await asked.seqs(
            project, Listing(ALWAYS, Condition("matches", field, ("^check", "t$")), ascending=True)
        )
        assert found == [1, 2, 3]
        negated = Negation(Condition("matches", field, ("^check.",)))
        assert await asked.seqs(project, Listing(ALWAYS, negated, ascending=True)) == [2, 3]


async def test_a_project_without_events_has_answers(asked: Asked):
    project = await asked.project_with([], sealed=0, blocks=1)
    metrics = (Metric("n", "count"), Metric("avg", "avg", DURATION), Metric("tags", "unique", TAGS))
    assert (await asked.answering.run_query(project, Aggregate(ALWAYS, metrics))).rows == [(0, None, 0)]
    assert (await asked.answering.run_query(project, Aggregate(ALWAYS, metrics, (TYPE,)))).rows == []
    assert await asked.seqs(project, Listing(ALWAYS)) == []


@pytest.mark.parametrize("sealed", [0, 1])
async def test_pages_of_long_events(asked: Asked, monkeypatch: pytest.MonkeyPatch, sealed: int):
    """They are not sorted: a page of 10 needed memory for all that was looked through."""
    monkeypatch.setattr(answers, "_POSITIONS_PER_FETCH", 2)
    said: list[str] = []
    rows = QuerySession.rows

    def listened(self: QuerySession, sql: str, params: Any = ()) -> Any:
        said.append(sql)
        return rows(self, sql, params)

    monkeypatch.setattr(QuerySession, "rows", listened)
    stored = [Event(START_MS + n // 3, 0, "a", n + 1, data=raw({"n": n, "text": "x" * 5_000})) for n in range(100)]
    project = await asked.project_with(stored, sealed=sealed, blocks=2)
    for skip in (0, 5):
        answer = await asked.answering.run_query(project, Listing(ALWAYS, limit=9, skip=skip, ascending=True))
        assert [msgspec.json.decode(row[12])["n"] for row in answer.rows] == list(range(skip, skip + 9))
        assert await asked.seqs(project, Listing(ALWAYS, limit=9, skip=skip)) == list(range(100 - skip, 91 - skip, -1))
    chosen = [sql.partition(" FROM ")[0] for sql in said if "ORDER BY" in sql]
    assert set(chosen) == {"SELECT seq, time_ms"}


async def test_the_most_frequent_of_many_values(asked: Asked):
    """In time that grows with their number: it was 13 s for these, and no deadline was heard."""
    stored = [Event(START_MS, 0, "a", n + 1, user_id=f"u{n % 44_999}") for n in range(45_000)]
    project = await asked.project_with(stored, sealed=0, blocks=3)
    async with asyncio.timeout(5):
        answer = await asked.answering.run_query(project, Aggregate(ALWAYS, (Metric("n", "mode", USER),)))
    assert answer.rows == [("u0",)]


async def test_a_stream_gives_names_then_every_row_in_order(asked: Asked, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers, "STREAM_EVENTS", 100)
    stored = [Event(START_MS + n // 3, 0, "a", n + 1) for n in range(1000)]
    project = await asked.project_with(stored, sealed=2, blocks=3)
    batches = [batch async for batch in asked.answering.stream_query(project, Listing(ALWAYS))]
    assert batches[0] == [compile.LISTED]
    assert [row[0] for batch in batches[1:] for row in batch] == list(range(1000, 0, -1))
    assert max(map(len, batches)) < 200
    by_type = Aggregate(ALWAYS, (Metric("n", "count"),), (TYPE,))
    assert [batch async for batch in asked.answering.stream_query(project, by_type)] == [
        [("eventType", "n")],
        [("a", 1000)],
    ]
    limited = Listing(ALWAYS, limit=2, skip=1, ascending=True)
    assert [row[0] async for batch in asked.answering.stream_query(project, limited) for row in batch] == ["seq", 2, 3]


async def test_a_stream_hands_out_large_events_a_few_at_a_time(asked: Asked, monkeypatch: pytest.MonkeyPatch):
    """A client that took 1,024 of 6 kB at 45 kB/s was cut off: it has 30 s for what it is handed at once."""
    monkeypatch.setattr(answers, "SENT_BYTES", 1000)
    data = ["x" * size for size in [300] * 10 + [2000] * 2 + [10] * 10]
    stored = [Event(START_MS + n, 0, "a", n + 1, data=raw(text)) for n, text in enumerate(data)]
    project = await asked.project_with(stored, sealed=0, blocks=1)
    batches = [batch async for batch in asked.answering.stream_query(project, Listing(ALWAYS, ascending=True))]
    column = compile.LISTED.index("data")
    assert [row[0] for batch in batches[1:] for row in batch] == list(range(1, len(data) + 1))
    sizes = [[len(row[column]) for row in batch] for batch in batches[1:]]
    assert [len(each) for each in sizes] == [4, 4, 3, 1, 10]


async def test_the_version_changes_with_the_events_of_the_span_alone(asked: Asked):
    stored = [Event(START_MS + n, 0, "a", n + 1) for n in range(10)]
    project = await asked.project_with(stored[:5], sealed=0, blocks=1)
    inside, outside = Listing(Span(START_MS, START_MS + 100)), Listing(Span(0, START_MS))

    async def versions() -> tuple[bytes, bytes]:
        return await asked.answering.version(project, inside), await asked.answering.version(project, outside)

    seen = [await versions()]
    await asked.db.write(put_block, project, stored[5:])
    seen.append(await versions())
    await seal(asked.db, asked.engine, project)
    seen.append(await versions())
    assert [one[0] == other[0] for one, other in pairwise(seen)] == [False, False]
    assert len({before for _, before in seen}) == 1
    raise_version = (
        "INSERT INTO event_settings (project, retention, version) VALUES (?, '{}', 1)"
        " ON CONFLICT (project) DO UPDATE SET version = version + 1"
    )
    await asked.db.write(lambda tx: tx.run(raise_version, project))
    assert await versions() not in seen


async def test_conditions_and_columns_reach_the_files(asked: Asked):
    """Else every query would read all of every segment."""
    stored = [Event(START_MS + n, 0, "abc"[n % 3], n + 1, source="web", user_id="bcd"[n % 3]) for n in range(100)]
    project = await asked.project_with(stored, sealed=1, blocks=2)
    where = AllOf((Condition("is", TYPE, ("b",)), Condition("gt", USER, ("bb",))))
    plan = Aggregate(Span(START_MS, START_MS + 50), (Metric("n", "count"),), (SOURCE,), where)

    def explained(at: Any) -> str:
        made = answers.compile_aggregate(at.read_view, plan)
        return str(at.rows(f"EXPLAIN {made.sql}", made.values)[1][0][1])

    text = " ".join(re.sub("[^ -~]", " ", await asked.engine.run(project, explained)).split())
    assert re.search(r"Projections: source[^:]* Filters: [^:]*event_type = 'b'", text), text
    assert re.search(r"Filters: [^:]*time_ms < ", text), text
    assert re.search(r"Function: READ_NDJSON Projections: t, e, o, u ", text), text
    assert "message" not in text


async def test_only_files_with_events_in_the_span_are_opened(asked: Asked):
    days = [[Event(START_MS + day * DAY_MS + n, 0, "a", day * 10 + n + 1) for n in range(10)] for day in range(3)]
    project = await asked.project_with(days[0], sealed=1, blocks=1)
    for day in days[1:]:
        await asked.db.write(put_block, project, day)
    await seal(asked.db, asked.engine, project)
    second = Span(START_MS + DAY_MS, START_MS + 2 * DAY_MS)
    answer = await asked.answering.run_query(project, Aggregate(second, (Metric("n", "count"),)))
    assert (answer.rows, answer.scanned) == ([(10,)], 10)


async def test_a_page_of_the_newest_does_not_open_what_is_older(asked: Asked, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers, "_FIRST_EVENTS", 4)
    project = await asked.project_with([], sealed=0, blocks=1)
    for day in range(4):
        block = [Event(START_MS + day * DAY_MS + n, 0, "a", day * 10 + n + 1) for n in range(10)]
        await asked.db.write(put_block, project, block)
    await seal(asked.db, asked.engine, project)
    answer = await asked.answering.run_query(project, Listing(ALWAYS, limit=2))
    assert ([row[0] for row in answer.rows], answer.scanned) == ([40, 39], 10)
