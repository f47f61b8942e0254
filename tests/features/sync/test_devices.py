"""People see their devices, how far each is, and remove those that are gone."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.devices.positions import write_positions
from delta_server.features.sync.forgetting.expiring import expire
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, pull, push
from tests.features.users.people import signed_in
from tests.storage.opened import FakeClock

DEVICES = "/v1/devices"
UNKNOWN = f"{DEVICES}/01890a5d-ac96-774b-bcce-b302099a8057"

ROWS = [
    Row("no key", "GET", DEVICES, 401, key=None),
    Row("no key to remove", "DELETE", UNKNOWN, 401, key=None),
    Row("without the scope", "PATCH", UNKNOWN, 403, key="read", body={"name": "a"}, says="sync:write"),
    Row("without the scope to remove", "DELETE", UNKNOWN, 403, key="read", says="sync:write"),
    Row("not there", "DELETE", UNKNOWN, 404),
    Row("no id", "PATCH", f"{DEVICES}/phone", 404, body={"name": "a"}),
    Row("no name", "PATCH", UNKNOWN, 400, body={"name": ""}, field="name"),
    Row("a long name", "PATCH", UNKNOWN, 400, body={"name": "a" * 201}, field="name"),
    Row("no such cursor", "GET", f"{DEVICES}?cursor=x", 400, field="cursor"),
    Row("an unknown order", "GET", f"{DEVICES}?sort=name", 400, field="sort"),
    Row("nobody yet", "GET", DEVICES, 200),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


async def devices(client: httpx.AsyncClient, key: str, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"{DEVICES}?{query}", headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def test_how_far_each_is(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    await push(client, keys, batch("phone", 1, *[change(i, f"r{i}", i) for i in range(5)]))
    cursor = (await pull(client, keys))["next_cursor"]
    clock.advance(60_000)
    await push(client, keys, batch("tablet", 1, change(1, "r1", 9), change(2, "r2", 9)))
    clock.advance(30_000)
    assert [device["state"] for device in await devices(client, keys.read)] == ["unknown", "unknown"]
    for name in ("phone", "tablet", "stranger"):
        await pull(client, keys, f"device_id={name}&cursor={cursor}", key="project")
    before = await devices(client, keys.read)
    await write_positions(app.services)
    phone, tablet = await devices(client, keys.read)
    assert before == [phone, tablet], "written for many together, and seen at once"
    assert (phone["state"], phone["lag"]) == ("behind", {"changes": 2, "seconds": 30})
    assert (tablet["state"], tablet["lag"]) == ("ok", {"changes": 0, "seconds": 0}), "its own are no news to it"
    assert [(at["data_type"], at["version"]) for at in phone["positions"]] == [("notes", 5)]
    page = await pull(client, keys, f"device_id=phone&cursor={cursor}", key="project")
    await write_positions(app.services)
    assert (await devices(client, keys.read))[0]["state"] == "behind", "a page that may be lost does not count"
    await pull(client, keys, f"device_id=phone&cursor={page['next_cursor']}", key="project")
    await write_positions(app.services)
    assert (await devices(client, keys.read))[0]["state"] == "ok"
    await pull(client, keys, "device_id=phone")
    await client.get("/v1/sync/notes/rxdb/pull?device_id=phone", headers=bearer(keys.read))
    assert (await devices(client, keys.read))[0]["state"] == "ok", "who only reads moves no device"
    first = (await client.get(f"{DEVICES}?limit=1", headers=bearer(keys.read))).json()
    assert ([device["device_id"] for device in first["data"]], first["has_more"]) == (["phone"], True)
    rest = await devices(client, keys.read, f"cursor={first['next_cursor']}")
    assert [device["device_id"] for device in rest] == ["tablet"]


async def test_those_furthest_behind_come_first_over_all_pages(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
    for number, name in enumerate(("fresh", "slow", "silent", "slowest", "late")):
        await push(client, keys, batch(name, 1, change(number, f"own-{name}", 1)))
    seen = {}
    for number, name in enumerate(("slowest", "slow", "late", "fresh"), 2):
        seen[name] = (await pull(client, keys))["next_cursor"]
        clock.advance(60_000)
        await push(client, keys, batch("phone", number, change(number, f"new-{name}", 1)))
    for name, cursor in seen.items():
        await pull(client, keys, f"device_id={name}&cursor={cursor}", key="project")
    await pull(client, keys, f"device_id=fresh&cursor={(await pull(client, keys))['next_cursor']}", key="project")
    expected = ["slowest", "slow", "late", "phone", "silent", "fresh"]
    whole = await devices(client, keys.read, "sort=lag")
    assert [device["device_id"] for device in whole] == expected
    for limit in (1, 2, 5):
        found, query = [], f"sort=lag&limit={limit}"
        while True:
            page = (await client.get(f"{DEVICES}?{query}", headers=bearer(keys.read))).json()
            found += [device["device_id"] for device in page["data"]]
            if not page["has_more"]:
                break
            query = f"sort=lag&limit={limit}&cursor={page['next_cursor']}"
        assert found == expected
    assert [device["device_id"] for device in await devices(client, keys.read, "sort=lag&q=slow")] == expected[:2]
    assert await devices(client, keys.other, "sort=lag") == []


async def test_one_behind_forgotten_deletions_is_to_begin_anew(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
    cursor = (await pull(client, keys))["next_cursor"]
    await pull(client, keys, f"device_id=phone&cursor={cursor}", key="project")
    await write_positions(app.services)
    await push(client, keys, batch("tablet", 1, change(1, "r1")))
    clock.advance(91 * 86_400_000)
    await push(client, keys, batch("tablet", 2, change(2, "r2", 1)))
    await expire(app.services)
    [phone, _] = await devices(client, keys.read)
    assert (phone["state"], phone["lag"]["changes"]) == ("resync", 1)


async def test_named_and_removed(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
    [phone] = await devices(client, keys.read)
    path = f"{DEVICES}/{phone['id']}"
    named = await client.patch(path, json={"name": "Ann's"}, headers=bearer(keys.write))
    assert (named.status_code, named.json()["device"]["name"]) == (200, "Ann's")
    assert (await client.delete(path, headers=bearer(keys.write))).status_code == 204
    assert await devices(client, keys.read) == []
    assert (await client.delete(path, headers=bearer(keys.write))).status_code == 404
    await pull(client, keys, "device_id=phone", key="project")
    await write_positions(app.services)
    assert await devices(client, keys.read) == []
    assert (await pull(client, keys))["changes"][0]["device_id"] == "phone", "what it pushed stays"
    await push(client, keys, batch("phone", 2, change(2, "r1", 2)))
    [again] = await devices(client, keys.read)
    assert (again["id"], again["state"]) == (phone["id"], "unknown")
    log = (await client.get("/v1/audit?action=device.remove", headers=bearer(keys.account))).json()["data"]
    assert [(entry["name"], entry["target"]) for entry in log] == [("phone", f"device {phone['id']}")]


@shared
async def test_found_by_what_they_are_called(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for number, name in enumerate(["phone-1", "phone-2", "desk"]):
        await push(shared_client, own_keys, batch(name, 1, change(number, name, 1)))
    desk = (await devices(shared_client, own_keys.read, "q=DESK"))[0]
    await shared_client.patch(f"{DEVICES}/{desk['id']}", json={"name": "Ann’s Phone"}, headers=bearer(own_keys.write))
    assert [each["device_id"] for each in await devices(shared_client, own_keys.read, "q=phone")] == [
        "phone-1",
        "phone-2",
        "desk",
    ]
    assert [each["device_id"] for each in await devices(shared_client, own_keys.read, "q=e-2")] == ["phone-2"]
    assert await devices(shared_client, own_keys.read, "q=%25") == []


async def test_who_removes_a_device_signs_it_out(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    phone = await signed_in(app, client, "ann@example.com", role="owner")
    login = {"email": "ann@example.com", "password": "correct horse battery"}
    browser = (await client.post("/v1/auth/login", json=login)).json()["access_token"]
    mine = {"x-tenant-id": "mine"}
    body = batch("phone", 1, change(1, "r1", 1))
    pushed = await client.post("/v1/sync/notes/delta", json=body, headers={**bearer(phone), **mine})
    assert pushed.status_code == 200, pushed.text
    assert await devices(client, keys.read) == [], "of the project's space"
    found = await client.get(DEVICES, headers={**bearer(browser), **mine})
    [device] = found.json()["data"]
    gone = await client.delete(f"{DEVICES}/{device['id']}", headers={**bearer(browser), **mine})
    assert gone.status_code == 204, gone.text
    assert (await client.get(DEVICES, headers={**bearer(phone), **mine})).status_code == 401
    assert (await client.get(DEVICES, headers={**bearer(browser), **mine})).json()["data"] == []
