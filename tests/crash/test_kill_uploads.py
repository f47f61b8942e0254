"""`kill -9` while a device uploads: what was answered is there, it goes on where it was, and is visible as a whole or
not at all."""

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import bearer
from tests.crash.killing import TURNS, chance
from tests.crash.test_kill_sync import ENVIRON, NOTES
from tests.often import FUZZ
from tests.server_process import Server, create_key, serving

KILLS = 3 * FUZZ
LINES, EACH = 2000, 250
UPLOAD = "/v1/sync/upload"
NAMED = {"device_id": "phone", "upload_id": "u1"}


def line(number: int) -> str:
    return json.dumps({"data_type": "notes", "record_id": f"r{number}", "data": number}) + "\n"


class Phone:
    def __init__(self, key: str) -> None:
        self._headers = {**bearer(key), "content-type": "application/x-ndjson"}
        self.answered = 0

    async def work(self, client: httpx.AsyncClient) -> dict[str, Any]:
        """Until it is done: it asks where it was, and goes on."""
        found = await client.get(UPLOAD, params=NAMED, headers=self._headers)
        at = found.json()["lines"] if found.status_code == 200 else 0
        assert at >= self.answered, "what was answered is there"
        while True:
            rows = range(at, min(at + EACH, LINES))
            params: dict[str, Any] = {**NAMED, "offset": at, "complete": rows.stop == LINES}
            content = "".join(map(line, rows))
            answer = await client.post(UPLOAD, params=params, content=content, headers=self._headers)
            assert answer.status_code == 200, answer.text
            said = dict(answer.json())
            at = self.answered = said["lines"]
            if said["state"] == "done":
                return said

    async def look(self, client: httpx.AsyncClient) -> int:
        """How many records are visible."""
        answer = await client.get(NOTES, params={"limit": 10_000}, headers=self._headers)
        return len(answer.json()["changes"])


async def until_killed(server: Server, phone: Phone, rng: random.Random, lines: int) -> None:
    """Soon after so many lines are answered: when all parts but the last one are, it becomes visible."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        assert await phone.look(client) in (0, LINES)
        working = asyncio.create_task(phone.work(client))
        while not working.done() and phone.answered < lines:
            await asyncio.sleep(0)
        for _ in range(rng.randrange(TURNS)):
            await asyncio.sleep(0)
        assert await phone.look(client) in (0, LINES)
        os.kill(server.process.pid, signal.SIGKILL)
        await asyncio.gather(working, return_exceptions=True)


async def to_the_end(server: Server, phone: Phone) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        done = await phone.work(client)
        assert (done["lines"], done["counts"]["applied"]) == (LINES, LINES)
        assert await phone.look(client) == LINES
        assert await phone.work(client) == done, "asked again"


def test_an_upload_goes_on_and_is_visible_as_a_whole(tmp_path: Path) -> None:
    rng = chance()
    phone = Phone(create_key(tmp_path, "mine"))
    for _ in range(KILLS):
        with serving(tmp_path, DELTA_LOG_LEVEL="error", **ENVIRON) as server:
            asyncio.run(until_killed(server, phone, rng, rng.choice([rng.randrange(LINES), LINES - EACH])))
    with serving(tmp_path, DELTA_LOG_LEVEL="error", **ENVIRON) as server:
        asyncio.run(to_the_end(server, phone))
