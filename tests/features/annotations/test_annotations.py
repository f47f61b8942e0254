"""Annotations: what may be noted, by whom, and finding it by time."""

from typing import Any

import httpx
import pytest

from delta_server.features.annotations import service
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check

PATH = "/v1/annotations"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
NEW: dict[str, Any] = {"text": "1.4.2", "kind": "deploy", "time": "2026-01-02T00:00:00Z"}

REFUSED = [
    Row("no key", "POST", PATH, 401, key=None, body=NEW),
    Row("without the scope", "POST", PATH, 403, key="read", body=NEW, says="annotations:write"),
    Row("a write key, which everybody sees", "POST", PATH, 403, key="ingest", body=NEW),
    Row("deleting takes more", "DELETE", f"{PATH}/{NOBODY}", 403, key="write", says="annotations:admin"),
    Row("no text", "POST", PATH, 400, body={"text": " "}, field="text"),
    Row("a long text", "POST", PATH, 400, body={"text": "x" * 501}, field="text"),
    Row("two lines", "POST", PATH, 400, body={"text": "a\nb"}, field="text"),
    Row("no such kind", "POST", PATH, 400, body={**NEW, "kind": "party"}, field="kind"),
    Row("a script", "POST", PATH, 400, body={**NEW, "link": "javascript:alert(1)"}, field="link"),
    Row("no host", "POST", PATH, 400, body={**NEW, "link": "https://"}, field="link"),
    Row("a broken address", "POST", PATH, 400, body={**NEW, "link": "https://[::1"}, field="link"),
    Row("no time", "POST", PATH, 400, body={**NEW, "time": "noon"}, field="time"),
    Row("ends before", "POST", PATH, 400, body={**NEW, "end": "2026-01-01T00:00:00Z"}, field="end"),
    Row("ends never", "POST", PATH, 400, body={**NEW, "end": "2199-01-01T00:00:00Z"}, field="end"),
    Row("unknown member", "POST", PATH, 400, body={**NEW, "colour": "red"}),
    Row("from after to", "GET", f"{PATH}?from=2026-01-02&to=2026-01-01", 400, field="from"),
    Row("no such kind to list", "GET", f"{PATH}?kind=party", 400),
    Row("another list's cursor", "GET", f"{PATH}?cursor=abc", 400),
    Row("no such annotation", "PATCH", f"{PATH}/{NOBODY}", 404, body={}),
    Row("no id", "DELETE", f"{PATH}/x", 404),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


async def made(client: httpx.AsyncClient, key: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=body, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["annotation"]
    return found


async def texts(client: httpx.AsyncClient, keys: Keys, query: str) -> list[str]:
    """Over all pages, of two each."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = await client.get(f"{PATH}?limit=2&{query}{cursor}", headers=bearer(keys.read))
        assert answer.status_code == 200, answer.text
        found += [one["text"] for one in answer.json()["data"]]
        if not answer.json()["has_more"]:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"


async def test_what_reaches_into_a_time_is_listed_the_latest_first(client: httpx.AsyncClient, keys: Keys) -> None:
    asked = {"scopes": ["annotations:write"]}
    key = (await client.post("/v1/auth/api-keys", json=asked, headers=bearer(keys.project))).json()["key"]
    for day in range(1, 6):
        await made(client, key, text=f"day {day}", kind="deploy", time=f"2026-01-0{day}T00:00:00Z")
    long = await made(
        client, key, text="long", kind="incident", time="2025-12-01T00:00:00Z", end="2026-01-03T12:00:00Z"
    )
    await made(client, key, text="over", kind="incident", time="2025-12-01T00:00:00Z", end="2025-12-02T00:00:00Z")
    assert await texts(client, keys, "from=2026-01-03T00:00:00Z&to=2026-01-05T00:00:00Z") == ["day 4", "day 3", "long"]
    assert await texts(client, keys, "") == ["day 5", "day 4", "day 3", "day 2", "day 1", "over", "long"]
    assert await texts(client, keys, "kind=incident&from=2026-01-01") == ["long"]
    assert (await client.get(PATH, headers=bearer(key))).status_code == 403
    path = f"{PATH}/{long['id']}"
    changed = await client.patch(path, json={"end": None, "link": "https://example.com/1"}, headers=bearer(key))
    assert (changed.json()["annotation"]["end"], changed.json()["annotation"]["link"]) == (
        None,
        "https://example.com/1",
    )
    assert await texts(client, keys, "kind=incident&from=2026-01-01") == []
    wrong = await client.patch(path, json={"end": "2025-11-30T00:00:00Z"}, headers=bearer(key))
    assert wrong.status_code == 400
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert await texts(client, keys, "kind=incident") == ["over"]


async def test_without_a_time_it_is_now_once_and_there_are_so_many(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_ANNOTATIONS", 1)
    headers = {**bearer(keys.write), "idempotency-key": "deploy 7"}
    first, again = [await client.post(PATH, json={"text": "7"}, headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    assert first.json()["annotation"]["time"] == first.json()["annotation"]["created_at"]
    assert (await client.post(PATH, json={"text": "8"}, headers=bearer(keys.write))).status_code == 409
