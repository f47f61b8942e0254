"""Numbers in `data`: one value however it is written, exact past 2^53, and what is no number."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from delta_server.core.events.event import Event
from delta_server.core.option_types import MIB
from delta_server.core.query import filters, metrics
from delta_server.core.query.plan import Aggregate, Field, Metric, Order
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.options import Events
from delta_server.storage.events.query import answers
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.events.query.runner import QueryRunner
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from tests.conftest import shared_fixture
from tests.storage.events.stored import make_project, put_block, seal
from tests.storage.opened import FAST, START_MS, begin, opened

X = Field("data.x", "data", "json", ("x",))
COUNT = Metric("count", "count")
IDS = [1147483648123456788, 1147483648123456789, 1147483648123456790, 653247040368672768]


class Stored:
    """Events each with one of some JSON texts as `data.x`, half of them sealed."""

    def __init__(self, db: SqliteDatabase, engine: Engine) -> None:
        self._db, self._engine = db, engine
        self._log = QueryRunner(db, engine, Answers({}, answers.compile_aggregate))
        self._projects = 0
        self._put: dict[tuple[str, ...], int] = {}

    async def put(self, texts: list[str]) -> int:
        """Into a project that has nothing else."""
        if tuple(texts) not in self._put:
            self._put[tuple(texts)] = await self._put_new(texts)
        return self._put[tuple(texts)]

    async def _put_new(self, texts: list[str]) -> int:
        self._projects += 1
        project = await self._db.write(make_project, f"numbers {self._projects}")
        events = [
            Event(START_MS + n, START_MS, "a", n + 1, data=msgspec.Raw(b'{"x":%s}' % text.encode()))
            for n, text in enumerate(texts)
        ]
        await self._db.write(put_block, project, events[::2])
        await seal(self._db, self._engine, project)
        if events[1::2]:
            await self._db.write(put_block, project, events[1::2])
        return project

    async def ask(self, project: int, *names: str, by: tuple[Field, ...] = (), where: Any = None) -> list[Any]:
        asked = tuple(metrics.parse(name, at="") for name in names)
        condition = filters.parse([where], now_ms=0) if where is not None else None
        return await self.run(project, Aggregate(ALWAYS, asked, by, condition))

    async def run(self, project: int, plan: Aggregate) -> list[Any]:
        return (await self._log.run_query(project, plan)).rows


pytestmark = pytest.mark.asyncio(loop_scope="module")


@shared_fixture
async def stored(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stored]:
    """One for all: each test has its own projects, or only reads."""
    folder = begin(tmp_path_factory.mktemp("numbers"))
    async with opened(folder) as db:
        engine = Engine(folder / DATABASE_NAME, Events(query_threads=2, query_memory_bytes=256 * MIB), FAST)
        yield Stored(db, engine)
        await engine.close()


@pytest.mark.parametrize(
    ("operation", "given", "found"),
    [
        ("is", IDS[1], [IDS[1]]),
        ("is", str(IDS[1]), [IDS[1]]),
        ("is", f"{IDS[1]}.0", [IDS[1]]),
        ("is", [IDS[0], IDS[2], 5], [IDS[0], IDS[2]]),
        ("is_not", IDS[1], [IDS[0], IDS[2], IDS[3]]),
        ("is_not", IDS[:2], IDS[2:]),
        ("gt", IDS[1], [IDS[2]]),
        ("gte", IDS[2], [IDS[2]]),
        ("gte", str(IDS[2]), [IDS[2]]),
        ("lt", IDS[1], [IDS[0], IDS[3]]),
        ("lte", IDS[1], [IDS[0], IDS[1], IDS[3]]),
        ("lt", str(IDS[0]), [IDS[3]]),
        ("gt", 1e18, IDS[:3]),
        ("is", float(IDS[1]), []),  # what JavaScript makes of it is another number
    ],
)
@pytest.mark.parametrize("written", ["{}", '"{}"'], ids=["number", "text"])
async def test_neighbours_past_2_53_differ(
    stored: Stored, operation: str, given: Any, found: list[int], written: str
) -> None:
    if written != "{}" and given == f"{IDS[1]}.0":
        pytest.skip("a text is that text")
    project = await stored.put([written.format(each) for each in IDS])
    rows = await stored.ask(project, "count", by=(X,), where=[operation, "data.x", given])
    assert dict(rows) == {str(each): 1 for each in found}


@pytest.mark.parametrize("base", [1 << 53, 1 << 63, (1 << 64) - 2, 10**25])
async def test_any_size_is_compared(stored: Stored, base: int) -> None:
    project = await stored.put([str(base + n) for n in range(3)])
    for n in range(3):
        for operation, count in (("is", 1), ("gt", 2 - n), ("gte", 3 - n), ("lt", n), ("lte", n + 1)):
            rows = await stored.ask(project, "count", where=[operation, "data.x", base + n])
            assert rows == [(count,)], (operation, n)


ONE_VALUE = [
    (["12", "12.0", "1.2e1", "120e-1", "1.20E+1"], "12"),
    (["0", "-0", "-0.0", "0.0", "0e5"], "0"),
    (["0.1", "1e-1", "0.10"], "0.1"),
    (["100000", "1e5", "1E5", "100000.00"], "100000"),
    (["1e22", "10000000000000000000000"], "10000000000000000000000"),
    (["-1.5", "-15e-1"], "-1.5"),
]


@pytest.mark.parametrize(("texts", "shown"), ONE_VALUE)
async def test_spellings_of_a_number_are_one_value(stored: Stored, texts: list[str], shown: str) -> None:
    project = await stored.put([*texts, '"12.0"', '"a"', '"1e"', "true"])
    groups = dict(await stored.ask(project, "count", by=(X,)))
    assert groups == {shown: len(texts), "12.0": 1, "a": 1, "1e": 1, "true": 1}
    assert await stored.ask(project, "unique_data.x", "dominant_data.x") == [(5, shown)]
    for text in texts:
        for given in (json.loads(text), text):
            others = 1 if shown == "12" and given in (12, "12.0") else 0  # the text 12.0 is written like it
            rows = await stored.ask(project, "count", where=["is", "data.x", given])
            assert rows == [(len(texts) + others,)], given


@pytest.mark.parametrize(
    "text", ["1_2", " 7", "7 ", "0x10", "+5", ".5", "5.", "007", "1e", "inf", "NaN", "1,5", "", "-"]
)
async def test_texts_that_json_has_no_number_for_are_none(stored: Stored, text: str) -> None:
    project = await stored.put([json.dumps(text), "3"])
    names = ("sum_data.x", "max_data.x", "p99_data.x", "avg_data.x")
    assert await stored.ask(project, *names) == [(3, 3, 3, 3)]
    assert await stored.ask(project, "count", where=["gte", "data.x", -1000]) == [(1,)]
    assert await stored.ask(project, "count", where=["is", "data.x", text]) == [(1,)]


@pytest.mark.parametrize("text", ["12", "-1.5", "1e5", "1E+2", "0.1"])
async def test_texts_written_like_a_number_count_as_it(stored: Stored, text: str) -> None:
    project = await stored.put([json.dumps(text)])
    assert await stored.ask(project, "sum_data.x") == [(float(text),)]
    assert await stored.ask(project, "count", where=["is", "data.x", float(text)]) == [(1,)]
    assert await stored.ask(project, "count", where=["lte", "data.x", text]) == [(1,)]


NAMES = ("sum_data.x", "avg_data.x", "min_data.x", "max_data.x", "p50_data.x")
DIGITS: list[tuple[list[str], tuple[Any, ...]]] = [
    (["0.1", "0.2"], (0.3, 0.15, 0.1, 0.2, pytest.approx(0.15))),
    (["0.1"] * 10, (1.0, 0.1, 0.1, 0.1, 0.1)),
    (["19.99", "0.01", "100"], (120.0, 40.0, 0.01, 100.0, 19.99)),
    (["1e-7", "2e-7"], (3e-7, 1.5e-7, 1e-7, 2e-7, pytest.approx(1.5e-7))),
    ([str(each) for each in IDS[:3]], (sum(IDS[:3]), IDS[1], IDS[0], IDS[2], IDS[1])),
    ([f'"{each}"' for each in IDS[:3]], (sum(IDS[:3]), IDS[1], IDS[0], IDS[2], IDS[1])),
    ([str(each) for each in IDS[:2]],
     (sum(IDS[:2]), Decimal("1147483648123456788.5"), IDS[0], IDS[1], Decimal("1147483648123456788.5"))),
    (["9223372036854775807", "1"], (1 << 63, 1 << 62, 1, (1 << 63) - 1, pytest.approx(2.0**62))),
    (["18446744073709551615"] * 4, ((1 << 66) - 4, (1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1)),
    (["9007199254740993", "0.5"],
     (Decimal("9007199254740993.5"), 4503599627370496.75, 0.5, 9007199254740993, pytest.approx(2.0**52))),
    (["-9223372036854775808", "-5"],
     (-(1 << 63) - 5, Decimal("-4611686018427387906.5"), -(1 << 63), -5, pytest.approx(-(2.0**62)))),
    (["1e300", "1e300"], (2e300, 1e300, 1e300, 1e300, 1e300)),  # no more than a float has
    (["1e400", "3"], (3, 3, 3, 3, 3)),
    (['"a"', "null"], (None, None, None, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "wanted"), DIGITS)
async def test_metrics_have_all_digits(stored: Stored, texts: list[str], wanted: tuple[Any, ...]) -> None:
    project = await stored.put(texts)
    [found] = await stored.ask(project, *NAMES)
    assert tuple(_shown(cell) for cell in found) == tuple(_shown(cell) for cell in wanted)


def _shown(cell: Any) -> Any:
    return str(cell) if isinstance(cell, int | Decimal) and not -(1 << 53) < cell < 1 << 53 else cell


async def test_large_sums_are_in_order(stored: Stored) -> None:
    project = await stored.put([str((1 << 60) + n) for n in (1, 0, 3, 2)])
    order = (Order("max_data.x", True),)
    plan = Aggregate(ALWAYS, (metrics.parse("max_data.x", at=""),), (X,), None, (), order)
    assert [row[1] for row in await stored.run(project, plan)] == [(1 << 60) + n for n in (3, 2, 1, 0)]


async def test_many_groups_and_fields_at_once(stored: Stored) -> None:
    texts = [str(n % 5 + 0.25) for n in range(40)]
    project = await stored.put(texts)
    rows = await stored.ask(project, "sum_data.x", "count", "unique_data.x", by=(X,))
    counts = Counter(texts)
    assert {row[0]: row[1:] for row in rows} == {text: (float(text) * n, n, 1) for text, n in counts.items()}
