"""`kill -9` while versions are judged: what was raised is what a trial on the same history says, each once."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import bearer
from tests.crash.killing import WITHIN_S, Enough, chance, kill_after
from tests.often import FUZZ
from tests.server_process import create_key, serving

ROUNDS = 2 * FUZZ
RULE = {"endpoint": "quakes", "kind": "threshold", "path": "/rows/*/mag", "op": "gte", "value": 5, "in_a_row": 2}

DIFF = {"array_keys": {"/rows": ["id"]}}


class Sender:
    """Stores one version after the other until the server is gone."""

    def __init__(self, rng: random.Random, enough: Enough) -> None:
        self._rng, self._enough = rng, enough
        self.acknowledged = 0

    async def send(self, client: httpx.AsyncClient) -> None:
        rows = [{"id": id, "mag": self._rng.randrange(3, 8)} for id in "abcdef"]
        document = {"number": self._rng.random(), "rows": rows}
        answer = await client.post("/v1/snapshots?endpoint=quakes", json=document)
        assert answer.status_code == 201, answer.text
        self.acknowledged += 1
        self._enough.acknowledged(self.acknowledged)

    async def work(self, client: httpx.AsyncClient) -> None:
        try:
            while True:
                await self.send(client)
        except httpx.TransportError:
            return


async def check(client: httpx.AsyncClient, rule: str) -> int:
    """How many alerts there were, when all versions are judged."""
    newest = (await client.get("/v1/snapshots/latest/quakes")).json()["snapshot"]["captured_at"]
    async with asyncio.timeout(WITHIN_S):
        while (await client.get(f"/v1/alerts/rules/{rule}")).json()["rule"]["judged_at"] != newest:
            await asyncio.sleep(0.01)
    tried: dict[str, Any] = (await client.post("/v1/alerts/try", json={"rule": RULE})).json()
    raised = (await client.get("/v1/alerts?limit=1000")).json()["data"][::-1]
    wanted = [(one["from"], one["to"], one["record"], one["value"], one["most"]) for one in tried["fired"]]
    found = [(one["raised_at"], one["cleared_at"], one["record"], one["value"], one["most"]) for one in raised]
    assert found[-500:] == wanted
    return len(found)


async def test_alerts_survive(tmp_path: Path) -> None:
    rng, enough, rule = chance(), Enough(), ""
    key = create_key(tmp_path, "mine")
    sender = Sender(rng, enough)
    for number in range(ROUNDS + 1):
        with serving(tmp_path) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=30, headers=bearer(key)) as client:
                if not rule:
                    await client.post("/v1/endpoints", json={"name": "quakes", "diff": DIFF})
                    made = await client.post("/v1/alerts/rules", json={"name": "strong", **RULE})
                    rule = made.json()["rule"]["id"]
                if number == ROUNDS:
                    await sender.send(client)
                    assert await check(client, rule) > 0
                else:
                    enough.of(sender.acknowledged + rng.randrange(3, 40))
                    await kill_after(server, enough, [asyncio.create_task(sender.work(client))], rng)
