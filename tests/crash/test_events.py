"""`kill -9` on the real server while events come in, are sealed, rolled up and merged: each event counts once.

Clients do as analytics clients do: what nobody acknowledged is sent again, under the same message ids, to the next
server. Some send a request twice at once, or again though it was acknowledged.
"""

import asyncio
import json
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from delta_server import app as delta_app
from delta_server.config.sections import Config
from delta_server.storage.sqlite.options import Storage
from tests.crash.killing import WITHIN_S, Enough, chance, kill_after, run_and_kill
from tests.crash.test_kill import client_of
from tests.often import FUZZ
from tests.server_process import Server, create_key, run, serving

ROUNDS = 2 * FUZZ
CONNECTIONS = 8
WRITES = 6
"""That compaction has done at most when it is killed."""
DAYS = 4
SEALED = 400
"""Events of a segment that is not merged, about."""
SMALL = {"DELTA_EVENTS_SEAL_EVENTS": str(SEALED), "DELTA_EVENTS_SEGMENT_EVENTS": "3000", "DELTA_LOG_LEVEL": "error"}
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=DAYS)


class Sent(msgspec.Struct, frozen=True):
    path: str
    events: list[dict[str, Any]]


class Load:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.numbers = 0
        """Events made so far; each has its number in its message id and in its data."""
        self.acknowledged: set[int] = set()
        self.accepted = 0
        self.unanswered: list[Sent] = []
        self.recent: list[Sent] = []
        self.enough = Enough()

    def next(self) -> Sent:
        chance = self.rng.random()
        if self.unanswered:
            return self.unanswered.pop()
        if chance < 0.1 and self.recent:
            return self.rng.choice(self.recent)
        if chance < 0.4:
            return Sent("/v1/track", [self.event(event="seen", name="event")])
        events = [self.event(name="eventType") for _ in range(self.rng.choice((1, 5, 60, 300)))]
        if chance < 0.5:
            events += self.rng.sample(events, 1)
        return Sent("/v1/events/batch", events)

    def event(self, *, name: str, event: str | None = None) -> dict[str, Any]:
        number = self.numbers
        self.numbers += 1
        at = BEGAN + timedelta(seconds=self.rng.randrange(DAYS * 86_400), milliseconds=number % 1000)
        body = "properties" if name == "event" else "data"
        return {
            "messageId": f"id {number}",
            name: event or f"type {number % 3}",
            "userId": f"user {number % 50}",
            "timestamp": at.isoformat(),
            body: {"number": number},
        }

    async def work(self, client: httpx.AsyncClient) -> None:
        """Send ever more, until the server is gone."""
        while True:
            sent = self.next()
            twice = self.rng.random() < 0.05
            answers = await asyncio.gather(*(self.send(client, sent) for _ in range(1 + twice)), return_exceptions=True)
            failures = [answer for answer in answers if answer is not None]
            if any(not isinstance(failure, httpx.TransportError) for failure in failures):
                raise BaseExceptionGroup("wrong answers", failures)
            if failures:
                self.unanswered.append(sent)
                return

    async def send(self, client: httpx.AsyncClient, sent: Sent) -> None:
        body: Any = {"events": sent.events} if sent.path.endswith("batch") else sent.events[0]
        answer = await client.post(sent.path, content=json.dumps(body))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["accepted"] + told["duplicates"] == len(sent.events), told
        self.accepted += told["accepted"]
        self.acknowledged.update(int(event["messageId"][3:]) for event in sent.events)
        self.enough.acknowledged(len(self.acknowledged))
        self.recent = [*self.recent[-20:], sent]


async def until_killed(server: Server, key: str, load: Load) -> None:
    load.enough.of(len(load.acknowledged) + load.rng.randrange(500, 6000))
    async with client_of(server, key) as client:
        workers = [asyncio.create_task(load.work(client)) for _ in range(CONNECTIONS)]
        await kill_after(server, load.enough, workers, load.rng)


def test_each_event_counts_once_however_often_the_server_is_killed(tmp_path: Path) -> None:
    key = create_key(tmp_path, "p")
    load = Load(chance())
    for number in range(ROUNDS):
        with serving(tmp_path, **SMALL) as server:
            asyncio.run(until_killed(server, key, load))
        if number == ROUNDS - 1:
            run_and_kill(tmp_path, "events", "compact", writes=load.rng.randrange(WRITES), **SMALL)
    with serving(tmp_path, **SMALL) as server:
        asyncio.run(resend(server, key, load))
        asyncio.run(check(server, key, load))
        server.stop()
    told = run(tmp_path, "events", "compact").stdout
    # How much of the merging was left to the command is the servers' affair: all of it is done now.
    said = re.search(r"segments became \d+; 0 events wait .*, ([\d,]+) are in ([\d,]+) segments", told)
    assert said is not None, told
    events, segments = (int(number.replace(",", "")) for number in said.groups())
    assert events == load.numbers, told
    assert segments * SEALED < events, f"nothing was merged: {told}"
    with serving(tmp_path, **SMALL) as server:
        asyncio.run(check(server, key, load))
        server.stop()
    asyncio.run(check_stored(tmp_path / "delta-data", load))


async def check_stored(data_dir: Path, load: Load) -> None:
    async with delta_app.open_services(Config(storage=Storage(data_dir=data_dir))) as services:
        assert await services.db.check() == []
        [(project,)] = await services.db.read(lambda tx: tx.all("SELECT id FROM project"))
        stats = await services.event_maintenance.stats(project)
        assert stats.waiting_events + stats.sealed_events == load.numbers
        assert stats.segments > 0, "nothing was sealed: the test lost its point"
        verified = await services.event_maintenance.verify(project, lambda done, of: None)
        assert (verified.broken, verified.events) == ([], load.numbers)


async def resend(server: Server, key: str, load: Load) -> None:
    async with client_of(server, key) as client:
        for sent in load.unanswered:
            await load.send(client, sent)
    assert load.acknowledged == set(range(load.numbers))
    assert load.accepted <= load.numbers, "no event is accepted twice"


async def check(server: Server, key: str, load: Load) -> None:
    async with client_of(server, key) as client, asyncio.timeout(WITHIN_S):
        rows = await all_rows(client)
        assert Counter(row["messageId"] for row in rows) == {f"id {n}": 1 for n in range(load.numbers)}
        assert all(row["messageId"] == f"id {row['data']['number']}" for row in rows)
        for by, wanted in (("userId", 50), ("eventType", 4)):
            found = (await question(client, by))["rows"]
            assert sum(row["count"] for row in found) == load.numbers, by
            assert len(found) <= wanted
        assert [row["count"] for row in (await question(client))["rows"]] == [load.numbers]


async def all_rows(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    asked = {"startTime": (BEGAN - timedelta(days=1)).isoformat(), "limit": "1000"}
    while True:
        page = (await client.get("/v1/events/raw", params=asked)).raise_for_status().json()
        rows += page["data"]
        if not page["next_cursor"]:
            return rows
        asked["cursor"] = page["next_cursor"]


async def question(client: httpx.AsyncClient, *by: str) -> Any:
    span = [(BEGAN - timedelta(days=1)).isoformat(), (BEGAN + timedelta(days=DAYS + 1)).isoformat()]
    body = {"metrics": ["count"], "groupBy": list(by), "range": span}
    return (await client.post("/v1/query", json=body)).raise_for_status().json()
