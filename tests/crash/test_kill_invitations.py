"""`kill -9` while people are invited, mailed and accept: whoever accepted can sign in, once, whoever did not still can
accept, and each invitation that nobody has accepted is mailed."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.crash.killing import Enough, chance, kill_after
from tests.features.users.people import PASSWORD
from tests.often import FUZZ
from tests.server_process import Server, create_key, run, serving
from tests.smtp_server import MailServer, running

ROUNDS = 2 * FUZZ
INVITERS = 3


class Invited(msgspec.Struct):
    email: str
    token: str
    accepted: bool | None = None
    """None while nobody knows: the answer never came."""


class Inviter:
    def __init__(self, number: int, key: str, enough: Enough) -> None:
        self.invited: list[Invited] = []
        self.acknowledged = 0
        self._number = number
        self._headers = {"authorization": f"Bearer {key}"}
        self._enough = enough

    async def work(self, client: httpx.AsyncClient) -> None:
        """Invite, and accept every other one, until the server is gone."""
        try:
            while True:
                await self._step(client)
                self.acknowledged += 1
                self._enough.acknowledged(self.acknowledged)
        except httpx.TransportError:
            return

    async def _step(self, client: httpx.AsyncClient) -> None:
        email = f"bo{self._number}-{self.acknowledged}-{len(self.invited)}@example.com"
        body = {"email": email, "role": "editor"}
        answer = await client.post("/v1/projects/shop/invitations", json=body, headers=self._headers)
        assert answer.status_code == 201, answer.text
        one = Invited(email, answer.json()["token"], accepted=False)
        self.invited.append(one)
        if len(self.invited) % 2:
            one.accepted = None
            assert await accept(client, one) == 200
            one.accepted = True

    async def check(self, client: httpx.AsyncClient) -> None:
        for one in self.invited:
            status = await accept(client, one)
            assert status in {True: (403,), False: (200,), None: (200, 403)}[one.accepted]
            assert await login(client, one) == 200


async def accept(client: httpx.AsyncClient, one: Invited) -> int:
    answer = await client.post("/v1/invitations/accept", json={"token": one.token, "password": PASSWORD})
    return answer.status_code


async def login(client: httpx.AsyncClient, one: Invited) -> int:
    answer = await client.post("/v1/auth/login", json={"email": one.email, "password": PASSWORD})
    return answer.status_code


async def until_killed(server: Server, inviters: list[Inviter], enough: Enough, rng: random.Random) -> None:
    enough.of(max(one.acknowledged for one in inviters) + rng.randrange(1, 10))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        workers: list[asyncio.Task[Any]] = [asyncio.create_task(one.work(client)) for one in inviters]
        await kill_after(server, enough, workers, rng)


async def test_who_accepted_can_sign_in_and_no_mail_is_lost(tmp_path: Path) -> None:
    rng, enough = chance(), Enough()
    create_key(tmp_path, "shop")  # makes the project
    key = create_key(tmp_path, None)
    run(tmp_path, "user", "add", "ada@example.com", "--role", "owner", input=PASSWORD)
    inviters = [Inviter(number, key, enough) for number in range(INVITERS)]
    async with running(MailServer()) as mailbox:
        environ = {
            "DELTA_LOG_LEVEL": "error",
            "DELTA_RATE_LIMITS_AUTH_PER_MINUTE": "off",
            "DELTA_SERVER_PUBLIC_URL": "https://delta.example.com",
            "DELTA_SMTP_HOST": "127.0.0.1",
            "DELTA_SMTP_PORT": str(mailbox.port),
            "DELTA_SMTP_TLS": "none",
            "DELTA_SMTP_FROM_ADDRESS": "delta@example.com",
        }
        for _ in range(ROUNDS):
            with serving(tmp_path, **environ) as server:
                await until_killed(server, inviters, enough, rng)
        with serving(tmp_path, **environ) as server:
            wanted = {one.token for inviter in inviters for one in inviter.invited if one.accepted is False}
            count = 0
            while not wanted <= {mail.token for mail in mailbox.mails}:
                count = len(await mailbox.received(count + 1))
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                for inviter in inviters:
                    await inviter.check(client)
