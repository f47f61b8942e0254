"""Everything at once: writes, deletes, settings, retention, packing and sweeping, and readers between them."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config, Log
from delta_server.core.errors import Conflict
from delta_server.features.deltas import service as deltas
from delta_server.features.snapshots import tasks
from delta_server.storage.contents import maintenance, verification
from delta_server.storage.contents.options import Packs
from delta_server.storage.sqlite.options import Storage
from tests.conftest import client_of, make_keys, started
from tests.features.snapshots.shots import JSON, Shots, batch, envelope, second
from tests.often import seeds
from tests.storage.opened import FAST, FakeClock

NAMES = ("a", "b", "c")
FINE = {200, 201, 204, 304, 404, 409}
"""What is asked of something that has just gone is 404; a name that is just taken 409."""


class Storm:
    def __init__(self, app: Application, shots: Shots, rng: random.Random) -> None:
        self.app, self.shots, self.rng = app, shots, rng
        self.kept: dict[str, bytes] = {}
        self.answers: Counter[tuple[str, int]] = Counter()

    async def ask(self, what: str, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**JSON, **self.shots.headers}
        answer = await self.shots.client.request(method, path, headers=headers, **request)
        assert answer.status_code in FINE, (method, path, answer.text)
        self.answers[what, answer.status_code] += 1
        return answer

    def document(self) -> bytes:
        value = {
            "v": self.rng.randrange(3),
            "items": [{"id": n} for n in range(self.rng.randrange(3))],
            "pad": "x" * 500,
        }
        return json.dumps(value).encode()

    async def store(self) -> None:
        sent = [(self.document(), self.rng.choice(NAMES)) for _ in range(self.rng.choice((1, 1, 3)))]
        bodies = [envelope(body, name, captured_at=second(self.rng.randrange(50))) for body, name in sent]
        answer = await self.ask("store", "POST", "/v1/snapshots/batch", content=batch(*bodies))
        if answer.status_code == 201:
            for one, (body, _) in zip(answer.json()["data"], sent, strict=True):
                self.kept[one["snapshot"]["id"]] = body

    async def read(self) -> None:
        if self.kept:
            id = self.rng.choice(list(self.kept))
            answer = await self.ask("read", "GET", f"/v1/snapshots/{id}/data")
            assert answer.status_code == 404 or answer.content == self.kept[id]
            await self.ask("delta", "GET", f"/v1/deltas/{id}")
            await self.ask("since", "GET", "/v1/deltas", params={"since_snapshot": id})

    async def look(self) -> None:
        name = self.rng.choice(NAMES)
        for path in (
            f"/v1/snapshots/latest/{name}",
            "/v1/snapshots",
            "/v1/deltas?kind=all",
            f"/v1/deltas?endpoint_id={name}",
        ):
            await self.ask("look", "GET", path)

    async def delete(self) -> None:
        if self.kept:
            await self.ask("delete", "DELETE", f"/v1/snapshots/{self.rng.choice(list(self.kept))}")

    async def change(self) -> None:
        name, act = self.rng.choice(NAMES), self.rng.random()
        if act < 0.2:
            await self.ask("delete endpoint", "DELETE", f"/v1/endpoints/{name}")
        elif act < 0.4:
            await self.ask("rename", "PATCH", f"/v1/endpoints/{name}", json={"name": self.rng.choice(NAMES)})
        elif act < 0.7:
            diff = self.rng.choice([None, {"ignore": ["/v"]}, {"array_keys": {"/items": ["id"]}}])
            await self.ask("diff", "PATCH", f"/v1/endpoints/{name}", json={"diff": diff})
        else:
            keep = self.rng.choice([None, {"keep_last": 15}])
            await self.ask("retention", "PATCH", f"/v1/endpoints/{name}", json={"retention": keep})

    async def upkeep(self) -> None:
        work = self.rng.choice([maintenance.pack, maintenance.sweep, maintenance.merge, None])
        await (tasks.apply_retention_rules(self.app.services) if work is None else work(self.app.services.contents))

    async def blow(self, steps: int) -> None:
        often = [self.store] * 8 + [self.read] * 4 + [self.look, self.delete] * 2
        for _ in range(steps):
            await self.rng.choice([*often, self.change, self.upkeep])()


@pytest.fixture
async def app(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Application]:
    config = Config(
        storage=Storage(data_dir=tmp_path / "data"),
        packs=Packs(pack_contents=4, deep_contents=12, deep_after_days=0),
        log=Log(level="error"),
    )
    async with started(delta_app.build(config, clock=clock, tuning=FAST)) as application:
        yield application


@pytest.mark.parametrize("seed", seeds(1))
async def test_all_at_once(app: Application, clock: FakeClock, seed: int) -> None:
    async with client_of(app) as client:
        shots = Shots(client, await make_keys(app.services, clock))
        storm = Storm(app, shots, random.Random(seed))
        with capture_logs() as logs:
            await asyncio.gather(*[storm.blow(25) for _ in range(8)])
        assert [log for log in logs if log["log_level"] == "error"] == []
        assert (await verification.verify(app.services.contents)).broken == []
        await _check_all_there(storm)
        await _pack_everything(app)
        assert (await verification.verify(app.services.contents)).broken == []
        await _check_all_there(storm)


async def _pack_everything(app: Application) -> None:
    """The server's own loops may still pack, and win each of the few races that it runs."""
    while True:
        with suppress(Conflict):
            return await maintenance.pack_everything(app.services.contents)


async def _check_all_there(storm: Storm) -> None:
    """Every snapshot listed has the bytes it came with, and all deltas lead from one to the next."""
    while await deltas.compute_queued(storm.app.services):
        pass
    for endpoint in await storm.shots.walk("/v1/endpoints"):
        listed = await storm.shots.walk("/v1/snapshots", endpoint_id=endpoint["id"], order="asc")
        bodies = [await storm.shots.data(one["id"]) for one in listed]
        assert bodies == [storm.kept[one["id"]] for one in listed]
        assert [one["unchanged"] for one in listed] == [False, *(a == b for a, b in pairwise(bodies))][: len(listed)]
        found = await storm.shots.walk("/v1/deltas", endpoint_id=endpoint["id"], kind="all", order="asc")
        changed = [(a["id"], b["id"]) for a, b in pairwise(listed) if not b["unchanged"]]
        assert [(one["from_snapshot_id"], one["to_snapshot_id"]) for one in found] == changed
        for one in found:
            alone = await storm.shots.get(f"/v1/deltas/{one['id']}")
            assert {name: alone[name] for name in one} == one
