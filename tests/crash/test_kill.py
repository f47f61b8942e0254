"""`kill -9` on the real server under write load, again and again on one data directory: what it acknowledged is there.

Some requests are on their way when it dies: nobody knows whether they were stored. They are sent again, with their
idempotency keys, to the next server, so in the end every request was acknowledged and none may be stored twice.
"""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server import app as delta_app
from delta_server.config.sections import Config
from delta_server.core.ids import parse as parse_id
from delta_server.features.deltas import service as deltas
from delta_server.services import Services
from delta_server.storage.contents import contents, verification
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.crash.killing import WITHIN_S, Enough, chance, kill_after, run_and_kill
from tests.often import FUZZ
from tests.server_process import Server, create_key, serving

ROUNDS = 3 * FUZZ
CONNECTIONS = 8
TWICE = 0.1
"""Of the requests, so many are sent twice at once, under one idempotency key."""
ENVIRON = {"DELTA_LOG_LEVEL": "error"}
WRITES = 12
"""That packing has done at most when it is killed."""
PACKING = {"DELTA_PACKS_PACK_CONTENTS": "8", "DELTA_PACKS_DEEP_CONTENTS": "32"}


class Sent(msgspec.Struct, frozen=True):
    """One request. The documents are those of its snapshots, in order."""

    key: str
    path: str
    body: bytes
    documents: list[bytes]


class Load:
    """What was acknowledged (snapshot id -> document), and the requests nobody answered."""

    def __init__(self, endpoints: int) -> None:
        self.acknowledged: dict[str, bytes] = {}
        self.unanswered: list[Sent] = []
        self.enough = Enough()
        self._endpoints = endpoints
        self._rng = random.Random(12)
        self._sent = self._requests(random.Random(11))

    def _requests(self, rng: random.Random) -> Iterator[Sent]:
        """Documents that differ in little from each other, some of them back-dated, some in batches."""
        items = [{"id": n, "value": rng.random(), "text": "x" * rng.randrange(40)} for n in range(60)]
        for number in itertools.count():
            documents: list[bytes] = []
            for _ in range(rng.choice((1, 1, 1, 1, 5))):
                items[rng.randrange(60)]["value"] = rng.random()
                documents.append(json.dumps({"number": number, "part": len(documents), "items": items}).encode())
            envelopes = [self._envelope(rng, document) for document in documents]
            body = envelopes[0] if len(documents) == 1 else b'{"snapshots":[' + b",".join(envelopes) + b"]}"
            path = "/v1/snapshots" if len(documents) == 1 else "/v1/snapshots/batch"
            yield Sent(f"request {number}", path, body, documents)

    def _envelope(self, rng: random.Random, document: bytes) -> bytes:
        fields: dict[str, Any] = {"endpoint_id": f"endpoint {rng.randrange(self._endpoints)}"}
        if rng.random() < 0.1:
            fields["captured_at"] = f"2020-01-01T00:00:{rng.randrange(60):02}Z"
        return json.dumps(fields).encode()[:-1] + b', "data":' + document + b"}"

    async def work(self, client: httpx.AsyncClient, waiting: list[Sent]) -> None:
        """Send what is waiting, then ever more, until the server is gone."""
        while True:
            sent = waiting.pop() if waiting else next(self._sent)
            times = 2 if self._rng.random() < TWICE else 1
            answers = await asyncio.gather(*(self.send(client, sent) for _ in range(times)), return_exceptions=True)
            failures = [answer for answer in answers if answer is not None]
            if any(not isinstance(failure, httpx.TransportError) for failure in failures):
                raise BaseExceptionGroup("wrong answers", failures)
            if failures:
                self.unanswered.append(sent)
                return

    async def send(self, client: httpx.AsyncClient, sent: Sent) -> None:
        answer = await client.post(sent.path, content=sent.body, headers={"idempotency-key": sent.key})
        assert answer.status_code == 201, answer.text
        stored = answer.json()
        for one, document in zip(stored.get("data", [stored]), sent.documents, strict=True):
            self.acknowledged[one["snapshot"]["id"]] = document
        self.enough.acknowledged(len(self.acknowledged))


def client_of(server: Server, key: str) -> httpx.AsyncClient:
    headers = {"x-api-key": key, "x-tenant-id": "p", "content-type": "application/json"}
    return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30)


async def until_killed(server: Server, key: str, load: Load, rng: random.Random) -> None:
    """Load the server from all connections, and kill it some time after some more snapshots are acknowledged."""
    waiting, load.unanswered = load.unanswered, []
    load.enough.of(len(load.acknowledged) + rng.randrange(1, 120))
    async with client_of(server, key) as client:
        workers = [asyncio.create_task(load.work(client, waiting)) for _ in range(CONNECTIONS)]
        await kill_after(server, load.enough, workers, rng)
    load.unanswered += waiting


async def until_quiet(server: Server, key: str, load: Load) -> None:
    """Send what nobody answered once more, and wait until all deltas are computed."""
    async with client_of(server, key) as client, asyncio.timeout(WITHIN_S):
        for sent in load.unanswered:
            await load.send(client, sent)
        while any((await client.get("/healthz/details")).json()["queues"].values()):
            await asyncio.sleep(0.05)  # or the asking would keep the server from it


@pytest.mark.parametrize("endpoints", [pytest.param(1, id="all to one endpoint"), 4])
def test_a_killed_server_has_all_it_acknowledged(tmp_path: Path, endpoints: int) -> None:
    create_key(tmp_path, "p")
    key = create_key(tmp_path, None)  # sees the queues of the whole server
    load, rng = Load(endpoints), chance()
    for number in range(ROUNDS if endpoints > 1 else ROUNDS - 1):
        with serving(tmp_path, **ENVIRON) as server:
            asyncio.run(until_killed(server, key, load, rng))
        if number % 2:
            run_and_kill(tmp_path, "pack", writes=rng.randrange(WRITES), **PACKING)  # as the server does now and then
    with serving(tmp_path, **ENVIRON) as server:
        asyncio.run(until_quiet(server, key, load))
        server.stop()
    asyncio.run(check(tmp_path / "delta-data", load.acknowledged))


async def check(data_dir: Path, acknowledged: dict[str, bytes]) -> None:
    async with delta_app.open_services(Config(storage=Storage(data_dir=data_dir))) as services:
        assert await services.db.read(lambda tx: tx.all("PRAGMA integrity_check")) == [("ok",)]
        assert (await verification.verify(services.contents)).broken == []
        rows = {uid: (endpoint, content) for uid, endpoint, content in await services.db.read(_snapshots)}
        assert rows.keys() == {parse_id(id) for id in acknowledged}, "one snapshot for each acknowledged, and no other"
        for id, document in acknowledged.items():
            assert await contents.read(services.contents, *rows[parse_id(id)]) == document
        await _check_deltas(services)


def _snapshots(tx: Tx) -> list[tuple[Any, ...]]:
    return tx.all("SELECT uid, endpoint, content FROM snapshot")


async def _check_deltas(services: Services) -> None:
    """No two documents are equal: each snapshot but an endpoint's first has its delta."""
    assert services.db.peek(deltas.queue_length) == 0
    missing = """SELECT s.id FROM snapshot s LEFT JOIN delta d ON d.content = s.content
                 WHERE d.content IS NULL AND s.captured_at > (
                   SELECT MIN(captured_at) FROM snapshot f WHERE f.endpoint = s.endpoint)"""
    assert await services.db.read(lambda tx: tx.all(missing)) == []
    counted = "SELECT id, content_deltas FROM endpoint ORDER BY id"
    there = "SELECT endpoint, COUNT(*) - 1 FROM snapshot GROUP BY endpoint ORDER BY endpoint"
    assert await services.db.read(lambda tx: tx.all(counted)) == await services.db.read(lambda tx: tx.all(there))
