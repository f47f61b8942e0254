"""What the current delivery changes, as every format and as numbers; and what guards its promotion."""

import asyncio
import csv
import io
import json
import os
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import duckdb
import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Datasets, Log
from delta_server.core.datasets.settings import Settings
from delta_server.core.errors import Conflict, Unavailable
from delta_server.core.rowdelta.summary import Summary
from delta_server.features.datasets import comparing, deliveries, store
from delta_server.features.datasets.comparing import SPILL_NAME
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks import row_comparisons
from tests.conftest import Keys, bearer, built, client_of, make_keys, started, started_in
from tests.features.datasets.test_deliveries import CURRENT, SHOP, get, post, put
from tests.features.rows import Row, check
from tests.patience import PATIENT_S
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock

OLD = b'{"id":1,"p":1}\n{"id":2,"p":2}\n{"id":3,"p":3}\n'
NEW = b'{"p":3.0,"id":3}\n{"id":2,"p":20}\n{"id":4,"p":4}\n'
REMOVED = {"op": "remove", "key": {"id": 1}, "before": {"id": 1, "p": 1}}
CHANGED = {"op": "change", "key": {"id": 2}, "before": {"id": 2, "p": 2}, "after": {"id": 2, "p": 20}}
ADDED = {"op": "add", "key": {"id": 4}, "after": {"id": 4, "p": 4}}


@pytest.fixture
async def pair(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await send_both(shared_client, own_keys)


async def send_both(client: httpx.AsyncClient, keys: Keys, old: bytes = OLD, new: bytes = NEW) -> None:
    await put(client, keys, old)
    await post(client, keys, f"{SHOP}/promote")
    await put(client, keys, new)


@pytest.mark.parametrize(
    "row",
    [
        Row("no key", "GET", f"{SHOP}/delta", 401, key=None),
        Row("no dataset", "GET", f"{SHOP}/delta", 404),
        Row("no format", "GET", f"{SHOP}/delta?format=xml", 400, field="format"),
        Row("no summary", "GET", f"{SHOP}/delta/summary", 404),
        Row("no jobs", "GET", f"{SHOP}/jobs", 404),
    ],
    ids=str,
)
async def test_refused(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


@pytest.mark.usefixtures("pair")
async def test_a_delta_in_each_format(shared_client: httpx.AsyncClient, own_keys: Keys, tmp_path: Path) -> None:
    *lines, end = map(json.loads, (await get(shared_client, own_keys, f"{SHOP}/delta")).splitlines())
    assert lines == [REMOVED, CHANGED, ADDED]
    counts = {"rows_before": 3, "rows_after": 3, "added": 1, "changed": 1, "removed": 1, "unchanged": 1}
    assert end["summary"].items() >= counts.items()
    text = (await get(shared_client, own_keys, f"{SHOP}/delta?format=csv")).decode()
    assert [row["op"] for row in csv.DictReader(io.StringIO(text))] == ["remove", "change", "add"]
    (tmp_path / "d.parquet").write_bytes(await get(shared_client, own_keys, f"{SHOP}/delta?format=parquet"))
    rows = duckdb.connect().execute(f"SELECT op, after FROM '{tmp_path}/d.parquet'").fetchall()
    assert [(op, after and json.loads(after)) for op, after in rows] == [
        ("remove", None),
        ("change", CHANGED["after"]),
        ("add", ADDED["after"]),
    ]
    summary = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta/summary"))
    assert summary == {**end["summary"], "confirm": None}
    refused = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta?format=csv&progress=true", 400))
    assert refused["errors"][0]["field"] == "progress"


async def test_the_first_delivery_is_all_new(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys, b"id,p\n1,2\n", content_type="text/csv")
    *lines, end = map(json.loads, (await get(shared_client, own_keys, f"{SHOP}/delta")).splitlines())
    assert lines == [{"op": "add", "key": {"id": "1"}, "after": {"id": "1", "p": "2"}}]
    assert (end["summary"]["rows_before"], end["summary"]["added"]) == (0, 1)


async def test_formats_may_change(shared_client: httpx.AsyncClient, own_keys: Keys, tmp_path: Path) -> None:
    duckdb.sql(f"COPY (SELECT 1 AS id, 5 AS p UNION ALL SELECT 2, 2) TO '{tmp_path}/a.parquet'")
    await put(shared_client, own_keys, OLD)
    await post(shared_client, own_keys, f"{SHOP}/promote")
    parquet = (tmp_path / "a.parquet").read_bytes()
    await put(shared_client, own_keys, parquet, content_type="application/vnd.apache.parquet")
    found = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta/summary"))
    assert (found["changed"], found["removed"], found["unchanged"]) == (1, 1, 1)


WRONG = [
    ("text/csv", b"id,name\n1\n", {}, "the current delivery, line 2"),
    ("application/vnd.apache.parquet", b"PAR1xxxxPAR1", {}, "the current delivery cannot be read"),
    ("application/x-ndjson", b'{"id":1}\n', {"key_fields": ["sku"]}, "lack the key field sku"),
]


@pytest.mark.parametrize(("kind", "body", "settings", "says"), WRONG)
async def test_a_first_delivery_that_cannot_be_compared_is_not_promoted(
    shared_client: httpx.AsyncClient, own_keys: Keys, kind: str, body: bytes, settings: dict[str, Any], says: str
) -> None:
    await shared_client.patch("/v1/datasets/products", json=settings, headers=bearer(own_keys.project))
    await put(shared_client, own_keys, body, content_type=kind)
    refused = await post(shared_client, own_keys, f"{SHOP}/promote", 400)
    assert says in refused["message"]
    await put(shared_client, own_keys, b'{"sku":1}\n')
    await post(shared_client, own_keys, f"{SHOP}/promote")


async def test_a_row_of_csv_has_a_size_too(client: httpx.AsyncClient, keys: Keys) -> None:
    await put(client, keys, b"id,v\n1," + b"x" * (1 << 20) + b"\n", content_type="text/csv")
    assert "more than 1048576 bytes" in (await post(client, keys, f"{SHOP}/promote", 413))["message"]


async def test_progress_ends_with_what_is_wrong(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys, b"id,card\n1,secret\nmine\n", content_type="text/csv")
    SWEEP.leave_out("VALIDATION_ERROR")  # a code that is no secret
    *_, last = (await get(shared_client, own_keys, f"{SHOP}/delta?progress=true")).splitlines()
    says = "the current delivery, line 3: the row has 1 cells, not 2"
    assert json.loads(last) == {"op": "error", "code": "VALIDATION_ERROR", "message": says}


async def test_settings_decide(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await send_both(shared_client, own_keys, b'{"a":1,"b":1,"c":1}\n', b'{"a":1,"b":1.4,"c":2}\n')
    for settings, changed in [
        ({"key_fields": ["a"]}, 1),
        ({"ignore": ["/c"]}, 1),
        ({"tolerance": 0.5}, 0),
    ]:
        sent = await shared_client.patch("/v1/datasets/products", json=settings, headers=bearer(own_keys.project))
        assert sent.status_code == 200, sent.text
        found = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta/summary"))
        assert (found["changed"], found["key_fields"]) == (changed, ["a"])


async def test_what_is_wrong_with_rows_is_said_before_the_answer(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    await send_both(shared_client, own_keys)
    settings = {"key_fields": ["sku"]}
    await shared_client.patch("/v1/datasets/products", json=settings, headers=bearer(own_keys.project))
    refused = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta", 400))
    assert "sku" in refused["message"]


async def test_what_is_wrong_with_parquet_names_the_delivery(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys, b"PAR1xxxxPAR1", content_type="application/vnd.apache.parquet")
    refused = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta", 400))
    assert refused["message"].startswith("the current delivery cannot be read as Parquet")
    assert SPILL_NAME not in refused["message"]


async def test_a_delivery_that_is_deleted_while_it_is_compared(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await send_both(client, keys)
    [found] = await app.services.db.read(store.clients_of_project, 1, 1)
    pair = comparing.pair_of(found, await deliveries.manifest_of(app.services, found), Settings())
    await deliveries.delete_all(app.services, 1, found)
    with pytest.raises(Conflict, match="replaced or deleted"):
        await comparing.summary_of(app.services, 1, pair)


async def test_progress_comes_first(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    many = b"".join(b'{"id":%d}\n' % number for number in range(5000))
    await send_both(shared_client, own_keys, many, many[many.index(b"\n") + 1 :])
    lines = [
        json.loads(line) for line in (await get(shared_client, own_keys, f"{SHOP}/delta?progress=true")).splitlines()
    ]
    ops = [line["op"] for line in lines]
    assert ops[0] == "progress"
    assert ops[-1] == "end"
    assert set(ops[ops.index("remove") :]) == {"remove", "end"}


ROWS = b"".join(b'{"id":%d}\n' % number for number in range(100))


@pytest.mark.parametrize(
    ("settings", "left", "is_asked"),
    [
        ({}, 40, True),
        ({}, 60, False),
        ({"guard_rows": 70}, 40, False),
        ({"guard_percent": 20, "guard_rows": 10}, 60, True),
        ({"guard_percent": 100}, 0, False),
        ({}, 0, True),
    ],
)
async def test_a_delivery_without_most_rows_is_confirmed(
    shared_client: httpx.AsyncClient, own_keys: Keys, settings: dict[str, Any], left: int, is_asked: bool
) -> None:
    await shared_client.patch("/v1/datasets/products", json=settings, headers=bearer(own_keys.project))
    await send_both(shared_client, own_keys, ROWS, b"".join(ROWS.splitlines(keepends=True)[:left]))
    if not is_asked:
        await post(shared_client, own_keys, f"{SHOP}/promote?confirm=needless")
        return
    refused = await post(shared_client, own_keys, f"{SHOP}/promote", 409)
    assert (refused["code"], refused["removed"], refused["rows_before"]) == ("MASS_REMOVAL", 100 - left, 100)
    await post(shared_client, own_keys, f"{SHOP}/promote?confirm=x", 409)
    summary = json.loads(await get(shared_client, own_keys, f"{SHOP}/delta/summary"))
    assert summary["confirm"] == refused["confirm"]
    await put(shared_client, own_keys, b"".join(ROWS.splitlines(keepends=True)[:left]))
    await post(shared_client, own_keys, f"{SHOP}/promote?confirm={refused['confirm']}", 409)
    again = await post(shared_client, own_keys, f"{SHOP}/promote", 409)
    promoted = await post(shared_client, own_keys, f"{SHOP}/promote?confirm={again['confirm']}")
    assert promoted["previous"]["rows"] == left


async def test_what_was_compared_is_not_compared_again(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_both(client, keys)
    first = await get(client, keys, f"{SHOP}/delta/summary")
    monkeypatch.setattr(comparing, "_run", None)
    assert await get(client, keys, f"{SHOP}/delta/summary") == first
    await post(client, keys, f"{SHOP}/promote")
    monkeypatch.undo()
    await put(client, keys, NEW)
    assert json.loads(await get(client, keys, f"{SHOP}/delta/summary"))["unchanged"] == 3


async def test_another_delivery_that_came_meanwhile_is_not_promoted(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_both(client, keys)
    found = comparing.summary_of

    async def slow(*arguments: Any, **more: Any) -> Summary:
        summary = await found(*arguments, **more)
        await put(client, keys, b'{"id":9}\n')
        return summary

    monkeypatch.setattr(comparing, "summary_of", slow)
    refused = await post(client, keys, f"{SHOP}/promote", 409)
    assert "another delivery has come" in refused["message"]
    assert await get(client, keys, CURRENT) == b'{"id":9}\n'


async def test_a_comparison_ends_when_its_caller_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    config = Config(
        storage=Storage(data_dir=tmp_path / "data"), log=Log(level="error"), datasets=Datasets(comparisons=1)
    )
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        many = b"".join(b'{"id":%d,"of":"%b"}\n' % (number, b"x" * 50) for number in range(20_000))
        await send_both(client, keys, many, many[many.index(b"\n") + 1 :])
        svc = app.services
        [found] = await svc.db.read(store.clients_of_project, 1, 1)
        manifest = await deliveries.manifest_of(svc, found)
        pair = comparing.pair_of(found, manifest, Settings())
        following = comparing.follow(svc, 1, pair)
        assert b"progress" in await anext(following)
        assert len(list((tmp_path / "data" / SPILL_NAME).iterdir())) == 1
        [job] = (await client.get(f"{SHOP}/jobs", headers=bearer(keys.read))).json()["data"]
        assert (await client.get(f"{SHOP}/jobs/{job['id']}", headers=bearer(keys.read))).json()["id"] == job["id"]
        monkeypatch.setattr(row_comparisons, "LEFT_S", 0)
        await get(client, keys, f"{SHOP}/delta", 429)
        monkeypatch.setattr(row_comparisons, "LEFT_S", PATIENT_S)
        asked = asyncio.ensure_future(get(client, keys, f"{SHOP}/delta"))
        while not svc.state(row_comparisons.RowComparisons)._waiting:
            await asyncio.sleep(0)
        await following.aclose()
        assert (await asked).endswith(b"}}\n"), "who asks as another leaves waits for that"
        await put(client, keys, many[many.index(b"\n") + 1 :] + b'{"id":-1,"of":"another"}\n')
        pair = comparing.pair_of(found, await deliveries.manifest_of(svc, found), Settings())
        following = comparing.follow(svc, 1, pair)
        assert b"progress" in await anext(following)
        promoting = asyncio.ensure_future(client.post(f"{SHOP}/promote?confirm=x", headers=bearer(keys.write)))
        while not svc.state(row_comparisons.RowComparisons)._waiting:
            await asyncio.sleep(0)
        await following.aclose()
        assert (await promoting).status_code == 200, "it has waited for its turn"
        await put(client, keys, many)
        pair = comparing.pair_of(found, await deliveries.manifest_of(svc, found), Settings())
        assert list((tmp_path / "data" / SPILL_NAME).iterdir()) == []
        await get(client, keys, f"{SHOP}/jobs/{job['id']}", 404)
        waiting = asyncio.ensure_future(comparing.summary_of(svc, 1, pair))
        while not comparing.running(svc, 1, found):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert comparing.running(svc, 1, found) == []
        assert (await get(client, keys, f"{SHOP}/delta")).endswith(b"}}\n"), "there is room again"
    async with started_in(tmp_path, clock):
        assert list((tmp_path / "data" / SPILL_NAME).iterdir()) == []


async def test_all_of_it_on_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.server import ThreadedMotoServer  # a tenth of a second, which each process of a run would take

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        urlopen(Request(f"{address}/bucket", method="PUT")).close()
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": os.urandom(8).hex(),
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        clock = FakeClock()
        storage = Storage(data_dir=tmp_path / "data", blobs="s3://bucket/of/delta")
        async with (
            started(built(Config(storage=storage, log=Log(level="error")), clock)) as app,
            client_of(app) as client,
        ):
            keys = await make_keys(app.services, clock)
            await send_both(client, keys)
            assert await get(client, keys, CURRENT) == NEW
            *lines, _ = map(json.loads, (await get(client, keys, f"{SHOP}/delta")).splitlines())
            assert lines == [REMOVED, CHANGED, ADDED]
            await post(client, keys, f"{SHOP}/promote")
            answer = await client.delete("/v1/datasets/products", headers=bearer(keys.project))
            assert answer.status_code == 204
            assert [blob.key async for blob in deliveries.blobs_of(app.services).list("")] == []
        assert not (tmp_path / "data" / "blobs").exists()
    finally:
        server.stop()


async def test_a_comparison_that_nobody_reads_ends(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_comparisons, "READ_TIMEOUT_S", 0)
    many = b"".join(b'{"id":%d,"of":"%b"}\n' % (number, b"x" * 100) for number in range(5000))
    await send_both(client, keys, ROWS, many)
    [found] = await app.services.db.read(store.clients_of_project, 1, 1)
    pair = comparing.pair_of(found, await deliveries.manifest_of(app.services, found), Settings())
    pieces = await comparing.begin(app.services, 1, pair, "ndjson")
    await anext(pieces)
    for _ in range(3):  # turns of the loop, in which its time is over
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        [piece async for piece in pieces]
    assert comparing.running(app.services, 1, found) == []
