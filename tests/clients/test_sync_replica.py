"""Replicas in SQLite files over a real server: whatever gets lost and whoever is killed, they agree in the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.sync_replica import SyncReplica
from tests.clients.test_sync_clients import UNLIMITED
from tests.conftest import bearer
from tests.crash.killing import chance
from tests.often import FUZZ
from tests.server_process import create_key, serving


class Killed(Exception):
    pass


class Unreliable(httpx.AsyncHTTPTransport):
    """Loses requests, or their answers, as `rng` says."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.chance = 0.0
        self.lost = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_lost, comes_late = self._rng.random() < self.chance, self._rng.random() < 0.5
        self.lost += is_lost
        if is_lost and not comes_late:
            raise httpx.ConnectError("no network")
        answer = await super().handle_async_request(request)
        if is_lost:
            await answer.aclose()
            raise httpx.ReadError("the answer is lost")
        return answer


class Shop:
    """A server, and where replicas of its key are kept."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.key = create_key(folder, "shop")
        self.network = Unreliable(rng)
        self.url = ""
        self._folder = folder

    @asynccontextmanager
    async def replica(self, name: str, **more: Any) -> AsyncIterator[SyncReplica]:
        async with (
            httpx.AsyncClient(
                base_url=self.url, headers=bearer(self.key), transport=self.network, timeout=30
            ) as client,
            await SyncReplica.open(self._folder / f"{name}.db", client, name, **more) as opened,
        ):
            yield opened

    async def digest(self) -> str:
        async with httpx.AsyncClient(base_url=self.url, headers=bearer(self.key)) as client:
            types = (await client.get("/v1/sync/status")).json()["types"]
        return "".join(each["digest"] for each in types)


@pytest.fixture
def rng() -> random.Random:
    return chance()


@pytest.fixture
def shop(tmp_path: Path, rng: random.Random) -> Iterator[Shop]:
    made = Shop(tmp_path, rng)
    with serving(tmp_path, **UNLIMITED) as server:
        made.url = server.url
        yield made


async def in_the_end(*replicas: SyncReplica) -> None:
    """All is pushed, then all is pulled."""
    for each in (*replicas, *replicas):
        await each.sync()


async def edit(replica: SyncReplica, rng: random.Random, name: str, number: int) -> None:
    record = f"r{rng.randrange(8)}"
    if rng.random() < 0.3:
        await replica.delete(record)
    else:
        await replica.put(record, {"by": name, "number": number, "text": "é"})


async def try_to_sync(replica: SyncReplica) -> None:
    with suppress(httpx.TransportError):
        await replica.sync()


async def test_edits_on_both_sides(shop: Shop, rng: random.Random) -> None:
    async with shop.replica("phone") as phone, shop.replica("tablet") as tablet:
        await phone.put("r1", "milk")
        await phone.put("r2", "bread")
        await in_the_end(phone, tablet)
        await phone.put("r1", "oat milk")
        await tablet.put("r1", "soy milk")
        await tablet.delete("r2")
        await tablet.put("r3", "tea")
        assert await phone.records() == {"r1": "oat milk", "r2": "bread"}, "offline"
        await in_the_end(phone, tablet)
        assert await phone.records() == await tablet.records() == {"r1": "soy milk", "r3": "tea"}, "the later one won"
        await phone.put("r2", "rye")
        await in_the_end(phone, tablet)
        assert (await tablet.records())["r2"] == "rye", "who knows of the deletion brings it back"
        for replica in (phone, tablet):
            assert (await replica.waiting(), await replica.digest()) == (0, await shop.digest())


async def test_with_lost_requests_and_answers(shop: Shop, rng: random.Random) -> None:
    async with shop.replica("phone") as phone, shop.replica("tablet") as tablet:
        shop.network.chance = 0.4
        for number in range(60 * FUZZ):
            name, replica = rng.choice([("phone", phone), ("tablet", tablet)])
            await edit(replica, rng, name, number)
            if rng.random() < 0.3:
                await try_to_sync(replica)
        shop.network.chance = 0
        await in_the_end(phone, tablet)
        assert shop.network.lost > 0
        assert await phone.records() == await tablet.records()
        assert await phone.digest() == await tablet.digest() == await shop.digest()


async def test_killed_between_any_two_steps(shop: Shop, rng: random.Random) -> None:
    """Its file is opened again each time; no change is made twice."""
    steps = 0
    for number in range(12):
        async with shop.replica("tablet") as tablet:
            await tablet.put(f"t{number}", number)
            await tablet.sync()
        at = number % 6

        def kill(step: str, at: int = at) -> None:
            nonlocal steps
            steps += 1
            if steps > at:
                raise Killed(step)

        async with shop.replica("phone") as phone:
            await phone.put(f"p{number}", number)
            await edit(phone, rng, "phone", number)
        steps = 0
        try:
            async with shop.replica("phone", at_step=kill) as phone:
                await phone.sync()
        except Killed:
            pass
    async with shop.replica("phone") as phone, shop.replica("tablet") as tablet:
        await in_the_end(phone, tablet)
        found = await phone.records()
        assert found == await tablet.records()
        assert {f"{name}{number}" for name in "pt" for number in range(12)} <= found.keys()
        assert await phone.digest() == await shop.digest()


def test_a_server_that_was_put_back_asks_for_a_resync(tmp_path: Path, rng: random.Random) -> None:
    shop = Shop(tmp_path, rng)

    async def before() -> None:
        async with shop.replica("phone") as phone, shop.replica("tablet") as tablet:
            await phone.put("r1", 1)
            await tablet.put("r2", 2)
            await in_the_end(phone, tablet)
            await phone.put("r3", 3)
            await tablet.delete("r1")

    async def after() -> None:
        async with shop.replica("phone") as phone, shop.replica("tablet") as tablet:
            await in_the_end(phone, tablet)
            assert await phone.records() == await tablet.records() == {"r2": 2, "r3": 3}
            assert await phone.digest() == await shop.digest()

    for step in (before, after):
        with serving(tmp_path, **UNLIMITED) as server:
            shop.url = server.url
            asyncio.run(step())
            server.stop()
        (tmp_path / "delta-data" / "sync.mark").unlink()
