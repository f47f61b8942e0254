"""Retention and counts of events over HTTP, and what the background does with them."""

import asyncio
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.errors import NotFound
from delta_server.core.times import DAY_MS
from delta_server.features.accounts import service as accounts
from delta_server.features.events import tasks
from delta_server.features.projects import service as projects
from delta_server.features.projects import tasks as projects_tasks
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.conftest import Keys, shared
from tests.features.rows import Row, check
from tests.storage.events.kept import made
from tests.storage.opened import FakeClock

PATH = "/v1/events/retention"
NOTHING: dict[str, Any] = {"days": None, "types": {}, "rollups": {}}


def put(title: str, status: int, body: Any = None, **more: Any) -> Row:
    return Row(title, "PUT", PATH, status, body={} if body is None else body, **more)


REFUSED = [
    Row("without a key", "GET", PATH, 401, key=None),
    put("set without a key", 401, key=None),
    Row("stats without a key", "GET", "/v1/events/stats", 401, key=None),
    Row("an account's key", "GET", PATH, 403, key="account"),
    Row(
        "an event with the project in its query",
        "POST",
        "/v1/events?project_id=a",
        403,
        key="account",
        body={"eventType": "seen"},
        says="in x-tenant-id or, where no events are sent, ?project_id=",
    ),
    put("set with a read key", 403, key="read"),
    put("set with a write key", 403, key="write"),
    put("an unknown field", 400, {"day": 3}, field="day"),
    put("an unknown interval", 400, {"rollups": {"2m": 3}}, field="rollups.2m"),
    put("less than nothing", 400, {"days": -1}, field="days"),
    put("a part of a day", 400, {"days": 1.5}, field="days"),
    put("a thousand years", 400, {"days": 365_000}, field="days"),
    put("a type without days", 400, {"types": {"debug": None}}),
    put("a type without a name", 400, {"types": {"": 1}}),
    put("too many types", 400, {"types": {str(n): 1 for n in range(1001)}}, field="types", says="at most 1000"),
    put("a list", 400, []),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


@shared
async def test_it_is_kept_by_project(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    assert await check(shared_client, own_keys, Row("", "GET", PATH, 200, key="read")) == NOTHING
    body = {"days": 365, "types": {"debug": 7, "purchase": 0}, "rollups": {"1m": 14, "1d": 0}}
    assert await check(shared_client, own_keys, put("", 200, body)) == body
    assert await check(shared_client, own_keys, Row("", "GET", PATH, 200)) == body
    assert await check(shared_client, own_keys, Row("", "GET", PATH, 200, key="other")) == NOTHING
    some = {"days": None, "types": None, "rollups": {"1h": 3, "1m": None}}
    assert await check(shared_client, own_keys, put("", 200, some)) == {**NOTHING, "rollups": {"1h": 3}}
    assert await check(shared_client, own_keys, put("", 200, {})) == NOTHING


async def test_stats(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    row = Row("", "GET", "/v1/events/stats", 200, key="read")
    nothing = await check(client, keys, row)
    assert nothing.pop("refused") == []
    assert set(nothing.values()) == {0, None}
    mine = await app.services.db.read(_project, "mine")
    await app.services.event_writer.append_events(mine, made(30))
    waiting = await check(client, keys, row)
    assert waiting["waiting_events"] == 30
    assert waiting["waiting_bytes"] > 300
    assert (waiting["first_at"], waiting["last_at"]) == ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:29.000Z")
    await app.services.event_maintenance.run_maintenance(mine, seal=True)
    sealed = await check(client, keys, row)
    assert (sealed["waiting_events"], sealed["sealed_events"], sealed["segments"]) == (0, 30, 1)
    assert sealed["json_bytes"] > 30 * 80
    other = await check(client, keys, Row("", "GET", "/v1/events/stats", 200, key="other"))
    assert other == {**nothing, "refused": []}


async def test_the_loop_seals_what_is_due(
    services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "POLL_S", 0.001)
    account = await services.db.write(accounts.default_account)
    project = (await services.db.write(projects.ensure, account, "mine")).id
    loop = asyncio.create_task(tasks.seal(services))
    await asyncio.sleep(0)  # it has looked, and waits
    await services.event_writer.append_events(project, made(50))
    services.topics.wake("events", project)
    clock.advance(3_600_000)
    async with asyncio.timeout(10):
        while (await services.event_maintenance.stats(project)).sealed_events < 50:
            pass
    loop.cancel()
    await tasks.run_maintenance(services)
    assert (await services.event_maintenance.stats(project)).sealed_events == 50


async def test_a_deleted_projects_events_go_and_others_stay(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    svc = app.services
    mine, other = await svc.db.read(_project, "mine"), await svc.db.read(_project, "other")
    for project in (mine, other):
        await svc.event_writer.append_events(project, made(40))
        await svc.event_maintenance.run_maintenance(project, seal=True)
        await svc.event_writer.append_events(project, made(5, first=100))
    await check(client, keys, put("", 200, {"days": 3}))
    await check(client, keys, Row("", "DELETE", "/v1/projects/mine?purge=true", 204))
    assert await svc.event_maintenance.run_maintenance(seal=True) == 5, "nobody works on what is deleted"
    await projects_tasks.remove_deleted(svc)
    tables = ["event_block", "segment", "event_settings"]
    for table in tables:
        assert await svc.db.read(_rows_of, table, mine) == []
    assert await svc.db.read(lambda tx: tx.one("SELECT count(*) FROM segment_data")) == (2,)
    assert await svc.db.read(lambda tx: tx.all("SELECT name FROM project")) == [("other",)]
    found = await svc.event_maintenance.stats(other)
    assert found.sealed_events == 45


async def test_nothing_comes_into_a_project_that_is_being_deleted(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was still on its way is refused, or its rows would keep the project's."""
    svc = app.services
    mine = await svc.db.read(_project, "mine")
    await svc.event_writer.append_events(mine, made(5))
    await check(client, keys, Row("", "DELETE", "/v1/projects/mine?purge=true", 204))
    delete_some, refused = svc.event_maintenance.delete_batch, 0

    async def late(project: int, limit: int) -> bool:
        nonlocal refused
        left = await delete_some(project, limit)
        for count in (1, 100):
            with pytest.raises(NotFound):
                await svc.event_writer.append_events(project, made(count, first=100))
            refused += 1
        return left

    monkeypatch.setattr(svc.event_maintenance, "delete_batch", late)
    await projects_tasks.remove_deleted(svc)
    assert refused >= 4
    assert await svc.db.read(_rows_of, "event_block", mine) == []
    assert await svc.db.read(lambda tx: tx.all("SELECT name FROM project")) == [("other",)]


async def test_retention_that_is_set_is_applied(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    """Rolled up by hand: what the rollups have not got is kept."""
    svc = app.services
    mine = await svc.db.read(_project, "mine")
    await svc.event_writer.append_events(mine, made(40))
    await svc.event_maintenance.run_maintenance(mine, seal=True)
    await svc.db.write(lambda tx: tx.run("UPDATE segment SET rolled = 1"))
    await check(client, keys, put("", 200, {"types": {"view": 3}}))
    await svc.event_maintenance.run_maintenance()
    assert (await svc.event_maintenance.stats(mine)).sealed_events == 40
    clock.advance(4 * DAY_MS)
    await svc.event_maintenance.run_maintenance()
    assert (await svc.event_maintenance.stats(mine)).sealed_events == 0


def _rows_of(tx: Tx, table: str, project: int) -> list[tuple[Any, ...]]:
    return tx.all(f"SELECT 1 FROM {table} WHERE project = ?", project)


def _project(tx: Tx, name: str) -> int:
    row = tx.one("SELECT id FROM project WHERE name = ?", name)
    assert row is not None
    return int(row[0])
