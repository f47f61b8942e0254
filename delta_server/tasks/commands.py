"""Commands of the command line that a running server carries out, over a socket in the data directory.

A connection is one command: a line of JSON each way, and a line for each step of progress before the answer.

    {"command": "key create", "arguments": {...}}
    {"progress": [3, 12]}
    {"result": ...} or {"error": "what to do"}

Behind the line of some commands come parts (`feeding.py`), such as the versions of an import.

The socket's mode is 0600: whoever may open it may read the database as well.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from delta_server.core.actor import COMMAND_LINE
from delta_server.core.errors import DeltaError, Invalid
from delta_server.storage.database import ACTING
from delta_server.tasks import feeding

NAME = "delta.sock"
Progress = Callable[[int, int], None]
"""Called with how much is done and of how much."""

_LINE_BYTES = 1 << 20
_LAST_S = 2
"""How long commands may still take when the server stops."""
_UNREAD_BYTES = 16 << 10
"""Progress is not written while this much waits to be read."""
_PATH_BYTES = 100
"""What a socket's path may have; it is bound and opened by a descriptor of its directory where it is longer."""

log = structlog.get_logger("delta.commands")


class NoArguments(msgspec.Struct, frozen=True):
    """Of a command that takes none."""


class Command(msgspec.Struct, frozen=True):
    """`run` takes the services, `arguments` and a function to report progress to; it returns a `result`. Of one that is
    `fed` it takes a `feeding.Feed` too. `progress` are the arguments of the function for progress."""

    arguments: type[Any]
    result: Any
    run: Callable[..., Awaitable[Any]]
    progress: Any = tuple[int, int]
    fed: bool = False


class _Request(msgspec.Struct, frozen=True):
    command: str
    arguments: msgspec.Raw


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    progress: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")
    """Both empty when there is none."""
    error: str | None = None


@asynccontextmanager
async def serving(data_dir: Path, commands: Mapping[str, Command], services: Any) -> AsyncIterator[None]:
    """Answers commands meanwhile. Where no socket can be made, that is logged, and commands need the server stopped."""
    try:
        listener = _listener(data_dir)
    except OSError as error:
        log.warning("commands need the server stopped: no socket can be made", reason=error.strerror)
        yield
        return

    waiting: set[asyncio.Task[Any]] = set()
    running: set[asyncio.Task[Any]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        # The command line may go away at any time, and this server too.
        with suppress(ConnectionError, asyncio.CancelledError), _noted(task, waiting):
            line = await _line_of(reader)
            waiting.discard(task)
            with _noted(task, running):
                await _answer(commands, services, line, reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(answer, sock=listener, limit=_LINE_BYTES)
    try:
        yield
    finally:
        server.close()
        await _end(waiting, within_s=0)
        await _end(running, within_s=_LAST_S)
        with suppress(OSError):
            (data_dir / NAME).unlink()


@contextmanager
def _noted(task: asyncio.Task[Any], among: set[asyncio.Task[Any]]) -> Iterator[None]:
    among.add(task)
    try:
        yield
    finally:
        among.discard(task)


async def _end(tasks: set[asyncio.Task[Any]], *, within_s: float) -> None:
    """Nothing uses the services any more when they are closed."""
    if ending := set(tasks):
        _, late = await asyncio.wait(ending, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.wait(ending)


async def _line_of(reader: asyncio.StreamReader) -> bytes:
    """Empty for one that is too long."""
    try:
        return await reader.readline()
    except ValueError:
        return b""


async def _answer(
    commands: Mapping[str, Command],
    services: Any,
    line: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    def report(*values: Any) -> None:
        if writer.transport.get_write_buffer_size() < _UNREAD_BYTES:  # whoever asked may have stopped reading
            _write(writer, _Line(progress=msgspec.Raw(msgspec.json.encode(values))))

    try:
        request = msgspec.json.decode(line, type=_Request)
        if (command := commands.get(request.command)) is None:
            raise Invalid(f"this server knows no command {request.command}: is it of the same version?")
        arguments = msgspec.json.decode(request.arguments, type=command.arguments)
        ACTING.set(COMMAND_LINE)
        log.info("command", command=request.command)
        if command.fed:
            async with feeding.feed(reader) as feed:
                result = await command.run(services, arguments, report, feed)
        else:
            result = await command.run(services, arguments, report)
        _write(writer, _Line(result=msgspec.Raw(msgspec.json.encode(result))))
    except DeltaError as error:
        _write(writer, _Line(error=error.message))
    except (msgspec.DecodeError, ValueError) as error:
        _write(writer, _Line(error=f"this is not a command: {error}"))
    except ConnectionError:
        log.info("a command was broken off by whoever asked")
        raise
    except asyncio.CancelledError:
        _write(writer, _Line(error="the server is stopping, and has broken the command off: try again without it"))
        raise
    except Exception:
        log.exception("a command failed")
        _write(writer, _Line(error="something went wrong in the server: its log has more"))
    await writer.drain()


def _write(writer: asyncio.StreamWriter, line: _Line) -> None:
    """Raises ConnectionError when whoever asked is gone: uvloop's own is a RuntimeError."""
    if writer.transport.is_closing():
        raise ConnectionResetError("the connection is closed")
    fields = {
        name: value
        for name, value in msgspec.structs.asdict(line).items()
        if value is not None and value != msgspec.Raw(b"")
    }
    writer.write(msgspec.json.encode(fields) + b"\n")


def ask(
    data_dir: Path,
    name: str,
    command: Command,
    arguments: Any,
    progress: Callable[..., None],
    parts: Iterable[feeding.Part] = (),
) -> Any:
    """Have the running server carry out a command. `parts` are sent as fast as it takes them.

    Raises DeltaError as it does, and OSError when none listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        with _short(data_dir) as path:
            connection.connect(path)
        request = {"command": name, "arguments": arguments}
        with suppress(ConnectionError):  # it ended: not the same as none that listens
            connection.sendall(msgspec.json.encode(request) + b"\n")
            if command.fed:
                return feeding.send(connection, parts, lambda: _result(connection, command, progress))
            return _result(connection, command, progress)
    raise _ended()


def _result(connection: socket.socket, command: Command, progress: Callable[..., None]) -> Any:
    for text in connection.makefile("rb"):
        line = msgspec.json.decode(text, type=_Line)
        if bytes(line.progress):
            progress(*msgspec.json.decode(line.progress, type=command.progress))
        elif line.error is not None:
            raise DeltaError(line.error)
        elif bytes(line.result):
            return msgspec.json.decode(line.result, type=command.result)
    raise _ended()


def _ended() -> DeltaError:
    return DeltaError("the server ended before it answered: see its log, then try again")


def _listener(data_dir: Path) -> socket.socket:
    """A bound socket that only this user can open. Raises OSError."""
    if sys.platform == "win32":
        raise OSError(0, "not on this system")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        (data_dir / NAME).unlink(missing_ok=True)  # of a server that was killed: this one holds the directory's lock
        with _short(data_dir) as path:
            listener.bind(path)
            Path(path).chmod(0o600)  # nobody can connect before it listens; a umask would be that of all threads
        listener.listen()
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def _short(data_dir: Path) -> Iterator[str]:
    path = str(data_dir / NAME)
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield path
        return
    directory = os.open(data_dir, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)
