"""`serve`: uvicorn around the application object, in this one process."""

import asyncio
import ctypes
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click
import structlog
import uvicorn

from delta_server import __version__, app, logging
from delta_server.cli.options import with_config
from delta_server.config.log_checks import levels_of
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError
from delta_server.core.links import first_owner_link
from delta_server.features.users import service as users
from delta_server.http.feature import Feature
from delta_server.http.server import most_connections, uvicorn_config
from delta_server.http.tls import Certificate
from delta_server.log_output import RotatedFile
from delta_server.services import Services
from delta_server.storage.child import program
from delta_server.tasks.restart import Restart

SWITCH_S = 0.0005
"""After so long a thread that computes gives the interpreter's lock to one that waits for it. A request needs the lock
several times; at Python's 5 ms its p99 beside four computing threads was 310 ms, at this 66 ms, and what all threads
get done together is the same."""
GC_THRESHOLDS = 10_000, 10, 10
"""All threads wait while the collector looks through all objects. Parsing large requests makes hundreds of thousands,
hardly any in cycles: with Python's 700 that was 40 times in 40 s beside such requests, 20 to 90 ms each."""
DOUBLE_SIGNAL_S = 0.5
TICKS_PER_S = 10
"""Of uvicorn's main loop; its counter begins anew after a day, and passes zero."""
CERTIFICATE_TICKS = 5 * TICKS_PER_S
"""So often it is looked for a renewed certificate: of two files, a microsecond each."""
CLOSING_SECONDS = 2
"""Of the time to shut down, what is kept for closing the database behind the last request."""
ENDING_SECONDS = 0.5
"""And what the process may take to end, where it computes on all cores."""

log = structlog.get_logger("delta.server")

LISTENER = "_DELTA_LISTENER"
"""The number of the open listener, from a server that starts itself again."""

LARGE_BYTES = 8 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 2
"""Each keeps what its threads have given back; by itself glibc has eight a core, and a server has some 30 threads."""


@click.command(help="Run the server until it is stopped (Ctrl-C, SIGTERM).")
@click.option("--host", help="Address to listen at.  [default: 127.0.0.1]")
@click.option("--port", help="Port to listen at; 0 picks a free one.  [default: 8080]")
@with_config
def serve(config: Config) -> None:
    with listen(config.server.host, config.server.port) as listener:
        run(config, listener)


def run(
    config: Config,
    listener: socket.socket,
    greeting: Callable[[Services, str], str] | None = None,
    features: Sequence[Feature] | None = None,
) -> None:
    """Serve until a signal; `greeting` makes of the running services and the URL what is printed once it listens.

    `features` are all without any: as a default they would outlive what DuckDB's binding counts at the end. Raises
    DeltaError when the application refuses to start.
    """
    logging.configure(config.log.level, config.log.format, levels=levels_of(config.log.levels), file=_log_file(config))
    sys.setswitchinterval(SWITCH_S)
    _give_back_large()
    gc.disable()  # nothing of what is made for the start is garbage: see _Server.startup
    certificate = _certificate(config)
    built = app.build(config, features=features or app.FEATURES)
    greet = greeting or partial(_listening, config)
    application = _Application(built)
    server = _Server(
        uvicorn_config(
            application,
            connections=most_connections(config.limits.connections),
            note_refused=built.edge.metrics.connections_refused.inc,
            shutdown_seconds=max(1, config.server.shutdown_seconds - CLOSING_SECONDS),
            trusted_proxies=config.server.trusted_proxies,
            tls=None if certificate is None else certificate.context,
        ),
        lambda url: greet(built.services, url),
        built.stop_streams,
        shutdown_seconds=config.server.shutdown_seconds,
        wants_restart=lambda: built.services.state(Restart).is_wanted,
        certificate=certificate,
    )
    try:
        server.run(sockets=[listener])
    except SystemExit:
        if application.refusal is None:
            raise
        raise application.refusal from None
    _begin_again(server.kept_listener)


def _certificate(config: Config) -> Certificate | None:
    """Raises CertificateRefused."""
    server = config.server
    return Certificate(Path(server.tls_cert), Path(server.tls_key)) if server.tls_cert else None


def _log_file(config: Config) -> RotatedFile | None:
    """Raises DeltaError."""
    if not config.log.file:
        return None
    try:
        return RotatedFile(Path(config.log.file), most_bytes=config.log.file_bytes, files=config.log.files)
    except OSError as error:
        raise DeltaError(f"log.file cannot be written: {config.log.file}: {error.strerror}") from None


def _give_back_large() -> None:
    """Let glibc give large documents back to the system when they are done with. By itself it keeps ever larger ones
    for itself, once it has met some: 190 of 830 MB beside many of them. Where one of the two is set the other no longer
    follows it: without the second, each 130 kB that come and go cost a system call. (mallopt(3))"""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 8 * LARGE_BYTES)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket: the one of the process that this one was, or a new one. Raises DeltaError, saying what to do."""
    if kept := os.environ.pop(LISTENER, ""):
        return socket.socket(fileno=int(kept))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == EADDRINUSE:
            raise DeltaError(
                f"port {port} at {host} is taken: choose another with --port (0 picks a free one)"
            ) from None
        raise DeltaError(f"cannot listen at {host} port {port}: {error.strerror or error}") from None


class _Application:
    """Passes everything on; keeps the DeltaError that a start was refused with, so that its message can be shown."""

    def __init__(self, asgi: Any) -> None:
        self._asgi = asgi
        self.refusal: DeltaError | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._asgi(scope, receive, send)
            return

        async def watch(message: Any) -> None:
            # Litestar sends startup.failed from inside its `except`, so the cause is the exception being handled;
            # its event emitter's task group has wrapped it.
            cause = sys.exception()
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            if message["type"] == "lifespan.startup.failed" and isinstance(cause, DeltaError):
                self.refusal = cause
                logging.silence("uvicorn.error")
            await send(message)

        await self._asgi(scope, receive, watch)


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        greeting: Callable[[str], str],
        stop_streams: Callable[[], None],
        *,
        shutdown_seconds: int,
        wants_restart: Callable[[], bool],
        certificate: Certificate | None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._wants_restart = wants_restart
        self._listener: socket.socket | None = None
        self.kept_listener: list[socket.socket] = []
        """Where it is to start itself again: whoever connects meanwhile waits, and is not refused."""
        self._shutdown_seconds = shutdown_seconds
        self._greeting = greeting
        self._stop_streams = stop_streams
        self._told_to_stop = 0.0
        watchdog = watchdog_ticks()
        self._step_ticks = min(TICKS_PER_S, watchdog or TICKS_PER_S)
        self._watchdog_ticks = watchdog - watchdog % self._step_ticks
        self._is_to_stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        gc.freeze()  # what stays for ever is not looked through again: 23 ms each time, and all threads wait
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()
        self._listener = (sockets or [])[0]
        address = self._listener.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        url = f"{'http' if self._certificate is None else 'https'}://{host}:{address[1]}"
        click.echo(self._greeting(url))
        log.info("started", version=__version__, url=url, pid=os.getpid())
        notify("READY=1")

    async def main_loop(self) -> None:
        """As uvicorn's, several of its ticks at a time, for an idle server to wake seldom; at once where it is to
        stop."""
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + self._step_ticks) % 864_000
            with suppress(TimeoutError):
                async with asyncio.timeout(self._step_ticks / TICKS_PER_S):
                    await self._is_to_stop.wait()

    async def on_tick(self, counter: int) -> bool:
        """Once a second, or more often for a hasty watchdog, from the event loop: as long as that goes on, systemd's
        watchdog hears of it."""
        if self._watchdog_ticks and counter % self._watchdog_ticks == 0:
            notify("WATCHDOG=1")
        if self._certificate is not None and counter % CERTIFICATE_TICKS == 0:
            self._certificate.look()
        if self._wants_restart() and not self.should_exit:
            assert self._listener is not None
            self.kept_listener.append(self._listener.dup())
            self._end_in_time()
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping", pid=os.getpid(), starts_again=bool(self.kept_listener))
        notify("RELOADING=1" if self.kept_listener else "STOPPING=1")
        self._stop_streams()
        await super().shutdown(sockets)
        gc.unfreeze()  # or DuckDB's binding tells of everything that was still there at the end

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a graceful stop is a success: it would raise the signal again afterwards."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn's, where a second Ctrl-C ends at once; one alone may come twice in a moment, from the terminal
        and from the parent process of a one-file executable."""
        now = time.monotonic()
        while self.kept_listener:  # it ends, and does not begin again
            self.kept_listener.pop().close()
        if not self.should_exit:
            self._end_in_time()
        if not self.should_exit or now - self._told_to_stop > DOUBLE_SIGNAL_S:
            self._told_to_stop = now
            super().handle_exit(sig, frame)
            if self._loop is not None:
                with suppress(RuntimeError):  # it has ended
                    self._loop.call_soon_threadsafe(self._is_to_stop.set)

    def _end_in_time(self) -> None:
        timer = threading.Timer(self._shutdown_seconds - ENDING_SECONDS, _end_now, [self.kept_listener])
        timer.daemon = True
        timer.start()


def _end_now(kept_listener: list[socket.socket]) -> None:
    """A comparison cannot be interrupted and may take minutes. What was acknowledged is on disk, and work that is cut
    off is done again after the next start, as after a kill."""
    log.warning("stopped while work was still running", pid=os.getpid())
    _begin_again(kept_listener)
    os._exit(0)


def _begin_again(kept_listener: list[socket.socket]) -> None:
    """Where a restart was asked for: this process becomes the program anew, with its number and its listener."""
    for listener in kept_listener:
        listener.set_inheritable(True)
        command = [*program(), *sys.argv[1:]]
        environment = os.environ | {LISTENER: str(listener.fileno())}
        os.execve(command[0], command, environment)  # noqa: S606 - this program, with its own arguments


def watchdog_ticks() -> int:
    """After how many ticks systemd is to hear that the server lives, twice in the time it gives
    (sd_watchdog_enabled(3)); 0 where nobody asks."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return max(1, int(microseconds) // 2 * TICKS_PER_S // 1_000_000) if microseconds.isdecimal() else 0


def notify(state: str) -> None:
    """Tell systemd (Type=notify) by a datagram to $NOTIFY_SOCKET; nothing without one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())


def _listening(config: Config, services: Services, url: str) -> str:
    lines = [f"Delta {__version__} listens at {url}  (data in {_shown(config.storage.data_dir)}; Ctrl-C stops it)"]
    if config.server.docs:
        lines.append(f"API documentation: {url}/docs")
    if (token := users.setup_token(services)) is not None:
        at = first_owner_link(config.server.public_url or url, token)
        lines.append(f"Nobody can sign in yet. Open this within 30 minutes to make the first owner: {at}")
    return "\n".join(lines)


def _shown(path: Path) -> str:
    return str(path) if path.is_absolute() else f"./{path}"
