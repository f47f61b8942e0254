"""Webhooks: what is refused, made, shown and changed, and that their secrets stay hidden."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.webhooks import service
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.webhooks.receiver import Receiver

NEW = {"name": "w", "url": "https://ingest.example.net/delta", "events": ["delta.*"]}
SOME = "/v1/webhooks/01890a5d-ac96-774b-bcce-b302099a8057"
HEADER = {"authorization": "Bearer abcdefgh12345678"}


def new(**changed: Any) -> dict[str, Any]:
    return {**NEW, **changed}


REFUSED = [
    Row("no key", "POST", "/v1/webhooks", 401, key=None, body=NEW),
    Row("a key that reads", "POST", "/v1/webhooks", 403, key="read", body=NEW, says="webhooks:admin"),
    Row("a key that writes", "POST", "/v1/webhooks", 403, key="write", body=NEW),
    Row("an account's key without a project", "POST", "/v1/webhooks", 403, key="account", body=NEW),
    Row("no address", "POST", "/v1/webhooks", 400, body={"name": "w", "events": ["*"]}, field="url"),
    Row("another scheme", "POST", "/v1/webhooks", 400, body=new(url="ftp://a.example"), field="url"),
    Row("an address with a user", "POST", "/v1/webhooks", 400, body=new(url="https://u:p@a.example"), field="url"),
    Row("a private address", "POST", "/v1/webhooks", 400, body=new(url="http://10.1.2.3/"), says="egress.allow_cidrs"),
    Row("metadata", "POST", "/v1/webhooks", 400, body=new(url="http://169.254.169.254/"), field="url"),
    Row("no types", "POST", "/v1/webhooks", 400, body=new(events=[]), field="events"),
    Row("a type that there is not", "POST", "/v1/webhooks", 400, body=new(events=["rain"]), field="events[0]"),
    Row("a short secret", "POST", "/v1/webhooks", 400, body=new(secret="whsec_AAAA"), field="secret"),
    Row("a header of ours", "POST", "/v1/webhooks", 400, body=new(headers={"Webhook-Id": "x"})),
    Row("a line break", "POST", "/v1/webhooks", 400, body=new(headers={"x-a": "b\nc"}), field="headers.x-a"),
    Row("a pattern", "POST", "/v1/webhooks", 400, body=new(filter={"field": "items"}), field="filter.field"),
    Row("a similarity", "POST", "/v1/webhooks", 400, body=new(filter={"similarity_below": 2})),
    Row("a condition", "POST", "/v1/webhooks", 400, body=new(filter={"condition": "a ||"}), field="filter.condition"),
    Row("a filter we do not know", "POST", "/v1/webhooks", 400, body=new(filter={"colour": 1}), says="unknown field"),
    Row("a timeout", "POST", "/v1/webhooks", 400, body=new(timeout="5m"), field="timeout"),
    Row("a delay", "POST", "/v1/webhooks", 400, body=new(retry_schedule=["5s", "2d"]), field="retry_schedule[1]"),
    Row("a format", "POST", "/v1/webhooks", 400, body=new(format="fax"), says="cloudevents"),
    Row("an empty name", "POST", "/v1/webhooks", 400, body=new(name=""), field="name"),
    Row("none to get", "GET", SOME, 404),
    Row("no id", "GET", "/v1/webhooks/w", 404),
    Row("none to change", "PATCH", SOME, 404, body={"enabled": False}),
    Row("changed without the right", "PATCH", SOME, 403, key="write", body={"enabled": False}),
    Row("none to delete", "DELETE", SOME, 404),
    Row("none to test", "POST", f"{SOME}/test", 404, body={}),
    Row("tested by who reads", "POST", f"{SOME}/test", 403, key="read", body={}),
    Row("a test of no type", "POST", f"{SOME}/test", 400, body={"type": "rain"}, field="type"),
    Row("none to rotate", "POST", f"{SOME}/rotate-secret", 404, body={}),
    Row("a long overlap", "POST", f"{SOME}/rotate-secret", 400, body={"overlap": "31d"}, field="overlap"),
    Row("none to recover", "POST", f"{SOME}/recover", 404, body={"since": "1d"}),
    Row("a timeline of nothing", "GET", "/v1/webhooks/timeline?hours=0", 400, field="hours"),
    Row("a timeline of none", "GET", f"/v1/webhooks/timeline?webhook={SOME.rpartition('/')[2]}", 404),
    Row("spark alone", "GET", "/v1/webhooks?spark=3", 400, field="spark"),
    Row("no delivery", "GET", "/v1/webhooks/deliveries/01890a5d-ac96-774b-bcce-b302099a8057", 404),
    Row("deliveries of none", "GET", "/v1/webhooks/deliveries?webhook=01890a5d-ac96-774b-bcce-b302099a8057", 404),
    Row("a state", "GET", "/v1/webhooks/deliveries?state=dead&state=lost", 400, field="state"),
    Row("a moment", "GET", "/v1/webhooks/deliveries?around=whenever", 400, field="around"),
    Row("nothing to redeliver", "POST", "/v1/webhooks/deliveries/01890a5d-ac96-774b-bcce-b302099a8057/redeliver", 404),
]


async def test_refusals(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)
    assert (await client.get("/v1/webhooks", headers=bearer(keys.read))).json()["data"] == []


async def make(client: httpx.AsyncClient, key: str, **changed: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json=new(**changed), headers=bearer(key))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_one_is_made_shown_changed_and_deleted(client: httpx.AsyncClient, keys: Keys) -> None:
    made = await make(client, keys.project, headers={"X-Token": "hidden-value"}, timeout="2s", retry_schedule=["90s"])
    webhook, path = made["webhook"], f"/v1/webhooks/{made['webhook']['id']}"
    assert made["secret"].startswith("whsec_")
    assert (webhook["state"], webhook["url"], webhook["headers"]) == ("on", NEW["url"], {"x-token": "***"})
    assert (webhook["timeout"], webhook["retry_schedule"], webhook["filter"]) == ("2s", ["90s"], {})
    assert (await client.get(path, headers=bearer(keys.read))).json()["webhook"] == webhook
    change = {"events": ["*"], "enabled": False, "retry_schedule": None, "filter": {"endpoints": ["a"]}}
    changed = (await client.patch(path, json=change, headers=bearer(keys.project))).json()["webhook"]
    assert (changed["events"], changed["state"], changed["disabled_reason"]) == (["*"], "off", "request")
    assert (len(changed["retry_schedule"]), changed["filter"]) == (9, {"endpoints": ["a"]})
    assert changed["headers"] == {"x-token": "***"}
    on = (await client.patch(path, json={"enabled": True}, headers=bearer(keys.project))).json()["webhook"]
    assert (on["state"], on["disabled_reason"]) == ("on", None)
    listed = (await client.get("/v1/webhooks?include=summary&spark=2", headers=bearer(keys.read))).json()["data"]
    assert [(each["id"], each["waiting"], each["spark"]) for each in listed] == [(webhook["id"], 0, [[0, 0], [0, 0]])]
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert (await client.get(path, headers=bearer(keys.read))).status_code == 404


async def test_headers_do_not_go_to_another_server(client: httpx.AsyncClient, keys: Keys) -> None:
    """Who may change an address does not learn by it what is sent there."""
    made = await make(client, keys.project, url="https://a.example.net/x", headers={"X-Token": "hidden-value"})
    path, headers = f"/v1/webhooks/{made['webhook']['id']}", bearer(keys.project)
    assert (await client.patch(path, json={"url": "https://a.example.net/y"}, headers=headers)).status_code == 200
    answer = await client.patch(path, json={"url": "https://b.example.net/y"}, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "headers")
    for given in ({}, {"X-Token": "another"}):
        change = {"url": "https://b.example.net/y", "headers": given}
        assert (await client.patch(path, json=change, headers=headers)).status_code == 200
    answer = await client.post(f"{path}/rotate-secret", json={"overlap": "0m"}, headers=headers)
    assert answer.status_code == 201, answer.text


async def test_a_repeated_request_makes_one_and_shows_no_secret_again(client: httpx.AsyncClient, keys: Keys) -> None:
    headers = bearer(keys.project) | {"idempotency-key": "k"}
    first, again = [(await client.post("/v1/webhooks", json=NEW, headers=headers)).json() for _ in range(2)]
    assert (again["webhook"], again["secret"]) == (first["webhook"], None)
    path = f"/v1/webhooks/{first['webhook']['id']}/rotate-secret"
    first, again = [(await client.post(path, json={}, headers=headers)).json() for _ in range(2)]
    assert first["secret"].startswith("whsec_")
    assert again["secret"] is None


async def test_addresses_and_secrets_are_not_in_the_database(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    made = await make(client, keys.project, url="https://hooks.example.net/T0/secret-path", headers=HEADER)
    await app.services.db.checkpoint()
    data = b"".join(path.read_bytes() for path in app.services.config.storage.data_dir.glob("delta.db*"))
    assert b"hooks.example.net" in data
    for secret in ("secret-path", "abcdefgh12345678", made["secret"].removeprefix("whsec_")):
        assert secret.encode() not in data


async def test_a_project_has_so_many(client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_OF_PROJECT", 3)
    for _ in range(3):
        await make(client, keys.project)
    answer = await client.post("/v1/webhooks", json=NEW, headers=bearer(keys.project))
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    await make(client, keys.other)


async def test_another_projects_are_not_found(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    made = await make(client, keys.other, url=receiver.url)
    path = f"/v1/webhooks/{made['webhook']['id']}"
    tested = (await client.post(f"{path}/test", json={}, headers=bearer(keys.other))).json()["delivery"]
    delivery = f"/v1/webhooks/deliveries/{tested['id']}"
    for method, at, body in [
        ("GET", path, None),
        ("PATCH", path, {"enabled": False}),
        ("DELETE", path, None),
        ("POST", f"{path}/test", {}),
        ("POST", f"{path}/rotate-secret", {}),
        ("POST", f"{path}/recover", {"since": "1d"}),
        ("GET", delivery, None),
        ("POST", f"{delivery}/redeliver", None),
        ("GET", f"/v1/webhooks/deliveries?webhook={made['webhook']['id']}", None),
    ]:
        answer = await client.request(method, at, json=body, headers=bearer(keys.project))
        assert answer.status_code == 404, (method, at)
    assert (await client.get("/v1/webhooks/deliveries", headers=bearer(keys.project))).json()["data"] == []
    assert (await client.get(delivery, headers=bearer(keys.other))).status_code == 200
