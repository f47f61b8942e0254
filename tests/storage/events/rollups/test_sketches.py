"""The formulas in SQL are those of core/query/sketches.py."""

import random
from typing import Any

import pytest

from delta_server.core.query import sketches as plain
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.rollups import sketches


async def rows(engine: Engine, project: int, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    return await engine.run(project, lambda session: session.rows(sql, params)[1])


def numbers() -> list[float]:
    draw = random.Random(5)
    edges = [0.0, -1.0, 5e-324, plain.TINY, plain.TINY * 1.0001, 1.0, 2.0, 1e308, 1.7976931348623157e308]
    return [*edges, *(draw.lognormvariate(3, 6) for _ in range(3000))]


async def test_buckets_and_their_values(engine: Engine, project: int) -> None:
    found = await rows(
        engine,
        project,
        f"SELECT value, {sketches.bucket('value')} AS bucket, {sketches.middle('bucket')}"
        " FROM (SELECT unnest($1::DOUBLE[]) AS value)",
        numbers(),
    )
    for value, bucket, middle in found:
        assert bucket == plain.bucket(value), value
        assert middle == pytest.approx(plain.value(bucket), rel=1e-12)
    assert await rows(engine, project, f"SELECT {sketches.bucket('NULL::DOUBLE')}") == [(None,)]


async def test_codes(engine: Engine, project: int) -> None:
    texts = ["", "ann", "Zoë", "日本", "a\u0000b", *(f"user-{number}" for number in range(3000))]
    found = await rows(
        engine, project, f"SELECT name, {sketches.code('name')} FROM (SELECT unnest($1::VARCHAR[]) AS name)", texts
    )
    assert dict(found) == {text: plain.code(text) for text in texts}


async def test_the_rank_of_no_bits(engine: Engine, project: int) -> None:
    """No text is known whose MD5 has none: the expression alone."""
    code = sketches.code("name").replace("md5_number_lower(name)", "number")
    numbers = [0, 4095, 4096, 2**63, 2**64 - 1]
    found = await rows(engine, project, f"SELECT {code} FROM (SELECT unnest($1::UBIGINT[]) AS number)", numbers)
    assert [each for (each,) in found] == [plain.code_of(number) for number in numbers]


@pytest.mark.parametrize("count", [1, 2, 50, 5000, 100_000])
async def test_distinct_counts(engine: Engine, project: int, count: int) -> None:
    draw = random.Random(count)
    codes = [plain.code_of(draw.getrandbits(64)) for _ in range(count)]
    sql = (
        f"SELECT {sketches.distinct('count(*)', 'sum(weight)')} FROM (SELECT {sketches.weight('max(code)')} AS weight"
        f" FROM (SELECT unnest($1::INTEGER[]) AS code) GROUP BY {sketches.register('code')})"
    )
    [(found,)] = await rows(engine, project, sql, codes)
    assert found == pytest.approx(plain.distinct(codes), rel=1e-9)


async def test_the_value_at_a_rank(engine: Engine, project: int) -> None:
    counts = {0: 3, 1: 1, 700: 2**31, 701: 5}
    entries = [bucket << sketches.COUNT_BITS | count for bucket, count in counts.items()]
    for rank, bucket in ((0, 0), (2, 0), (3, 1), (4, 700), (2**31 + 3, 700), (2**31 + 4, 701), (2**31 + 8, 701)):
        sql = f"SELECT {sketches.nth('hist', f'{rank}::DOUBLE')} FROM (SELECT $1::BIGINT[] AS hist)"
        assert await rows(engine, project, sql, entries) == [(pytest.approx(plain.value(bucket)),)]
