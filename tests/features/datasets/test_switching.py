"""A delivery counts from the moment at which the manifest is switched to it; what happens where that fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.plans import SHIPPED, Plan, Plans
from delta_server.config.sections import Config
from delta_server.features.datasets import deliveries, store
from delta_server.features.usage import store as usage
from delta_server.services import Services
from delta_server.storage.blobs.local import LocalBlobs
from tests.conftest import Keys, client_of, make_keys, started_in
from tests.features.datasets.test_deliveries import ROWS, fail, get, put, shop
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock


@pytest.fixture
def config(config: Config) -> Config:
    """What is being written is counted where a plan limits it."""
    plans = Plans("free", {**SHIPPED, "small": Plan(storage_bytes=200_000)})
    return Config(storage=config.storage, log=config.log, plans=plans)


async def _resources(services: Services) -> int:
    return len([blob.key async for blob in deliveries.blobs_of(services).list("")])


async def test_what_could_not_be_switched_to_goes_at_the_next_start(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await put(client, keys)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(LocalBlobs, "put_if", fail)
            await put(client, keys, b"2\n", status=503)
        assert await get(client, keys) == ROWS
    async with started_in(tmp_path, clock) as app:
        assert await _resources(app.services) == 2


async def _counted(services: Services) -> tuple[int, int]:
    """The bytes of deliveries that the project is said to have, and what its current one takes."""
    counted = await services.db.read(usage.counters, 1)
    assert counted is not None
    kept = (await shop(services)).manifest.current
    return counted.occupied.dataset_bytes, 0 if kept is None else kept.stored_bytes


async def test_what_could_not_be_switched_to_is_not_counted_for_long(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not when the store answers again, or with the next sweep."""
    await check(client, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "small"}))
    await put(client, keys)
    large = b"".join([b"%d\n" % number for number in range(4000)])
    put_if, fails = LocalBlobs.put_if, [True, False]

    async def sometimes(self: LocalBlobs, key: str, content: bytes, tag: str | None) -> str:
        return await (fail() if fails.pop(0) else put_if(self, key, content, tag))

    with monkeypatch.context() as patched:
        patched.setattr(LocalBlobs, "put_if", sometimes)
        await put(client, keys, large, status=503)
    assert await _resources(app.services) == 2
    counted, kept = await _counted(app.services)
    assert counted == kept
    with monkeypatch.context() as patched:
        patched.setattr(LocalBlobs, "put_if", fail)
        await put(client, keys, large, status=503)
        await deliveries.sweep(app.services)
    counted, kept = await _counted(app.services)
    assert counted > kept, "nobody knows yet"
    await deliveries.sweep(app.services)
    counted, kept = await _counted(app.services)
    assert counted == kept
    assert await _resources(app.services) == 2
    assert await get(client, keys) == ROWS


async def test_a_delivery_whose_switch_was_done_without_an_answer_is_there(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_if, first = LocalBlobs.put_if, [True]

    async def without_answer(self: LocalBlobs, key: str, content: bytes, tag: str | None) -> str:
        done = await put_if(self, key, content, tag)
        return await fail() if first and first.pop() else done

    monkeypatch.setattr(LocalBlobs, "put_if", without_answer)
    assert (await put(client, keys))["current"]["rows"] == 2
    assert await get(client, keys) == ROWS
    assert await app.services.db.read(store.unfinished) == []


async def test_a_sweep_leaves_what_is_being_written(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield ROWS
        await deliveries.sweep(app.services)
        assert len(await app.services.db.read(store.unfinished)) == 1
        yield ROWS

    assert (await put(client, keys, body()))["current"]["rows"] == 4
    assert (await shop(app.services)).manifest.generation == 1
