"""Requests whose body comes later than their headers: what changed in between counts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.features.users import service as users
from tests.conftest import bearer
from tests.features.users.people import PASSWORD, add, login
from tests.http.test_server import Served, served
from tests.storage.opened import FakeClock

__all__ = ["served"]

BO = "bo@example.com"


class Standing(msgspec.Struct, frozen=True):
    """Bo is an admin of the project `mine`; `keys` are made by the project's own key."""

    served: Served
    client: httpx.AsyncClient
    bo: str
    key: str
    write_key: str
    clock: FakeClock

    async def key_of(self, **body: Any) -> str:
        answer = await self.client.post("/v1/auth/api-keys", json=body, headers=bearer(self.served.keys.project))
        return str(answer.json()["key"])

    async def revoke(self, key: str) -> None:
        path = f"/v1/auth/api-keys/{key.split('_')[2]}"
        answer = await self.client.delete(path, headers=bearer(self.served.keys.project))
        assert answer.status_code == 204, answer.text

    async def member(self, method: str, **body: Any) -> None:
        headers = bearer(self.served.keys.account)
        answer = await self.client.request(
            method, f"/v1/projects/mine/members/{BO}", headers=headers, json=body or None
        )
        assert answer.status_code in (200, 204), answer.text

    async def late(
        self, target: str, body: dict[str, Any], *headers: str, between: Callable[[], Awaitable[None]]
    ) -> tuple[int, dict[str, Any]]:
        """`between` happens when the server has let the headers in, which it tells by 100 Continue."""
        sent = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.served.port)
        head = [
            f"{target} HTTP/1.1",
            "host: d",
            "connection: close",
            "expect: 100-continue",
            "content-type: application/json",
            f"content-length: {len(sent)}",
            *headers,
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + sent[:1])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await between()
        writer.write(sent[1:])
        start, _, text = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(start.split()[1]), json.loads(text)


@pytest.fixture
async def standing(served: Served, clock: FakeClock) -> AsyncIterator[Standing]:
    await add(served.application, BO)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
        bo = (await login(client, BO))["access_token"]
        made = Standing(served, client, bo, "", "", clock)
        await made.member("PUT", role="admin")
        key, write_key = await made.key_of(scopes=["admin"], expires_in="1d"), await made.key_of(kind="write")
        yield msgspec.structs.replace(made, key=key, write_key=write_key)


Change = Callable[[Standing], Awaitable[None]]


async def nothing(_: Standing) -> None: ...


async def disable(standing: Standing) -> None:
    await standing.served.application.services.db.write(lambda tx: users.disable(tx, users.named(tx, BO)))


async def expire(standing: Standing) -> None:
    standing.clock.advance(2 * 86_400_000)


KEY = ("POST /v1/auth/api-keys", {"scopes": ["admin"]}, "bo", "x-tenant-id: mine")
RENAME = ("PATCH /v1/projects/mine", {"name": "ours"}, "key", "x-a: b")
TRACK = ("POST /v1/track", {"userId": "a", "event": "b"}, "write_key", "x-a: b")
CASES = {
    "a member who was removed makes no key": (*KEY, lambda s: s.member("DELETE"), 403),
    "a member who lost a role makes no key": (*KEY, lambda s: s.member("PUT", role="viewer"), 403),
    "a member with another role that would do": (
        *("POST /v1/snapshots?endpoint=a", {"a": 1}, "bo", "x-tenant-id: mine"),
        lambda s: s.member("PUT", role="editor"),
        403,
    ),
    "somebody who was disabled": ("POST /v1/auth/totp", {"password": PASSWORD}, "bo", "x-a: b", disable, 401),
    "a key that was revoked": (
        "PATCH /v1/projects/mine",
        {"name": "a"},
        "key",
        "x-a: b",
        lambda s: s.revoke(s.key),
        401,
    ),
    "a key that expired": ("PATCH /v1/projects/mine", {"name": "a"}, "key", "x-a: b", expire, 401),
    "a write key that was revoked": (*TRACK, lambda s: s.revoke(s.write_key), 401),
    "a member nothing changed for": (*KEY, nothing, 201),
    "a key nothing changed for": (*RENAME, nothing, 200),
    "a write key nothing changed for": (*TRACK, nothing, 200),
}


@pytest.mark.parametrize(("target", "body", "by", "header", "change", "status"), CASES.values(), ids=CASES)
async def test_what_a_late_body_is_answered(
    standing: Standing, target: str, body: dict[str, Any], by: str, header: str, change: Change, status: int
) -> None:
    sender = f"authorization: Bearer {getattr(standing, by)}"
    got, answer = await standing.late(target, body, sender, header, between=lambda: change(standing))
    assert got == status, answer
