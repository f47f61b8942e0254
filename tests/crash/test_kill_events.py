"""`kill -9` on the real server while events come in and are sealed: every event counts once in the end.

Clients do as real ones: what was not answered is sent again, alike, and sometimes what was. So each event is sent once
at least, and may have been stored before the kill, with its answer lost.
"""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from delta_server import app as delta_app
from delta_server.config.sections import Config
from delta_server.core.query.plan import Listing, Span
from delta_server.storage.sqlite.options import Storage
from tests.crash.killing import Enough, chance, kill_after
from tests.server_process import Server, run, serving

ROUNDS = 8
CONNECTIONS = 8
ENVIRON = {"DELTA_LOG_LEVEL": "error", "DELTA_EVENTS_SEAL_EVENTS": "500"}


class Batch(msgspec.Struct, frozen=True):
    """One request's events, by their message ids."""

    ids: list[str]

    @property
    def path(self) -> str:
        return "/v1/events/batch" if len(self.ids) > 1 else "/v1/track"

    def body(self) -> Any:
        if len(self.ids) == 1:
            return {"event": "seen", "messageId": self.ids[0], "userId": "user"}
        return {"events": [{"eventType": "seen", "messageId": id, "userId": "user"} for id in self.ids]}


class Load:
    def __init__(self, rng: random.Random) -> None:
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.unanswered: list[Batch] = []
        self.answered: list[Batch] = []
        self.enough = Enough()
        self._rng = rng
        self._batches = self._fresh()

    def _fresh(self) -> Iterator[Batch]:
        while True:
            size = self._rng.choice((1, 1, 1, 20, 200))
            ids = [f"id {len(self.sent) + number}" for number in range(size)]
            self.sent.update(ids)
            yield Batch(ids)

    def next(self) -> Batch:
        if self.unanswered:
            return self.unanswered.pop()
        again = self.answered and self._rng.random() < 0.1
        return self._rng.choice(self.answered[-100:]) if again else next(self._batches)

    async def work(self, client: httpx.AsyncClient) -> None:
        """Send until the server is gone."""
        while True:
            batch = self.next()
            try:
                await self.send(client, batch)
            except httpx.TransportError:
                self.unanswered.append(batch)
                return

    async def send(self, client: httpx.AsyncClient, batch: Batch) -> None:
        answer = await client.post(batch.path, json=batch.body())
        assert answer.status_code == 200, answer.text
        self.acknowledged.update(batch.ids)
        self.enough.acknowledged(len(self.acknowledged))
        self.answered.append(batch)


def client_of(server: Server, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"x-api-key": key}, timeout=30)


async def until_killed(server: Server, key: str, load: Load, rng: random.Random) -> None:
    load.enough.of(len(load.acknowledged) + rng.randrange(1, 4000))
    async with client_of(server, key) as client:
        workers = [asyncio.create_task(load.work(client)) for _ in range(CONNECTIONS)]
        await kill_after(server, load.enough, workers, rng)


async def send_the_rest(server: Server, key: str, load: Load) -> None:
    async with client_of(server, key) as client:
        while load.unanswered:
            await load.send(client, load.unanswered.pop())
        for batch in load.answered[-200:]:  # and many of them once more
            await load.send(client, batch)


def test_every_event_counts_once_whatever_is_killed(tmp_path: Path) -> None:
    key = run(tmp_path, "key", "create", "--project", "p").stdout.strip()
    rng = chance()
    load = Load(rng)
    for _ in range(ROUNDS):
        with serving(tmp_path, **ENVIRON) as server:
            asyncio.run(until_killed(server, key, load, rng))
    with serving(tmp_path, **ENVIRON) as server:
        asyncio.run(send_the_rest(server, key, load))
        server.stop()
    asyncio.run(check(tmp_path / "delta-data", load))


async def check(data_dir: Path, load: Load) -> None:
    assert load.acknowledged == load.sent
    async with delta_app.open_services(Config(storage=Storage(data_dir=data_dir))) as services:
        assert await services.db.check() == []
        [(project,)] = await services.db.read(lambda tx: tx.all("SELECT id FROM project"))
        stats = await services.event_maintenance.stats(project)
        assert stats.waiting_events + stats.sealed_events == len(load.sent)
        assert stats.segments > 0, "nothing was sealed: the test lost its point"
        answer = await services.event_reader.run_query(project, Listing(Span(0, 1 << 53)))
        ids = [row[answer.columns.index("message_id")] for row in answer.rows]
        assert len(ids) == len(load.sent)
        assert set(ids) == load.sent
