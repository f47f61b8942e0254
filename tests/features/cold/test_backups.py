"""Backups name what is in cold storage; what is restored of one leaves that to the database it is a copy of."""

import asyncio
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.core.times import DAY_MS
from delta_server.features.cold import service, tasks
from delta_server.storage.cold import store as cold
from delta_server.storage.contents import maintenance
from delta_server.tasks.commands import NoArguments
from tests.features.cold.opened import HISTORY, filled, free, fresh, moved, read_all, server
from tests.features.cold.stores import keys_in
from tests.storage.contents.opened import kill
from tests.storage.opened import FakeClock


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


async def apart(*words: str) -> Result:
    """On a thread: a command has an event loop of its own."""
    return await asyncio.to_thread(run, *words)


def silent(_done: int, _of: int) -> None: ...


async def test_a_restored_backup_deletes_nothing_until_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELTA_CONFIG", raising=False)
    clock, folder, file = FakeClock(), tmp_path / "cold", str(tmp_path / "backup.zst")
    first, again = tmp_path / "data", tmp_path / "again" / "data"
    async with server(tmp_path, str(folder), clock, kept_days=0) as svc:
        endpoint, ids = await filled(svc, clock)
        await tasks.turn(svc)
        there = await keys_in(svc, str(folder))
    saved = await apart("backup", file, "--data-dir", str(first))
    assert f"{len(there)} packs and segments" in saved.output
    assert f"not in it but in cold storage: {folder}" in saved.output
    assert "sound" in (await apart("restore", file, "--verify-only", "--data-dir", str(tmp_path))).output
    restored = await apart("restore", file, "--data-dir", str(again))
    assert restored.exit_code == 0
    assert "cold adopt" in restored.output
    async with server(tmp_path / "again", str(folder), clock, kept_days=0) as svc:
        await filled(svc, clock, "later")
        await tasks.turn(svc)
        assert len(await keys_in(svc, str(folder))) > len(there)
        for id in ids[:-1]:
            await kill(svc.contents, endpoint, id)
        await maintenance.sweep(svc.contents)
        for _ in range(2):
            clock.advance(DAY_MS)
            await tasks.turn(svc)
        assert set(there) <= set(await keys_in(svc, str(folder))), "the first database still has them"
        assert await svc.db.read(free) > 0
    async with server(tmp_path, str(folder), clock) as svc:
        assert await read_all(fresh(svc), endpoint, ids) == HISTORY
    async with server(tmp_path / "again", str(folder), clock, kept_days=0) as svc:
        stray = folder / there[0].partition("/")[0] / "packs" / "stray"
        stray.write_bytes(b"of after the backup")
        await svc.db.write(cold.insert_place, str(tmp_path / "gone for good"), "delta-gone")
        done = await service.adopt(svc, NoArguments(), silent)
        assert (done.objects > 0, done.deleted, stray.exists()) == (True, 1, False)
        assert done.away == [str(tmp_path / "gone for good")], "it keeps nobody from what is elsewhere"
        await tasks.turn(svc)
        assert await svc.db.read(free) == 0
        assert not set(there) & set(await keys_in(svc, str(folder)))


async def test_a_backup_of_which_something_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELTA_CONFIG", raising=False)
    clock, folder, file = FakeClock(), tmp_path / "cold", str(tmp_path / "backup.zst")
    async with server(tmp_path, str(folder), clock) as svc:
        await filled(svc, clock)
        await tasks.turn(svc)
        [lost, *_] = await keys_in(svc, str(folder))
        count = len(await svc.db.read(moved))
    await apart("backup", file, "--data-dir", str(tmp_path / "data"))
    (folder / lost).unlink()
    says = f"1 of {count} packs and segments are not in cold storage ({folder}) any more: {lost}"
    again = await apart("backup", file, "--overwrite", "--data-dir", str(tmp_path / "data"))
    assert again.exit_code == 0
    assert f"Warning: {says}" in again.output
    verified = await apart("restore", file, "--verify-only", "--data-dir", str(tmp_path))
    assert verified.exit_code == 1
    assert says in verified.output
    into = tmp_path / "again"
    refused = await apart("restore", file, "--data-dir", str(into))
    assert refused.exit_code == 1
    assert f"{says}: pass --allow-missing to restore all the rest" in refused.output
    assert not (into / "delta.db").exists()
    restored = await apart("restore", file, "--allow-missing", "--data-dir", str(into))
    assert restored.exit_code == 0, "what can be saved is"
    assert says in restored.output
    shutil.rmtree(folder)
    verified = await apart("restore", file, "--verify-only", "--data-dir", str(tmp_path))
    assert verified.exit_code == 1


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELTA_CONFIG", raising=False)
    monkeypatch.setenv("DELTA_DATA_DIR", str(tmp_path / "data"))
    assert "no Delta database" in run("cold", "state").output
    assert run("key", "create", "--project", "home").exit_code == 0
    assert "cold storage: none" in run("cold", "state").output
    monkeypatch.setenv("DELTA_STORAGE_COLD", str(tmp_path / "cold"))
    assert run("cold", "move").output.startswith("moved 0.0 MB")
    assert "0 objects are this database's now" in run("cold", "adopt").output
    monkeypatch.setenv("DELTA_STORAGE_COLD", "ftp://somewhere")
    failed = run("cold", "move")
    assert failed.exit_code == 1
    assert "does not answer" in failed.output
