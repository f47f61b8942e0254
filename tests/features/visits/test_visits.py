"""Visits over HTTP: who may send them, what is kept, and the salt of a day."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.times import DAY_MS
from delta_server.core.visits.visit import VisitFields
from delta_server.features.accounts.service import FirstUses
from delta_server.features.visits import api, service
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock

SETTINGS = "/v1/visits/settings"
SHOP = "https://shop.example"
PAGE = {"url": f"{SHOP}/pricing"}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"


def put(title: str, status: int, body: Any = None, **more: Any) -> Row:
    return Row(title, "PUT", SETTINGS, status, body={} if body is None else body, **more)


REFUSED = [
    Row("settings without a key", "GET", SETTINGS, 401, key=None),
    Row("settings with a write key", "GET", SETTINGS, 403, key="ingest"),
    put("set without a key", 401, key=None),
    put("set with a write key", 403, key="write"),
    put("an unknown field", 400, {"fields": {"address": True}}, field="fields.address"),
    put("no boolean", 400, {"fields": {"path": 1}}, field="fields.path"),
    put("no origin", 400, {"origins": ["shop.example/x"]}, field="origins[0]"),
    put("too many origins", 400, {"origins": [f"https://{n}.example" for n in range(101)]}, field="origins"),
    Row("a visit without a key", "POST", "/v1/visits", 401, key=None, body=PAGE, says="X-Write-Key or ?writeKey="),
    Row("a pixel without a key", "GET", "/v1/pixel", 401, key=None),
    Row("a visit with a key that reads", "POST", "/v1/visits", 403, key="read", body=PAGE),
    Row("a secret key in an address", "GET", "/v1/pixel?writeKey=dk_proj_x", 403, key=None),
    Row("no page", "POST", "/v1/visits", 400, key="write", body={}, field="url"),
    Row("no JSON", "POST", "/v1/visits", 400, key="write", raw=b"\xff"),
    Row("too large", "POST", "/v1/visits", 413, key="write", raw=b" " * 17_000),
    Row("not UTF-8", "GET", "/v1/pixel?url=%ff", 400, key="write"),
    Row("a huge query", "GET", "/v1/pixel?a=" + "x" * 16_400, 414, key="write"),
    Row("many parameters", "GET", "/v1/pixel?" + "&a=1" * 101, 400, key="write"),
]


async def site_key(client: httpx.AsyncClient, keys: Keys, **more: Any) -> str:
    body = {"kind": "write", "scopes": ["visits:write"], **more}
    made = await client.post("/v1/auth/api-keys", headers=bearer(keys.project), json=body)
    assert made.status_code == 201, made.text
    assert made.json()["api_key"]["kind"] == "write"
    key: str = made.json()["key"]
    return key


async def send(client: httpx.AsyncClient, key: str, body: Any = PAGE, **headers: str) -> httpx.Response:
    """As a browser at a site does: any text, no preflight."""
    sent = {"user-agent": BROWSER, "content-type": "text/plain;charset=UTF-8", **headers}
    return await client.post(f"/v1/visits?writeKey={key}", json=body, headers=sent)


async def events(client: httpx.AsyncClient, keys: Keys) -> list[dict[str, Any]]:
    """Oldest first."""
    found: list[dict[str, Any]] = (await client.get("/v1/events/raw", headers=bearer(keys.project))).json()["data"]
    return found[::-1]


def salts(tx: Tx) -> list[Any]:
    return tx.all("SELECT project, day, length(sealed) > 32 FROM visit_salt")


@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for row in REFUSED:
        await check(shared_client, own_keys, row)
    assert await events(shared_client, own_keys) == []


@shared
async def test_a_key_of_websites_sends_visits_and_nothing_else(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    key = await site_key(shared_client, own_keys)
    assert (await send(shared_client, key, origin=SHOP)).status_code == 204
    answer = await shared_client.get(f"/v1/pixel?writeKey={key}&path=/seen", headers={"referer": f"{SHOP}/"})
    assert (answer.content, answer.headers["content-type"]) == (api.GIF, "image/gif")
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    for path in ("/v1/events", "/v1/track", "/v1/identify", "/v1/batch", "/v1/logs"):
        told = await shared_client.post(path, headers=bearer(key), json={"event": "x", "userId": "ann"})
        assert told.status_code == 403, path
    for path in ("/v1/events/raw", SETTINGS, "/v1/endpoints"):
        assert (await shared_client.get(path, headers=bearer(key))).status_code == 403
    seen, pixel = await events(shared_client, own_keys)
    assert (seen["data"]["path"], seen["data"]["browser"], "bot" in seen["data"]) == ("/pricing", "Firefox", False)
    assert (pixel["data"]["path"], pixel["data"]["bot"]) == ("/seen", True)
    assert "127.0.0.1" not in str([seen, pixel])
    rotated = await shared_client.post(
        f"/v1/auth/api-keys/{key.split('_')[2]}/rotate", headers=bearer(own_keys.project), json={}
    )
    SWEEP.use(rotated.json()["key"])
    assert rotated.json()["key"].startswith("dk_write_")


@shared
async def test_secret_keys_have_the_scope_by_their_unions_alone(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    row = Row("", "POST", "/v1/auth/api-keys", 400, body={"scopes": ["visits:write"]}, field="scopes")
    await check(shared_client, own_keys, row)
    both = {"kind": "write", "scopes": ["visits:write", "ingest"]}
    await check(shared_client, own_keys, Row("", "POST", "/v1/auth/api-keys", 400, body=both, field="scopes"))
    assert (await send(shared_client, own_keys.ingest)).status_code == 403
    assert (await shared_client.post("/v1/visits", headers=bearer(own_keys.project), json=PAGE)).status_code == 204


@shared
async def test_sites(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    """By the project's list and by the key's, by Origin and where there is none by Referer."""
    await check(shared_client, own_keys, put("", 200, {"origins": [SHOP, "https://blog.example"]}))
    key = await site_key(shared_client, own_keys, origins=[SHOP])
    good = await send(shared_client, key, origin=SHOP)
    assert (good.status_code, good.headers["access-control-allow-origin"]) == (204, SHOP)
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "https://blog.example"},
        {"origin": "null"},
        {"origin": f"{SHOP}.evil.example"},
        {"referer": "https://evil.example/"},
        {"referer": "https://[/"},
        {},
    ):
        told = await send(shared_client, key, **headers)
        assert told.status_code == 403, headers
        assert told.headers.get("access-control-allow-origin") in (None, "*")
    forged = await send(shared_client, key, {"url": "https://bank.example/"}, origin=SHOP)
    assert forged.status_code == 403
    pixel = await shared_client.get(f"/v1/pixel?writeKey={key}", headers={"referer": f"{SHOP}/a"})
    assert pixel.status_code == 200
    assert len(await events(shared_client, own_keys)) == 2


@pytest.mark.parametrize("headers", [{"dnt": "1"}, {"sec-gpc": "1"}, {"sec-purpose": "prefetch;prerender"}])
@shared
async def test_who_asks_not_to_be_counted(
    shared_client: httpx.AsyncClient, own_keys: Keys, headers: dict[str, str]
) -> None:
    key = await site_key(shared_client, own_keys)
    assert (await send(shared_client, key, **headers)).status_code == 204
    url = f"/v1/pixel?writeKey={key}&url={SHOP}/"
    assert (await shared_client.get(url, headers=headers)).status_code == 200
    assert (await shared_client.head(url)).status_code == 200
    assert await events(shared_client, own_keys) == []


async def test_ids_of_visitors_last_a_day(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    key = await site_key(client, keys)

    async def sent(**headers: str) -> str:
        assert (await send(client, key, **headers)).status_code == 204
        stored = {event["messageId"]: event["anonymousId"] for event in await events(client, keys)}
        [new] = stored.keys() - known
        known.add(new)
        return str(stored[new])

    known: set[str] = set()
    first = await sent()
    assert await sent() == first
    assert await sent(**{"user-agent": "Another"}) != first
    [salt] = await app.services.db.read(salts)
    app.services.state(service.Salts).known.clear()  # as after a restart
    assert await sent() == first
    clock.advance(DAY_MS)
    await service.delete_old_salts(app.services)
    assert await app.services.db.read(salts) == []
    assert app.services.state(service.Salts).known == {}
    later = await sent()
    assert later != first
    assert [row[1] for row in await app.services.db.read(salts)] == [salt[1] + 1]
    clock.advance(-DAY_MS)  # a clock that was set back finds the old salt gone
    assert await sent() not in (first, later)
    await check(client, keys, put("", 200, {"fields": {"visitor": False}}))
    assert await sent() == "None"
    given = {**PAGE, "visitor": "user-17"}
    await send(client, key, given)
    assert "user-17" in [event["anonymousId"] for event in await events(client, keys)]


@shared
async def test_projects_have_salts_of_their_own(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    found = []
    for key in (own_keys.project, own_keys.other):
        answer = await shared_client.post("/v1/visits", headers={**bearer(key), "user-agent": BROWSER}, json=PAGE)
        assert answer.status_code == 204
        told = (await shared_client.get("/v1/events/raw", headers=bearer(key))).json()["data"]
        found.append(told[0]["anonymousId"])
    assert len(set(found)) == 2


@shared
async def test_settings_are_a_projects_own(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    all_fields = dict.fromkeys(VisitFields.__struct_fields__, True)
    default = {"origins": ["*"], "fields": all_fields}
    assert await check(shared_client, own_keys, Row("", "GET", SETTINGS, 200, key="read")) == default
    kept = {"origins": [SHOP], "fields": {**all_fields, "country": False}}
    assert (
        await check(
            shared_client,
            own_keys,
            put("", 200, {"origins": ["HTTPS://Shop.example:443"], "fields": {"country": False}}),
        )
        == kept
    )
    assert await check(shared_client, own_keys, Row("", "GET", SETTINGS, 200)) == kept
    assert await check(shared_client, own_keys, Row("", "GET", SETTINGS, 200, key="other")) == default


@shared
async def test_a_key_that_lists_sites_counts_no_others_by_an_image(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    key = await site_key(shared_client, own_keys, origins=[SHOP])
    for referer, status in ((f"{SHOP}/a", 200), ("https://evil.example/a", 403), (None, 403)):
        headers = {} if referer is None else {"referer": referer}
        answer = await shared_client.get(f"/v1/pixel?writeKey={key}&url={SHOP}/a", headers=headers)
        assert answer.status_code == status, referer
    assert len(await events(shared_client, own_keys)) == 1


@shared
async def test_a_page_says_what_it_likes_but_not_its_host(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    key = await site_key(shared_client, own_keys)
    await send(shared_client, key, {**PAGE, "data": {"host": "victim.example", "plan": "pro"}}, origin=SHOP)
    [event] = await events(shared_client, own_keys)
    assert (event["data"]["host"], event["data"]["plan"]) == ("shop.example", "pro")


async def test_a_salt_that_cannot_be_read_any_more_is_replaced(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """As after a restore, with another key file."""
    key = await site_key(client, keys)
    assert (await send(client, key, origin=SHOP)).status_code == 204
    await app.services.db.write(lambda tx: tx.run("UPDATE visit_salt SET sealed = ?", b"another's" * 8))
    app.services.state(service.Salts).known.clear()
    assert (await send(client, key, origin=SHOP)).status_code == 204
    assert len(await events(client, keys)) == 2


async def test_no_visitors_address_is_kept_with_the_first_use_of_a_key(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    key = await site_key(client, keys)
    await send(client, key, origin=SHOP)
    used = app.services.state(FirstUses).values()
    assert [acting.address for acting, _ in used if acting.name == f"key {key.split('_')[2]}"] == [""]


@shared
async def test_the_script(shared_client: httpx.AsyncClient) -> None:
    answer = await shared_client.get("/script.js", headers={"origin": SHOP, "accept-encoding": "gzip"})
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert int(answer.headers["content-length"]) < 2000
    assert b"localStorage" not in answer.content
    assert b"document.cookie" not in answer.content
    again = await shared_client.get("/script.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
