"""How much there is of each data type, and what changed last."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync.forgetting import expiring
from delta_server.features.sync.people import activity
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, push
from tests.storage.opened import FakeClock

STATS, RECENT = "/v1/sync/stats", "/v1/sync/recent"

ROWS = [
    *(Row(f"no key: {path}", "GET", path, 401, key=None) for path in (STATS, RECENT)),
    *(Row(f"no cursor: {path}", "GET", f"{path}?cursor=x", 400, field="cursor") for path in (STATS, RECENT)),
    Row("another list's cursor", "GET", f"{RECENT}?cursor=k1pWQpSkc3luYw", 400, field="cursor"),
    Row("no device", "GET", f"{RECENT}?device_id=watch", 404),
    Row("no such data type", "GET", f"{RECENT}?data_type=conflicts", 400, field="data_type"),
    Row("an empty space", "GET", STATS, 200),
    Row("nothing yet", "GET", RECENT, 200),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_rows(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    found = await check(shared_client, own_keys, row)
    assert row.status != 200 or found == {"data": [], "has_more": False, "next_cursor": None}


async def pages(client: httpx.AsyncClient, keys: Keys, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = (await client.get(path, params=params, headers=bearer(keys.read))).json()
        found += page["data"]
        if not page["has_more"]:
            return found
        params["cursor"] = page["next_cursor"]


@pytest.fixture
async def changed(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    """On two days by two devices."""
    clock.advance(times.DAY_MS // 2)
    await push(client, keys, batch("phone", 1, change(1, "r1", 1), change(2, "r2", 22), change(3, "r1")))
    clock.advance(times.DAY_MS)
    await push(client, keys, batch("tablet", 1, change(1, "r2", 2, updated_at="2026-01-02T11:00:00Z")))
    body = batch("tablet", 2, change(2, "t1", "a"))
    await client.post("/v1/sync/tags/delta", json=body, headers=bearer(keys.write))
    restored = await client.post("/v1/sync/notes/records/r2/restore", json={"version": 2}, headers=bearer(keys.write))
    assert restored.status_code == 200, restored.text


async def test_statistics(client: httpx.AsyncClient, keys: Keys, changed: None) -> None:
    notes, tags = await pages(client, keys, STATS, limit=1)
    assert notes == {
        "data_type": "notes",
        "records": 1,
        "tombstones": 1,
        "bytes": 2,
        "last_changed_at": notes["last_changed_at"],
        "changes_by_day": [
            {"day": "2026-01-01", "changes": 3, "deletions": 1},
            {"day": "2026-01-02", "changes": 2, "deletions": 0},
        ],
        "devices": [
            {"device_id": "phone", "changes": 3},
            {"device_id": None, "changes": 1},
            {"device_id": "tablet", "changes": 1},
        ],
    }
    assert notes["last_changed_at"].startswith("2026-01-02T12:00:0")
    assert (tags["records"], tags["devices"]) == (1, [{"device_id": "tablet", "changes": 1}])
    other = await client.get(STATS, headers=bearer(keys.other))
    assert other.json()["data"] == []


async def test_an_upload_counts_once_it_is_visible(client: httpx.AsyncClient, keys: Keys, changed: None) -> None:
    await client.post(
        "/v1/sync/upload?device_id=watch&upload_id=u1&complete=true",
        content=b'{"data_type":"tags","record_id":"t2","data":1}\n{"data_type":"tags","record_id":"t1","operation":"delete"}',
        headers={**bearer(keys.write), "content-type": "application/x-ndjson"},
    )
    _, tags = await pages(client, keys, STATS)
    assert tags["changes_by_day"] == [{"day": "2026-01-02", "changes": 3, "deletions": 1}]
    assert tags["devices"][0] == {"device_id": "watch", "changes": 2}


@pytest.mark.parametrize("looked_at", [1, 2, 5000])
async def test_what_changed_last(
    client: httpx.AsyncClient, keys: Keys, changed: None, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(activity, "_LOOKED_AT", looked_at)
    for limit in (1, 2, 100):
        found = await pages(client, keys, RECENT, limit=limit)
        assert [(each["version"], each["operation"], each.get("device_id")) for each in found] == [
            (6, "update", None),
            (5, "insert", "tablet"),
            (4, "update", "tablet"),
            (3, "delete", "phone"),
            (2, "insert", "phone"),
            (1, "insert", "phone"),
        ]
    assert (found[2]["previous"], found[2]["updated_at"], found[2]["bytes"]) == (2, "2026-01-02T11:00:00.000Z", 1)
    notes = await pages(client, keys, RECENT, data_type="notes", limit=2)
    assert [each["version"] for each in notes] == [6, 4, 3, 2, 1]
    both = await pages(client, keys, RECENT, data_type="notes", device_id="tablet")
    assert [each["version"] for each in both] == [4]


async def test_days_are_forgotten_with_history(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, changed: None
) -> None:
    clock.advance(29 * times.DAY_MS + times.DAY_MS // 2)
    await expiring.expire(app.services)
    notes, _ = await pages(client, keys, STATS)
    assert [each["day"] for each in notes["changes_by_day"]] == ["2026-01-02"]
