"""Whatever happens in whatever order, living contents read back byte for byte and nothing else is left."""

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from delta_server.core import times
from delta_server.core.packs import pack_format
from delta_server.storage.contents import contents, maintenance, verification
from delta_server.storage.contents.contents import ContentStore
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Tx
from tests.often import FUZZ, seeds
from tests.storage.contents.opened import (
    append,
    append_batch,
    documents,
    fresh_cache,
    kill,
    new_endpoint,
    opened,
    order,
)
from tests.storage.opened import FakeClock

LARGE = Packs(pack_bytes=1_024, pack_contents=4, deep_bytes=2_048, deep_contents=8, deep_after_days=7)
"""Most documents are too large for these packs: they stay frames in chains."""

TINY = Packs(pack_bytes=2_500, pack_contents=5, deep_bytes=5_000, deep_contents=10, deep_after_days=7)
"""Many packs: chains reach their end, and merging and straightening happen all the time."""


@pytest.fixture(autouse=True, params=[(1 << 20, 1), (600, 200), (0, 1)], ids=["one frame", "some gaps", "many gaps"])
def frames(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_format, "WHOLE_BYTES", request.param[0])
    monkeypatch.setattr(pack_format, "GAP_BYTES", request.param[1])


class Model:
    """The store beside a plain dict of what must be in it."""

    def __init__(self, store: ContentStore, clock: FakeClock, endpoint: int, seed: int) -> None:
        self.store, self.clock, self.endpoint = store, clock, endpoint
        self.rng = random.Random(seed)
        self.history = iter(documents(5_000, seed=seed, items=self.rng.choice([4, 8, 16])))
        self.bodies: dict[int, bytes] = {}
        self.times: dict[int, int] = {}
        self.now = 1_000_000

    async def append(self) -> None:
        for _ in range(self.rng.randint(1, 8)):
            await self._add(self.now + self.rng.choice([1, 10]))

    async def back_date(self) -> None:
        await self._add(self.rng.randint(900_000, self.now))

    async def _add(self, captured_at: int) -> None:
        captured_at = self._free(captured_at)
        body = next(self.history)
        self._learn(await append(self.store, self.endpoint, captured_at, body), captured_at, body)

    async def add_batch(self) -> None:
        start = self.now if self.rng.random() < 0.7 else self.rng.randint(900_000, self.now)
        times = sorted({self._free(start + index) for index in range(self.rng.randint(1, 60))})
        items = [(at, next(self.history)) for at in times]
        for content, (at, body) in zip(await append_batch(self.store, self.endpoint, items), items, strict=True):
            self._learn(content, at, body)

    def _free(self, captured_at: int) -> int:
        """The first time from then on at which nothing was captured."""
        taken = set(self.times.values())
        return next(at for at in itertools.count(captured_at) if at not in taken)

    def _learn(self, content: int, captured_at: int, body: bytes) -> None:
        assert content not in self.bodies
        self.bodies[content], self.times[content] = body, captured_at
        self.now = max(self.now, captured_at)

    async def kill(self) -> None:
        if self.bodies:
            await self._kill(self.rng.choice(list(self.bodies)))

    async def kill_oldest(self) -> None:
        ordered = self._order()
        for content in ordered[: self.rng.randint(0, len(ordered) * 3 // 4)]:
            await self._kill(content)

    async def _kill(self, content: int) -> None:
        await kill(self.store, self.endpoint, content)
        del self.bodies[content], self.times[content]

    async def pack(self) -> None:
        await maintenance.pack(self.store)

    async def merge(self) -> None:
        self.clock.advance(self.rng.choice([0, 8 * times.DAY_MS]))
        await maintenance.merge(self.store)

    async def sweep(self) -> None:
        await maintenance.sweep(self.store)

    async def pack_everything(self) -> None:
        await maintenance.pack_everything(self.store, self.endpoint)

    async def forget(self) -> None:
        self.store = fresh_cache(self.store, self.rng.choice([1, 3_000, 1 << 20]))

    async def read_some(self) -> None:
        for content in self.rng.sample(list(self.bodies), min(5, len(self.bodies))):
            assert await contents.read(self.store, self.endpoint, content) == self.bodies[content]

    def _order(self) -> list[int]:
        return sorted(self.bodies, key=lambda content: (self.times[content], content))

    async def check(self) -> None:
        store = fresh_cache(self.store, 1)
        wanted = self._order()
        assert [content.id for content in await order(store, self.endpoint)] == wanted
        got = [item async for item in contents.read_run(store, self.endpoint, wanted)]
        assert got == [(content, self.bodies[content]) for content in wanted]
        assert (await verification.verify(store)).broken == []

    async def check_swept(self) -> None:
        await maintenance.sweep(self.store)
        await self.check()
        counts = await self.store.db.read(_leftovers)
        assert counts == {"dead": 0, "contents": len(self.bodies), "members": len(self.bodies), "bent": 0}


def _leftovers(tx: Tx) -> dict[str, Any]:
    def count(sql: str) -> int:
        row = tx.one(sql)
        assert row is not None
        return int(row[0])

    return {
        "dead": count("SELECT count(*) FROM content WHERE dead = 1"),
        "contents": count("SELECT count(*) FROM content"),
        "members": count("SELECT (SELECT coalesce(sum(contents), 0) FROM pack) + (SELECT count(*) FROM frame)"),
        "bent": count("SELECT count(*) FROM pack JOIN content ON content.id = pack.base WHERE content.position >= 0"),
    }


STEPS = {
    Model.append: 12,
    Model.back_date: 6,
    Model.add_batch: 3,
    Model.kill: 6,
    Model.kill_oldest: 1,
    Model.pack: 5,
    Model.merge: 4,
    Model.sweep: 2,
    Model.pack_everything: 1,
    Model.forget: 2,
    Model.read_some: 3,
}


@pytest.mark.parametrize("packs", [TINY, LARGE], ids=["many packs", "large documents"])
@pytest.mark.parametrize("seed", seeds(1))
async def test_any_order_of_steps(tmp_path: Path, packs: Packs, seed: int) -> None:
    clock = FakeClock()
    async with opened(tmp_path, packs=packs, clock=clock) as store:
        model = Model(store, clock, await new_endpoint(store), seed)
        for number in range(80 if FUZZ == 1 else 120):
            await model.rng.choices(list(STEPS), list(STEPS.values()))[0](model)
            if number % 20 == 0:
                await model.check()
        await model.check()
        await model.check_swept()
        for content in list(model.bodies):
            await model._kill(content)
        await model.check_swept()
