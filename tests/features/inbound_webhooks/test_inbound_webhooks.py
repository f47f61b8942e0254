"""Deliveries of other services, as they send them, and what they become."""

import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.features.endpoints import tasks as endpoints_tasks
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock

PATH = "/v1/endpoints/repo/inbound-webhook"
SECRET = "a-long-secret-of-the-sender"
GITHUB = {"verify": {"scheme": "github", "secret": SECRET}}
PUSH = b'{"ref": "main", "n": 1.10}'

REFUSED = [
    Row("no key", "PUT", PATH, 401, key=None, body={}),
    Row("another tenant's", "PUT", PATH, 404, key="other", body={}),
    Row("without the scope", "PUT", PATH, 403, key="write", body={}, says="endpoints:admin"),
    Row("none yet", "GET", PATH, 404, says="PUT"),
    Row("none to rotate", "POST", f"{PATH}/rotate", 404),
    Row("none to delete", "DELETE", PATH, 404),
    Row("a list without the scope", "GET", "/v1/inbound-webhooks", 403, key="write", says="endpoints:admin"),
    Row("a list from nowhere", "GET", "/v1/inbound-webhooks?cursor=x", 400),
    Row("no such endpoint", "PUT", "/v1/endpoints/nowhere/inbound-webhook", 404, body={}),
    Row("unknown field", "PUT", PATH, 400, body={"verfy": {}}),
    Row("unknown scheme", "PUT", PATH, 400, body={"verify": {"scheme": "gitlab"}}, field="verify.scheme"),
    Row("no secret", "PUT", PATH, 400, body={"verify": {"scheme": "github"}}, field="verify.secret"),
    Row("no header", "PUT", PATH, 400, body={"verify": {"scheme": "hmac", "secret": "x"}}, field="verify.header"),
    Row("no base64", "PUT", PATH, 400, body={"verify": {"scheme": "standard", "secret": "-"}}, field="verify.secret"),
    Row("no expression", "PUT", PATH, 400, body={"transform": "a["}, field="transform"),
    Row("no expression", "PUT", PATH, 400, body={"event_type": "a["}, field="event_type"),
]


class Hook:
    """An inbound webhook of the endpoint `repo`, and a sender that signs as GitHub does."""

    def __init__(self, client: httpx.AsyncClient, keys: Keys) -> None:
        self.client = client
        self.headers = bearer(keys.project)
        self.url = ""
        self.sent = 0

    async def set(self, **settings: Any) -> dict[str, Any]:
        answer = await self.client.put(PATH, json=settings, headers=self.headers)
        return self._noted(answer)

    async def rotate(self, **body: Any) -> dict[str, Any]:
        return self._noted(await self.client.post(f"{PATH}/rotate", json=body, headers=self.headers))

    def _noted(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        self.url = found.get("url", self.url)
        SWEEP.use(self.url.rpartition("/")[2], SECRET)
        return found

    async def github(
        self, body: bytes = PUSH, *, id: str = "", query: str = "", headers: Mapping[str, str] = {}
    ) -> httpx.Response:
        self.sent += 1
        signed = {
            "x-hub-signature-256": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex(),
            "x-github-event": "push",
            "x-github-delivery": id or f"delivery-{self.sent}",
            "content-type": "application/json",
        }
        return await self.client.post(self.url + query, content=body, headers={**signed, **headers})

    async def newest(self) -> bytes:
        latest = await self.client.get("/v1/snapshots/latest/repo", headers=self.headers)
        id = latest.json()["snapshot"]["id"]
        return (await self.client.get(f"/v1/snapshots/{id}/data", headers=self.headers)).content

    async def count(self) -> int:
        answer = await self.client.get("/v1/snapshots?endpoint_id=repo", headers=self.headers)
        return len(answer.json()["data"])


@pytest.fixture
async def hook(client: httpx.AsyncClient, keys: Keys) -> Hook:
    await client.post("/v1/endpoints", json={"name": "repo"}, headers=bearer(keys.project))
    return Hook(client, keys)


async def test_refusals(hook: Hook, client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)
    unknown = "dk_hook_" + "0" * 64
    answer = await client.post(f"/v1/webhooks/mine/repo/{unknown}", json={})
    assert answer.status_code == 404
    assert unknown not in answer.text


async def test_a_delivery_is_a_snapshot_once(hook: Hook, client: httpx.AsyncClient) -> None:
    made = await hook.set(**GITHUB, transform="@")
    assert made["token"].startswith("dk_hook_")
    assert made["webhook"]["verify"] | {"scheme": "github", "has_secret": True} == made["webhook"]["verify"]
    first = (await hook.github(id="d1")).json()
    assert (first["stored"], first["duplicate"], await hook.newest()) == ("snapshot", False, b'{"ref":"main","n":1.10}')
    await hook.github(b'{"ref": "other"}', id="d2")
    again = (await hook.github(id="d1")).json()
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    assert await hook.count() == 2
    shown = (await client.get(PATH, headers=hook.headers)).json()
    assert (shown["webhook"]["received"], shown["webhook"]["refused"]) == (3, 0)
    assert not {"token", "url"} & shown.keys()
    assert SECRET not in json.dumps(shown)


async def test_a_delivery_that_is_not_the_senders_changes_nothing(hook: Hook, client: httpx.AsyncClient) -> None:
    await hook.set(**GITHUB)
    for headers in ({"x-hub-signature-256": "sha256=00"}, {"x-hub-signature-256": ""}):
        assert (await hook.github(headers=headers)).status_code == 401
    assert (await hook.github(b"{", id="x")).status_code == 400
    assert (await hook.github(b"<html></html>", headers={"content-type": "text/html"})).status_code == 400
    parts = hook.url.split("/")
    for at, value in ((3, "other"), (3, "x" * 300), (4, "elsewhere"), (4, "%00"), (5, parts[5][:-1]), (5, "%00")):
        url = "/".join([*parts[:at], value, *parts[at + 1 :]])
        answer = await client.post(url, content=PUSH)
        assert (answer.status_code, parts[5] in answer.text) == (404, False), url
    for method, path in (("GET", hook.url), ("POST", hook.url + "/more"), ("DELETE", hook.url)):
        answer = await client.request(method, path)
        assert answer.status_code in (404, 405)
        assert parts[5] not in answer.text
    assert await hook.count() == 0
    shown = (await client.get(PATH, headers=hook.headers)).json()["webhook"]
    assert (shown["received"], shown["refused"]) == (0, 4)
    assert "web page" in shown["last_refusal"]


async def test_settings_and_secrets_change(hook: Hook, client: httpx.AsyncClient, clock: FakeClock) -> None:
    await hook.set(**GITHUB)
    assert "token" not in await hook.set(verify={"scheme": "github"}, transform="ref")
    assert (await hook.github()).status_code == 200
    assert await hook.newest() == b'"main"'
    assert (await hook.github(b'{"a": 1}')).status_code == 400  # no ref in it
    await hook.set(verify={"scheme": "github", "secret": "another-secret-of-the-sender"})
    assert (await hook.github()).status_code == 200  # for a day more
    clock.advance(86_400_001)
    assert (await hook.github()).status_code == 401
    await hook.set(verify={"scheme": "none"})
    assert (await hook.github(headers={"x-hub-signature-256": "none"})).status_code == 200
    await client.put(PATH, json={"verify": {"scheme": "github"}}, headers=hook.headers)
    await hook.set(enabled=False)
    assert (await hook.github()).status_code == 404


async def test_the_token_is_rotated_with_an_overlap(hook: Hook, client: httpx.AsyncClient, clock: FakeClock) -> None:
    await hook.set(**GITHUB)
    first = hook.url
    rotated = await hook.rotate(overlap="1h")
    second = hook.url
    assert rotated["webhook"]["old_token_until"] is not None
    for url in (first, second):
        hook.url = url
        assert (await hook.github()).status_code == 200
    clock.advance(3_600_001)
    hook.url = first
    assert (await hook.github()).status_code == 404
    await hook.rotate(overlap="0m")
    assert (await client.post(second, content=b"{}")).status_code == 404
    assert (await client.post(f"{PATH}/rotate", json={"overlap": "31d"}, headers=hook.headers)).status_code == 400
    assert (await client.delete(PATH, headers=hook.headers)).status_code == 204
    assert (await hook.github()).status_code == 404


async def test_events(hook: Hook, client: httpx.AsyncClient) -> None:
    await hook.set(**GITHUB)
    assert (await hook.github(id="d1", query="?as=event")).json() == {"stored": "event", "id": "d1", "duplicate": False}
    assert (await hook.github(id="d1", query="?as=event")).json()["duplicate"] is True
    await hook.github(b"[1]", id="d2", query="?as=event")
    await hook.set(verify={"scheme": "github"}, event_type="ref")
    await hook.github(id="d3", query="?as=event")
    assert (await hook.github(b'{"ref": 7}', query="?as=event")).status_code == 400
    assert (await hook.github(query="?as=something")).status_code == 400
    listed = (await client.get("/v1/events/raw", headers=hook.headers)).json()["data"]
    found = {event["messageId"]: (event["eventType"], event["source"], event["data"]) for event in listed}
    assert found == {
        "d1": ("push", "repo", {"ref": "main", "n": 1.1}),
        "d2": ("push", "repo", {"value": [1]}),
        "d3": ("main", "repo", {"ref": "main", "n": 1.1}),
    }
    assert await hook.count() == 0


async def test_forms_pings_and_challenges(hook: Hook, client: httpx.AsyncClient, clock: FakeClock) -> None:
    await hook.set(**GITHUB)
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await hook.github(urlencode({"payload": PUSH}).encode(), headers=form)).status_code == 200
    assert await hook.newest() == PUSH
    assert (await hook.github(b"a=1&b=%C3%A4&a=2", headers=form)).status_code == 200
    assert await hook.newest() == '{"a":["1","2"],"b":"ä"}'.encode()
    for body in (b"payload={", b"=%ff", b"", b"&" * 2000 + b"a=1" + b"&a=1" * 2000):
        assert (await hook.github(body, headers=form)).status_code == 400
    ping = await hook.github(b'{"zen": "x"}', headers={"x-github-event": "ping"})
    assert ping.json() == {"stored": "nothing", "id": None, "duplicate": False}
    assert await hook.count() == 2
    await hook.set(verify={"scheme": "slack", "secret": SECRET})
    body, time = b'{"type": "url_verification", "challenge": "3eZbrw"}', clock.now_ms() // 1000
    signature = hmac.digest(SECRET.encode(), b"v0:%d:%s" % (time, body), "sha256").hex()
    headers = {"x-slack-signature": f"v0={signature}", "x-slack-request-timestamp": str(time)}
    assert (await client.post(hook.url, content=body, headers=headers)).json() == {"challenge": "3eZbrw"}
    clock.advance(301_000)
    assert (await client.post(hook.url, content=body, headers=headers)).status_code == 401


async def test_large_and_other_formats(hook: Hook, client: httpx.AsyncClient) -> None:
    await hook.set()
    large = json.dumps({"rows": [{"id": number, "text": "x" * 50} for number in range(3000)]}).encode()
    assert (await client.post(hook.url, content=large)).status_code == 200
    assert await hook.newest() == large
    await client.post(hook.url, content=b"<a><b>1</b></a>", headers={"content-type": "text/xml"})
    assert await hook.newest() == b'{"a":{"b":["1"]}}'
    await client.post(hook.url, content=b"a,b\n1,x\n", headers={"content-type": "text/csv"})
    assert await hook.newest() == b'[{"a":1,"b":"x"}]'


async def test_a_deleted_endpoint_takes_nothing(
    hook: Hook, client: httpx.AsyncClient, app: Application, config: Config
) -> None:
    await hook.set()
    await client.delete("/v1/endpoints/repo", headers=hook.headers)
    assert (await client.post(hook.url, json={})).status_code == 404
    await client.post("/v1/endpoints/repo/restore", json={}, headers=hook.headers)
    assert (await client.post(hook.url, json={})).status_code == 200
    await client.delete("/v1/endpoints/repo?purge=true", headers=hook.headers)
    while app.services.db.peek(lambda tx: tx.one("SELECT 1 FROM endpoint")):
        await endpoints_tasks.remove_deleted(app.services)
    assert app.services.db.peek(lambda tx: tx.one("SELECT 1 FROM inbound_webhook")) is None


async def test_names_and_ids_both_name_it(hook: Hook, client: httpx.AsyncClient) -> None:
    made = await hook.set()
    assert (await client.post(f"/v1/webhooks/mine/repo/{made['token']}", json={})).status_code == 200
    assert (await client.post(f"/api/webhooks/mine/repo/{made['token']}", json={})).status_code == 200


async def test_those_of_a_project_are_listed(hook: Hook, client: httpx.AsyncClient, keys: Keys) -> None:
    async def listed(query: str = "", key: str = keys.project) -> Any:
        answer = await client.get(f"/v1/inbound-webhooks{query}", headers=bearer(key))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return [each["endpoint"] for each in found["data"]], found["next_cursor"]

    await hook.set(**GITHUB)
    for name in ("shop", "gone"):
        assert (await client.post("/v1/endpoints", json={"name": name}, headers=hook.headers)).status_code == 201
        await client.put(f"/v1/endpoints/{name}/inbound-webhook", json={}, headers=hook.headers)
    assert await listed() == (["gone", "shop", "repo"], None)
    await client.delete("/v1/endpoints/gone", headers=hook.headers)
    assert await listed(key=keys.other) == ([], None)
    names, cursor = await listed("?limit=2")
    assert names == ["shop"]  # and that of an endpoint in the bin, which is not told
    assert await listed(f"?limit=2&cursor={cursor}") == (["repo"], None)
