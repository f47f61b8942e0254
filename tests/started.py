"""Starts `delta-server` from the source in a tenth of the time: as a copy (fork) of a process that has imported it. Its
worker processes begin as copies of another, which has imported what these are and nothing else.

All that follows the imports is the program's own: arguments, environment, directory, pipes, its own process and exit.
Each process of a test run has one of each, which is made when the first program is wanted. Tests of the start
itself, and benches, start Python anew.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from delta_server.storage import child
from tests.cheap_passwords import hash_cheaply
from tests.patience import let_servers_wait

if TYPE_CHECKING:
    from delta_server.config.sections import Config

_MOST_BYTES = 1 << 18


class Forked(subprocess.Popen[Any]):
    """`Forked(arguments, ...)` starts `python -m delta_server` with these arguments, or `python` if "-c" is the first.
    The environment must be given."""

    _ended: socket.socket
    _of = "programs"

    def _execute_child(self, args: Any, *more: Any) -> None:  # Popen has no public place for another way to start
        (_, _, _, _, cwd, env, *_), (p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite) = more[:9], more[9:15]
        self._ended, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = json.dumps({"arguments": args, "directory": str(cwd or Path.cwd()), "environment": env}).encode()
        streams = [own if given == -1 else given for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        with theirs:
            socket.send_fds(_forkserver(self._of), [wanted], [*streams, theirs.fileno()])
        self.pid = int(self._ended.recv(64))
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]  # as above

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """As `waitpid`, of what is another's child."""
        try:
            told = self._ended.recv(64, socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0)
        except BlockingIOError:
            return 0, 0
        self._ended.close()
        return self.pid, int(told)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        lock = self._waitpid_lock  # type: ignore[attr-defined]  # as above
        if self.returncode is None and lock.acquire(blocking=False):  # else somebody waits, and will know
            try:
                pid, status = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]  # as above
            finally:
                lock.release()
        return self.returncode


class ForkedWorker(Forked):
    """As `subprocess.Popen`, of a program and of arguments that `child.program()` begins."""

    _of = "workers"

    def __init__(self, args: list[str], **options: Any) -> None:
        super().__init__(args[len(child.program()) :], **options)


class Workers:
    """In place of the module `subprocess`, where a server in this process starts its workers."""

    PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

    @staticmethod
    def Popen(args: list[str], **options: Any) -> subprocess.Popen[Any]:  # noqa: N802 - it has that name
        """One that is to have files of ours is started anew."""
        return subprocess.Popen(args, **options) if options.get("pass_fds") else ForkedWorker(args, **options)


@cache
def _forkserver(of: str) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DELTA_")}
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.started", str(theirs.fileno()), of],
            cwd=Path(__file__).parent.parent,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


def _fork_until_alone(control: socket.socket) -> list[str]:
    """The arguments of the program that this copy is to be. In the process itself it never returns."""
    while True:
        wanted, descriptors, _, _ = socket.recv_fds(control, _MOST_BYTES, 4)
        if not wanted:
            os._exit(0)  # the tests have ended
        if not os.fork():
            return _begin(control, json.loads(wanted), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        reap()


def reap() -> None:
    """Waits for no child, and it may be that none is left: one that is killed at once can have ended before."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _begin(control: socket.socket, wanted: dict[str, Any], descriptors: list[int]) -> list[str]:
    control.close()
    *streams, ended = descriptors
    if pid := os.fork():
        _tell_end(pid, streams, socket.socket(fileno=ended))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, max(descriptors) + 1)
    os.chdir(wanted["directory"])
    sys.path[0] = wanted["directory"]
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    return list(wanted["arguments"])


def _tell_end(pid: int, streams: list[int], ended: socket.socket) -> NoReturn:
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    ended.send(str(pid).encode())
    ended.send(str(os.waitpid(pid, 0)[1]).encode())
    os._exit(0)


def options_of_routes(config: "Config") -> "Config":
    """Of all options those that routes are made of, so that one they read besides is missed."""
    from delta_server.config.sections import Config, Limits, Server
    from delta_server.storage.events.options import Events

    return Config(
        server=Server(docs=config.server.docs, metrics_public=config.server.metrics_public),
        limits=Limits(request_bytes=config.limits.request_bytes),
        events=Events(request_bytes=config.events.request_bytes),
    )


def _prepare() -> None:
    """All that a start does before it reads what it was started with, and the routes of the usual options."""
    from delta_server.cli import main
    from delta_server.config.sections import Config

    main._import_structlog()
    for place, _ in main.COMMANDS.values():
        importlib.import_module(place.partition(":")[0])
    app: Any = importlib.import_module("delta_server.app")
    let_servers_wait()
    hash_cheaply()
    routed, usual = app.routed, options_of_routes(Config())
    made = routed(usual)

    def ready(config: Config, features: Any = app.FEATURES) -> Any:
        return made if features is app.FEATURES and options_of_routes(config) == usual else routed(config, features)

    app.routed = ready


def _prepare_workers() -> None:
    """What all of them import, and DuckDB, which most do when they are first asked."""
    for module in runpy.run_module("delta_server.__main__")["WORKERS"].values():
        importlib.import_module(module)
    importlib.import_module("duckdb")


def _run() -> None:
    if sys.argv[1] == "-c":
        code = sys.argv.pop(2)
        sys.argv.pop(0)
        exec(code, {"__name__": "__main__"})
    else:
        runpy.run_module("delta_server", run_name="__main__", alter_sys=True)


def _end(code: int) -> None:
    """As Python ends, but that nothing is taken apart: half of what a short program takes, for a copy comes to own what
    it changes. Returns where output cannot be written, which is Python's to tell."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, and has no public name
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    gc.disable()  # as a start does
    _prepare() if sys.argv.pop() == "programs" else _prepare_workers()
    gc.freeze()
    sys.argv[1:] = _fork_until_alone(socket.socket(fileno=int(sys.argv[1])))
    try:
        _run()
        _end(0)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _end(end.code or 0)
        raise
