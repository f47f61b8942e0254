"""Two devices changed a record: both versions wait until somebody chooses."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync.forgetting import expiring
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, pull, push
from tests.storage.opened import FakeClock

CONFLICTS = "/v1/sync/conflicts"
UNKNOWN = f"{CONFLICTS}/01890a5d-ac96-774b-bcce-b302099a8057"
SERVER = {"take": "server", "server_version": 1}

ROWS = [
    Row("no key", "POST", UNKNOWN, 401, key=None, body=SERVER),
    Row("without the scope", "POST", UNKNOWN, 403, key="read", body=SERVER, says="sync:write"),
    Row("not there", "POST", UNKNOWN, 404, body=SERVER),
    Row("not there, merged", "POST", UNKNOWN, 404, body={**SERVER, "take": "merge", "data": 1}),
    Row("no id", "POST", f"{CONFLICTS}/x", 404, body=SERVER),
    Row("no such side", "POST", UNKNOWN, 400, body={**SERVER, "take": "mine"}, field="take"),
    Row("no version", "POST", UNKNOWN, 400, body={"take": "server"}),
    Row("merged with nothing", "POST", UNKNOWN, 400, body={**SERVER, "take": "merge"}, field="data"),
    Row("data for nothing", "POST", UNKNOWN, 400, body={**SERVER, "data": 1}, field="data"),
    Row("no such cursor", "GET", f"{CONFLICTS}?cursor=x", 400, field="cursor"),
    Row("a page of very many", "GET", f"{CONFLICTS}?limit=101", 400, field="limit"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


async def disagree(client: httpx.AsyncClient, keys: Keys, **more: Any) -> dict[str, Any]:
    """A conflict of note r1: base at version 1, the server at 2."""
    put = await client.put("/v1/sync/types/notes", json={"conflicts": "manual"}, headers=bearer(keys.project))
    assert put.status_code == 200, put.text
    await push(client, keys, batch("phone", 1, change(1, "r1", {"title": "Milk", "done": False, "n": 1})))
    await push(client, keys, batch("phone", 2, change(2, "r1", {"title": "A", "done": True, "n": 1}, base_version=1)))
    sent = change(1, "r1", {"title": "B", "done": False, "n": 2}, base_version=1, **more)
    answer = await push(client, keys, batch("tablet", 1, sent, mode="per_record"))
    [result] = answer["results"]
    assert result["status"] == "conflict"
    [found] = await waiting(client, keys)
    assert found["id"] == result["conflict_id"]
    return found


async def waiting(client: httpx.AsyncClient, keys: Keys, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"{CONFLICTS}?{query}", headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def choose(
    client: httpx.AsyncClient, keys: Keys, conflict: dict[str, Any], status: int = 200, **choice: Any
) -> dict[str, Any]:
    choice.setdefault("server_version", conflict["server"]["version"])
    answer = await client.post(f"{CONFLICTS}/{conflict['id']}", json=choice, headers=bearer(keys.write))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


@shared
async def test_two_conflicts_under_one_id(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await disagree(shared_client, own_keys)
    await push(shared_client, own_keys, batch("phone", 9, change(9, "r2", 1)))
    sent = [change(1, "r2", 2), change(5, "r1", {"n": 3}, base_version=1), change(5, "r2", 3)]
    pushed = await push(shared_client, own_keys, batch("tablet", 2, *sent, mode="per_record"))
    assert [result["status"] for result in pushed["results"]] == ["rejected", "conflict", "rejected"]
    assert pushed["results"][2]["code"] == "CHANGE_ID_REUSED"


@shared
async def test_both_sides_and_a_proposal(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    found = await disagree(shared_client, own_keys)
    assert (found["data_type"], found["record_id"], found["device"]) == ("notes", "r1", "tablet")
    assert [found[side]["data"]["title"] for side in ("base", "server", "theirs")] == ["Milk", "A", "B"]
    merge = found["merge"]
    assert (merge["data"], merge["open"]) == ({"title": "A", "done": True, "n": 2}, ["/title"])
    assert merge["fields"][0] == {
        "path": "/title",
        "by": "both",
        "open": True,
        "base": "Milk",
        "server": "A",
        "device": "B",
    }
    assert {field["by"] for field in merge["fields"][1:]} == {"server", "device"}
    assert merge["fields_count"] == 3
    assert await waiting(shared_client, own_keys, "type=art") == []
    assert len(await waiting(shared_client, own_keys, "type=notes")) == 1
    assert (await pull(shared_client, own_keys))["changes"][0]["version"] == 2, "nothing changed yet"


@pytest.mark.parametrize(
    ("choice", "version", "title"),
    [
        ({"take": "server"}, 2, "A"),
        ({"take": "device"}, 3, "B"),
        ({"take": "merge", "data": {"title": "A B"}}, 3, "A B"),
        ({"take": "merge", "data": {"title": "A", "done": True, "n": 1}}, 2, "A"),
    ],
)
@shared
async def test_a_choice_is_made_once(
    shared_client: httpx.AsyncClient, own_keys: Keys, choice: dict[str, Any], version: int, title: str
) -> None:
    found = await disagree(shared_client, own_keys)
    cursor = (await pull(shared_client, own_keys))["next_cursor"]
    assert await choose(shared_client, own_keys, found, **choice) == {"version": version}
    assert await waiting(shared_client, own_keys) == []
    await choose(shared_client, own_keys, found, 404, **choice)
    assert (await pull(shared_client, own_keys))["changes"][0]["data"]["title"] == title
    news = (await pull(shared_client, own_keys, f"cursor={cursor}&exclude_device=tablet"))["changes"]
    assert len(news) == version - 2, "its device pulls it too"
    again = change(1, "r1", {"title": "B", "done": False, "n": 2}, base_version=1)
    answer = await push(shared_client, own_keys, batch("tablet", 2, again, mode="per_record"))
    assert [(each["status"], each["version"]) for each in answer["results"]] == [("duplicate", version)]
    assert await waiting(shared_client, own_keys) == []


@shared
async def test_the_server_merges_what_was_picked(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    found = await disagree(shared_client, own_keys)
    answer = await choose(shared_client, own_keys, found, 400, take="merge", picks={})
    assert "/title" in answer["message"]
    await choose(shared_client, own_keys, found, 400, take="merge", picks={"/title": "base"})
    unknown = await choose(
        shared_client, own_keys, found, 400, take="merge", picks={"/title": "device", "/n": "device"}
    )
    assert "'/n' is no place in `open`" in unknown["message"]
    await choose(shared_client, own_keys, found, 400, take="merge", picks={"/title": "device"}, data=1)
    await choose(shared_client, own_keys, found, 400, take="device", picks={"/title": "device"})
    await choose(shared_client, own_keys, found, 409, take="merge", picks={"/title": "device"}, server_version=1)
    assert await choose(shared_client, own_keys, found, take="merge", picks={"/title": "device"}) == {"version": 3}
    [record] = (await pull(shared_client, own_keys))["changes"]
    assert record["data"] == {"title": "B", "done": True, "n": 2}


@shared
async def test_one_that_waits_is_met_again(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    found = await disagree(shared_client, own_keys)
    again = change(1, "r1", {"title": "B", "done": False, "n": 2}, base_version=1)
    answer = await push(shared_client, own_keys, batch("tablet", 2, again, mode="per_record"))
    assert answer["results"][0]["conflict_id"] == found["id"]
    refused = await push(shared_client, own_keys, batch("tablet", 3, change(2, "r1", {"n": 7}, base_version=1)), 409)
    assert "conflict_id" not in refused["results"][0], "nothing of a batch that is refused is kept"
    assert len(await waiting(shared_client, own_keys)) == 1


@shared
async def test_the_record_moved_on(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    found = await disagree(shared_client, own_keys)
    await push(
        shared_client,
        own_keys,
        batch("phone", 3, change(3, "r1", {"title": "C", "done": True, "n": 1}, base_version=2)),
    )
    met = await choose(shared_client, own_keys, found, 409, take="device")
    assert (met["server"]["version"], met["server"]["data"]["title"]) == (3, "C")
    [shown] = await waiting(shared_client, own_keys)
    assert shown["server"]["data"]["title"] == "C"
    assert await choose(shared_client, own_keys, shown, take="device") == {"version": 4}


@shared
async def test_a_record_that_was_deleted_since(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await disagree(shared_client, own_keys)
    await push(shared_client, own_keys, batch("phone", 3, change(3, "r1", base_version=2)))
    [found] = await waiting(shared_client, own_keys)
    assert (found["server"]["operation"], found["merge"]) == ("delete", None)
    assert await choose(shared_client, own_keys, found, take="device") == {"version": 4}
    assert (await pull(shared_client, own_keys))["changes"][0]["data"]["title"] == "B"


@pytest.mark.parametrize("take", ["server", "device"])
async def test_a_record_whose_deletion_is_forgotten(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, take: str
) -> None:
    """All that is left of it is its version, which a choice is made on."""
    await disagree(client, keys)
    await push(client, keys, batch("phone", 3, change(3, "r1", operation="delete", base_version=2)))
    await push(client, keys, batch("phone", 4, change(4, "r2", {"title": "C"})))
    clock.advance(91 * times.DAY_MS)
    await expiring.expire(app.services)
    [found] = await waiting(client, keys)
    assert found["server"] == {"record_id": "r1", "operation": "delete", "version": 3}
    chosen = await choose(client, keys, found, take=take)
    assert chosen["version"] == (3 if take == "server" else 5)
    assert await waiting(client, keys) == []


@shared
async def test_a_merge_fits_the_schema(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    found = await disagree(shared_client, own_keys)
    schema = {"properties": {"title": {"type": "string"}}}
    await shared_client.put("/v1/sync/types/notes", json={"schema": schema}, headers=bearer(own_keys.project))
    refused = await choose(shared_client, own_keys, found, 400, take="merge", data={"title": 7})
    assert "at /title" in refused["message"]
    too_large = await choose(shared_client, own_keys, found, 400, take="merge", data={"title": "a" * (1 << 20)})
    assert "sync.record_bytes" in too_large["message"]


@shared
async def test_pages(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await disagree(shared_client, own_keys)
    more = [change(10 + i, "r1", {"n": 10 + i}, base_version=1) for i in range(4)]
    await push(shared_client, own_keys, batch("tablet", 2, *more, mode="per_record"))
    found, cursor = [], ""
    while True:
        page = (await shared_client.get(f"{CONFLICTS}?limit=2{cursor}", headers=bearer(own_keys.read))).json()
        found += [each["theirs"]["data"]["n"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [2, 10, 11, 12, 13]
