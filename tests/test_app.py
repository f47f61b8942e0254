"""Start and end of the whole server."""

from functools import partial
from random import Random

import apsw
import httpx
import msgspec
import pytest

from delta_server import app as delta_app
from delta_server.config.sections import Config
from delta_server.features.deltas import service as deltas
from delta_server.services import APART_BYTES, Services
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import FAST, FakeClock


async def test_when_keys_were_last_used_outlives_a_shutdown(config: Config, clock: FakeClock) -> None:
    """The periodic task writes it once a minute; the server may end before."""
    async with started(delta_app.build(config, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await _list(client, keys.account)
    async with started(delta_app.build(config, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        used = {key["project"]: key["last_used_at"] for key in await _list(client, keys.account)}
    assert used[None] == "2026-01-01T00:00:00.002Z"
    assert used["other"] is None


def test_large_steps_leave_the_threads_to_small_ones_while_others_call(services: Services) -> None:
    chosen = []
    for project in (1, 2):
        services.fair_cpu.callers.note(project)
        chosen.append([services.cpu_beside(size) for size in (APART_BYTES - 1, APART_BYTES)])
    assert chosen == [[services.cpu, services.cpu], [services.cpu, services.large_cpu]]


async def _list(client: httpx.AsyncClient, key: str) -> list[dict[str, str | None]]:
    answer = await client.get("/v1/auth/api-keys", headers=bearer(key))
    found: list[dict[str, str | None]] = answer.json()["data"]
    return found


async def test_a_small_history_takes_little_on_disk(config: Config, clock: FakeClock) -> None:
    """Whatever tables there are: those without rows are not in the file of a server that does not run."""
    tuning = msgspec.structs.replace(FAST, rests_small=True)
    file = config.storage.data_dir / DATABASE_NAME
    async with started(built(config, clock, tuning=tuning)):
        pass
    assert file.stat().st_size < 16_000
    async with started(built(config, clock, tuning=tuning)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        clock.advance(3_600_000)
        for feature in delta_app.FEATURES:
            for each in feature.periodic:
                await each.run(app.services)
        assert (await client.get("/v1/snapshots", headers=bearer(keys.project))).json()["data"] == []
    assert file.stat().st_size < 48_000
    for body in ({"EUR": 1}, {"EUR": 2}):
        async with started(built(config, clock, tuning=tuning)) as app, client_of(app) as client:
            sent = await client.post("/v1/snapshots?endpoint=prices", json=body, headers=bearer(keys.project))
            assert sent.status_code == 201
            await deltas.compute_queued(app.services)
            listed = await client.get("/v1/snapshots", headers=bearer(keys.project))
            assert len(listed.json()["data"]) == body["EUR"]
            for feature in delta_app.FEATURES:
                for each in feature.periodic:
                    await each.run(app.services)
        assert file.stat().st_size < 64_000


async def test_it_starts_and_answers_reads_on_a_full_disk(config: Config, clock: FakeClock) -> None:
    async with started(delta_app.build(config, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await client.post("/v1/snapshots?endpoint=prices", json={"EUR": 1}, headers=bearer(keys.project))
    disk = Disk(Random(1), fault=lambda kind, _: apsw.FullError() if kind == "write" else None)
    vfs = FailingVfs("full", disk)
    tuning = msgspec.structs.replace(FAST, vfs=vfs.name)
    async with started(delta_app.build(config, clock=clock, tuning=tuning)) as app, client_of(app) as client:
        latest = await client.get("/v1/snapshots/latest/prices", headers=bearer(keys.project))
        assert latest.json()["data"] == {"EUR": 1}
        refused = await client.post("/v1/snapshots?endpoint=prices", json={"EUR": 2}, headers=bearer(keys.project))
        assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_ERROR")
        assert "retry-after" in refused.headers


async def test_on_a_full_disk_what_was_deleted_is_swept_at_once(
    app: delta_app.Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = app.services.db
    await client.post("/v1/snapshots?endpoint=prices", json={"EUR": 1}, headers=bearer(keys.project))
    await client.delete("/v1/endpoints/prices?purge=true", headers=bearer(keys.project))
    stats = db.stats()
    for disk_full, left in ((False, 1), (True, 0)):
        monkeypatch.setattr(db, "stats", partial(msgspec.structs.replace, stats, disk_full=disk_full))
        await delta_app._make_room(app.services)
        assert await db.read(lambda tx: tx.one("SELECT count(*) FROM endpoint")) == (left,)
