"""Keys of requests that bring events: where they may stand, which one counts, and that nothing else opens to them."""

import base64
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from delta_server.app import Application
from delta_server.core import secrets
from delta_server.core.errors import Unauthorized
from delta_server.features.accounts import service as accounts
from delta_server.http.ingest_auth import key_of
from tests.conftest import Keys, bearer, shared
from tests.storage.opened import FakeClock

TRACK = "/v1/track"
EVENT = {"event": "Clicked", "userId": "u1"}


def basic(user: bytes, password: bytes = b"") -> bytes:
    return b"Basic " + base64.b64encode(user + b":" + password)


@pytest.mark.parametrize(
    ("headers", "query", "says"),
    [
        ([(b"authorization", b"Digest x")], b"", "unsupported"),
        ([(b"authorization", b"dk_write_x")], b"", "unsupported"),
        ([(b"authorization", b"Basic YQ")], b"", "base64"),
        ([(b"authorization", basic("é".encode()))], b"", "not a key"),
        ([(b"authorization", b"Bearer \xff")], b"", "not a key"),
        ([(b"x-api-key", b"\xff")], b"", "not a key"),
        ([(b"x-write-key", b"\xff:x")], b"", "not a key"),
    ],
)
def test_what_is_no_key(headers: list[tuple[bytes, bytes]], query: bytes, says: str) -> None:
    with pytest.raises(Unauthorized, match=says):
        key_of(headers, query)


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ([], b"", None),
        ([], b"other=1", None),
        ([], b"writeKey=", None),
        ([], b"writeKey=q", "q"),
        ([], b"write_key=q", "q"),
        ([], b"a=1&writeKey=%71", "q"),
        ([], b"writeKey=\xff", "\xff"),
        ([(b"x-write-key", b"w")], b"writeKey=q", "w"),
        ([(b"x-write-key", b"w:secret")], b"", "w"),
        ([(b"x-write-key", b":secret")], b"", None),
        ([(b"x-write-key", b"w"), (b"x-api-key", b" a ")], b"writeKey=q", "a"),
        ([(b"x-api-key", b"a"), (b"x-api-key", b"b")], b"", "a"),
        ([(b"x-api-key", b"a"), (b"authorization", b"Bearer b")], b"", "b"),
        ([(b"x-api-key", b"a"), (b"authorization", b"bearer  b ")], b"", "b"),
        ([(b"x-api-key", b"a"), (b"authorization", b"Bearer ")], b"", "a"),
        ([(b"authorization", basic(b"k"))], b"writeKey=q", "k"),
        ([(b"authorization", basic(b"k", b"a:b"))], b"", "k"),
        ([(b"authorization", b"basic " + base64.b64encode(b"k"))], b"", "k"),
        ([(b"authorization", b"Basic !")], b"writeKey=q", "q"),
        ([(b"authorization", basic(b"", b"password"))], b"writeKey=q", "q"),
    ],
)
def test_the_first_place_counts(headers: list[tuple[bytes, bytes]], query: bytes, key: str | None) -> None:
    assert key_of(headers, query) == key


def places(key: str) -> dict[str, dict[str, Any]]:
    """A request's parts by where they carry `key`."""
    return {
        "basic": {"headers": {"authorization": basic(key.encode()).decode()}},
        "bearer": {"headers": bearer(key)},
        "x-api-key": {"headers": {"x-api-key": key}},
        "x-write-key": {"headers": {"x-write-key": f"{key}:secret"}},
        "query": {"params": {"writeKey": key}},
        "body": {"json": {**EVENT, "writeKey": key}},
    }


@pytest.mark.parametrize("place", places(""))
async def test_a_key_anywhere(client: httpx.AsyncClient, keys: Keys, place: str) -> None:
    def sent(key: str) -> dict[str, Any]:
        return {"json": EVENT, **places(key)[place]}

    unknown = secrets.make(secrets.Kind.WRITE, bytes(40))
    if place != "query":
        for key, status in ((keys.revoked, 401), (keys.expired, 401), (keys.write, 200), (keys.project, 200)):
            answer = await client.post(TRACK, **sent(key))
            assert answer.status_code == status, answer.text
    for key, status in (
        (unknown, 401),
        (unknown[:-1], 401),
        (keys.read, 403),
        (keys.account, 403),
        (keys.ingest, 200),
    ):
        answer = await client.post(TRACK, **sent(key))
        assert answer.status_code == status, answer.text


SECRET = ["project", "read", "write", "account", "revoked", "expired"]


@pytest.mark.parametrize("key", SECRET)
@pytest.mark.parametrize(
    "path",
    [
        f"{TRACK}?writeKey={{}}",
        f"{TRACK}?write_key={{}}",
        f"{TRACK}?a=1&write%4Bey=%20{{}}",
        f"{TRACK}?writeKey=x&writeKey={{}}",
        "/v1/batch?writeKey={}",
        "/v1/events?writeKey={}",
        "/v1/logs?writeKey={}",
        "/sourceConfig?writeKey={}",
        "/v1/projects/{}/settings",
        "/v1/projects/%20{}/settings",
        "/v1/projects/{}x/settings",
    ],
)
@shared
async def test_secret_keys_in_an_address(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_app: Application, key: str, path: str
) -> None:
    """Whatever stands beside them, and whether they are good or not: nobody is to get used to it."""
    method = "GET" if "settings" in path or "source" in path else "POST"
    for headers in ({}, bearer(shared_keys.ingest)):
        answer = await shared_client.request(
            method, path.format(getattr(shared_keys, key)), headers=headers, json=EVENT
        )
        assert answer.status_code == 403, answer.text
        assert "only a write key may stand in an address" in answer.json()["message"]
        assert "dk_" not in answer.text
    assert await shared_app.services.db.read(lambda tx: tx.one("SELECT count(*) FROM event_block")) == (0,)


async def test_a_header_wins_over_the_body(client: httpx.AsyncClient, keys: Keys, app: Application) -> None:
    for header, body, status in ((keys.ingest, keys.read, 200), (keys.revoked, keys.ingest, 401)):
        answer = await client.post(TRACK, headers=bearer(header), json={**EVENT, "writeKey": body})
        assert answer.status_code == status
    await client.post(TRACK, headers=bearer(keys.other), json={**EVENT, "writeKey": keys.ingest})
    names = await app.services.db.read(
        lambda tx: tx.all("SELECT p.name FROM event_block b JOIN project p ON p.id = b.project ORDER BY b.id")
    )
    assert names == [("mine",), ("other",)]


@pytest.mark.parametrize("body", [b"", b"{", b'{"writeKey": 1}', b'{"writeKey": null}', b"[]", b"\xff"])
async def test_nobody_is_told_anything_without_a_key(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(TRACK, content=body)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="delta"')
    assert "?writeKey=" in answer.json()["message"]


async def test_revoked_and_expired_at_once(client: httpx.AsyncClient, keys: Keys, app: Application) -> None:
    assert (await client.post(TRACK, headers=bearer(keys.ingest), json=EVENT)).status_code == 200
    await app.services.db.write(accounts.revoke_key, 1, None, secrets.parse(keys.ingest).public_id)
    for place in places(keys.ingest).values():
        answer = await client.post(TRACK, **{"json": EVENT, **place})
        assert (answer.status_code, "revoked" in answer.json()["message"]) == (401, True)
    assert (await client.get(f"/v1/projects/{keys.ingest}/settings")).status_code == 401


async def test_a_write_key_expires(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    body = {"kind": "write", "expires_at": "2026-01-02"}
    key = (await client.post("/v1/auth/api-keys", headers=bearer(keys.project), json=body)).json()["key"]
    assert (await client.post(TRACK, headers=bearer(key), json=EVENT)).status_code == 200
    clock.advance(86_400_000)
    assert (await client.post(TRACK, headers=bearer(key), json=EVENT)).status_code == 401


@pytest.mark.parametrize("place", ["basic", "x-write-key", "query"])
async def test_other_routes_keep_their_rules(client: httpx.AsyncClient, keys: Keys, place: str) -> None:
    answer = await client.get("/v1/endpoints", **places(keys.project)[place])
    assert answer.status_code == 401
    assert "Authorization: Bearer KEY" in answer.json()["message"]


async def test_two_keys_differ_only_where_events_come_in(client: httpx.AsyncClient, keys: Keys) -> None:
    headers = {**bearer(keys.project), "x-api-key": keys.read}
    assert (await client.post(TRACK, headers=headers, json=EVENT)).status_code == 200
    assert "two different keys" in (await client.get("/v1/endpoints", headers=headers)).json()["message"]


async def test_no_key_gets_into_the_log(client: httpx.AsyncClient, keys: Keys) -> None:
    with capture_logs() as logs:
        for place in places(keys.ingest).values():
            await client.post(TRACK, **{"json": EVENT, **place})
        await client.post(TRACK, params={"writeKey": keys.revoked, "wrong": 1}, json=EVENT)
        await client.get(f"/v1/projects/{keys.ingest}/settings")
    assert len(logs) == 8
    assert "dk_" not in repr(logs)
