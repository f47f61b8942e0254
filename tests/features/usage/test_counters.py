"""Counters say what a full scan finds, whatever came and went, and whatever the process died of."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import httpx
import msgspec
import pytest

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core.times import DAY_MS
from delta_server.features.endpoints import tasks as endpoint_tasks
from delta_server.features.projects import tasks as project_tasks
from delta_server.features.snapshots import tasks as snapshot_tasks
from delta_server.features.usage import store, tasks
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from delta_server.storage.database import Tx
from delta_server.storage.sqlite import schema
from delta_server.storage.sqlite.connection import Tuning
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.features.rows import Row, check
from tests.features.usage.counting import drifts
from tests.storage.opened import FakeClock


async def fill(client: httpx.AsyncClient, keys: Keys) -> None:
    """Snapshots, equal and different ones, out of order, with metadata; events of two persons, and their profiles; a
    synced record, and deliveries of a dataset."""
    for number in range(8):
        body: dict[str, Any] = {"endpoint_id": "prices", "data": {"n": number // 2, "text": "é" * 50 * number}}
        body |= {"metadata": {"note": "ü" * number}} if number % 3 == 0 else {}
        await check(client, keys, Row("", "POST", "/v1/snapshots", 201, body=body))
    early = {"endpoint_id": "prices", "data": {"n": 0}, "captured_at": "2020-01-01T00:00:00Z"}
    await check(client, keys, Row("", "POST", "/v1/snapshots", 201, body=early))
    await check(client, keys, Row("", "POST", "/v1/snapshots", 201, body={"endpoint_id": "more", "data": [1, 2]}))
    calls: list[dict[str, Any]] = [
        {"type": "track", "event": "Bought", "userId": f"u{number % 2}", "messageId": f"m{number}"}
        for number in range(6)
    ]
    calls += [{"type": "identify", "userId": "u0", "traits": {"name": "ö"}}] * 2
    await check(client, keys, Row("", "POST", "/v1/batch", 200, body={"batch": calls}))
    await check(client, keys, Row("", "POST", "/v1/batch", 200, body={"batch": calls[:6]}))
    change = {"change_id": "c", "record_id": "r", "operation": "insert", "data": {"text": "ö"}}
    push = {"device_id": "phone", "batch_id": "b", "changes": [change]}
    await check(client, keys, Row("", "POST", "/v1/sync/notes/delta", 200, body=push))
    headers = bearer(keys.project) | {"content-type": "text/csv"}
    for content in (b"id\n1\n", b"id\n2\n"):
        sent = await client.put("/v1/datasets/goods/shop/current", content=content, headers=headers)
        assert sent.status_code == 200, sent.text


async def use(services: Services, project: int = 1) -> store.Counters:
    found = await services.db.read(store.counters, project)
    assert found is not None
    return found


async def _packed(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await maintenance.pack_everything(app.services.contents)


async def _snapshot_deleted(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    listed = await check(client, keys, Row("", "GET", "/v1/snapshots?endpoint_id=prices", 200))
    for each in listed["data"][1:4]:
        await check(client, keys, Row("", "DELETE", f"/v1/snapshots/{each['id']}", 204))
    await maintenance.sweep(app.services.contents)


async def _retention(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    change = {"retention": {"keep_last": 2}}
    await check(client, keys, Row("", "PATCH", "/v1/endpoints/prices", 200, body=change))
    await snapshot_tasks.apply_retention(app.services)


async def _endpoint_deleted(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/prices", 204))
    assert await drifts(app.services) == {}
    await endpoint_tasks.remove_deleted(app.services)


async def _sealed(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await app.services.event_maintenance.run_maintenance(seal=True, compact=True)


async def _erased(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await _sealed(app, client, keys)
    await check(client, keys, Row("", "DELETE", "/v1/users/u0", 202))
    await asyncio.gather(*(app.services.event_maintenance.run_maintenance(seal=True) for _ in range(2)))


STEPS = [_packed, _snapshot_deleted, _retention, _endpoint_deleted, _sealed, _erased]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__.strip("_"))
async def test_counters_are_right_after(app: Application, client: httpx.AsyncClient, keys: Keys, step: Any) -> None:
    await fill(client, keys)
    assert await drifts(app.services) == {}
    before = await use(app.services)
    assert before.usage.snapshots > 0
    assert min(msgspec.structs.astuple(before.occupied)) > 0
    await step(app, client, keys)
    assert await drifts(app.services) == {}
    assert await use(app.services) != before


async def test_what_is_deleted_counts_as_occupied_until_it_is_removed(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await fill(client, keys)
    before = await use(app.services)
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/prices", 204))
    await endpoint_tasks.remove_deleted(app.services)  # what lies in the bin stays
    deleted = await use(app.services)
    assert deleted.occupied == before.occupied
    assert (deleted.usage.endpoints, deleted.usage.snapshots) == (1, 1)
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/prices?purge=true", 204))
    await endpoint_tasks.remove_deleted(app.services)
    removed = await use(app.services)
    assert removed.usage == deleted.usage
    assert removed.occupied.document_bytes < before.occupied.document_bytes


async def test_a_removed_project_leaves_no_counters(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await fill(client, keys)
    await tasks.keep_history(app.services)
    await check(client, keys, Row("", "DELETE", "/v1/projects/mine?purge=true", 204, key="account"))
    await project_tasks.remove_deleted(app.services)
    await endpoint_tasks.remove_deleted(app.services)
    await project_tasks.remove_deleted(app.services)
    tables = ("project_use", "endpoint_use", "usage_hour", "usage_day")
    left = {table: await app.services.db.read(_count, table) for table in tables}
    assert left == {"project_use": 1, "endpoint_use": 0, "usage_hour": 0, "usage_day": 0}  # the other project's
    await tasks.count(app.services)
    assert await app.services.db.read(_count, "project_use") == 1


def _count(tx: Tx, table: str) -> int:
    return int(tx.all(f"SELECT count(*) FROM {table}")[0][0])


async def test_keys_are_counted_until_duplicates_are_not_known_by_them(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await fill(client, keys)
    await tasks.expire(app.services)
    assert (await use(app.services)).occupied.key_bytes > 0
    clock.advance(app.services.config.events.dedup_days * DAY_MS + 3_600_001)
    await tasks.expire(app.services)
    assert (await use(app.services)).occupied.key_bytes == 0
    assert await drifts(app.services) == {}


async def test_a_write_that_fails_counts_nothing(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await fill(client, keys)
    before = await use(app.services)
    with pytest.raises(ZeroDivisionError):
        await app.services.db.write(_fail)
    assert await use(app.services) == before


def _fail(tx: Tx) -> None:
    tx.run("DELETE FROM frame")
    tx.run("DELETE FROM snapshot")
    tx.run("DELETE FROM event_block")
    raise ZeroDivisionError


async def test_counters_that_have_drifted_are_mended_within_a_week(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await fill(client, keys)
    before = await use(app.services)
    await app.services.db.write(_drift)
    assert len(await drifts(app.services)) > 1
    await tasks.count(app.services)
    assert len(await drifts(app.services)) > 1
    clock.advance(tasks.COUNT_AGAIN_MS + 1)
    await tasks.count(app.services)
    assert await drifts(app.services) == {}
    assert (await use(app.services)).occupied == before.occupied


def _drift(tx: Tx) -> None:
    tx.run("UPDATE endpoint_use SET stored_bytes = stored_bytes + 1000, snapshots = snapshots - 5")
    tx.run("UPDATE project_use SET event_bytes = event_bytes - 77, endpoints = 0, document_bytes = 1")


def without_counters(path: Path) -> None:
    """The database as the version before left it, once the tables of counters are made."""
    connection = apsw.Connection(str(path))
    objects = connection.execute(
        "SELECT type, name FROM sqlite_schema WHERE (type = 'trigger' AND name LIKE 'use_of_%')"
        " OR (type = 'table' AND name IN ('project_use', 'endpoint_use', 'usage_hour', 'usage_day'))"
    ).fetchall()
    for kind, name in objects:
        connection.execute(f"DROP {kind} IF EXISTS {name}")
    connection.execute("ALTER TABLE project DROP COLUMN plan")
    connection.execute("ALTER TABLE dataset_upload DROP COLUMN more_bytes")
    for name in ("usage.sql", "plan_records.sql", "plan_webhooks.sql", "plan_bytes.sql"):
        connection.execute(next(each.sql for each in schema.packaged() if each.name.endswith(name)))
    connection.close()


async def test_a_data_directory_from_before_is_counted_in_the_background_while_it_is_used(
    config: Config, clock: FakeClock
) -> None:
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await fill(client, keys)
        shown = (await client.get("/v1/projects/mine/usage", headers=bearer(keys.project))).json()["usage"]
        occupied = (await use(app.services)).occupied
    without_counters(config.storage.data_dir / "delta.db")
    async with started(built(config, clock)) as app, client_of(app) as client:
        answer = (await client.get("/v1/projects/mine/usage", headers=bearer(keys.project))).json()
        assert (answer["usage"], answer["occupied"], answer["plan"]) == (shown, None, "enterprise")
        assert {quota["use"] for quota in answer["quotas"] if quota["name"] in ("endpoints", "storage_bytes")} == {None}
        await check(client, keys, Row("", "PATCH", "/v1/projects/mine", 200, key="account", body={"plan": "free"}))
        again = {"endpoint_id": "again", "data": [1, 2]}
        more = {"endpoint_id": "more", "data": [3]}
        counting = asyncio.create_task(tasks.count(app.services))
        for body in (again, more, again):
            await check(client, keys, Row("", "POST", "/v1/snapshots", 201, body=body))
        await counting
        assert await drifts(app.services) == {}
        found = await use(app.services)
        assert (found.is_counted, found.usage.snapshots) == (True, shown["snapshots"] + 3)
        assert found.occupied.document_bytes > occupied.document_bytes
        assert found.occupied.event_bytes == occupied.event_bytes


async def test_counters_survive_a_kill(config: Config, clock: FakeClock) -> None:
    """What was acknowledged is counted when the log is all that there is of it."""
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await fill(client, keys)
        before = await use(app.services)
        copy = config.storage.data_dir.with_name("copy")
        copy.mkdir()
        for suffix in ("", "-wal"):
            name = f"delta.db{suffix}"
            (copy / name).write_bytes((config.storage.data_dir / name).read_bytes())
    killed = Config(storage=type(config.storage)(data_dir=copy), log=config.log)
    async with delta_app.open_services(killed, clock, tuning=Tuning()) as services:
        assert await drifts(services) == {}
        assert await use(services) == before
