"""`kill -9` between login, refresh and logout: nobody is locked out, and nothing that was revoked lives.

A refresh whose answer never came is repeated, as clients do: the server may have rotated the token or not.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.crash.killing import Enough, chance, kill_after
from tests.features.users.people import PASSWORD
from tests.often import FUZZ
from tests.server_process import Server, run, serving

ROUNDS = 2 * FUZZ
PEOPLE = 4
ENVIRON = {"DELTA_LOG_LEVEL": "error", "DELTA_RATE_LIMITS_AUTH_PER_MINUTE": "off"}


class Session(msgspec.Struct):
    """What a client has of its session: the newest tokens that an answer brought."""

    refresh: str
    access: str
    used: list[str] = msgspec.field(default_factory=list)
    """Refresh tokens before that one."""


class Person:
    def __init__(self, number: int, rng: random.Random, enough: Enough) -> None:
        self.email = f"person{number}@example.com"
        self.live: list[Session] = []
        self.over: list[Session] = []
        self.acknowledged = 0
        self._rng = rng
        self._enough = enough

    async def work(self, client: httpx.AsyncClient) -> None:
        """Sign in, refresh and sign out, until the server is gone."""
        try:
            while True:
                await self.step(client)
                self.acknowledged += 1
                self._enough.acknowledged(self.acknowledged)
        except httpx.TransportError:
            return

    async def step(self, client: httpx.AsyncClient) -> None:
        if not self.live or self._rng.random() < 0.05:
            await self.login(client)
        elif self._rng.random() < 0.15:
            await self.logout(client, self.live.pop(self._rng.randrange(len(self.live))))
        else:
            await refresh(client, self._rng.choice(self.live))

    async def login(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/auth/login", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.live.append(Session(answer.json()["refresh_token"], answer.json()["access_token"]))

    async def logout(self, client: httpx.AsyncClient, session: Session) -> None:
        """While nobody knows whether it was carried out, the session is neither live nor over."""
        answer = await client.post("/v1/auth/logout", headers={"authorization": f"Bearer {session.access}"})
        assert answer.status_code == 204, answer.text
        self.over.append(session)

    async def check(self, client: httpx.AsyncClient) -> None:
        for session in self.live:
            assert await me(client, session) == 200, "the signing key and the session are as they were"
            await refresh(client, session)
            assert await me(client, session) == 200
        for session in self.over:
            assert await me(client, session) == 401
            for token in (session.refresh, *session.used):
                assert (await client.post("/v1/auth/refresh", json={"refresh_token": token})).status_code == 401
        await self.login(client)


async def refresh(client: httpx.AsyncClient, session: Session) -> None:
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": session.refresh})
    assert answer.status_code == 200, answer.text
    session.used.append(session.refresh)
    session.refresh, session.access = answer.json()["refresh_token"], answer.json()["access_token"]


async def me(client: httpx.AsyncClient, session: Session) -> int:
    answer = await client.get("/v1/auth/me", headers={"authorization": f"Bearer {session.access}"})
    return answer.status_code


async def until_killed(server: Server, people: list[Person], enough: Enough, rng: random.Random) -> None:
    enough.of(max(person.acknowledged for person in people) + rng.randrange(1, 60))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        workers: list[asyncio.Task[Any]] = [asyncio.create_task(person.work(client)) for person in people]
        await kill_after(server, enough, workers, rng)


async def check(server: Server, people: list[Person]) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        for person in people:
            await person.check(client)


def test_nobody_is_locked_out_and_nothing_revoked_lives(tmp_path: Path) -> None:
    rng, enough = chance(), Enough()
    people = [Person(number, rng, enough) for number in range(PEOPLE)]
    for person in people:
        run(tmp_path, "user", "add", person.email, input=PASSWORD)
    for _ in range(ROUNDS):
        with serving(tmp_path, **ENVIRON) as server:
            asyncio.run(check(server, people))
            asyncio.run(until_killed(server, people, enough, rng))
    with serving(tmp_path, **ENVIRON) as server:
        asyncio.run(check(server, people))
