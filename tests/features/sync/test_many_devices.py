"""Many devices at once, for minutes of compressed time: all are answered, nothing is lost, those of a person agree.

50 devices for two minutes; DELTA_SYNC_DEVICES=1000 takes ten minutes of them, and some of ours.
"""

import asyncio
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.config.sections import Config, Log, Sync
from delta_server.core import times
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer
from tests.crash.killing import chance
from tests.features.sync.replica import Edit, Replica
from tests.features.sync.test_model import NOTES, WITHOUT_LIMITS
from tests.storage.opened import FakeClock

DEVICES = int(os.environ.get("DELTA_SYNC_DEVICES", "50"))
SECONDS = 600 if DEVICES >= 1000 else 120
EACH_S = 60
OF_A_PERSON = 10
RECORDS = 20
AT_ONCE = 32


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        storage=Storage(data_dir=tmp_path / "data"),
        log=Log(level="error"),
        rate_limits=WITHOUT_LIMITS,
        sync=Sync(pushes_per_minute=0, pulls_per_minute=0),
    )


class Device:
    """`taken` are the versions that the server said it made of this device's changes, by changes."""

    def __init__(self, number: int, client: httpx.AsyncClient, key: str, clock: FakeClock, rng: random.Random) -> None:
        self.person = f"person {number // OF_A_PERSON}"
        self.replica = Replica(f"device {number}", leaves_out_own=number % 2 == 0)
        self.taken: dict[str, int] = {}
        self.latencies: list[float] = []
        self._client, self._clock, self._rng = client, clock, rng
        self._headers = {**bearer(key), "x-sync-user": self.person}

    async def turn(self) -> None:
        """Some edits; a batch, whose answer may be lost or come twice; and all pages."""
        for _ in range(self._rng.randrange(1, 4)):
            content = None if self._rng.random() < 0.05 else str(self._rng.randrange(1000))
            record, at = f"r{self._rng.randrange(RECORDS)}", times.format(self._clock.now_ms())
            self.replica.edit(record, content, at, knows=True, patches=False)
        fate = self._rng.random()
        await self.push(answers=0 if fate < 0.1 else 2 if fate < 0.2 else 1)
        await self.pull()

    async def push(self, answers: int = 1) -> None:
        """What was sent before goes first, as it was."""
        batch_id = next(iter(self.replica.unanswered), None) or self.replica.next_batch(100)
        if batch_id is None:
            return
        edits = self.replica.unanswered[batch_id]
        said = [await self._send(batch_id, edits) for _ in range(max(1, answers))]
        for results in said[:answers]:
            self.replica.answered(batch_id, edits, results)
            for result in results:
                assert result["status"] in ("applied", "duplicate", "conflict"), result
                if result["status"] == "applied":
                    known = self.taken.setdefault(result["change_id"], result["version"])
                    assert known == result["version"], "the same batch is answered the same"

    async def _send(self, batch_id: str, edits: list[Edit]) -> list[Mapping[str, Any]]:
        changes = [edit.wire() for edit in edits]
        body = {"device_id": self.replica.device_id, "batch_id": batch_id, "mode": "per_record", "changes": changes}
        return list((await self._timed("POST", json=body))["results"])

    async def pull(self) -> None:
        has_more = True
        while has_more:
            page = await self._timed("GET", params=self.replica.query(7))
            self.replica.pulled(page)
            has_more = page["has_more"]

    async def _timed(self, method: str, **more: Any) -> dict[str, Any]:
        began = time.perf_counter()
        answer = await self._client.request(method, NOTES, headers=self._headers, **more)
        self.latencies.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def versions(self) -> dict[int, str]:
        """All that were made in the space, with their records."""
        found: dict[int, str] = {}
        params: dict[str, Any] = {"limit": 1000}
        while True:
            page = (await self._client.get("/v1/sync/recent", params=params, headers=self._headers)).json()
            found |= {each["version"]: each["record_id"] for each in page["data"]}
            if not page["has_more"]:
                return found
            params["cursor"] = page["next_cursor"]


@pytest.mark.timeout(3600 if DEVICES >= 1000 else 120)
async def test_many_devices_agree_and_nothing_is_lost(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, record_property: Any
) -> None:
    rng = chance()
    devices = [Device(number, client, keys.project, clock, rng) for number in range(DEVICES)]
    due = sorted(
        (rng.random() * EACH_S + EACH_S * turn, n) for n in range(DEVICES) for turn in range(SECONDS // EACH_S)
    )
    places = asyncio.Semaphore(AT_ONCE)

    async def turn(device: Device) -> None:
        async with places:
            await device.turn()

    for second in range(SECONDS):
        now = [devices[number] for at, number in due if second <= at < second + 1]
        await asyncio.gather(*(turn(device) for device in now))
        clock.advance(1000)
    for device in devices:
        while device.replica.outbox:
            await device.push()
    for device in devices:
        await device.pull()
    for first in range(0, DEVICES, OF_A_PERSON):
        of = devices[first : first + OF_A_PERSON]
        versions = await of[0].versions()
        assert all(device.replica.living() == of[0].replica.living() for device in of)
        taken = [version for device in of for version in device.taken.values()]
        assert len(set(taken)) == len(taken) == len(versions), "each change is one version"
        assert set(taken) == versions.keys()
    latencies = sorted(latency for device in devices for latency in device.latencies)
    p50, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
    record_property("p99_ms", p99)
    print(f"{DEVICES} devices, {SECONDS} s: {len(latencies)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
