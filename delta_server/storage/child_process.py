"""Starts processes of ours, and talks to them by asyncio. What such a process itself needs is in child.py: it starts
sooner without asyncio."""

import asyncio
import subprocess
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from asyncio.streams import FlowControlMixin
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import IO, Self

from delta_server.storage.child import environment, program


class Child:
    """A process with pipes to it, as asyncio's; but the event loop does not wait until it is made. uvloop forks, which
    copies the page tables of the server: 11 ms for 300 MB; subprocess shares them (vfork)."""

    def __init__(self, process: "subprocess.Popen[bytes]", ended: "asyncio.Future[int]") -> None:
        self._process = process
        self._ended = ended
        self.stdin: StreamWriter | None = None
        self.stdout, self.stderr = StreamReader(), StreamReader()
        self._pipes: list[asyncio.BaseTransport] = []

    @classmethod
    async def start(cls, *arguments: str, asked: bool = False, kept: Sequence[str] = ()) -> Self:
        """`asked`: it has a stdin, and its stderr is the server's. `kept`: see `child.environment`. Raises OSError."""
        loop = asyncio.get_running_loop()
        started: asyncio.Future[subprocess.Popen[bytes]] = loop.create_future()
        ended: asyncio.Future[int] = loop.create_future()
        Thread(
            target=_watch, args=(loop, started, ended, arguments, asked, kept), name="delta-child", daemon=True
        ).start()
        child = cls(await started, ended)
        try:
            await child._connect()
        except BaseException:
            child.kill()
            raise
        return child

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for pipe, reader in ((self._process.stdout, self.stdout), (self._process.stderr, self.stderr)):
            if pipe is not None:
                reading, _ = await loop.connect_read_pipe(partial(StreamReaderProtocol, reader), pipe)
                self._pipes.append(reading)
        if self._process.stdin is not None:
            writing, protocol = await loop.connect_write_pipe(FlowControlMixin, self._process.stdin)
            self.stdin = StreamWriter(writing, protocol, None, loop)
            self._pipes.append(writing)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def kill(self) -> None:
        """What it has not sent yet is not read any more."""
        self._process.kill()
        for pipe in self._pipes:
            pipe.close()

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)


def _watch(
    loop: asyncio.AbstractEventLoop,
    started: "asyncio.Future[subprocess.Popen[bytes]]",
    ended: "asyncio.Future[int]",
    arguments: tuple[str, ...],
    asked: bool,
    kept: Sequence[str],
) -> None:
    """From its start to its end."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(  # noqa: S603 - this program, with arguments of ours
            [*program(), *arguments],
            stdin=pipe if asked else subprocess.DEVNULL,
            stdout=pipe,
            stderr=None if asked else pipe,
            env=environment(kept),
            bufsize=0,
        )
    except OSError as error:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_fail, started, error)
        return
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(_begun, started, process)
    code = process.wait()
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(ended.set_result, code)


def _fail(started: "asyncio.Future[subprocess.Popen[bytes]]", error: OSError) -> None:
    if not started.done():
        started.set_exception(error)


def _begun(started: "asyncio.Future[subprocess.Popen[bytes]]", process: "subprocess.Popen[bytes]") -> None:
    if not started.done():
        started.set_result(process)
        return
    process.kill()  # whoever asked for it is gone
    for pipe in (process.stdin, process.stdout, process.stderr):
        _close(pipe)


def _close(pipe: "IO[bytes] | None") -> None:
    if pipe is not None:
        pipe.close()
