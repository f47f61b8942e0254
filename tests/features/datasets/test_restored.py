"""A database that was restored from a backup, and the deliveries in the blob store, which is as it was."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.datasets import deliveries
from delta_server.storage.backup import restore
from delta_server.storage.blobs.blobs import BlobStoreFailed
from delta_server.storage.blobs.local import LocalBlobs
from tests.conftest import Keys, bearer, client_of, config_in, make_keys, started_in
from tests.features.usage.counting import drifts
from tests.storage.opened import FakeClock

DATASET = "/v1/datasets/products"
ROWS, OTHERS = b"1\n2\n", b"3\n"


async def put(client: httpx.AsyncClient, keys: Keys, name: str, rows: bytes) -> None:
    headers = bearer(keys.project) | {"content-type": "application/x-ndjson"}
    sent = await client.put(f"{DATASET}/{name}/current", content=rows, headers=headers)
    assert sent.status_code == 200, sent.text


async def listed(client: httpx.AsyncClient, keys: Keys) -> dict[str, tuple[int | None, int | None]]:
    """Rows of the current and the previous delivery of each client."""

    def rows(delivery: dict[str, Any] | None) -> int | None:
        return None if delivery is None else delivery["rows"]

    answer = (await client.get(DATASET, headers=bearer(keys.project))).json()
    return {each["client"]: (rows(each["current"]), rows(each["previous"])) for each in answer["data"]}


@asynccontextmanager
async def backed_up(folder: Path, clock: FakeClock) -> AsyncIterator[tuple[httpx.AsyncClient, Keys]]:
    """A server of which `folder / "backup"` was taken, with deliveries of two clients."""
    async with started_in(folder, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await put(client, keys, "shop", ROWS)
        await put(client, keys, "gone", ROWS)
        answer = await client.get("/v1/backup", headers=bearer(keys.account))
        (folder / "backup").write_bytes(answer.content)
        yield client, keys


def put_back(folder: Path, there: Path) -> None:
    data_dir = config_in(there).storage.data_dir
    restore(folder / "backup", data_dir, "delta.db", overwrite=True, progress=lambda _what, _done, _of: None)


@asynccontextmanager
async def serving(folder: Path, clock: FakeClock) -> AsyncIterator[tuple[Application, httpx.AsyncClient]]:
    async with started_in(folder, clock) as app, client_of(app) as client:
        yield app, client


async def test_deliveries_are_those_that_the_store_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    async with backed_up(tmp_path, clock) as (client, keys):
        promoted = await client.post(f"{DATASET}/shop/promote", headers=bearer(keys.project))
        assert promoted.status_code == 200
        await put(client, keys, "shop", OTHERS)
        await put(client, keys, "later", ROWS)
        assert (await client.delete(f"{DATASET}/gone", headers=bearer(keys.project))).status_code == 204
    put_back(tmp_path, tmp_path)
    async with serving(tmp_path, clock) as (app, client):
        for which, rows in (("current", OTHERS), ("previous", ROWS)):
            found = await client.get(f"{DATASET}/shop/{which}", headers=bearer(keys.project))
            assert found.content == rows
        with monkeypatch.context() as patched:
            patched.setattr(LocalBlobs, "get", _fail)
            await deliveries.sweep(app.services)
        assert (await listed(client, keys))["shop"] == (2, None), "the backup's, while the store does not answer"
        await deliveries.sweep(app.services)
        assert await listed(client, keys) == {"gone": (None, None), "shop": (1, 2)}
        assert (await client.get(f"{DATASET}/gone/current", headers=bearer(keys.project))).status_code == 404
        await put(client, keys, "later", OTHERS)
        assert (await listed(client, keys))["later"] == (1, None)
        assert await drifts(app.services) == {}


async def test_without_its_store_it_has_clients_without_deliveries(tmp_path: Path) -> None:
    clock, there = FakeClock(), tmp_path / "there"
    async with backed_up(tmp_path, clock) as (_, keys):
        pass
    put_back(tmp_path, there)
    async with serving(there, clock) as (app, client):
        assert (await client.get(f"{DATASET}/shop/current", headers=bearer(keys.project))).status_code == 404
        await put(client, keys, "shop", OTHERS)
        await deliveries.sweep(app.services)
        assert await listed(client, keys) == {"gone": (None, None), "shop": (1, None)}
        assert await drifts(app.services) == {}


async def _fail(*_: object) -> None:
    raise BlobStoreFailed("it does not answer")
