"""GET /v1/backup: for the owner alone, one at a time, whole or broken off."""

import asyncio
from pathlib import Path

import httpx
import pytest

from delta_server.app import Application, build
from delta_server.config.sections import Config
from delta_server.core.errors import Unavailable
from delta_server.features.backups import service
from delta_server.storage import backup_stream
from delta_server.storage.backup import COPY_NAME, restore
from delta_server.storage.sqlite.connection import Tuning, open_reader
from tests.conftest import Keys, bearer, started
from tests.features.rows import Row, check
from tests.storage.opened import FAST, FakeClock

BACKUP = "/v1/backup"
ROWS = [
    Row("without a key", "GET", BACKUP, 401, key=None),
    Row("with a project's key", "GET", BACKUP, 403, key="project"),
    Row("with a public key", "GET", BACKUP, 403, key="ingest"),
    Row("with a revoked key", "GET", BACKUP, 401, key="revoked"),
]


async def test_rows(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in ROWS:
        await check(client, keys, row)


async def test_an_accounts_key_needs_the_scope_admin(client: httpx.AsyncClient, keys: Keys) -> None:
    made = await client.post(
        "/v1/auth/api-keys", json={"name": "reader", "scopes": ["read"]}, headers=bearer(keys.account)
    )
    assert made.status_code == 201, made.text
    answer = await client.get(BACKUP, headers=bearer(made.json()["key"]))
    assert answer.status_code == 403


async def test_it_is_what_restore_takes(client: httpx.AsyncClient, keys: Keys, tmp_path: Path) -> None:
    await client.post("/v1/snapshots?endpoint=prices", json={"EUR": 1.08}, headers=bearer(keys.project))
    answer = await client.get(BACKUP, headers=bearer(keys.account))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zstd"
    assert answer.headers["content-disposition"].endswith('.db.zst"')
    assert answer.headers["cache-control"] == "no-store"
    assert "content-encoding" not in answer.headers
    file = tmp_path / "backup.zst"
    file.write_bytes(answer.content)
    restore(file, tmp_path / "other", "delta.db", progress=lambda _what, _done, _of: None)
    connection = open_reader(tmp_path / "other" / "delta.db", Tuning())
    assert connection.execute("SELECT count(*) FROM snapshot").get == 1
    connection.close()


def left(app: Application) -> list[str]:
    return [path.name for path in app.services.config.storage.data_dir.glob("*.copy*") if path.suffix != ".lock"]


async def test_one_at_a_time_and_what_is_given_up_makes_room(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    pieces = service.stream(app.services).pieces()
    await anext(pieces)
    second = await client.get(BACKUP, headers=bearer(keys.account))
    assert (second.status_code, second.headers["retry-after"]) == (503, "60")
    await pieces.aclose()
    assert (await client.get(BACKUP, headers=bearer(keys.account))).status_code == 200
    assert left(app) == []


async def test_one_that_is_given_up_before_it_began(app: Application) -> None:
    pieces = service.stream(app.services).pieces()
    waiting = asyncio.create_task(anext(pieces))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await pieces.aclose()
    assert [piece async for piece in service.stream(app.services).pieces()]


async def test_one_whose_caller_is_cancelled_twice_makes_room(app: Application) -> None:
    """As a server does whose client leaves: while it ends, too."""
    started_, goes_on = asyncio.Event(), asyncio.Event()

    async def send() -> None:
        pieces = service.stream(app.services).pieces()
        try:
            async for _ in pieces:
                started_.set()
                await goes_on.wait()
        finally:
            await pieces.aclose()

    sending = asyncio.create_task(send())
    await started_.wait()
    for _ in range(3):
        sending.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(sending, return_exceptions=True)
    ending = service.stream(app.services)._ending
    assert ending is not None
    await ending
    assert left(app) == []
    assert [piece async for piece in service.stream(app.services).pieces()]


async def test_one_that_cannot_be_made_is_told_before_anything_is_sent(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.stream(app.services), "_database", Path("/nowhere/delta.db"))
    answer = await client.get(BACKUP, headers=bearer(keys.account))
    assert answer.status_code == 503
    assert "the backup was not made" in answer.json()["message"]


async def test_one_that_nobody_reads_is_ended(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_stream, "READ_TIMEOUT_S", 0.0)
    monkeypatch.setattr(backup_stream, "PIECE_BYTES", 16)
    pieces = service.stream(app.services).pieces()
    await anext(pieces)
    process = service.stream(app.services)._process
    assert process is not None
    await process.wait()
    with pytest.raises(Unavailable, match="nothing was read"):
        assert [piece async for piece in pieces]


async def test_the_server_going_down_ends_it(app: Application) -> None:
    pieces = service.stream(app.services).pieces()
    await anext(pieces)
    app.stop_streams()
    with pytest.raises(Unavailable, match="shutting down"):
        assert [piece async for piece in pieces]
    with pytest.raises(Unavailable, match="shutting down"):
        await anext(service.stream(app.services).pieces())


async def test_the_copy_of_one_that_was_killed_is_deleted_at_the_next_start(config: Config, clock: FakeClock) -> None:
    copy = config.storage.data_dir / COPY_NAME
    config.storage.data_dir.mkdir()
    copy.write_bytes(b"half a copy")
    async with started(build(config, clock=clock, tuning=FAST)):
        assert not copy.exists()
