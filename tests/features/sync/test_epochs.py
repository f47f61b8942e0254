"""A database that was put back from an older copy, however that was done, is found out at the next start."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from delta_server.features.sync.epochs import MARK_NAME
from delta_server.storage import backup
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from tests.conftest import client_of, make_keys, started_in
from tests.features.sync.test_push_pull import batch, change, pull, push, statuses
from tests.storage.opened import FakeClock


def nothing(*_: object) -> None:
    pass


def restore_into(data: Path, copy: Path) -> None:
    backup.restore(copy, data, DATABASE_NAME, progress=nothing, overwrite=True)


def put_by_hand(data: Path, copy: Path) -> None:
    backup.restore(copy, data.parent / "unpacked", DATABASE_NAME, progress=nothing)
    shutil.copy(data.parent / "unpacked" / DATABASE_NAME, data / DATABASE_NAME)


def into_another_directory(data: Path, copy: Path) -> None:
    shutil.rmtree(data)
    restore_into(data, copy)


def without_mark(data: Path, copy: Path) -> None:
    (data / MARK_NAME).unlink()


def damaged_mark(data: Path, copy: Path) -> None:
    (data / MARK_NAME).write_bytes(b"{")


def nothing_happens(data: Path, copy: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("happens", "pushed_since", "status"),
    [
        (nothing_happens, True, 200),
        (restore_into, False, 200),
        (restore_into, True, 410),
        (put_by_hand, True, 410),
        (into_another_directory, True, 410),
        (without_mark, True, 410),
        (damaged_mark, True, 410),
    ],
)
async def test_cursors_ask_for_a_resync_where_something_was_lost(
    tmp_path: Path, happens: Callable[[Path, Path], None], pushed_since: bool, status: int
) -> None:
    clock, data, copy = FakeClock(), tmp_path / "data", tmp_path / "copy.zst"
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        of_nothing = (await pull(client, keys))["next_cursor"]
        await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
        cursor = (await pull(client, keys))["next_cursor"]
    backup.back_up(data / DATABASE_NAME, copy, progress=nothing)
    if pushed_since:
        async with started_in(tmp_path, clock) as app, client_of(app) as client:
            await push(client, keys, batch("phone", 2, change(2, "r1", 2)))
    happens(data, copy)
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        await pull(client, keys, f"cursor={cursor}", status)
        await pull(client, keys, f"cursor={of_nothing}", status)
        found = await pull(client, keys)
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        await pull(client, keys, f"cursor={found['next_cursor']}")


async def test_no_version_of_what_was_lost_is_given_again(tmp_path: Path) -> None:
    clock, data, copy = FakeClock(), tmp_path / "data", tmp_path / "copy.zst"
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
        backup.back_up(data / DATABASE_NAME, copy, progress=nothing)
        lost = await push(client, keys, batch("phone", 2, change(2, "r1", 2)))
    restore_into(data, copy)
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        version = (await push(client, keys, batch("tablet", 1, change(1, "r1", 3))))["version"]
        assert version > lost["version"] == 2
        late = await push(client, keys, batch("phone", 3, change(3, "r1", 4, base_version=2)))
        assert late["results"][0]["overwrote"] == version
        again = await push(client, keys, batch("phone", 2, change(2, "r1", 2)))
        assert statuses(again)[0][0] == "applied", "it was lost: it comes for the first time"


async def test_numbers_never_go_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, data, copy = FakeClock(), tmp_path / "data", tmp_path / "copy.zst"
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await push(client, keys, batch("phone", 1, change(1, "r1", 1)))
        backup.back_up(data / DATABASE_NAME, copy, progress=nothing)
        last = (await push(client, keys, batch("phone", 2, change(2, "r1", 2))))["version"]
    for number, chance in enumerate([b"\xff" * 8, b"\0" * 8], 3):  # far, then near
        restore_into(data, copy)
        monkeypatch.setattr("delta_server.features.sync.epochs.os.urandom", lambda size, chance=chance: chance[:size])
        async with started_in(tmp_path, clock) as app, client_of(app) as client:
            version = (await push(client, keys, batch("phone", number, change(number, "r1", number))))["version"]
            assert version > last, "which a device may hold that was away meanwhile"
            last = version
