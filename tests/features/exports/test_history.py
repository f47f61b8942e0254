"""GET /v1/export/history: what is refused, and that all forms hold the same rows with the same types."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core.errors import Conflict, TooCostly, Unavailable
from delta_server.core.tables.request import TableRequest
from delta_server.features.endpoints import service as endpoints
from delta_server.features.exports import histories, service
from delta_server.storage.tables import interval_file
from delta_server.storage.tables.interval_file import IntervalFile
from delta_server.tasks import table_making, table_worker
from tests.conftest import Keys, bearer, shared, shared_fixture
from tests.features.rows import Row, check

LINE = "/v1/export/history"
OF = f"{LINE}?endpoint=prices&array=/items"
REFUSED = [
    Row("without a key", "GET", OF, 401, key=None),
    Row("with an account's key", "GET", OF, 403, key="account"),
    Row("with an ingest key", "GET", OF, 403, key="ingest"),
    Row("another's", "GET", OF, 404, key="other"),
    Row("no endpoint", "GET", f"{LINE}?array=/items", 400, field="endpoint"),
    Row("neither array nor fields", "GET", f"{LINE}?endpoint=prices", 400, field="array"),
    Row("a pattern", "GET", f"{LINE}?endpoint=prices&array=/items/*", 400, field="array"),
    Row("no path", "GET", f"{OF}&fields=name", 400, field="fields"),
    Row("no key", "GET", f"{OF}&key=,", 400, field="key"),
    Row("an unknown form", "GET", f"{OF}&format=xlsx", 400, field="format"),
    Row("no moment", "GET", f"{OF}&as_of=soon", 400, field="as_of"),
    Row("a moment and a range", "GET", f"{OF}&as_of=now&from=2025-12-01", 400, field="as_of"),
    Row("moments without a length", "GET", f"{OF}&every=0d", 400, field="every"),
    Row("too many moments", "GET", f"{OF}&every=1ms", 400, says="moments"),
    Row("a range backwards", "GET", f"{OF}&from=2026-02-01&to=2026-01-01", 400, field="from"),
]
VERSIONS = [
    ("2025-12-01T00:00:00Z", {"total": 1, "items": [{"sku": "A7", "price": 19.5, "tags": ["=x"], "at": {"x": 1}}]}),
    ("2025-12-02T00:00:00Z", {"total": 2, "items": [
        {"sku": "A7", "price": 19.5, "tags": ["=x"], "at": {"x": 1}}, {"sku": "=B8", "price": 3, "big": 1 << 70},
    ]}),
    ("2025-12-03T12:00:00Z", {"total": 2, "items": [{"sku": "=B8", "price": 4, "big": "\0é", "at": None}]}),
]  # fmt: skip


async def fill(client: httpx.AsyncClient, keys: Keys) -> None:
    for at, document in VERSIONS:
        answer = await client.post(
            f"/v1/snapshots?endpoint=prices&captured_at={at}", json=document, headers=bearer(keys.project)
        )
        assert answer.status_code == 201, answer.text


@shared_fixture
async def filled(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    await fill(shared_client, shared_keys)


async def fetch(client: httpx.AsyncClient, keys: Keys, query: str = "", path: str = OF) -> bytes:
    answer = await client.get(f"{path}{query}", headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return answer.content


@shared
@pytest.mark.parametrize("row", REFUSED, ids=str)
async def test_refused(filled: None, shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


@shared
async def test_keys_of_any_name(filled: None, shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    rows = [{'a"': name, "\\": n, "\0": n + 7} for n, name in enumerate("xy")]
    answer = await shared_client.post(
        "/v1/snapshots?endpoint=odd", json={"r": rows}, headers=bearer(shared_keys.project)
    )
    assert answer.status_code == 201
    for key, wanted in (("a%22", ["x", "y"]), ("%5C", ["0", "1"]), ("%00", ["7", "8"])):
        path = f"{LINE}?endpoint=odd&array=/r&format=json&key={key}"
        found = msgspec.json.decode(await fetch(shared_client, shared_keys, "", path))
        assert [str(row["key"]) for row in found] == wanted
    for key in ("%22", "a%5C", "a%0A", "nothing"):
        path = f"{LINE}?endpoint=odd&array=/r&format=json&key={key}"
        found = msgspec.json.decode(await fetch(shared_client, shared_keys, "", path))
        assert [row["key"] for row in found] == [None, None]


def parquet(data: bytes, sql: str) -> list[tuple[Any, ...]]:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
        file.write(data)
        file.flush()
        return connection.execute(sql.format(f"'{file.name}'")).fetchall()


@shared
async def test_all_forms_hold_the_same(filled: None, shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    asked = shared_client, shared_keys
    rows = msgspec.json.decode(await fetch(*asked, "&format=json"))
    assert [(row["key"], row["valid_from"], row["valid_to"]) for row in rows] == [
        ("A7", "2025-12-01T00:00:00.000Z", "2025-12-03T12:00:00.000Z"),
        ("=B8", "2025-12-02T00:00:00.000Z", "2025-12-03T12:00:00.000Z"),
        ("=B8", "2025-12-03T12:00:00.000Z", None),
    ]
    assert list(rows[0])[4:] == ["at.x", "big", "price", "sku", "tags"]
    assert (rows[0]["at.x"], rows[0]["tags"], rows[1]["big"]) == (1, ["=x"], 1 << 70)
    lines = (await fetch(*asked, "&format=ndjson")).splitlines()
    assert [msgspec.json.decode(line) for line in lines] == rows
    text = (await fetch(*asked, "&format=csv")).decode()
    cells = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [cell["key"] for cell in cells] == ["A7", "'=B8", "'=B8"]
    assert (cells[1]["big"], cells[0]["tags"], cells[2]["valid_to"]) == (str(1 << 70), '["=x"]', "")
    file = await fetch(*asked, "&format=parquet")
    types = {name: kind for name, kind, *_ in parquet(file, "DESCRIBE FROM {}")}
    assert list(types) == list(rows[0])
    assert (types["valid_to"], types["price"], types["at.x"]) == ("TIMESTAMP WITH TIME ZONE", "DOUBLE", "BIGINT")
    found = parquet(file, "SELECT key, epoch_ms(valid_from), price, big, tags FROM {}")
    assert [row[0] for row in found] == ["A7", "=B8", "=B8"]
    assert found[1][1:] == (1_764_633_600_000, 3.0, str(1 << 70), None)
    assert found[2][3] == "\0é"
    part = await fetch(*asked, "&format=parquet&to=2025-12-01T01:00:00Z")
    assert parquet(part, "DESCRIBE FROM {}") == parquet(file, "DESCRIBE FROM {}")
    assert await fetch(*asked, "&format=parquet") == file


@shared
async def test_moments_ranges_and_fields(filled: None, shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    asked = shared_client, shared_keys

    async def rows(query: str, path: str = OF) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = msgspec.json.decode(await fetch(*asked, f"{query}&format=json", path))
        return found

    assert [row["key"] for row in await rows("&as_of=2025-12-02T00:00:00Z")] == ["A7", "=B8"]
    assert await rows("&as_of=2025-11-30") == []
    assert [row["price"] for row in await rows("&from=2025-12-03T12:00:00Z")] == [4]
    days = await rows("&every=1d&to=2025-12-05&fields=/price")
    assert [(row["time"][:10], row["key"], row["price"]) for row in days] == [
        ("2025-12-01", "A7", 19.5),
        *(("2025-12-02", "A7", 19.5), ("2025-12-02", "=B8", 3)),
        *(("2025-12-03", "A7", 19.5), ("2025-12-03", "=B8", 3)),
        ("2025-12-04", "=B8", 4),
    ]  # fmt: skip
    series = await rows("&fields=/total,/items/[sku=A7]/price", f"{LINE}?endpoint=prices")
    assert [(row["valid_from"][:10], row["total"], row["items.[sku=A7].price"]) for row in series] == [
        ("2025-12-01", 1, 19.5),
        ("2025-12-02", 2, 19.5),
        ("2025-12-03", 2, None),
    ]
    assert (
        await fetch(*asked, "&format=csv&to=2000-01-01&fields=/price") == b"key,valid_from,valid_to,snapshot,price\r\n"
    )


async def test_places_are_given_back(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(client, keys)
    svc = app.services
    of = endpoints.resolve(svc, 1, "prices")
    spill = svc.config.storage.data_dir / histories.SPILL_NAME
    for _ in range(2 * table_making.PLACES):
        pieces = await service.history(svc, of, TableRequest(array="/items"), "csv")
        await anext(pieces)
        await pieces.aclose()
    with monkeypatch.context() as patched:
        patched.setattr(table_making, "MAKE_S", 0)
        with pytest.raises(TooCostly):
            await service.history(svc, of, TableRequest(array="/items"), "csv")
        patched.undo()
        patched.setattr(histories, "_first_snapshot", _vanished)
        with pytest.raises(Conflict):
            await service.history(svc, of, TableRequest(array="/items"), "csv")
    with monkeypatch.context() as patched:
        patched.setattr(table_worker, "ARGUMENT", "no-such-worker")
        with pytest.raises(Unavailable):
            await service.history(svc, of, TableRequest(array="/items"), "csv")
    assert [piece async for piece in await service.history(svc, of, TableRequest(array="/items"), "csv")]
    assert list(spill.iterdir()) == []


def _vanished(*_: Any) -> bytes:
    raise Conflict("the endpoint's history was rewritten while it was read: ask again")


def test_rows_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval_file, "_WAITING", 3)
    monkeypatch.setattr(interval_file, "_AT_ONCE", 2)
    with IntervalFile(tmp_path) as rows:
        for number in range(10):
            rows.begin(f"k{number}", b"%d" % number, number, bytes(16))
        for number in range(0, 10, 2):
            rows.end(number, 100 + number)
        rows.sample(7, [1, 9, 4])
        found = list(rows.intervals())
        assert [(each.key, each.record, each.begin_ms, each.end_ms) for each in found] == [
            (f"k{n}", b"%d" % n, n, None if n % 2 else 100 + n) for n in range(10)
        ]
        assert [(each.time_ms, each.key) for each in rows.samples()] == [(7, "k1"), (7, "k9"), (7, "k4")]
        monkeypatch.setattr(interval_file, "MOST_BYTES", 1)
        with pytest.raises(TooCostly):
            rows.begin("x", b"1", 1, bytes(16))
    assert list(tmp_path.iterdir()) == []
