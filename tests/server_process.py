"""A real server in a process of its own, for tests and benches that need one."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from delta_server.core import secrets
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.system_clock import SystemClock
from tests.secret_sweep import SWEEP
from tests.started import Forked
from tests.storage.opened import begin

ROOT = Path(__file__).parent.parent
FROM_SOURCE = (sys.executable, "-m", "delta_server")
_RESIDENT = re.compile(r"Rss(Anon|File|Shmem):\s+(\d+) kB")
BINARY = (str(ROOT / "dist" / "delta-server"),)


class Server(msgspec.Struct):
    process: subprocess.Popen[str]
    url: str
    first_answer_s: float
    """From starting the process to the first 200 on /healthz."""

    def stop(self) -> str:
        """Stop it as systemd does; what it logged."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors
        return errors

    def memory_bytes(self) -> int:
        """Memory of the process and its children (a one-file executable is two); what several use counts once."""
        told = [_read(Path(f"/proc/{pid}/smaps_rollup")) for pid in self._processes()]
        return sum(int(found[1]) << 10 for text in told if (found := re.search(r"\nPss: +(\d+) kB", text)))

    def resident_bytes(self) -> int:
        """As `memory_bytes` but for the libraries, of which the largest process' count: by counters, in 20 us. That
        walks through all pages, which keeps a core from the server for 25 ms when they are 600 MB."""
        told = [dict(_RESIDENT.findall(_read(Path(f"/proc/{pid}/status")))) for pid in self._processes()]
        own = sum(int(found.get("Anon", 0)) + int(found.get("Shmem", 0)) for found in told)
        return (own + max(int(found.get("File", 0)) for found in told)) << 10

    def _processes(self) -> list[int]:
        """This one and its children. A child that has not begun its own program is left out: it would count as much as
        its parent, whose memory it has."""
        own = _began_at(self.process.pid)
        return [self.process.pid, *(child for child in _children(self.process.pid) if _began_at(child) != own)]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DELTA_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def start(
    *arguments: str, command: Sequence[str] | None = None, code: str | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """`delta-server` as Popen would start it, or Python with `code`. In tests that name no command, without importing
    all of it again."""
    arguments = arguments if code is None else ("-c", code, *arguments)
    options.setdefault("env", environment())
    if command is None and "PYTEST_VERSION" in os.environ and sys.platform == "linux":
        return Forked(list(arguments), **options)
    return subprocess.Popen([*(command or (FROM_SOURCE if code is None else [sys.executable])), *arguments], **options)


def run(
    directory: Path,
    *arguments: str,
    command: Sequence[str] | None = None,
    check: bool = True,
    code: str | None = None,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    with start(
        *arguments,
        command=command,
        code=code,
        cwd=directory,
        env=environment(**(env or {})),
        stdin=None if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            answers = process.communicate(input, timeout=120)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess[str](arguments, process.returncode, *answers)
    assert not check or done.returncode == 0, done.stderr
    SWEEP.use_keys_in(done.stdout)
    SWEEP.write(f"what {arguments} reported", done.stderr)
    return done


def create_key(directory: Path, project: str | None, *, scopes: Sequence[str] = ("admin",), write: bool = False) -> str:
    """As `key create` in a directory where no server runs, without the half second that a command takes to begin: the
    account's key where `project` is None, a public one with `write`."""

    async def made() -> str:
        storage = Storage(data_dir=begin(directory / "delta-data"))
        db = SqliteDatabase.open(storage, SystemClock(), tuning=Tuning(rests_small=False))
        try:
            return await db.write(_made_key, project, tuple(scopes), write)
        finally:
            await db.close()

    with ThreadPoolExecutor(1) as thread:  # an event loop may be running here
        key = thread.submit(asyncio.run, made()).result()
    SWEEP.use_keys_in(key)
    return key


def _made_key(tx: Tx, project: str | None, scopes: tuple[str, ...], write: bool) -> str:
    account = accounts.default_account(tx)
    id = None if project is None else projects.ensure(tx, account, project).id
    randomness = os.urandom(secrets.RANDOM_BYTES)
    if write:
        assert id is not None
        return accounts.add_write_key(tx, account, id, randomness=randomness)
    return accounts.add_key(tx, account, id, randomness=randomness, scopes=scopes)


@contextlib.contextmanager
def serving(directory: Path, *, command: Sequence[str] | None = None, **env: str) -> Iterator[Server]:
    """A server on a free port, or on DELTA_SERVER_PORT, with its data under `directory`; killed at the end if it still
    runs."""
    began = time.perf_counter()
    process = start(
        *("serve", "--port", env.get("DELTA_SERVER_PORT", "0")),
        command=command,
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
        _wait_until_healthy(found[0])
        yield Server(process, found[0], time.perf_counter() - began)
    finally:
        for child in _children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, 9)
        process.kill()
        logged = process.communicate()[1]
    SWEEP.write("the log of a server", logged)
    SWEEP.check()


def _wait_until_healthy(url: str) -> None:
    """The socket listens before the server accepts, so the first request simply waits."""
    try:
        assert urlopen(f"{url}/healthz", timeout=30).status == 200
    except URLError as error:
        raise AssertionError(f"{url}/healthz did not answer: {error}") from error


def _children(pid: int) -> list[int]:
    """Of all its threads."""
    try:
        paths = list(Path(f"/proc/{pid}/task").glob("*/children"))
    except FileNotFoundError:  # it has ended meanwhile
        return []
    return [int(child) for path in paths for child in _read(path).split()]


def _began_at(pid: int) -> str:
    """Where the arguments of its program stand in memory: every start of a program has its own place for them."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[45] if fields else ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # of a thread or process that has ended
        return ""
