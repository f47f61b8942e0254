"""A project says how its data types are kept."""

from typing import Any

import httpx
import pytest

from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, pull, push

TYPE = "/v1/sync/types/notes"

ROWS = [
    Row("no key", "PUT", TYPE, 401, key=None, body={}),
    Row("without the scope", "PUT", TYPE, 403, key="write", body={}, says="sync:admin"),
    Row("no such policy", "PUT", TYPE, 400, body={"conflicts": "first_write"}, field="conflicts"),
    Row("no schema", "PUT", TYPE, 400, body={"schema": {"type": 7}}, field="schema"),
    Row("a schema from elsewhere", "PUT", TYPE, 400, body={"schema": {"$ref": "http://127.0.0.1:9/"}}, field="schema"),
    Row("a long name", "PUT", f"/v1/sync/types/{'x' * 101}", 400, body={}, field="data_type"),
    Row("the name of a route", "PUT", "/v1/sync/types/conflicts", 400, body={}, field="data_type"),
    Row("an unknown field", "PUT", TYPE, 400, body={"colour": 1}),
    Row("no such cursor", "GET", "/v1/sync/types?cursor=x", 400, field="cursor"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)
    assert await types(shared_client, own_keys) == []


async def put(client: httpx.AsyncClient, keys: Keys, **body: Any) -> dict[str, Any]:
    answer = await client.put(TYPE, json=body, headers=bearer(keys.project))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["type"])


async def types(client: httpx.AsyncClient, keys: Keys, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/sync/types?{query}", headers=bearer(keys.read))
    return list(answer.json()["data"])


@shared
async def test_what_is_left_out_stays(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    schema = {"type": "object"}
    assert (await put(shared_client, own_keys, schema=schema))["conflicts"] == "last_write"
    assert (await put(shared_client, own_keys, conflicts="reject"))["schema"] == schema
    assert (await put(shared_client, own_keys, schema=None))["conflicts"] == "reject"
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1)))
    other = batch("phone", 2, change(2, "r1", 1))
    assert (
        await shared_client.post("/v1/sync/art/delta", json=other, headers=bearer(own_keys.write))
    ).status_code == 200
    art, notes = await types(shared_client, own_keys)
    assert (art["data_type"], art["conflicts"], art["updated_at"], art["records"]) == ("art", "last_write", None, 1)
    assert (notes["data_type"], notes["schema"], notes["bytes"]) == ("notes", None, 1)
    first = (await shared_client.get("/v1/sync/types?limit=1", headers=bearer(own_keys.read))).json()
    assert [each["data_type"] for each in first["data"]] == ["art"]
    assert [each["data_type"] for each in await types(shared_client, own_keys, f"cursor={first['next_cursor']}")] == [
        "notes"
    ]


@shared
async def test_a_later_change_is_refused_with_what_is_there(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys, conflicts="reject")
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1})))
    stale = batch("tablet", 1, change(1, "r1", {"n": 2}))
    met = await push(shared_client, own_keys, stale, 409)
    assert met["results"][0]["server"]["data"] == {"n": 1}
    good = await push(shared_client, own_keys, batch("tablet", 2, change(2, "r1", {"n": 2}, base_version=1)))
    assert good["counts"]["applied"] == 1


@pytest.mark.parametrize("size", [1, 200_000], ids=["on a thread", "in a process"])
@shared
async def test_records_fit_their_schema(shared_client: httpx.AsyncClient, own_keys: Keys, size: int) -> None:
    await put(shared_client, own_keys, schema={"type": "object", "properties": {"n": {"type": "integer"}}})
    fits = {"n": 1, "text": "a" * size}
    sent = batch(
        "phone",
        1,
        change(1, "r1", fits),
        change(2, "r2", {**fits, "n": "one"}),
        change(3, "r3", operation="insert", encrypted="aGk="),
        change(4, "r1"),
    )
    refused = await push(shared_client, own_keys, sent, 400)
    assert [error["field"] for error in refused["errors"]] == ["changes[1]"]
    assert (await pull(shared_client, own_keys))["changes"] == []
    some = (await push(shared_client, own_keys, {**sent, "mode": "per_record"}))["results"]
    assert [result["status"] for result in some] == ["applied", "rejected", "applied", "applied"]
    assert some[1]["code"] == "SCHEMA_MISMATCH"
    assert "at /n:" in some[1]["message"]


@shared
async def test_by_the_beginning_of_their_names(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for name in ("notes", "note", "tasks", "Notes", "no"):
        await shared_client.put(f"/v1/sync/types/{name}", json={}, headers=bearer(own_keys.project))
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await shared_client.get(
            f"/v1/sync/types?prefix=note&limit=1&cursor={cursor}", headers=bearer(own_keys.read)
        )
        found += [each["data_type"] for each in answer.json()["data"]]
        cursor = answer.json()["next_cursor"]
    assert found == ["note", "notes"]
