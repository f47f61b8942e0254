"""`serve` as a process of its own, as a person starts it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from delta_server.cli import serve
from delta_server.core.errors import DeltaError

SERVE = [sys.executable, "-m", "delta_server", "serve"]
ROOT = Path(__file__).parent.parent.parent


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DELTA_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@contextlib.contextmanager
def started(directory: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0"],
        cwd=directory,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found, process.communicate()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_answers_and_stops_well(tmp_path: Path, stop: signal.Signals) -> None:
    with started(tmp_path) as (process, url):
        assert urlopen(f"{url}/healthz", timeout=10).status == 200
        process.send_signal(stop)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in errors
    assert (tmp_path / "delta-data" / "delta.db").exists()


def test_a_data_directory_in_use_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with started(tmp_path) as (first, _):
        second = subprocess.run(
            [*SERVE, "--port", "0"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=20
        )
        assert second.returncode == 1
        assert second.stdout == ""
        assert second.stderr.startswith("Error: ")
        assert f"in use by another Delta server (process {first.pid})" in second.stderr
        assert "Traceback" not in second.stderr


def test_systemd_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(10)
        with started(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")) as (process, _):
            assert channel.recv(100) == b"READY=1"
            process.terminate()
            assert channel.recv(100) == b"STOPPING=1"


def test_a_taken_port_is_told() -> None:
    with serve.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeltaError, match=f"port {port} at 127.0.0.1 is taken: choose another with --port"):
            serve.listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(DeltaError, match=f"cannot listen at {host} port 0"):
        serve.listen(host, 0)
