"""People look at records, at what they were, and put an older version back."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.sync.forgetting.expiring import expire
from delta_server.features.sync.people import records
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, pull, push
from tests.features.users.people import signed_in
from tests.storage.opened import FakeClock

RECORDS = "/v1/sync/notes/records"
SPACES = "/v1/sync/spaces"

PAIR = {"from_version": 1, "to_version": 2}
SECRET = {"operation": "update", "encrypted": "aGk="}

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
    Row("a cursor of the living", "GET", f"{RECORDS}?deleted=true&cursor=x", 400, field="cursor"),
    Row("no such version", "GET", f"{RECORDS}/r1?version=0", 400, field="version"),
    Row("nothing to compare", "POST", f"{RECORDS}/r1/compare", 404, key="read", body=PAIR),
    Row("one version", "POST", f"{RECORDS}/r1/compare", 400, body={"from_version": 1}),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


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
@shared
async def test_records_by_id(shared_client: httpx.AsyncClient, own_keys: Keys, limit: int) -> None:
    ids = ["b/2", "a", "b/1", "b", "c", "b/1/x", "é", "b0", "a\u0000b", *[f"d{i:02}" for i in range(30)]]
    await push(shared_client, own_keys, batch("phone", 1, *[change(i, name, i) for i, name in enumerate(ids)]))
    await push(shared_client, own_keys, batch("phone", 2, change(90, "b0"), change(91, "b", 7)))
    found = [record["record_id"] for record in await every(shared_client, RECORDS, own_keys.read, limit)]
    assert found == sorted(set(ids) - {"b0"})
    below = [record["record_id"] for record in await every(shared_client, RECORDS, own_keys.read, limit, "prefix=b/")]
    assert below == ["b/1", "b/1/x", "b/2"]
    assert await every(shared_client, RECORDS, own_keys.read, limit, "prefix=z") == []
    one = await shared_client.get(f"{RECORDS}/{quote('b/1', safe='')}", headers=bearer(own_keys.read))
    assert (one.status_code, one.json()["data"]) == (200, 2)


async def restore(client: httpx.AsyncClient, keys: Keys, version: int, status: int = 200) -> Any:
    answer = await client.post(f"{RECORDS}/r1/restore", json={"version": version}, headers=bearer(keys.write))
    assert answer.status_code == status, answer.text
    return answer.json()


@shared
async def test_history_and_restoring(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1}), change(2, "r2", 1)))
    await push(shared_client, own_keys, batch("tablet", 1, change(1, "r1", {"n": 2}), change(2, "r1")))
    cursor = (await pull(shared_client, own_keys))["next_cursor"]
    for limit in (1, 2, 10):
        found = await every(shared_client, f"{RECORDS}/r1/history", own_keys.read, limit)
        assert [(each["version"], each["operation"], each["device_id"]) for each in found] == [
            (4, "delete", "tablet"),
            (3, "upsert", "tablet"),
            (1, "upsert", "phone"),
        ]
    gone = await shared_client.get(f"{RECORDS}/r1", headers=bearer(own_keys.read))
    assert gone.json()["operation"] == "delete"
    assert await restore(shared_client, own_keys, 1) == {"version": 5}
    assert await restore(shared_client, own_keys, 1) == {"version": 5}, "it is like that already"
    [back] = (await pull(shared_client, own_keys, f"cursor={cursor}&exclude_device=phone"))["changes"]
    assert (back["record_id"], back["data"], "device_id" in back) == ("r1", {"n": 1}, False)
    await restore(shared_client, own_keys, 2, 404)
    assert "deletion" in (await restore(shared_client, own_keys, 4, 400))["message"]
    await shared_client.put(
        "/v1/sync/types/notes", json={"schema": {"required": ["t"]}}, headers=bearer(own_keys.project)
    )
    assert "schema" in (await restore(shared_client, own_keys, 3, 400))["message"]
    log = (await shared_client.get("/v1/audit?action=sync_record.restore", headers=bearer(own_keys.account))).json()[
        "data"
    ]
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


@shared
async def test_lists_without_contents(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1}), change(2, "r2", **SECRET)))
    query = "content=false"
    plain, secret = await every(shared_client, RECORDS, own_keys.read, 10, query)
    assert (plain["bytes"], plain["kind"], "data" in plain) == (7, "json", False)
    assert (secret["bytes"], secret["kind"], "encrypted" in secret) == (2, "encrypted", False)
    [old] = await every(shared_client, f"{RECORDS}/r1/history", own_keys.read, 10, query)
    assert (old["bytes"], old["version"], old["device_id"]) == (7, 1, "phone")


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_the_deleted_ones(
    client: httpx.AsyncClient, keys: Keys, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_LOOKED_AT", 3)
    names = ["a/1", "b/1", "a/2", "b/2", "b/3", "b/4", "a/3", "c"]
    await push(client, keys, batch("phone", 1, *[change(i, name, i) for i, name in enumerate(names)]))
    gone = [change(20 + i, name, base_version=i + 1) for i, name in enumerate(names[:-1])]
    await push(client, keys, batch("phone", 2, *gone))
    found = await every(client, RECORDS, keys.read, limit, "deleted=true")
    assert [each["record_id"] for each in found] == names[-2::-1]
    found = await every(client, RECORDS, keys.read, limit, "deleted=true&content=false&prefix=a")
    assert [(each["record_id"], each["operation"]) for each in found] == [
        ("a/3", "delete"),
        ("a/2", "delete"),
        ("a/1", "delete"),
    ]
    assert [each["record_id"] for each in await every(client, RECORDS, keys.read, limit)] == ["c"]


@shared
async def test_versions_are_read_and_compared(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1.10, "t": "a b"}), change(2, "r2", 1)))
    await push(shared_client, own_keys, batch("phone", 2, change(3, "r1", {"n": 1.10, "t": "a c"}), change(4, "r1")))
    assert (await shared_client.get(f"{RECORDS}/r1?version=1", headers=bearer(own_keys.read))).json()["data"][
        "t"
    ] == "a b"
    for version in (2, 9):
        answer = await shared_client.get(f"{RECORDS}/r1?version={version}", headers=bearer(own_keys.read))
        assert answer.status_code == 404, "it is of another record, or of none"

    async def compared(status: int = 200, **body: Any) -> Any:
        answer = await shared_client.post(f"{RECORDS}/r1/compare", json=body, headers=bearer(own_keys.read))
        assert answer.status_code == status, answer.text
        return answer.json()

    delta = await compared(from_version=1, to_version=3)
    assert delta["diff"] == [{"op": "replace", "path": "/t", "value": "a c"}]
    for _ in range(2):  # the second time its rows are known
        rows = await compared(from_version=1, to_version=3, format="rows", unchanged=True)
    assert (rows["total"], rows["kind"], rows["replaced"]) == (1, "content", 1)
    assert [(row["op"], row["at"], row.get("old"), row["new"]) for row in rows["rows"]] == [
        ("replace", "t", "a b", "a c"),
        ("same", "n", None, 1.1),
    ]
    assert (await compared(from_version=3, to_version=1, format="rows"))["rows"][0]["new"] == "a b"
    assert "deletion" in (await compared(400, from_version=3, to_version=4))["message"]
    assert "rows" in (await compared(400, from_version=1, to_version=3, count=1))["message"]
    await compared(404, from_version=1, to_version=2)
    await push(shared_client, own_keys, batch("phone", 3, change(5, "r1", **SECRET, base_version=4)))
    assert "encrypted" in (await compared(400, from_version=5, to_version=1))["message"]


async def test_the_projects_own_space_and_who_may_see_it(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
    space = {"x-sync-space": "project"}
    tokens = [await signed_in(app, client, f"{role}@example.com", role) for role in ("owner", "member")]
    owner, member = [{**bearer(token), "x-tenant-id": "mine"} for token in tokens]
    assert (await client.get(RECORDS, headers=owner)).json()["data"] == [], "of the person's own space"
    [found] = (await client.get(RECORDS, headers={**owner, **space})).json()["data"]
    assert found["record_id"] == "r1"
    assert (await client.get(RECORDS, headers={**member, **space})).status_code in (403, 404)
    assert (await client.get(RECORDS, headers={**bearer(keys.read), **space})).json()["data"] == [found]
    for wrong in ({"x-sync-space": "ann"}, {**space, "x-sync-user": "ann"}):
        assert (await client.get(RECORDS, headers={**bearer(keys.read), **wrong})).status_code == 400
