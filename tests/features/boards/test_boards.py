"""Boards: making, arranging and deleting them, and who may share them."""

from typing import Any

import httpx
import pytest

from delta_server.features.boards import service, sharing
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check

PATH = "/v1/boards"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
SHARES = f"{PATH}/{NOBODY}/shares"


def tile(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "tiles": [{"id": "a", "query_id": NOBODY, **changes}]}


REFUSED = [
    Row("no key", "POST", PATH, 401, key=None, body={"name": "a"}),
    Row("without the scope", "POST", PATH, 403, key="read", body={"name": "a"}, says="boards:write"),
    Row("a write key", "POST", PATH, 403, key="ingest", body={"name": "a"}),
    Row("deleting takes more", "DELETE", f"{PATH}/{NOBODY}", 403, key="write", says="boards:admin"),
    Row("sharing takes more", "POST", SHARES, 403, key="write", body={}, says="boards:admin"),
    Row("approving takes more", "POST", f"{SHARES}/{NOBODY}/approve", 403, key="write", says="boards:admin"),
    Row("revoking takes more", "DELETE", f"{SHARES}/{NOBODY}", 403, key="write", says="boards:admin"),
    Row("no name", "POST", PATH, 400, body={"name": ""}, field="name"),
    Row("no such query", "POST", PATH, 400, body=tile(), field="tiles[0].query_id"),
    Row("too wide", "POST", PATH, 400, body=tile(width=4), field="tiles[0].width"),
    Row("an odd id", "POST", PATH, 400, body=tile(id="../a"), field="tiles[0].id"),
    Row("a title of two lines", "POST", PATH, 400, body=tile(title="a\nb"), field="tiles[0].title"),
    Row("one id twice", "POST", PATH, 400, body={"name": "a", "tiles": tile()["tiles"] * 2}, field="tiles"),
    Row("too many", "POST", PATH, 400, body={"name": "a", "tiles": tile()["tiles"] * 25}, field="tiles"),
    Row("no such board", "GET", f"{PATH}/{NOBODY}", 404),
    Row("sharing no board", "POST", SHARES, 404, body={}),
    Row("a short password", "POST", SHARES, 400, body={"password": "short"}, field="password"),
    Row("no length", "POST", SHARES, 400, body={"expires_in": "soon"}, field="expires_in"),
    Row("for ever", "POST", SHARES, 400, body={"expires_in": "4000d"}, field="expires_in"),
    *(
        Row(f"embedded by {site!r}", "POST", SHARES, 400, body={"frame_ancestors": [site]}, field="frame_ancestors[0]")
        for site in ("*", "https://*", "example.com", "https://a.example; script-src *", "https://a.example/x", "data:",
                     "https://a b", "'self'", "https://", "javascript://a", "https://a\nb", "https://u:p@a.example")
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


async def saved(client: httpx.AsyncClient, keys: Keys, kind: str = "sql", **spec: Any) -> str:
    body = {"name": f"My {kind}", "kind": kind, "spec": spec or {"sql": "select 1 as one"}}
    answer = await client.post("/v1/saved-queries", json=body, headers=bearer(keys.write))
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["saved_query"]["id"]
    return found


async def test_a_board_is_made_arranged_listed_and_deleted(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_BOARDS", 2)
    first, second = await saved(client, keys), await saved(client, keys, "explorer", metrics=["count"])
    tiles = [
        {"id": "a", "query_id": first},
        {"id": "b", "query_id": second, "title": "Events", "width": 3, "height": 2},
    ]
    headers = {**bearer(keys.write), "idempotency-key": "once"}
    made, again = [await client.post(PATH, json={"name": "Wall", "tiles": tiles}, headers=headers) for _ in range(2)]
    assert made.json() == again.json()
    board = made.json()["board"]
    assert [(one["id"], one["query"]["kind"], one["width"]) for one in board["tiles"]] == [
        ("a", "sql", 1), ("b", "explorer", 3),
    ]  # fmt: skip
    path = f"{PATH}/{board['id']}"
    moved = await client.patch(path, json={"tiles": tiles[::-1]}, headers=bearer(keys.write))
    assert [one["id"] for one in moved.json()["board"]["tiles"]] == ["b", "a"]
    assert (await client.delete(f"/v1/saved-queries/{first}", headers=bearer(keys.project))).status_code == 204
    kept = await client.patch(path, json={"name": "Hall", "tiles": tiles}, headers=bearer(keys.write))
    assert (kept.json()["board"]["name"], kept.json()["board"]["tiles"][0]["query"]) == ("Hall", None)
    await client.post(PATH, json={"name": "Other"}, headers=bearer(keys.write))
    assert (await client.post(PATH, json={"name": "Third"}, headers=bearer(keys.write))).status_code == 409
    page = (await client.get(f"{PATH}?limit=1", headers=bearer(keys.read))).json()
    assert [(one["name"], one["tiles_count"]) for one in page["data"]] == [("Other", 0)]
    rest = (await client.get(f"{PATH}?cursor={page['next_cursor']}", headers=bearer(keys.read))).json()
    assert [(one["name"], one["tiles_count"]) for one in rest["data"]] == [("Hall", 2)]
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert (await client.get(path, headers=bearer(keys.read))).status_code == 404


async def test_who_shares_must_be_allowed_to_read(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST_SHARES", 1)
    body = {"name": "Wall", "tiles": [{"id": "a", "query_id": await saved(client, keys)}]}
    board = (await client.post(PATH, json=body, headers=bearer(keys.write))).json()["board"]
    made = {}
    for scopes in (["boards:admin", "events:read"], ["boards:admin", "sql:read"]):
        asked = {"scopes": scopes}
        key = (await client.post("/v1/auth/api-keys", json=asked, headers=bearer(keys.project))).json()["key"]
        made[scopes[1]] = await client.post(f"{PATH}/{board['id']}/shares", json={}, headers=bearer(key))
    assert made["events:read"].status_code == 403
    assert "sql:read" in made["events:read"].json()["message"]
    assert made["sql:read"].status_code == 201
    more = await client.post(f"{PATH}/{board['id']}/shares", json={}, headers=bearer(keys.project))
    assert more.status_code == 409
