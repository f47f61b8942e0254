"""Who follows a space hears of what was committed to it, and of nothing else."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.sync import news
from delta_server.features.sync.spaces import NEWS, Whose
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check

REFUSED = [
    Row("no key", "GET", "/v1/sync/stream", 401, key=None),
    Row("a key that only writes", "GET", "/v1/sync/stream", 403, key="ingest"),
    Row("no data type", "GET", f"/v1/sync/stream?data_type={'x' * 101}", 400, field="data_type"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


@pytest.mark.parametrize("last", ["7", "00-1", "0123456789abcdef-", "0123456789abcdef-" + "9" * 19])
@shared
async def test_ids_of_elsewhere_are_refused(shared_client: httpx.AsyncClient, own_keys: Keys, last: str) -> None:
    answer = await shared_client.get("/v1/sync/stream", headers={**bearer(own_keys.read), "last-event-id": last})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


class Follower:
    """Of a space of the first tenant."""

    def __init__(self, app: Application, owner: str = "", last: str = "", data_type: str | None = None) -> None:
        self.is_allowed = True
        self.last_id = last
        self.pieces: AsyncGenerator[bytes, None] = news.follow(
            app.services,
            Whose(1, owner),
            news.parse_last_id(last),
            is_allowed=lambda: self.is_allowed,
            data_type=data_type,
        )

    async def next(self) -> list[tuple[str, int]]:
        """Types and numbers of the next piece that has any."""
        found: list[tuple[str, int]] = []
        async with asyncio.timeout(30):
            while not found:
                for part in (await anext(self.pieces)).decode().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in part.splitlines() if line[:1] not in ("", ":"))
                    self.last_id = fields.get("id", self.last_id)
                    if "data" in fields and fields["event"] == "news":
                        data = json.loads(fields["data"])
                        found.append((data["data_type"], data["version"]))
        return found


async def push(client: httpx.AsyncClient, keys: Keys, data_type: str, number: int, owner: str = "") -> None:
    sent = {"change_id": f"c{number}", "record_id": "r", "operation": "update", "data": number}
    body = {"device_id": "phone", "batch_id": f"b{number}", "changes": [sent]}
    headers = {**bearer(keys.write), **({"x-sync-user": owner} if owner else {})}
    answer = await client.post(f"/v1/sync/{data_type}/delta", json=body, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_all_there_is_then_what_changes(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await push(client, keys, "notes", 1)
    await push(client, keys, "tags", 2)
    follower = Follower(app)
    async with aclosing(follower.pieces):
        assert await follower.next() == [("notes", 1), ("tags", 2)]
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0)  # it waits already, so it has to be woken
        await push(client, keys, "notes", 3)
        assert await waiting == [("notes", 3)]
        await push(client, keys, "tags", 4)
        await push(client, keys, "notes", 5)
        assert await follower.next() == [("tags", 4), ("notes", 5)]


async def test_many_types_are_read_in_parts(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "_TYPES_AT_ONCE", 2)
    for number, data_type in enumerate("abcde"):
        await push(client, keys, data_type, number)
    follower = Follower(app)
    async with aclosing(follower.pieces):
        found = [await follower.next() for _ in range(3)]
        assert found == [[("a", 1), ("b", 2)], [("c", 3), ("d", 4)], [("e", 5)]]


async def test_one_type_alone(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    follower = Follower(app, data_type="tags")
    async with aclosing(follower.pieces):
        await push(client, keys, "notes", 1)
        await push(client, keys, "tags", 2)
        assert await follower.next() == [("tags", 2)]


async def test_who_comes_back_hears_at_once_what_it_missed(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await push(client, keys, "notes", 1)
    await push(client, keys, "tags", 2)
    first = Follower(app)
    async with aclosing(first.pieces):
        await first.next()
    await push(client, keys, "notes", 3)
    back = Follower(app, last=first.last_id)
    async with aclosing(back.pieces):
        assert await back.next() == [("notes", 3)]
    elsewhere = Follower(app, last="0123456789abcdef-2")
    async with aclosing(elsewhere.pieces):
        assert await elsewhere.next() == [("tags", 2), ("notes", 3)], "another epoch: nothing is known"


async def test_other_spaces_wake_nobody_and_what_is_refused_is_no_news(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    signal = app.services.topics.signal(NEWS, (1, "ann"))
    follower = Follower(app, owner="ann")
    async with aclosing(follower.pieces):
        await push(client, keys, "notes", 1, owner="bob")
        await push(client, keys, "notes", 1)
        assert signal.count == 0
        body = {"device_id": "phone", "batch_id": "b", "changes": [{"change_id": "c", "record_id": "r"}]}
        headers = {**bearer(keys.write), "x-sync-user": "ann"}
        assert (await client.post("/v1/sync/notes/delta", json=body, headers=headers)).status_code == 400
        await push(client, keys, "notes", 2, owner="ann")
        assert await follower.next() == [("notes", 1)]


async def test_the_end_is_said(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    follower = Follower(app)
    assert await anext(follower.pieces) == b"retry: 2000\n\n"
    follower.is_allowed = False
    app.services.live.check_access()
    assert b"event: end" in await anext(follower.pieces)
    assert app.services.live.open == 0 or [piece async for piece in follower.pieces] == []


async def test_a_thousand_hear_of_one_look(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that are woken together share what was read."""
    followers = [Follower(app) for _ in range(1000)]
    for follower in followers:
        await anext(follower.pieces)
    waiting = [asyncio.create_task(follower.next()) for follower in followers]
    await asyncio.sleep(0)
    looks = 0
    peek = app.services.db.peek

    def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return peek(*args)

    with monkeypatch.context() as patched:
        patched.setattr(app.services.db, "peek", counted)
        await push(client, keys, "notes", 1)
        assert await asyncio.gather(*waiting) == [[("notes", 1)]] * 1000
    assert looks < 20
    for follower in followers:
        await follower.pieces.aclose()
