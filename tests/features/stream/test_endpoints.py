"""Endpoints that come, change and go, followed live: the outbox's first consumer."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.stream import service
from delta_server.storage import outbox
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

REFUSED = [
    Row("no key", "GET", "/v1/stream?topics=endpoints", 401, key=None),
    Row("an account's key", "GET", "/v1/stream?topics=endpoints", 403, key="account"),
    Row("types of events", "GET", "/v1/stream?topics=endpoints&eventType=a", 400, field="eventType"),
    Row("sources of events", "GET", "/v1/stream?topics=endpoints&source=a", 400, field="source"),
    Row("both", "GET", "/v1/stream?topics=events,endpoints", 400, field="topics"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
async def test_refusals(client: httpx.AsyncClient, keys: Keys, row: Row) -> None:
    await check(client, keys, row)


class Follower:
    def __init__(self, app: Application, project: int = 1, last: int | None = None) -> None:
        self.is_allowed = True
        self.pieces: AsyncGenerator[bytes, None] = service.endpoints(
            app.services, project, last, is_allowed=lambda: self.is_allowed
        )
        self.data: list[dict[str, Any]] = []
        self.last_id = 0

    async def next(self) -> list[str]:
        """Kinds and names of the next piece that has any."""
        found: list[str] = []
        async with asyncio.timeout(30):
            while not found:
                for part in (await anext(self.pieces)).decode().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in part.splitlines() if line[:1] not in ("", ":"))
                    if "data" not in fields:
                        continue
                    self.last_id = int(fields.get("id", self.last_id))
                    self.data.append(json.loads(fields["data"]))
                    name = self.data[-1].get("endpoint", {}).get("name")
                    found.append(f"{fields['event']} {name}" if name else fields["event"])
        return found


@pytest.fixture
async def follower(app: Application, keys: Keys) -> AsyncIterator[Follower]:
    made = Follower(app)
    assert b"retry" in await anext(made.pieces)
    async with aclosing(made.pieces):
        yield made


async def call(client: httpx.AsyncClient, key: str, method: str, path: str, body: object = None) -> httpx.Response:
    answer = await client.request(method, path, json=body, headers=bearer(key))
    assert answer.status_code < 300, answer.text
    return answer


async def test_they_are_told_as_they_come_change_and_go(
    client: httpx.AsyncClient, keys: Keys, follower: Follower
) -> None:
    steps: list[tuple[str, str, object, list[str]]] = [
        ("POST", "/v1/endpoints", {"name": "a"}, ["endpoint.created a"]),
        ("POST", "/v1/snapshots?endpoint=b", {"n": 1}, ["endpoint.created b"]),
        ("PATCH", "/v1/endpoints/a", {"name": "c"}, ["endpoint.updated c"]),
        ("DELETE", "/v1/endpoints/b", None, ["endpoint.deleted b"]),
    ]
    for method, path, body, told in steps:
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0)  # it waits already, so it has to be woken
        await call(client, keys.project, method, path, body)
        assert await waiting == told
    shown = (await call(client, keys.project, "GET", "/v1/endpoints/c")).json()["endpoint"]
    assert follower.data[2] == {"at": follower.data[2]["at"], "endpoint": {"id": shown["id"], "name": "c"}}


async def test_what_changes_nothing_or_fails_is_not_told(
    client: httpx.AsyncClient, keys: Keys, follower: Follower
) -> None:
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "a"})
    taken = await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    assert taken.status_code == 409
    await call(client, keys.project, "PATCH", "/v1/endpoints/a", {"description": ""})
    await call(client, keys.project, "POST", "/v1/snapshots?endpoint=a", {"n": 1})
    await call(client, keys.other, "POST", "/v1/endpoints", {"name": "theirs"})
    again = {"idempotency-key": "k"}
    for _ in range(2):
        answer = await client.post("/v1/endpoints", json={"name": "z"}, headers={**bearer(keys.project), **again})
        assert answer.status_code == 201
    assert await follower.next() == ["endpoint.created a", "endpoint.created z"]


async def test_who_comes_back_gets_what_was_missed(
    app: Application, client: httpx.AsyncClient, keys: Keys, follower: Follower
) -> None:
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "a"})
    await follower.next()
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "b"})
    for last, told in ((follower.last_id, ["b"]), (0, ["a", "b"])):
        back = Follower(app, last=last)
        async with aclosing(back.pieces):
            assert await back.next() == [f"endpoint.created {name}" for name in told]


async def test_a_gap_is_told_when_what_was_missed_is_gone(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    for name in ("a", "b"):
        await call(client, keys.project, "POST", "/v1/endpoints", {"name": name})
    clock.advance(outbox.KEPT_MS)
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "c"})
    assert await app.services.db.write(outbox.trim, 10)
    back = Follower(app, last=1)
    async with aclosing(back.pieces):
        assert await back.next() == ["gap"]
        assert await back.next() == ["endpoint.created c"]


async def test_an_idle_follower_hears_of_no_gap_when_others_happenings_go(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, follower: Follower
) -> None:
    await call(client, keys.other, "POST", "/v1/endpoints", {"name": "theirs"})
    waiting = asyncio.create_task(follower.next())
    app.services.topics.wake("happenings", 1)  # so that it reads on to where all others are
    for _ in range(20):
        await asyncio.sleep(0)
    clock.advance(outbox.KEPT_MS)
    await app.services.db.write(outbox.trim, 10)
    await call(client, keys.project, "POST", "/v1/endpoints", {"name": "mine"})
    assert await waiting == ["endpoint.created mine"]


async def test_who_may_no_longer_read_hears_the_end(app: Application, keys: Keys, follower: Follower) -> None:
    waiting = asyncio.create_task(follower.next())
    await asyncio.sleep(0)
    follower.is_allowed = False
    app.services.live.check_access()
    assert await waiting == ["end"]
