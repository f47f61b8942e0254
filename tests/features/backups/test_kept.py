"""Backups that the server takes and keeps: by the clock, when asked, verified, thinned out, reported when they fail."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application, build
from delta_server.config.sections import Backups, Config
from delta_server.core import mails
from delta_server.core.times import DAY_MS
from delta_server.features.backups import keeper, notices, taking
from delta_server.features.backups.keeper import Keeper
from delta_server.storage.backup import restore
from delta_server.storage.blobs.local import DRAFTS
from delta_server.storage.blobs.opening import open_blobs
from tests.conftest import Keys, bearer, client_of, make_keys, started
from tests.features.rows import Row, check
from tests.server_process import environment, serving, start
from tests.storage.opened import FAST, FakeClock

LIST = "/v1/backups"
ROWS = [
    *(Row(f"{method} {path} {key}", method, path, status, key=key) for method, path in (
        ("GET", LIST), ("POST", LIST), ("GET", f"{LIST}/state"), ("GET", f"{LIST}/x"), ("POST", f"{LIST}/x/verify"))
      for key, status in ((None, 401), ("project", 403), ("revoked", 401))),
    Row("another name", "GET", f"{LIST}/delta.db", 404, key="account"),
    Row("a way out", "GET", f"{LIST}/..%2Fdelta.db", 404, key="account"),
    Row("one that is not there", "POST", f"{LIST}/delta-20190101T000000Z.db.zst/verify", 404, key="account"),
]  # fmt: skip


@pytest.fixture
def kept_in(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
async def served(config: Config, clock: FakeClock, kept_in: Path) -> AsyncIterator[Application]:
    backups = Backups(schedule="6h", directory=str(kept_in))
    async with started(build(msgspec.structs.replace(config, backups=backups), clock=clock, tuning=FAST)) as app:
        await settled(app)
        yield app


@pytest.fixture
async def asked(served: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(served) as client:
        yield client


@pytest.fixture
async def known(served: Application, clock: FakeClock) -> Keys:
    return await make_keys(served.services, clock)


async def settled(app: Application, until: Callable[[Keeper], object] = lambda state: state.verified) -> Keeper:
    state = app.services.state(Keeper)
    async with asyncio.timeout(30):
        while state.doing or state.wanted or not (until(state) or state.failed):
            await asyncio.sleep(0.01)
    return state


async def test_rows(asked: httpx.AsyncClient, known: Keys) -> None:
    for row in ROWS:
        await check(asked, known, row)


async def test_one_is_taken_at_the_start_and_can_be_restored(
    asked: httpx.AsyncClient, known: Keys, tmp_path: Path, clock: FakeClock
) -> None:
    answer = (await asked.get(LIST, headers=bearer(known.account))).json()
    [found] = answer["data"]
    assert (found["fault"], answer["state"]["failure"]) == (None, None)
    assert answer["state"]["next_at"] > found["taken_at"]
    file = tmp_path / "backup.zst"
    file.write_bytes((await asked.get(f"{LIST}/{found['name']}", headers=bearer(known.account))).content)
    assert file.stat().st_size == found["bytes"]
    assert restore(file, tmp_path / "other", "delta.db", progress=lambda *_: None)[0] > found["bytes"]


async def test_now_means_now_and_lists_have_cursors(
    served: Application, asked: httpx.AsyncClient, known: Keys, clock: FakeClock
) -> None:
    clock.advance(60_000)
    answer = await asked.post(LIST, json={}, headers=bearer(known.account))
    assert answer.status_code == 202
    await settled(served, lambda state: len(state.verified) == 2)
    first = (await asked.get(f"{LIST}?limit=1", headers=bearer(known.account))).json()
    second = (await asked.get(f"{LIST}?limit=1&cursor={first['next_cursor']}", headers=bearer(known.account))).json()
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert first["data"][0]["name"] > second["data"][0]["name"]


async def test_verifying_finds_what_is_damaged(
    served: Application, asked: httpx.AsyncClient, known: Keys, kept_in: Path
) -> None:
    [path] = kept_in.glob("*.zst")
    whole, verify = path.read_bytes(), f"{LIST}/{path.name}/verify"

    async def fault() -> Any:
        served.services.state(Keeper).verified.clear()
        assert (await asked.post(verify, headers=bearer(known.account))).status_code == 202
        await settled(served)
        return (await asked.get(LIST, headers=bearer(known.account))).json()["data"][0]["fault"]

    assert await fault() is None
    path.write_bytes(whole[: len(whole) // 2])
    assert "ends too early" in await fault() or "damaged" in await fault()
    path.write_bytes(b"\0" * 100)
    assert "not a backup of Delta" in await fault()
    assert list(served.services.config.storage.data_dir.glob("backup.*")) == []


async def test_old_ones_go_and_the_clock_says_when(served: Application, clock: FakeClock, kept_in: Path) -> None:
    svc = served.services
    (kept_in / "delta-20200101T000000Z.db.zst").write_bytes(b"not the newest of its day")
    (kept_in / "delta-20200101T050000Z.db.zst").write_bytes(b"the newest of its month")
    (kept_in / "notes.txt").write_text("not ours")
    assert len(await keeper.stored(svc)) == 3
    await taking.run_wanted(svc)
    assert len(await keeper.stored(svc)) == 3, "six hours have not passed"
    clock.advance(DAY_MS)
    await taking.run_wanted(svc)
    names = [one.name for one in await keeper.stored(svc)]
    assert len(names) == 3
    assert "delta-20200101T000000Z.db.zst" not in names
    assert (kept_in / "notes.txt").exists()


async def test_a_failed_one_is_told_of_and_tried_again(
    served: Application, asked: httpx.AsyncClient, known: Keys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    svc, mailed = served.services, []

    async def enqueue(_svc: object, reason: str) -> None:
        mailed.append(reason)

    monkeypatch.setattr(notices, "enqueue", enqueue)
    where = keeper.place(svc)
    monkeypatch.setattr(where.blobs, "_folder", Path("/proc/nowhere"))
    clock.advance(DAY_MS)
    await taking.run_wanted(svc)
    await taking.run_wanted(svc)
    failure = (await asked.get(f"{LIST}/state", headers=bearer(known.account))).json()["failure"]
    assert failure["reason"] in mailed
    clock.advance(taking.RETRY_MS)
    await taking.run_wanted(svc)
    again = svc.state(Keeper).failed
    assert again is not None
    assert again.last_ms > again.since_ms
    assert len(mailed) == 1, "one mail, however often it fails"
    monkeypatch.undo()
    clock.advance(taking.RETRY_MS)
    await taking.run_wanted(svc)
    assert svc.state(Keeper).failed is None


@pytest.mark.parametrize("kind", ["a file", "a bucket that does not answer"])
async def test_a_place_that_is_away_from_the_start_on_is_told_of(
    config: Config, clock: FakeClock, kept_in: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_in.write_text("no directory")
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    place = str(kept_in) if kind == "a file" else "s3://bucket/delta"
    backups = Backups(schedule="6h", directory=place)
    async with started(build(msgspec.structs.replace(config, backups=backups), clock=clock, tuning=FAST)) as app:
        failed = (await settled(app)).failed
        assert failed is not None
        assert place in failed.reason
        assert "storage.blobs" not in failed.reason
        async with client_of(app) as asked:
            keys = await make_keys(app.services, clock)
            listed = await asked.get(LIST, headers=bearer(keys.account))
    assert kind == "a file" or (listed.status_code == 503 and "see backups.directory" in listed.json()["detail"])


def test_the_owner_is_mailed() -> None:
    mail = mails.backup_failed("ada@example.com", reason="the disk is full", at_ms=0, server="https://d.example.com")
    assert "the disk is full" in mail.text


async def test_in_a_bucket_they_are_beside_the_blobs(config: Config, clock: FakeClock) -> None:
    storage = msgspec.structs.replace(config.storage, blobs="memory://")
    backups = msgspec.structs.replace(config, storage=storage, backups=Backups(schedule="03:30"))
    async with started(build(backups, clock=clock, tuning=FAST)) as app:
        await settled(app)
        [found] = await keeper.stored(app.services)
        assert keeper.place(app.services).key(found.name) == f"backups/{found.name}"
    assert open_blobs("memory://", config.storage.data_dir)


async def test_what_a_killed_server_was_writing_is_deleted(served: Application, kept_in: Path) -> None:
    draft = kept_in / DRAFTS / "half"
    draft.write_bytes(b"half a backup")
    os.utime(draft, (1, 1))
    assert len(await keeper.stored(served.services)) == 1, "a draft is no backup"
    await taking.take(served.services)
    assert not draft.exists()


HANGING = """
import sys, time
from delta_server.__main__ import main
from delta_server.storage.blobs import local

def write(file, piece, real=local._write_all):
    real(file, piece[:100])
    time.sleep(3600)

local._write_all = write
sys.argv[1:] = ["serve", "--port", "0"]
main()
"""


def test_a_server_that_is_killed_within_a_backup_leaves_none(tmp_path: Path, kept_in: Path) -> None:
    env = {"DELTA_BACKUPS_SCHEDULE": "6h", "DELTA_BACKUPS_DIRECTORY": str(kept_in)}
    with start(code=HANGING, cwd=tmp_path, env=environment(**env), stdout=PIPE, stderr=PIPE) as process:
        _until(lambda: any(path.stat().st_size for path in kept_in.glob(f"{DRAFTS}/*")))
        process.kill()
        process.communicate()
    assert list(kept_in.glob("*.zst")) == []
    [draft] = kept_in.glob(f"{DRAFTS}/*")
    os.utime(draft, (1, 1))
    with serving(tmp_path, **env):
        _until(lambda: list(kept_in.glob("*.zst")))
    assert not draft.exists()
    assert list((tmp_path / "delta-data").glob("backup.copy*")) == []


def _until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
