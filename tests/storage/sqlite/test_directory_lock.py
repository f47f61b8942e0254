"""One server on a data directory, and only on a disk of this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from delta_server.storage.sqlite.directory_lock import (
    LOCK_NAME,
    DataDirRefused,
    DirectoryLock,
    InUse,
    file_system,
    refuse_network,
)
from tests.storage.opened import opened

ROOT = Path(__file__).parents[3]

HOLDER = """
import asyncio, sys
from pathlib import Path
from tests.storage.opened import opened

async def main():
    async with opened(Path(sys.argv[1])) as db:
        print("open", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


@contextmanager
def another_server(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


async def test_a_second_server_is_refused_with_the_first_ones_process_id(tmp_path: Path):
    with another_server(tmp_path) as first:
        with pytest.raises(DataDirRefused, match=rf"process {first.pid}\b.*DELTA_DATA_DIR"):
            async with opened(tmp_path):
                pass
        first.communicate("")
        assert first.returncode == 0
        async with opened(tmp_path) as db:
            assert db.stats().writes == 0


async def test_a_killed_server_holds_nothing(tmp_path: Path):
    with another_server(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        async with opened(tmp_path):
            assert (tmp_path / LOCK_NAME).read_text() != f"{first.pid}\n"


async def test_two_in_one_process_are_refused_too(tmp_path: Path):
    async with opened(tmp_path):
        with pytest.raises(DataDirRefused):
            async with opened(tmp_path):
                pass


def test_the_lock_can_be_taken_again_once_released(tmp_path: Path):
    for _ in range(3):
        DirectoryLock(tmp_path).release()


async def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataDirRefused, match="cannot be used"):
        async with opened(tmp_path / "file" / "data"):
            pass


MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 0:25 / /proc rw - proc proc rw
40 22 0:41 / /mnt/nas rw,relatime shared:5 - nfs4 nas:/export rw,vers=4.2
41 40 254:1 / /mnt/nas/local rw - xfs /dev/vdb rw
42 22 0:43 / /home/a\040b rw - fuse.sshfs a@b:/ rw
43 22 0:44 / /media/stick rw - fuse.ntfs-3g /dev/sdb1 rw
44 22 0:45 / /shares/smb rw - cifs //server/share rw
45 22 0:46 / /host rw - 9p host rw
46 22 0:47 / /twice rw - ext4 /dev/vdc rw
47 22 0:48 / /twice rw - nfs server:/twice rw
48 22 0:49 / /var/lib/docker rw - overlay overlay rw
a line that is not understood
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/mnt/nas/delta", "nfs4"),
        ("/mnt/nas", "nfs4"),
        ("/home/a b/data", "fuse.sshfs"),
        ("/shares/smb/x", "cifs"),
        ("/host/c/data", "9p"),
        ("/twice/data", "nfs"),
    ],
)
def test_network_file_systems_are_refused(tmp_path: Path, path: str, kind: str):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    with pytest.raises(DataDirRefused, match=rf"network file system \({kind}\).*DELTA_DATA_DIR"):
        refuse_network(Path(path), mounts=mounts)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/delta", "ext4"),
        ("/mnt/nas/local/delta", "xfs"),
        ("/mnt/nasty", "ext4"),
        ("/media/stick/delta", "fuse.ntfs-3g"),
        ("/var/lib/docker/x", "overlay"),
    ],
)
def test_local_file_systems_are_accepted(tmp_path: Path, path: str, kind: str):
    assert file_system(Path(path), MOUNTS.splitlines()) == kind
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    refuse_network(Path(path), mounts=mounts)


def test_where_mounts_cannot_be_told_all_is_accepted(tmp_path: Path):
    refuse_network(tmp_path, mounts=tmp_path / "absent")


def test_a_link_to_a_network_file_system_is_followed(tmp_path: Path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path}/far rw - nfs b rw\n")
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    with pytest.raises(DataDirRefused):
        refuse_network(tmp_path / "near" / "data", mounts=mounts)


def test_a_lock_whose_file_is_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = DirectoryLock(tmp_path)

    def open_then_remove(*args: Any, open: Any = os.open) -> int:
        file: int = open(*args)
        monkeypatch.undo()
        first.remove()
        return file

    monkeypatch.setattr(os, "open", open_then_remove)
    second = DirectoryLock(tmp_path)
    with pytest.raises(InUse):
        DirectoryLock(tmp_path)
    second.release()
