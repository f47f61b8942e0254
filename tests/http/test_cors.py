"""What browsers on other sites may send, and what their scripts may read of the answer."""

from typing import Any

import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core.errors import Unavailable
from delta_server.features.events import service as events
from delta_server.http.gate import bare
from tests.conftest import Keys, bearer, client_of, make_keys, shared, started
from tests.http.test_all_routes import url
from tests.storage.opened import FAST, FakeClock

SHOP = "https://shop.example"
TRACK = "/v1/track"
EVENT = {"event": "Clicked", "userId": "u1"}
ASKING = {
    "origin": SHOP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}
FOR_ALL, READABLE = "cross-origin", "access-control-allow-origin"


async def write_key(client: httpx.AsyncClient, keys: Keys, *origins: str) -> str:
    body = {"kind": "write", "origins": origins}
    made = await client.post("/v1/auth/api-keys", headers=bearer(keys.project), json=body)
    key: str = made.json()["key"]
    return key


async def blocks(app: Application) -> int:
    rows = await app.services.db.read(lambda tx: tx.all("SELECT count(*) FROM event_block"))
    count: int = rows[0][0]
    return count


def open_paths(app: Application) -> tuple[set[str], set[str]]:
    """Paths whose guards are for other sites too, and all others."""
    paths = {route.path_format for route in app.litestar.routes if isinstance(route, HTTPRoute)}
    wide = {bare(path) for (_, path), access in delta_app.guards_of(delta_app.FEATURES).items() if access.cross_origin}
    found = {path for path in paths if bare(path) in wide}
    return found, paths - found


async def test_preflights_are_answered_where_events_come_in_and_nowhere_else(
    app: Application, client: httpx.AsyncClient
) -> None:
    wide, others = open_paths(app)
    assert {TRACK, "/v1/batch", "/v1/t", "/beacon/v1/batch", "/v1/logs", "/v1/events"} < wide
    for path in wide:
        told = await client.options(url(path) + "?writeKey=x&any=thing", headers=ASKING)
        assert (told.status_code, told.content) == (204, b"")
        assert told.headers[READABLE] == "*"
        assert told.headers["access-control-allow-methods"] == told.headers["allow"]
        assert told.headers["access-control-max-age"] == "86400"
    for path in others:
        told = await client.options(url(path), headers=ASKING)
        assert not [name for name in told.headers if name.startswith("access-control")], path
        assert told.headers["cross-origin-resource-policy"] == "same-origin"


@shared
async def test_a_preflight(shared_client: httpx.AsyncClient) -> None:
    told = await shared_client.options(TRACK, headers=ASKING)
    assert told.headers["access-control-allow-methods"] == "OPTIONS, POST"
    names = {name.strip().lower() for name in told.headers["access-control-allow-headers"].split(",")}
    assert names >= {"authorization", "content-type", "anonymousid", "x-retry-count", "x-write-key", "content-encoding"}
    assert names >= {"idempotency-key", "x-request-id"}
    assert "origin" in told.headers["vary"].lower()
    assert "access-control-allow-credentials" not in told.headers
    settings = await shared_client.options("/v1/projects/x/settings", headers=ASKING)
    assert settings.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("other", ["https://evil.example", "http://shop.example", f"{SHOP}:444", "null", ""])
async def test_a_site_that_the_key_does_not_list(
    app: Application, client: httpx.AsyncClient, keys: Keys, other: str
) -> None:
    key = await write_key(client, keys, SHOP)
    for headers, body in ((bearer(key), EVENT), ({}, {**EVENT, "writeKey": key})):
        answer = await client.post(TRACK, json=body, headers={**headers, "origin": other})
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert "its origins do not list it" in answer.json()["message"]
        assert READABLE not in answer.headers
    answer = await client.get(f"/v1/projects/{key}/settings", headers={"origin": other})
    assert (answer.status_code, READABLE in answer.headers) == (403, False)
    assert await blocks(app) == 0


@pytest.mark.parametrize(
    ("listed", "origin", "named"),
    [
        ([SHOP], SHOP, SHOP),
        (["https://other.example", SHOP], SHOP, SHOP),
        (["*"], SHOP, "*"),
        (["*", SHOP], SHOP, "*"),
        (["*"], "null", "*"),
        ([SHOP], None, None),
        ([], None, None),
    ],
)
@shared
async def test_who_may_read_the_answer(
    shared_client: httpx.AsyncClient, own_keys: Keys, listed: list[str], origin: str | None, named: str | None
) -> None:
    key = await write_key(shared_client, own_keys, *listed)
    headers = {} if origin is None else {"origin": origin}
    for answer in (
        await shared_client.post(TRACK, headers={**bearer(key), **headers}, json=EVENT),
        await shared_client.post(TRACK, headers=headers, json={**EVENT, "writeKey": key}),
        await shared_client.get(f"/v1/projects/{key}/settings", headers=headers),
        await shared_client.head(f"/v1/projects/{key}/settings", headers=headers),
    ):
        assert answer.status_code == 200
        assert answer.headers.get(READABLE) == named
        assert answer.headers["cross-origin-resource-policy"] == FOR_ALL
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers


@shared
async def test_no_site_may_use_a_key_without_origins(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    key = await write_key(shared_client, own_keys)
    assert (await shared_client.post(TRACK, headers={**bearer(key), "origin": SHOP}, json=EVENT)).status_code == 403


@shared
async def test_secret_keys_work_but_no_script_reads_the_answer(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    answer = await shared_client.post(TRACK, headers={**bearer(own_keys.write), "origin": SHOP}, json=EVENT)
    assert (answer.status_code, READABLE in answer.headers) == (200, False)


@pytest.mark.parametrize(
    ("title", "more", "status"),
    [
        ("no key", {"json": EVENT}, 401),
        ("no such key", {"json": EVENT, "headers": bearer("dk_write_x")}, 401),
        ("no JSON", {"content": b"{", "key": True}, 400),
        ("no event", {"json": {"userId": "u1"}, "key": True, "params": {"a": "1"}}, 400),
        ("too large", {"content": b"x" * 5_000_000, "key": True}, 413),
        ("too large for all", {"content": b"x" * (65 << 20), "key": True}, 413),
        ("a form that is unknown", {"content": b"x", "key": True, "headers": {"content-encoding": "br"}}, 415),
    ],
)
@shared
async def test_refusals_can_be_read(
    shared_client: httpx.AsyncClient, own_keys: Keys, title: str, more: dict[str, Any], status: int
) -> None:
    for key, named in ((await write_key(shared_client, own_keys, SHOP), SHOP), (own_keys.ingest, "*")):
        sent = {name: value for name, value in more.items() if name not in ("key", "headers")}
        headers = {**more.get("headers", {}), **(bearer(key) if "key" in more else {}), "origin": SHOP}
        answer = await shared_client.post(TRACK, headers=headers, **sent)
        assert answer.status_code == status, title
        assert answer.headers[READABLE] == (named if "key" in more else "*")
        assert answer.headers["cross-origin-resource-policy"] == FOR_ALL


async def test_a_script_learns_when_to_come_back(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **named: object) -> None:
        raise Unavailable("the disk is full", retry_after_s=7)

    monkeypatch.setattr(events, "append_events", full)
    answer = await client.post(TRACK, headers={**bearer(keys.ingest), "origin": SHOP}, json=EVENT)
    assert (answer.status_code, answer.headers["retry-after"], answer.headers[READABLE]) == (503, "7", "*")
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_other_routes_stay_with_their_own_site(config: Config, clock: FakeClock) -> None:
    config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, metrics_public=True))
    async with started(delta_app.build(config, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        for path in ("/v1/endpoints", "/healthz", "/metrics", "/docs", "/nowhere"):
            answer = await client.get(path, headers={**bearer(keys.project), "origin": SHOP})
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert READABLE not in answer.headers
