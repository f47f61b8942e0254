"""People look at records, at what they were, and put an older version back."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from delta_server.features.sync.forgetting.expiring import expire
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, pull, push
from tests.storage.opened import FakeClock

RECORDS = "/v1/sync/notes/records"
SPACES = "/v1/sync/spaces"

ROWS = [
    Row("no key", "GET", RECORDS, 401, key=None),
    Row("no key to restore", "POST", f"{RECORDS}/r1/restore", 401, key=None, body={"version": 1}),
    Row("without the scope", "POST", f"{RECORDS}/r1/restore", 403, key="read", body={"version": 1}, says="sync:write"),
    Row("spaces without the scope", "GET", SPACES, 403, key="write", says="sync:admin"),
    Row("nothing to list", "GET", RECORDS, 200),
    Row("no such record", "GET", f"{RECORDS}/r1", 404),
    Row("no history", "GET", f"{RECORDS}/r1/history", 404),
    Row("nothing to restore", "POST", f"{RECORDS}/r1/restore", 404, body={"version": 1}),
    Row("no version", "POST", f"{RECORDS}/r1/restore", 400, body={"version": 0}, field="version"),
    Row("a long prefix", "GET", f"{RECORDS}?prefix={'a' * 257}", 400, field="prefix"),
    Row("no such cursor", "GET", f"{RECORDS}?cursor=x", 400, field="cursor"),
    Row("a cursor of another list", "GET", f"{SPACES}?cursor=x", 400, field="cursor"),
    Row("a long data type", "GET", f"/v1/sync/{'x' * 101}/records", 400, field="data_type"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_refused(client: httpx.AsyncClient, keys: Keys, row: Row) -> None:
    await check(client, keys, row)


async def every(client: httpx.AsyncClient, path: str, key: str, limit: int, query: str = "") -> list[Any]:
    """Of all pages."""
    found: list[Any] = []
    cursor = ""
    while True:
        answer = await client.get(f"{path}?limit={limit}&{query}{cursor}", headers=bearer(key))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["data"]) <= limit
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_records_by_id(client: httpx.AsyncClient, keys: Keys, limit: int) -> None:
    ids = ["b/2", "a", "b/1", "b", "c", "b/1/x", "é", "b0", "a\u0000b", *[f"d{i:02}" for i in range(30)]]
    await push(client, keys, batch("phone", 1, *[change(i, name, i) for i, name in enumerate(ids)]))
    await push(client, keys, batch("phone", 2, change(90, "b0"), change(91, "b", 7)))
    found = [record["record_id"] for record in await every(client, RECORDS, keys.read, limit)]
    assert found == sorted(set(ids) - {"b0"})
    below = [record["record_id"] for record in await every(client, RECORDS, keys.read, limit, "prefix=b/")]
    assert below == ["b/1", "b/1/x", "b/2"]
    assert await every(client, RECORDS, keys.read, limit, "prefix=z") == []
    one = await client.get(f"{RECORDS}/{quote('b/1', safe='')}", headers=bearer(keys.read))
    assert (one.status_code, one.json()["data"]) == (200, 2)


async def restore(client: httpx.AsyncClient, keys: Keys, version: int, status: int = 200) -> Any:
    answer = await client.post(f"{RECORDS}/r1/restore", json={"version": version}, headers=bearer(keys.write))
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_history_and_restoring(client: httpx.AsyncClient, keys: Keys) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", {"n": 1}), change(2, "r2", 1)))
    await push(client, keys, batch("tablet", 1, change(1, "r1", {"n": 2}), change(2, "r1")))
    cursor = (await pull(client, keys))["next_cursor"]
    for limit in (1, 2, 10):
        found = await every(client, f"{RECORDS}/r1/history", keys.read, limit)
        assert [(each["version"], each["operation"], each["device_id"]) for each in found] == [
            (4, "delete", "tablet"),
            (3, "upsert", "tablet"),
            (1, "upsert", "phone"),
        ]
    gone = await client.get(f"{RECORDS}/r1", headers=bearer(keys.read))
    assert gone.json()["operation"] == "delete"
    assert await restore(client, keys, 1) == {"version": 5}
    assert await restore(client, keys, 1) == {"version": 5}, "it is like that already"
    [back] = (await pull(client, keys, f"cursor={cursor}&exclude_device=phone"))["changes"]
    assert (back["record_id"], back["data"], "device_id" in back) == ("r1", {"n": 1}, False)
    await restore(client, keys, 2, 404)
    assert "deletion" in (await restore(client, keys, 4, 400))["message"]
    await client.put("/v1/sync/types/notes", json={"schema": {"required": ["t"]}}, headers=bearer(keys.project))
    assert "schema" in (await restore(client, keys, 3, 400))["message"]
    log = (await client.get("/v1/audit?action=sync_record.restore", headers=bearer(keys.account))).json()["data"]
    assert [(entry["target"], entry["detail"]["version"]) for entry in log] == [("record r1", 5)]


async def test_versions_that_are_not_kept_are_not_there(
    app: Any, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
    await push(client, keys, batch("phone", 2, change(2, "r1", 2)))
    clock.advance(31 * 86_400_000)
    await push(client, keys, batch("phone", 3, change(3, "r1", 3)))
    await expire(app.services)
    found = await every(client, f"{RECORDS}/r1/history", keys.read, 10)
    assert [each["version"] for each in found] == [3, 2]
    await restore(client, keys, 1, 404)


async def test_spaces(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    for number, person in enumerate(["ann", "Anna", "bob", "ann"]):
        clock.advance(1000)
        headers = {**bearer(keys.write), "x-sync-user": person}
        body = batch("phone", number, change(number, f"r{number}", 1))
        assert (await client.post("/v1/sync/notes/delta", json=body, headers=headers)).status_code == 200
    for limit in (1, 10):
        found = await every(client, SPACES, keys.project, limit)
        assert [space["owner"] for space in found] == ["ann", "bob", "Anna"]
    assert (found[0]["version"], found[0]["records"], found[0]["devices"], found[0]["conflicts"]) == (2, 2, 1, 0)
    assert [space["owner"] for space in await every(client, SPACES, keys.project, 10, "q=nn")] == ["ann", "Anna"]
    assert await every(client, SPACES, keys.other, 10) == []
