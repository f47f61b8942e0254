"""Feeds of what changes: their addresses, and what is there."""

import io

import feedparser
import httpx
import pytest

from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock

REFUSED = [
    Row("no key", "POST", "/v1/feeds", 401, key=None, body={}),
    Row("without the scope", "POST", "/v1/feeds", 403, key="write", body={}, says="endpoints:admin"),
    Row("unknown field", "POST", "/v1/feeds", 400, body={"colour": "a"}),
    Row("no such endpoint", "POST", "/v1/feeds", 404, body={"endpoint_id": "nowhere"}),
    Row("another tenant's endpoint", "POST", "/v1/feeds", 404, key="other", body={"endpoint_id": "prices"}),
    Row("no id", "POST", "/v1/feeds/x/rotate", 404),
    Row("no such feed", "DELETE", "/v1/feeds/01890a5d-ac96-774b-bcce-b302099a8057", 404),
    Row("no such token", "GET", "/v1/feeds/dk_feed_0/atom.xml", 404, key=None),
    Row("no such token", "GET", "/v1/feeds/%00/feed.json", 404, key=None),
]


@pytest.fixture
async def prices(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> list[str]:
    """Ids of three snapshots of `prices`, and of two of `other`."""
    found = []
    for endpoint, price in (("prices", 1), ("prices", 2), ("prices", 3), ("other", 1), ("other", 2)):
        clock.advance(60_000)
        document = {"rates": {"EUR": price, "JPY": 7}}
        answer = await client.post(
            f"/v1/snapshots?endpoint={endpoint}&include=delta", json=document, headers=bearer(keys.project)
        )
        found.append(answer.json()["snapshot"]["id"])
    return found


async def _made(client: httpx.AsyncClient, keys: Keys, **body: str) -> dict[str, str]:
    answer = await client.post("/v1/feeds", json=body, headers={**bearer(keys.project), "idempotency-key": str(body)})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    SWEEP.use(made["token"])
    again = await client.post("/v1/feeds", json=body, headers={**bearer(keys.project), "idempotency-key": str(body)})
    assert (again.json()["feed"], again.json()["token"], again.json()["atom"]) == (made["feed"], None, None)
    return made


async def test_refusals(client: httpx.AsyncClient, keys: Keys, prices: list[str]) -> None:
    for row in REFUSED:
        await check(client, keys, row)


async def test_an_endpoints_changes_are_read(client: httpx.AsyncClient, keys: Keys, prices: list[str]) -> None:
    made = await _made(client, keys, endpoint_id="prices")
    answer = await client.get(made["atom"])
    assert answer.headers["content-type"].startswith("application/atom+xml")
    found = feedparser.parse(io.BytesIO(answer.content), response_headers={"content-type": "application/atom+xml"})
    assert (found.bozo, found.version, found.feed.title) == (False, "atom10", "Changes of prices")
    assert [entry.id for entry in found.entries] == [f"urn:uuid:{prices[2]}", f"urn:uuid:{prices[1]}"]
    assert found.entries[0].title == "prices: 1 replaced"
    assert "<code>/rates/EUR</code>: <code>2</code> → <code>3</code>" in found.entries[0].content[0].value
    assert made["token"] not in answer.text
    items = (await client.get(made["json"])).json()["items"]
    assert [item["id"] for item in items] == [entry.id for entry in found.entries]


async def test_a_projects_changes_are_read_again_only_when_there_are_new_ones(
    client: httpx.AsyncClient, keys: Keys, prices: list[str]
) -> None:
    made = await _made(client, keys)
    answer = await client.get(made["json"])
    assert {item["authors"][0]["name"] for item in answer.json()["items"]} == {"prices", "other"}
    assert len(answer.json()["items"]) == 3
    known = {"if-none-match": answer.headers["etag"]}
    assert (await client.get(made["json"], headers=known)).status_code == 304
    await client.post("/v1/snapshots?endpoint=prices&include=delta", json={}, headers=bearer(keys.project))
    assert len((await client.get(made["json"], headers=known)).json()["items"]) == 4


async def test_addresses_change_and_end(
    client: httpx.AsyncClient, keys: Keys, prices: list[str], clock: FakeClock
) -> None:
    made = await _made(client, keys, endpoint_id="prices")
    path, headers = f"/v1/feeds/{made['feed']['id']}", bearer(keys.project)  # type: ignore[index]  # a feed is an object
    rotated = (await client.post(f"{path}/rotate", json={"overlap": "1h"}, headers=headers)).json()
    SWEEP.use(rotated["token"])
    assert [(await client.get(one["atom"])).status_code for one in (made, rotated)] == [200, 200]
    clock.advance(3_600_001)
    assert [(await client.get(one["atom"])).status_code for one in (made, rotated)] == [404, 200]
    listed = (await client.get("/v1/feeds", headers=bearer(keys.read))).json()["data"]
    assert [(feed["endpoint"], feed["old_token_until"]) for feed in listed] == [("prices", None)]
    assert (await client.get("/v1/feeds", headers=bearer(keys.other))).json()["data"] == []
    for method, to in (("POST", f"{path}/rotate"), ("DELETE", path)):
        assert (await client.request(method, to, json={}, headers=bearer(keys.other))).status_code == 404
    await client.delete("/v1/endpoints/prices", headers=headers)
    assert (await client.get(rotated["atom"])).status_code == 404
    await client.post("/v1/endpoints/prices/restore", headers=headers)
    assert (await client.get(rotated["atom"])).status_code == 200
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.get(rotated["atom"])).status_code == 404
