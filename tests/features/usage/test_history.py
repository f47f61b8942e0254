"""Hours and days of what projects stored."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import plan_windows
from delta_server.core.times import DAY_MS
from delta_server.features.usage import tasks
from tests.conftest import SHARED, Keys
from tests.features.rows import Row, check
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

HOUR_MS = plan_windows.HOUR_MS
PATH = "/v1/projects/mine/usage/history"
REFUSED = [
    Row("without a key", "GET", PATH, 401, key=None),
    Row("another's", "GET", PATH, 404, key="other"),
    Row("another interval", "GET", f"{PATH}?interval=week", 400, field="interval"),
    Row("no time", "GET", f"{PATH}?from=soon", 400, field="from"),
    Row("backwards", "GET", f"{PATH}?from=1h&to=2h", 400, field="from"),
    Row("a cursor of the other interval", "GET", f"{PATH}?interval=day&cursor=%s", 400),
    Row("nonsense for a cursor", "GET", f"{PATH}?cursor=x", 400),
    Row("too many", "GET", f"{PATH}?limit=1001", 400, field="limit"),
]


async def store(client: httpx.AsyncClient, keys: Keys, snapshots: int, events: int) -> None:
    for number in range(snapshots):
        body = {"endpoint_id": "prices", "data": {"n": number}}
        await check(client, keys, Row("", "POST", "/v1/snapshots", 201, body=body))
    batch = [{"type": "track", "event": "Bought", "userId": "u"} for _ in range(events)]
    if batch:
        await check(client, keys, Row("", "POST", "/v1/batch", 200, body={"batch": batch}))


async def rows(client: httpx.AsyncClient, keys: Keys, query: str = "") -> list[tuple[str, int, int]]:
    found = await check(client, keys, Row("", "GET", f"{PATH}?{query}", 200, key="read"))
    return [(row["start"], row["snapshots"], row["events"]) for row in found["data"]]


@pytest.mark.parametrize("row", REFUSED, ids=str)
async def test_refused(client: httpx.AsyncClient, keys: Keys, clock: FakeClock, row: Row) -> None:
    for _ in range(2):
        await store(client, keys, 1, 0)
        clock.advance(HOUR_MS)
    first = await check(client, keys, Row("", "GET", f"{PATH}?limit=1", 200))
    path = row.path.replace("%s", first["next_cursor"])
    await check(client, keys, Row(row.title, row.method, path, row.status, key=row.key, field=row.field))


async def test_hours_are_listed_newest_first_and_day_by_day(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await store(client, keys, 2, 3)
    clock.advance(HOUR_MS)
    await store(client, keys, 1, 0)
    clock.advance(DAY_MS)
    await store(client, keys, 0, 4)
    hours = [("2026-01-02T01:00:00.000Z", 0, 4), ("2026-01-01T01:00:00.000Z", 1, 0), ("2026-01-01T00:00:00.000Z", 2, 3)]
    assert await rows(client, keys) == hours
    assert await rows(client, keys, "from=1d") == hours[:1]
    assert await rows(client, keys, "from=2026-01-01T01:00:00Z&to=2026-01-02T00:00:00Z") == hours[1:2]
    days = [("2026-01-02T00:00:00.000Z", 0, 4), ("2026-01-01T00:00:00.000Z", 3, 3)]
    assert await rows(client, keys, "interval=day") == days
    found: list[Any] = []
    cursor = ""
    while True:
        page = await check(client, keys, Row("", "GET", f"{PATH}?limit=1{cursor}", 200))
        found += [row["start"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [start for start, _, _ in hours]


async def test_the_most_that_is_stored_is_noted_where_it_changed(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await store(client, keys, 2, 1)
    used = await check(client, keys, Row("", "GET", "/v1/projects/mine/usage", 200))
    total = sum(used["occupied"].values())
    await tasks.keep_history(app.services)
    clock.advance(HOUR_MS)
    await tasks.keep_history(app.services)
    noted = (await check(client, keys, Row("", "GET", PATH, 200)))["data"]
    assert [row["storage_bytes"] for row in noted] == [total]
    await check(client, keys, Row("", "DELETE", "/v1/endpoints/prices", 204))
    await tasks.keep_history(app.services)
    assert (await check(client, keys, Row("", "GET", f"{PATH}?interval=day", 200)))["data"][0]["storage_bytes"] == total


async def test_hours_become_days_and_days_go(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await store(client, keys, 2, 1)
    clock.advance(HOUR_MS)
    await store(client, keys, 1, 0)
    before = await rows(client, keys, "interval=day")
    clock.advance(tasks.HOURS_KEPT_MS + DAY_MS)
    await store(client, keys, 0, 1)
    await tasks.expire(app.services)
    assert [hour[1:] for hour in await rows(client, keys)] == [(0, 1)]
    assert (await rows(client, keys, "interval=day"))[1:] == before == [("2026-01-01T00:00:00.000Z", 3, 1)]
    await tasks.expire(app.services)
    assert (await rows(client, keys, "interval=day"))[1:] == before
    clock.advance(tasks.DAYS_KEPT_MS)
    await tasks.expire(app.services)
    assert await rows(client, keys, "interval=day") == []
