"""What callers and operators see of cold storage: answers as before, 503 while it is away, health, metrics, SQL."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Log
from delta_server.core import ids
from delta_server.core.times import DAY_MS
from delta_server.features.cold import tasks
from delta_server.storage.blobs.blobs import BlobStoreFailed
from delta_server.storage.blobs.local import LocalBlobs
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.features.cold.opened import AFTER_DAYS, HISTORY, LEAST, moved
from tests.features.cold.stores import place
from tests.storage.contents.opened import SMALL, append_batch
from tests.storage.opened import FakeClock


@pytest.fixture
async def client(tmp_path: Path, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path, clock, str(tmp_path / "cold")) as client:
        yield client


@asynccontextmanager
async def serving(tmp_path: Path, clock: FakeClock, address: str) -> AsyncIterator[httpx.AsyncClient]:
    storage = Storage(
        data_dir=tmp_path / "data",
        cold=address,
        cold_after_days=AFTER_DAYS,
        cold_least_bytes=LEAST,
        cache_bytes=1 << 10,
        cold_cache_bytes=1 << 10,
    )
    config = Config(storage=storage, packs=SMALL, log=Log(level="error"))
    async with started(built(config, clock)) as app, client_of(app) as client:
        client.app = app  # type: ignore[attr-defined]  # tests look behind the client
        yield client


async def filled(client: Any, clock: FakeClock) -> tuple[Keys, list[str]]:
    """Keys, and the ids of the snapshots in order."""
    app: Application = client.app
    svc = app.services
    keys = await make_keys(svc, clock)
    made = await client.post("/v1/endpoints", json={"name": "prices"}, headers=bearer(keys.project))
    assert made.status_code == 201
    [(endpoint,)] = await svc.db.read(lambda tx: tx.all("SELECT id FROM endpoint WHERE name = 'prices'"))
    await append_batch(svc.contents, endpoint, list(enumerate(HISTORY)))
    event = {"eventType": "seen", "userId": "ada", "data": {"text": random.Random(1).randbytes(4000).hex()}}
    sent = await client.post("/v1/events/batch", json=[event] * 9, headers=bearer(keys.project))
    assert sent.status_code == 200, sent.text
    await svc.event_maintenance.run_maintenance(seal=True, compact=True)
    clock.advance((AFTER_DAYS + 1) * DAY_MS)
    await tasks.turn(svc)
    assert await svc.db.read(moved)
    assert await svc.db.read(lambda tx: tx.all("SELECT count(segment) FROM cold_object")) == [(1,)]
    rows = await svc.db.read(lambda tx: tx.all("SELECT uid FROM snapshot ORDER BY captured_at"))
    return keys, [ids.text(bytes(row[0])) for row in rows]


async def get(client: httpx.AsyncClient, key: str, path: str) -> httpx.Response:
    return await client.get(path, headers=bearer(key))


async def test_it_is_read_by_all_ways(client: httpx.AsyncClient, clock: FakeClock) -> None:
    keys, snapshots = await filled(client, clock)
    for at in (0, 3, 40, 79):
        assert (await get(client, keys.project, f"/v1/snapshots/{snapshots[at]}/data")).content == HISTORY[at]
    history = await get(client, keys.project, "/v1/endpoints/prices/history?path=/n&limit=1000")
    assert sorted(row["value"] for row in history.json()["data"]) == list(range(80))
    asked = {"sql": "SELECT count(*) AS n, sum((document->>'n')::INT) AS total FROM documents"}
    answer = await client.post("/v1/sql", json=asked, headers=bearer(keys.project))
    assert answer.json()["rows"] == [{"n": 80, "total": sum(range(80))}]
    asked = {"sql": "SELECT count(*) AS n FROM field_values"}
    answer = await client.post("/v1/sql", json=asked, headers=bearer(keys.project))
    assert answer.json()["rows"] == [{"n": 160}]
    asked = {"sql": "SELECT count(*) AS n FROM events WHERE length(data->>'text') = 8000"}
    answer = await client.post("/v1/sql", json=asked, headers=bearer(keys.project))
    assert answer.json()["rows"] == [{"n": 9}]
    metrics = (await get(client, keys.account, "/metrics")).text
    assert "delta_cold_read_bytes_total" in metrics
    assert "delta_cold_objects 0.0" not in metrics
    told = (await get(client, keys.account, "/v1/instance")).json()
    assert told["health"]["dependencies"]["cold_storage"] == "healthy"
    assert told["cold"]["objects"] > 1
    assert told["cold"]["bytes"] > 0
    assert told["cold"]["answers"]


async def test_while_it_is_away_all_else_goes_on(
    client: httpx.AsyncClient, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, snapshots = await filled(client, clock)

    async def away(*_: object) -> bytes:
        raise BlobStoreFailed("no route")

    with monkeypatch.context() as patched:
        patched.setattr(LocalBlobs, "get_range", away)
        patched.setattr(LocalBlobs, "resource_exists", away)
        answer = await get(client, keys.project, f"/v1/snapshots/{snapshots[0]}/data")
        assert (answer.status_code, answer.json()["code"]) == (503, "COLD_STORAGE_UNAVAILABLE")
        assert answer.headers["retry-after"] == "30"
        assert str(tmp_path) not in answer.text
        assert not (await get(client, keys.account, "/v1/instance")).json()["cold"]["answers"]
        latest = await get(client, keys.project, "/v1/snapshots/latest/prices")
        assert latest.status_code == 200
        body = {"endpoint": "prices", "data": {"new": 1}}
        assert (await client.post("/v1/snapshots", json=body, headers=bearer(keys.project))).status_code == 201
        health = await get(client, keys.account, "/healthz/details")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert "delta_cold_away 1.0" in (await get(client, keys.account, "/metrics")).text
        assert any("cold storage does not answer" in reason for reason in health.json()["reasons"])
    (tmp_path / "cold").rename(tmp_path / "unmounted")
    asked = {"sql": "SELECT count(document) AS n FROM documents"}
    answer = await client.post("/v1/sql", json=asked, headers=bearer(keys.project))
    assert (answer.status_code, answer.json()["code"]) == (503, "COLD_STORAGE_UNAVAILABLE")
    asked = {"sql": "SELECT count(data) AS n FROM events"}
    answer = await client.post("/v1/sql", json=asked, headers=bearer(keys.project))
    assert (answer.status_code, answer.json()["code"]) == (503, "COLD_STORAGE_UNAVAILABLE")
    answer = await get(client, keys.project, "/v1/events/raw?from=2020-01-01")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


async def test_the_process_of_sql_reaches_s3(tmp_path: Path, clock: FakeClock) -> None:
    with place("s3", tmp_path) as address:
        async with serving(tmp_path, clock, address) as client:
            keys, _ = await filled(client, clock)
            asked = {"sql": "SELECT (SELECT count(*) FROM documents) AS d, (SELECT count(data) FROM events) AS e"}
            answer = await client.post("/v1/sql", json=asked, headers=bearer(keys.project))
            assert answer.json()["rows"] == [{"d": 80, "e": 9}]
