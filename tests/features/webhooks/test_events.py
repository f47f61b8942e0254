"""`event.created`: events in batches, each once and in order, to those who name the type."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from delta_server.features.webhooks import event_batches
from tests.conftest import Keys, bearer
from tests.features.webhooks.receiver import Receiver
from tests.features.webhooks.test_webhooks import make


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(event_batches, "GATHERED_S", 0.0)
    monkeypatch.setattr(event_batches, "AGAIN_S", 0.01)
    return iter(())


_numbers = count(1)


async def send(client: httpx.AsyncClient, key: str, events: int, kind: str = "seen") -> None:
    made = [{"eventType": kind, "messageId": f"m{next(_numbers)}", "data": {"n": n}} for n in range(events)]
    answer = await client.post("/v1/events/batch", json={"events": made}, headers=bearer(key))
    assert answer.status_code == 200, answer.text


def numbers(receiver: Receiver) -> list[int]:
    return [event["data"]["n"] for each in receiver.received for event in each.message["data"]["events"]]


async def following(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    """Until the webhook has heard of all events so far: it hears of those that come after it has begun."""
    async with asyncio.timeout(30):
        while not receiver.received:
            await send(client, keys.project, 1, kind="first")
            await asyncio.sleep(0.02)
        await send(client, keys.project, 1, kind="last")
        while "last" not in str(receiver.received[-1].message):
            await asyncio.sleep(0.01)


async def test_they_come_in_batches_in_their_order(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    condition = {"condition": "data.events[0].eventType == 'seen'"}
    made = await make(client, keys.project, url=receiver.url, events=["event.created"])
    await following(client, keys, receiver)
    path = f"/v1/webhooks/{made['webhook']['id']}"
    await client.patch(path, json={"filter": condition}, headers=bearer(keys.project))
    receiver.received.clear()
    await send(client, keys.other, 3)
    await send(client, keys.project, 250)
    async with asyncio.timeout(30):
        while len(numbers(receiver)) < 250:
            await asyncio.sleep(0.01)
    assert numbers(receiver) == list(range(250))
    assert [each.message["data"]["count"] for each in receiver.received] == [100, 100, 50]
    assert {each.message["type"] for each in receiver.received} == {"event.created"}


async def test_those_who_do_not_name_them_get_none(client: httpx.AsyncClient, keys: Keys, receiver: Receiver) -> None:
    await make(client, keys.project, url=receiver.url, events=["*"])
    await send(client, keys.project, 5)
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    received: list[Any] = await receiver.wait_for(1)
    assert [each.name for each in received] == ["endpoint.created a"]
