"""Exported Parquet in the readers people use: one schema, whatever is stored and however."""

import io
import json
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from tests.conftest import Keys, bearer
from tests.features.queries.made import FIRST, Made, made, store
from tests.storage.opened import START_MS

EVENTS, COUNTS = "/v1/export/events", "/v1/export/aggregated"

FULL: Made = made(1)[0] | {
    "source": "web", "userId": "u", "duration": 1.5, "status": "ok", "tags": ["a"], "messageId": "id",
    "data": {"price": 5, "text": 'a "quoted" é'}, "metadata": {"m": [1, None]},
}  # fmt: skip
EMPTY: Made = FULL | dict.fromkeys(("source", "userId", "duration", "status", "tags", "data", "metadata", "messageId"))

STORED: dict[str, tuple[list[Made], int]] = {
    "nothing": ([], 0),
    "waiting": ([FULL, EMPTY], 0),
    "sealed": ([FULL, EMPTY], 2),
    "some sealed": ([FULL, EMPTY], 1),
    "waiting, nothing missing": ([FULL], 0),
    "sealed, nothing missing": ([FULL], 1),
    "sealed, everything missing": ([EMPTY], 1),
    "many, sealed": (made(300), 300),
}


# Half a second to import each, which the processes without these tests save.


@pytest.fixture
def pyarrow() -> Any:
    return pytest.importorskip("pyarrow")


@pytest.fixture
def parquet() -> Any:
    return pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def polars() -> Any:
    return pytest.importorskip("polars")


@pytest.fixture
def pandas() -> Any:
    return pytest.importorskip("pandas")


async def fetch(client: httpx.AsyncClient, keys: Keys, path: str, name: str, **query: Any) -> bytes:
    headers = bearer(keys.account) | {"x-tenant-id": name}
    answer = await client.get(path, params={"format": "parquet", **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


async def files(app: Application, client: httpx.AsyncClient, keys: Keys, path: str, **query: Any) -> dict[str, bytes]:
    """The file of each of STORED, which are projects of their own."""
    found = {}
    for name, (events, sealed) in STORED.items():
        await app.services.db.write(lambda tx, name: projects.ensure(tx, accounts.default_account(tx), name), name)
        await store(app, events, sealed=sealed, name=name)
        found[name] = await fetch(client, keys, path, name, **query)
    return found


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (EVENTS, {}),
        (COUNTS, {"groupBy": "eventType,data.plan,priority", "metrics": "count,unique_users,sum_data.price"}),
        (COUNTS, {"metrics": "count,min_duration,p50_duration,max_data.price", "interval": "1d"}),
    ],
    ids=["events", "grouped", "along time"],
)  # fmt: skip
async def test_one_schema_all_optional(
    app: Application, client: httpx.AsyncClient, keys: Keys, path: str, query: dict[str, str], parquet: Any
) -> None:
    if path == COUNTS:
        query = query | {"startTime": times.format(FIRST), "endTime": times.format(START_MS)}
    found = await files(app, client, keys, path, **query)
    schemas = {name: parquet.read_schema(io.BytesIO(file)) for name, file in found.items()}
    first = schemas["waiting"]
    assert [name for name, schema in schemas.items() if schema != first] == []
    assert all(field.nullable for field in first)
    for file in found.values():
        raw = parquet.ParquetFile(io.BytesIO(file)).schema
        assert [raw.column(n).max_definition_level > 0 for n in range(len(raw))] == [True] * len(raw)
        assert {raw.column(n).logical_type.type for n in range(len(raw))} <= {"NONE", "STRING", "TIMESTAMP", "INT"}


async def test_each_reader_puts_them_together(
    app: Application,
    client: httpx.AsyncClient,
    keys: Keys,
    tmp_path: Path,
    pyarrow: Any,
    parquet: Any,
    polars: Any,
    pandas: Any,
) -> None:
    before_after = [
        data for name, data in (await files(app, client, keys, EVENTS)).items() if name in {"waiting", "sealed"}
    ]
    paths = [tmp_path / "before.parquet", tmp_path / "after.parquet"]
    for path, data in zip(paths, before_after, strict=True):
        path.write_bytes(data)
    wanted = [FULL["data"], None] * 2

    table = pyarrow.concat_tables([parquet.read_table(path) for path in paths])
    assert table.schema.field("data").type == pyarrow.string()
    assert table.schema.field("timestamp").type == pyarrow.timestamp("us", "UTC")
    assert table.schema.field("tags").type.value_type == pyarrow.string()
    loaded = [text and json.loads(text) for text in table["data"].to_pylist()]
    assert sorted(loaded, key=str) == sorted(wanted, key=str)

    frame = polars.concat([polars.read_parquet(path) for path in paths], how="vertical")
    assert frame.schema["data"] == frame.schema["metadata"] == polars.String
    prices = frame.select(polars.col("data").str.json_path_match("$.price")).to_series().to_list()
    assert sorted(prices, key=str) == sorted(["5", None, "5", None], key=str)
    assert polars.scan_parquet(paths).select(polars.len()).collect().item() == 4

    both = pandas.concat([pandas.read_parquet(path) for path in paths])
    assert len(both) == 4
    assert str(both["timestamp"].dtype) == "datetime64[us, UTC]"
    assert sorted(json.loads(text)["price"] for text in both["data"].dropna()) == [5, 5]

    with duckdb.connect() as connection:
        sql = f"SELECT sum((data->>'price')::INT), count(*), typeof(max(data)) FROM read_parquet({[*map(str, paths)]})"
        assert connection.execute(sql).fetchall() == [(10, 4, "VARCHAR")]


async def test_csv_in_pandas_is_what_was_sent(
    app: Application, client: httpx.AsyncClient, keys: Keys, pandas: Any
) -> None:
    odd = ["+49 30 123", "-12.5", "@x", "=1+1", 'a "b", c\nd', "é\t", "'quoted"]
    await store(app, [FULL | {"source": text, "messageId": text} for text in odd], sealed=3)
    answer = await client.get(EVENTS, params={"formulas": "keep"}, headers=bearer(keys.read))
    frame = pandas.read_csv(io.BytesIO(answer.content), dtype=str)
    assert sorted(frame["source"]) == sorted(odd)
    assert [json.loads(text) for text in frame["data"]] == [FULL["data"]] * len(odd)
