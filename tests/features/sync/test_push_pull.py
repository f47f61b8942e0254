"""Devices push and pull: refusals, retries, conflicts, deletions, pages."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.sync.digest import checksum_of
from delta_server.features.sync import pulling, pushing
from delta_server.features.sync.spaces import Whose
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

NOTES = "/v1/sync/notes/delta"


def change(number: int, record: str, data: Any = None, **more: Any) -> dict[str, Any]:
    """An update; a deletion without data."""
    what = {"operation": "delete"} if data is None else {"operation": "update", "data": data}
    return {"change_id": f"c{number}", "record_id": record, **what, **more}


def batch(device: str, number: int, *changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"device_id": device, "batch_id": f"b{number}", "changes": list(changes), **more}


ONE = batch("phone", 1, change(1, "r1", {"n": 1}))


def refused(title: str, field: str, body: dict[str, Any]) -> Row:
    return Row(title, "POST", NOTES, 400, body=body, field=field)


def halved(title: str, field: str, body: dict[str, Any]) -> Row:
    return Row(title, "POST", NOTES, 400, raw=json.dumps(body).encode(), field=field, says="surrogate")


ROWS = [
    Row("no key", "POST", NOTES, 401, key=None, body=ONE),
    Row("without the scope", "POST", NOTES, 403, key="read", body=ONE, says="sync:write"),
    Row("no data type", "POST", f"/v1/sync/{'x' * 101}/delta", 400, body=ONE, field="data_type"),
    Row("unknown field", "POST", NOTES, 400, body={**ONE, "colour": 1}),
    refused("no changes", "changes", batch("phone", 1)),
    refused("no device", "device_id", {**ONE, "device_id": ""}),
    refused("no such operation", "changes[0].operation", batch("a", 1, change(1, "r", 1, operation="merge"))),
    refused("a delete with data", "changes[0]", batch("a", 1, change(1, "r", 1, operation="delete"))),
    refused("an update of nothing", "changes[0]", batch("a", 1, change(1, "r", operation="update"))),
    refused("both", "changes[0]", batch("a", 1, change(1, "r", 1, encrypted="aGk="))),
    refused("no base64", "changes[0]", batch("a", 1, change(1, "r", operation="update", encrypted="a-b"))),
    refused("another checksum", "changes[0]", batch("a", 1, change(1, "r", 1, checksum="00"))),
    refused("no time", "changes[0]", batch("a", 1, change(1, "r", 1, updated_at="soon"))),
    refused("too large", "changes[0]", batch("a", 1, change(1, "r", "x" * (1 << 20)))),
    refused("a patch of nothing", "changes[0]", batch("a", 1, change(1, "r", operation="update", patch=[]))),
    halved("half a character", "changes[0].record_id", batch("a", 1, change(1, "\ud83d", 1))),
    halved("half in a change's name", "changes[0].change_id", batch("a", 1, change(1, "r", 1, change_id="\ud83d"))),
    refused("what looks like it", "changes[0].record_id", batch("a", 1, change(1, "\U0010ffffud83d", 1))),
    halved("half in a device's name", "device_id", batch("a\ude00", 1, change(1, "r", 1))),
    Row("a blank", "POST", "/v1/sync/%20/delta", 400, body=ONE, field="data_type"),
    Row("no cursor", "GET", f"{NOTES}?cursor=x", 400, field="cursor"),
    Row("cursor and since", "GET", f"{NOTES}?cursor=x&since=2026-05-01T00:00:00Z", 400, field="cursor"),
    Row("no time to pull from", "GET", f"{NOTES}?since=soon", 400, field="since"),
    Row("a device's long name", "GET", f"{NOTES}?device_id={'x' * 201}", 400, field="device_id"),
    Row("another's", "GET", f"{NOTES}?exclude_device={'x' * 201}", 400, field="exclude_device"),
    Row("a page of nothing", "GET", f"{NOTES}?limit=0", 400, field="limit"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)
    assert (await pull(shared_client, own_keys))["changes"] == []


async def push(client: httpx.AsyncClient, keys: Keys, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = await client.post(NOTES, json=body, headers=bearer(keys.write))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def pull(
    client: httpx.AsyncClient, keys: Keys, query: str = "", status: int = 200, key: str = "read"
) -> dict[str, Any]:
    answer = await client.get(f"{NOTES}?{query}", headers=bearer(getattr(keys, key)))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def everything(client: httpx.AsyncClient, keys: Keys, limit: int, cursor: str = "") -> list[Any]:
    """What all pages bring, behind a cursor."""
    found: list[Any] = []
    while True:
        page = await pull(client, keys, f"limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["changes"]) <= limit
        found += page["changes"]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            return found


def statuses(answer: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(result["status"], result["version"]) for result in answer["results"]]


@shared
async def test_records_come_back_byte_for_byte_in_the_order_of_their_changes(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    raw = b'{"n": 37.787619999999997,  "t":"\\u00e9\\ud83d"}'
    body = (
        b'{"device_id":"phone","batch_id":"b","changes":[{"change_id":"1","record_id":"r1","operation":"insert","data":'
        + raw
        + b'},{"change_id":"2","record_id":"r2","operation":"insert","encrypted":"AAECAw=="},'
        b'{"change_id":"3","record_id":"r3","operation":"insert","data":null,"updated_at":"2036-01-01T00:00:00Z"}]}'
    )
    headers = {**bearer(own_keys.write), "content-type": "application/json"}
    answer = await shared_client.post(NOTES, content=body, headers=headers)
    assert statuses(answer.json()) == [("applied", 1), ("applied", 2), ("applied", 3)]
    found = await shared_client.get(NOTES, headers=bearer(own_keys.read))
    assert raw in found.content
    first, second, third = found.json()["changes"]
    assert (first["record_id"], first["version"], first["checksum"]) == ("r1", 1, checksum_of(raw).hex())
    assert (second["encrypted"], second["checksum"]) == ("AAECAw==", checksum_of(b"\0\1\2\3").hex())
    assert third["data"] is None
    assert third["updated_at"] < "2027", "a clock far ahead is cut"
    assert {record["device_id"] for record in (first, second, third)} == {"phone"}


@shared
async def test_a_batch_that_comes_again_is_answered_the_same(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    sent = batch("phone", 1, change(1, "r1", 1), change(2, "r1", 2), change(3, "r2", 1))
    first = await push(shared_client, own_keys, sent)
    assert statuses(first) == [("applied", 1), ("applied", 2), ("applied", 3)]
    await push(shared_client, own_keys, batch("tablet", 1, change(1, "r1", 9)))
    assert statuses(await push(shared_client, own_keys, sent)) == statuses(first)
    assert [record["data"] for record in (await pull(shared_client, own_keys))["changes"]] == [1, 9]
    again = await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 7)), 422)
    assert again["code"] == "CONFLICT"
    cut = await push(shared_client, own_keys, batch("phone", 2, change(2, "r1", 2), change(4, "r2", 2)))
    assert statuses(cut) == [("duplicate", 2), ("applied", 5)]
    assert [record["data"] for record in (await pull(shared_client, own_keys))["changes"]] == [9, 2], (
        "cut anew, nothing is undone"
    )


@shared
async def test_another_change_under_a_known_id_is_not_lost(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1), change(2, "r2", 1), change(3, "r3")))
    others = [
        change(1, "r9", 1),
        change(1, "r1", 2),
        change(2, "r2"),
        change(1, "r1", operation="update", encrypted="aGk="),
        change(7, "r4", 1),
        change(7, "r5", 1),
    ]
    pushed = await push(shared_client, own_keys, batch("phone", 2, *others, mode="per_record"))
    assert [result["status"] for result in pushed["results"]] == ["rejected"] * 4 + ["applied", "rejected"]
    assert {result.get("code") for result in pushed["results"]} == {"CHANGE_ID_REUSED", None}
    whole = await push(shared_client, own_keys, batch("phone", 3, change(8, "r6", 1), change(1, "r9", 1)), 400)
    assert whole["errors"][0]["field"] == "changes[1]"
    other = {"device_id": "phone", "batch_id": "b4", "changes": [change(1, "r1", 1)], "mode": "per_record"}
    tags = await shared_client.post("/v1/sync/tags/delta", json=other, headers=bearer(own_keys.write))
    assert tags.json()["results"][0]["code"] == "CHANGE_ID_REUSED", "nor does it pass for one of another data type"
    assert statuses(await push(shared_client, own_keys, batch("phone", 5, change(1, "r1", 1), change(9, "r9", 1)))) == [
        ("duplicate", 1),
        ("applied", 4),
    ]


@shared
async def test_what_is_encrypted_anew_is_the_same_change(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", operation="update", encrypted="aGk=")))
    again = await push(
        shared_client, own_keys, batch("phone", 2, change(1, "r1", operation="update", encrypted="aGkh"))
    )
    assert statuses(again) == [("duplicate", 1)]


@shared
async def test_deleted_records_stay_deleted(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1), change(2, "r2", 1)))
    gone = await push(shared_client, own_keys, batch("tablet", 1, change(1, "r1"), change(2, "never")))
    assert statuses(gone) == [("applied", 3), ("duplicate", None)]
    stale = batch("phone", 2, change(3, "r1", 2, base_version=1), change(4, "r3", 1))
    refused = await push(shared_client, own_keys, stale, 409)
    assert refused["results"][0]["server"]["operation"] == "delete"
    assert len((await pull(shared_client, own_keys))["changes"]) == 2, "all or none"
    some = await push(shared_client, own_keys, {**stale, "mode": "per_record"})
    assert statuses(some) == [("conflict", 3), ("applied", 4)]
    back = await push(shared_client, own_keys, batch("phone", 3, change(5, "r1", 2, base_version=3)))
    assert statuses(back) == [("applied", 5)]
    deleted = (await shared_client.get("/v1/sync/notes/deleted", headers=bearer(own_keys.read))).json()
    assert deleted["changes"] == []


@shared
async def test_a_refused_batch_names_no_version_of_its_own(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1)))
    refused = await push(shared_client, own_keys, batch("phone", 2, change(2, "r1"), change(3, "r1", 2)), 409)
    (result,) = refused["results"]
    assert (result["change_id"], result["version"], "server" in result) == ("c3", None, False)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@shared
async def test_pages_bring_each_record_once_with_its_newest_version(
    shared_client: httpx.AsyncClient, own_keys: Keys, limit: int
) -> None:
    await push(shared_client, own_keys, batch("phone", 1, *[change(i, f"r{i % 6}", i) for i in range(12)]))
    await push(shared_client, own_keys, batch("phone", 2, change(20, "r3"), change(21, "x", 1)))
    found = [(record["record_id"], record["version"]) for record in await everything(shared_client, own_keys, limit)]
    assert found == [("r0", 7), ("r1", 8), ("r2", 9), ("r4", 11), ("r5", 12), ("r3", 13), ("x", 14)]


async def test_pages_of_large_records_are_shorter(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_BYTES", 10_000)
    sizes = [100] * 100 + [4000] * 5 + [50_000, 10, 20_000]
    await push(client, keys, batch("phone", 1, *[change(i, f"r{i}", "x" * size) for i, size in enumerate(sizes)]))
    first = await pull(client, keys, "limit=1000")
    assert (len(first["changes"]), first["has_more"]) == (98, True), "98 times 102 bytes"
    found = await everything(client, keys, 1000)
    assert [len(record["data"]) for record in found] == sizes
    assert await everything(client, keys, 7) == found


@shared
async def test_what_changes_while_pages_are_read_comes_in_the_next_window(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    await push(shared_client, own_keys, batch("phone", 1, *[change(i, f"r{i}", 0) for i in range(4)]))
    first = await pull(shared_client, own_keys, "limit=2")
    await push(shared_client, own_keys, batch("phone", 2, change(10, "r0", 1), change(11, "r3", 1)))
    second = await pull(shared_client, own_keys, f"limit=2&cursor={first['next_cursor']}")
    assert [(record["record_id"], second["until"]) for record in second["changes"]] == [("r2", 4)]
    third = await pull(shared_client, own_keys, f"limit=2&cursor={second['next_cursor']}")
    assert [record["record_id"] for record in third["changes"]] == ["r0", "r3"]
    assert (await pull(shared_client, own_keys, f"cursor={third['next_cursor']}"))["changes"] == []


@shared
async def test_own_changes_can_be_left_out(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1)))
    begin = await pull(shared_client, own_keys, "exclude_device=phone")
    assert len(begin["changes"]) == 1, "who begins has nothing"
    await push(shared_client, own_keys, batch("phone", 2, change(2, "r2", 1)))
    await push(shared_client, own_keys, batch("tablet", 1, change(1, "r3", 1)))
    found = await pull(shared_client, own_keys, f"exclude_device=phone&cursor={begin['next_cursor']}")
    assert [record["record_id"] for record in found["changes"]] == ["r3"]


@shared
async def test_very_many_deletions_want_a_confirmation(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, *[change(i, f"r{i}", i) for i in range(90)]))
    many = batch("phone", 2, *[change(100 + i, f"r{i}") for i in range(60)])
    asked = await push(shared_client, own_keys, many, 409)
    assert asked["code"] == "MASS_DELETE"
    await push(shared_client, own_keys, {**many, "confirm": "yes"}, 409)
    assert (await push(shared_client, own_keys, {**many, "confirm": asked["confirm"]}))["counts"]["applied"] == 60
    await push(shared_client, own_keys, batch("phone", 3, change(200, "r60"), change(201, "r61", 1)))
    few = batch("phone", 4, *[change(300 + i, f"r{62 + i}") for i in range(28)], *[change(400, "r61")])
    await push(shared_client, own_keys, batch("phone", 5, *[change(500 + i, f"s{i}", i) for i in range(30)]))
    await push(shared_client, own_keys, few)
    more = await push(shared_client, own_keys, batch("phone", 6, *[change(600 + i, f"s{i}") for i in range(21)]), 409)
    assert (more["deletions"], more["deletions_of_day"]) == (21, 51), "those of before the confirmation do not count"
    assert "delete 21 records of notes, 51 in a day, of 30 that there were when it began and 30 now" in more["message"]


async def test_deletions_are_counted_against_what_there_was_when_the_day_began(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await push(client, keys, batch("phone", 1, *[change(i, f"r{i}", i) for i in range(120)]))
    clock.advance(times.DAY_MS)
    await push(client, keys, batch("phone", 2, *[change(200 + i, f"s{i}", i) for i in range(300)]))
    few, more = (
        batch("phone", 3 + j, *[change(600 + 60 * j + i, f"s{60 * j + i}") for i in range(60)]) for j in (0, 1)
    )
    await push(client, keys, few)
    asked = await push(client, keys, more, 409)
    said = ("deletions", "deletions_of_day", "records_of_day", "records")
    assert [asked[name] for name in said] == [60, 120, 120, 360]
    clock.advance(times.DAY_MS)
    await push(client, keys, more)


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_stores_nothing_makes_nothing(
    app: Application, client: httpx.AsyncClient, keys: Keys, is_first: bool
) -> None:
    headers = {**bearer(keys.write), "x-sync-user": "ann"}
    if not is_first:
        await client.post("/v1/sync/tags/delta", json=batch("phone", 0, change(1, "t", 1)), headers=headers)
    sent = change(1, "r1", 1, checksum="00"), change(2, "r2"), change(3, "r3", 1, base_version=7)
    body = batch("phone", 1, *sent, mode="per_record")
    for _ in range(2):
        answer = (await client.post(NOTES, json=body, headers=headers)).json()
        assert [result["status"] for result in answer["results"]] == ["rejected", "duplicate", "conflict"]
    rows = [{"newDocumentState": {"id": "r1", "_deleted": True}, "assumedMasterState": {"id": "r1"}}]
    assert (await client.post("/v1/sync/notes/rxdb/push", json=rows, headers=headers)).status_code == 200

    def made(tx: Tx) -> list[Any]:
        return [
            tx.all(f"SELECT count(*) FROM sync_{name}")[0][0] for name in ("space", "collection", "device", "batch")
        ]

    assert await app.services.db.read(made) == ([0, 0, 0, 0] if is_first else [1, 1, 1, 2])


@shared
async def test_each_names_their_own_space(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for person in ("ann", "bob"):
        headers = {**bearer(own_keys.write), "x-sync-user": person}
        body = batch("phone", 1, change(1, "r1", person))
        assert (await shared_client.post(NOTES, json=body, headers=headers)).json()["version"] == 1
    mine = await shared_client.get(NOTES, headers={**bearer(own_keys.read), "x-sync-user": "ann"})
    assert [record["data"] for record in mine.json()["changes"]] == ["ann"]
    assert (await pull(shared_client, own_keys))["changes"] == []
    others = await shared_client.get(NOTES, headers={**bearer(own_keys.other), "x-sync-user": "ann"})
    assert others.json()["changes"] == []


@shared
async def test_people_are_named_in_utf_8(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for number, named in enumerate(("Jörg".encode(), "Jörg".encode("latin-1"), "日本".encode())):
        headers = [(name.encode(), value.encode()) for name, value in bearer(own_keys.write).items()]
        sent = batch("phone", number, change(number, "r1", number))
        answer = await shared_client.post(NOTES, json=sent, headers=[*headers, (b"x-sync-user", named)])
        assert answer.status_code == 200, answer.text
    spaces = (await shared_client.get("/v1/sync/spaces", headers=bearer(own_keys.project))).json()["data"]
    assert sorted(space["owner"] for space in spaces) == ["Jörg", "日本"]


@shared
async def test_cursors_of_elsewhere_ask_for_a_resync(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1)))
    cursor = (await pull(shared_client, own_keys))["next_cursor"]
    answer = await shared_client.get(
        f"{NOTES}?cursor={cursor}", headers={**bearer(own_keys.read), "x-sync-user": "somebody"}
    )
    assert (answer.status_code, answer.json()["code"], answer.json()["resync"]) == (410, "RESYNC_REQUIRED", NOTES)


@shared
async def test_times_find_their_place(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1), change(2, "r2", 1), change(3, "r1")))
    page = await pull(shared_client, own_keys, "since=2020-01-01T00:00:00Z&limit=1")
    assert ([record["record_id"] for record in page["changes"]], page["deleted"], page["next_offset"]) == (
        ["r2"],
        [],
        1,
    )
    rest = await pull(shared_client, own_keys, "since=2020-01-01T00:00:00Z&limit=1&offset=1")
    assert (rest["changes"], [record["record_id"] for record in rest["deleted"]]) == ([], ["r1"])
    assert rest["next_offset"] is None
    assert (await pull(shared_client, own_keys, "since=2099-01-01T00:00:00Z"))["changes"] == []


@shared
async def test_how_often_is_limited(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for number in range(20):
        await push(shared_client, own_keys, batch("phone", number, change(number, "r1", number)))
    refused = await push(shared_client, own_keys, batch("phone", 99, change(99, "r1", 99)), 429)
    assert "sync.pushes_per_minute" in refused["message"]
    for _ in range(30):
        assert (await pull(shared_client, own_keys))["changes"][0]["data"] == 19
    answer = await shared_client.get(NOTES, headers=bearer(own_keys.read))
    assert (answer.status_code, "sync.pulls_per_minute" in answer.json()["message"]) == (429, True)


async def test_what_is_committed_after_its_caller_left_is_seen(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
    cursor = (await pull(client, keys))["next_cursor"]
    write, is_reached, may_go_on, ended = app.services.db.write, asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(*given: Any, **named: Any) -> Any:
        is_reached.set()
        await may_go_on.wait()
        try:
            return await write(*given, **named)
        finally:
            ended.set()

    with monkeypatch.context() as patched:
        patched.setattr(app.services.db, "write", slow)
        body = json.dumps(batch("phone", 2, change(2, "r2", 2))).encode()
        leaving = asyncio.create_task(pushing.push(app.services, Whose(1, ""), "notes", body))
        await is_reached.wait()
        leaving.cancel()
        await asyncio.wait([leaving])
        assert (await pull(client, keys, f"cursor={cursor}"))["changes"] == [], "not committed yet"
        may_go_on.set()
        await ended.wait()
    found = await pull(client, keys, f"cursor={cursor}")
    assert [record["record_id"] for record in found["changes"]] == ["r2"]
