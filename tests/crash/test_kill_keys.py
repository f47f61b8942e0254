"""`kill -9` while keys are made, rotated and revoked: a key that was answered works, a revoked one never does again.

Of a rotation whose answer never came nobody has the new key: the old one is valid until the overlap is over.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx

from delta_server.core import secrets
from tests.conftest import bearer
from tests.crash.killing import Enough, chance, kill_after
from tests.often import FUZZ
from tests.server_process import Server, create_key, serving

ROUNDS = 3 * FUZZ
WORKERS = 4
ENVIRON = {f"DELTA_RATE_LIMITS_{name}_PER_MINUTE": "off" for name in ("QUERY", "AUTH", "UNAUTHORIZED")}
KEYS = "/v1/auth/api-keys"


class Holder:
    """Has keys that work: `fresh` were not rotated, `replaced` were, or may have been."""

    def __init__(self, admin: str, rng: random.Random, enough: Enough) -> None:
        self.fresh: list[str] = []
        self.replaced: list[str] = []
        self.over: list[str] = []
        self.acknowledged = 0
        self._admin = bearer(admin)
        self._rng = rng
        self._enough = enough

    async def work(self, client: httpx.AsyncClient) -> None:
        """Until the server is gone."""
        try:
            while True:
                await self.step(client)
                self.acknowledged += 1
                self._enough.acknowledged(self.acknowledged)
        except httpx.TransportError:
            return

    async def step(self, client: httpx.AsyncClient) -> None:
        if not self.fresh:
            await self.make(client, KEYS, {"scopes": ["read"]})
        elif self.replaced and self._rng.random() < 0.4:
            await self.revoke(client, self.replaced.pop(self._rng.randrange(len(self.replaced))))
        else:
            old = self.fresh.pop(self._rng.randrange(len(self.fresh)))
            self.replaced.append(old)
            await self.make(client, f"{KEYS}/{secrets.parse(old).public_id}/rotate", {"overlap": "1h"})

    async def make(self, client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        answer = await client.post(path, json=body, headers=self._admin)
        assert answer.status_code == 201, answer.text
        self.fresh.append(answer.json()["key"])

    async def revoke(self, client: httpx.AsyncClient, key: str) -> None:
        """While nobody knows whether it was carried out, the key is not looked at."""
        answer = await client.delete(f"{KEYS}/{secrets.parse(key).public_id}", headers=self._admin)
        assert answer.status_code == 204, answer.text
        self.over.append(key)

    async def check(self, client: httpx.AsyncClient) -> None:
        for status, held in ((200, [*self.fresh, *self.replaced]), (401, self.over)):
            for key in held:
                assert (await client.get("/v1/endpoints", headers=bearer(key))).status_code == status
        await self.step(client)


async def check(server: Server, holders: list[Holder]) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        for holder in holders:
            await holder.check(client)


async def until_killed(server: Server, holders: list[Holder], enough: Enough, rng: random.Random) -> None:
    enough.of(max(holder.acknowledged for holder in holders) + rng.randrange(1, 60))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        workers: list[asyncio.Task[Any]] = [asyncio.create_task(holder.work(client)) for holder in holders]
        await kill_after(server, enough, workers, rng)


def test_keys_that_were_answered_work_and_revoked_ones_never_do(tmp_path: Path) -> None:
    rng, enough = chance(), Enough()
    admin = create_key(tmp_path, "mine")
    holders = [Holder(admin, rng, enough) for _ in range(WORKERS)]
    for _ in range(ROUNDS):
        with serving(tmp_path, DELTA_LOG_LEVEL="error", **ENVIRON) as server:
            asyncio.run(check(server, holders))
            asyncio.run(until_killed(server, holders, enough, rng))
    with serving(tmp_path, DELTA_LOG_LEVEL="error", **ENVIRON) as server:
        asyncio.run(check(server, holders))
