"""Answers that take long end, or are refused while they have not begun, when their key is revoked or has expired, or
its project is deleted."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.http import auth, leaving
from tests.conftest import Keys, bearer
from tests.features.users.people import signed_in
from tests.http.test_server import Served, served
from tests.storage.opened import FakeClock

__all__ = ["served"]

LONG = [
    "/v1/export/events?format=csv",
    "/v1/export/events?format=json",
    "/v1/export/events?format=ndjson",
    "/v1/export/events?format=parquet",
    "/v1/export/aggregated?format=csv",
    "/v1/backup",
    "/v1/sync/download",
    "/v1/sync/watermelon/pull",
]


@pytest.mark.parametrize("path", LONG)
async def test_what_is_sent_ends(served: Served, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(leaving, "is_still_allowed", lambda request: False)
    key = served.keys.account if path == "/v1/backup" else served.keys.project
    answer = await served.raw(
        f"GET {path} HTTP/1.1\r\nhost: d\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


async def request_of(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """What the handler of an export would ask whether its caller may still read."""
    seen: list[Any] = []

    async def while_connected(request: Any, work: Any) -> Any:
        seen.append(request.scope["state"][auth.ADMIT])
        return await work

    monkeypatch.setattr("delta_server.features.exports.api.while_connected", while_connected)
    answer = await client.get("/v1/export/events", **options)
    assert answer.status_code == 200, answer.text
    return SimpleNamespace(scope={"state": {auth.ADMIT: seen[0]}})


async def test_a_key_that_is_revoked(client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await client.post("/v1/auth/api-keys", json={"name": "a"}, headers=bearer(keys.project))).json()
    request = await request_of(client, monkeypatch, headers=bearer(made["key"]))
    assert auth.is_still_allowed(request)
    [listed] = [
        key
        for key in (await client.get("/v1/auth/api-keys", headers=bearer(keys.project))).json()["data"]
        if key["name"] == "a"
    ]
    await client.delete(f"/v1/auth/api-keys/{listed['id']}", headers=bearer(keys.project))
    assert not auth.is_still_allowed(request)


async def test_a_key_that_expires(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = {"name": "a", "expires_at": "2026-02-01T00:00:00Z"}
    made = await client.post("/v1/auth/api-keys", json=expires, headers=bearer(keys.project))
    assert made.status_code == 201, made.text
    request = await request_of(client, monkeypatch, headers=bearer(made.json()["key"]))
    assert auth.is_still_allowed(request)
    clock.advance(60 * 86_400_000)
    assert not auth.is_still_allowed(request)


@pytest.mark.parametrize("named", ["header", "query"])
async def test_an_accounts_key_whose_project_is_deleted(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    made = await client.post("/v1/projects", json={"name": "short-lived"}, headers=bearer(keys.account))
    assert made.status_code == 201, made.text
    project = made.json()["project"]["id"]
    options: dict[str, Any] = {"headers": bearer(keys.account)}
    if named == "header":
        options["headers"] = {**options["headers"], "x-tenant-id": project}
    else:
        options["params"] = {"project_id": project}
    request = await request_of(client, monkeypatch, **options)
    assert auth.is_still_allowed(request)
    gone = await client.delete(f"/v1/projects/{project}", headers=bearer(keys.account))
    assert gone.status_code == 204, gone.text
    assert not auth.is_still_allowed(request)


async def test_a_member_who_loses_a_role(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    bo, path = await signed_in(app, client, "bo@example.com"), "/v1/projects/mine/members/bo@example.com"
    seen: list[Any] = []

    def while_allowed(request: Any, pieces: Any) -> Any:
        seen.append(request)
        return pieces

    monkeypatch.setattr("delta_server.features.audit.api.while_allowed", while_allowed)
    await client.put(path, json={"role": "admin"}, headers=bearer(keys.account))
    log = await client.get("/v1/audit?format=csv", headers={**bearer(bo), "x-tenant-id": "mine"})
    assert log.status_code == 200, log.text
    assert auth.is_still_allowed(seen[0])
    await client.put(path, json={"role": "viewer"}, headers=bearer(keys.account))
    assert not auth.is_still_allowed(seen[0])
