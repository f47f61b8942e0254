"""`kill -9` while devices push: what was answered is there, a batch all or none, and cursors go on where they were."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import bearer
from tests.crash.killing import Enough, chance, kill_after
from tests.often import FUZZ
from tests.server_process import Server, create_key, serving

ROUNDS = 2 * FUZZ
DEVICES = 3
EACH = 5
NOTES = "/v1/sync/notes/delta"
ENVIRON = {
    f"DELTA_{name}_PER_MINUTE": "off"
    for name in ("SYNC_PUSHES", "SYNC_PULLS", "RATE_LIMITS_INGEST", "RATE_LIMITS_QUERY")
}


class Device:
    """Pushes batches of EACH new records, one after the other; `sent` is one whose answer has not come."""

    def __init__(self, name: str, key: str, enough: Enough) -> None:
        self.name = name
        self.acknowledged = 0
        self.sent: dict[str, Any] | None = None
        self.cursor = ""
        self.held: set[str] = set()
        self._key = bearer(key)
        self._enough = enough

    async def work(self, client: httpx.AsyncClient) -> None:
        """Until the server is gone."""
        try:
            while True:
                await self.push(client)
                self._enough.acknowledged(self.acknowledged)
        except httpx.TransportError:
            return

    async def push(self, client: httpx.AsyncClient) -> None:
        """What was not answered goes first, as it was."""
        number = self.acknowledged
        changes = [{"change_id": id, "record_id": id, "operation": "insert", "data": number} for id in self.ids(number)]
        self.sent = {"device_id": self.name, "batch_id": f"b{number}", "changes": changes}
        answer = await client.post(NOTES, json=self.sent, headers=self._key)
        assert answer.status_code == 200, answer.text
        versions = [result["version"] for result in answer.json()["results"]]
        assert versions == list(range(versions[0], versions[0] + EACH)), "at one border of the sequence"
        self.acknowledged, self.sent = number + 1, None

    def ids(self, number: int) -> list[str]:
        return [f"{self.name}-{number}-{i}" for i in range(EACH)]

    async def pull(self, client: httpx.AsyncClient) -> None:
        has_more = True
        while has_more:
            params = {"limit": "7", **({"cursor": self.cursor} if self.cursor else {})}
            answer = await client.get(NOTES, params=params, headers=self._key)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            brought = [record["record_id"] for record in page["changes"]]
            assert not self.held & set(brought), "each comes once"
            self.held |= set(brought)
            self.cursor, has_more = page["next_cursor"], page["has_more"]


async def check(server: Server, devices: list[Device]) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        for device in devices:
            await device.pull(client)
    for device in devices:
        for other in devices:
            for number in range(other.acknowledged):
                assert device.held.issuperset(other.ids(number)), "what was answered is there"
            assert len(device.held & set(other.ids(other.acknowledged))) in (0, EACH), "all or none"


async def until_killed(server: Server, devices: list[Device], enough: Enough, rng: random.Random) -> None:
    enough.of(max(device.acknowledged for device in devices) + rng.randrange(1, 20))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        workers: list[asyncio.Task[Any]] = [asyncio.create_task(device.work(client)) for device in devices]
        await kill_after(server, enough, workers, rng)


def test_what_was_answered_is_there_and_cursors_go_on(tmp_path: Path) -> None:
    rng, enough = chance(), Enough()
    key = create_key(tmp_path, "mine")
    devices = [Device(f"d{number}", key, enough) for number in range(DEVICES)]
    for _ in range(ROUNDS):
        with serving(tmp_path, DELTA_LOG_LEVEL="error", **ENVIRON) as server:
            asyncio.run(check(server, devices))
            asyncio.run(until_killed(server, devices, enough, rng))
    with serving(tmp_path, DELTA_LOG_LEVEL="error", **ENVIRON) as server:
        asyncio.run(check(server, devices))
