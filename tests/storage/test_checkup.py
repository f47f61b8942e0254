"""What `doctor` finds of a data directory and its machine."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from delta_server.core.findings import Finding, worst
from delta_server.storage import checkup

NOW_MS = 1_780_000_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    database = directory / "delta.db"
    database.touch(mode=0o600)
    os.utime(database, (NOW_MS / 1000, NOW_MS / 1000))
    return directory


def states(findings: Iterable[Finding]) -> list[str]:
    return [finding.state for finding in findings]


def test_a_directory_is_there_or_can_be_made_or_neither(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wanted = {data: "ok", tmp_path / "none" / "deep": "warning", tmp_path / "file": "problem"}
    for path, state in wanted.items():
        assert checkup.find_directory(path).state == state


@pytest.mark.parametrize(("name", "mode", "says"), [("", 0o755, "chmod 700"), ("delta.db", 0o644, "chmod 600")])
def test_what_others_may_use_is_named(data: Path, name: str, mode: int, says: str) -> None:
    assert list(checkup.find_permissions(data, data / "delta.db")) == []
    (data / name).chmod(mode)
    [finding] = checkup.find_permissions(data, data / "delta.db")
    assert (finding.state, says in finding.remedy) == ("warning", True)


def test_what_another_user_owns_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert states(checkup.find_permissions(data, data / "delta.db")) == ["warning", "warning"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = list(checkup.find_permissions(data, data / "delta.db"))
    assert worst(found) == "problem"
    assert f"run the server as user {os.getuid()}" in found[0].remedy


@pytest.mark.parametrize(("free", "state"), [(99, "problem"), (999, "warning"), (10_000, "ok")])
def test_free_space_is_judged(data: Path, free: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    assert checkup.find_space(data / "not yet", data / "delta.db", least_bytes=100).state == state


@pytest.mark.parametrize(
    ("kind", "state"), [("ext4", "ok"), ("nfs4", "problem"), ("tmpfs", "problem"), ("overlay", "warning")]
)
def test_file_systems_are_judged(data: Path, tmp_path: Path, kind: str, state: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 0:1 / / rw - {kind} none rw\n")
    assert checkup.find_file_system(data, mounts=mounts).state == state
    assert checkup.find_file_system(data, mounts=tmp_path / "none").state == "ok"


@pytest.mark.parametrize(
    ("now_ms", "synchronized", "state"),
    [
        (NOW_MS, True, "ok"),
        (NOW_MS, False, "warning"),
        (NOW_MS - 9_000, True, "ok"),
        (NOW_MS - 11_000, True, "problem"),
        (1_000, True, "problem"),
    ],
)
def test_clocks_are_judged(
    data: Path, now_ms: int, synchronized: bool, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "_is_unsynchronized", lambda: not synchronized)
    [finding] = checkup.find_clock(data / "delta.db", now_ms)
    assert finding.state == state
    assert (finding.remedy == "") == (state == "ok")
