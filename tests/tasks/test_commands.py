"""The socket that a running server takes commands by."""

import asyncio
import socket
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DeltaError, NotFound
from delta_server.tasks import commands
from delta_server.tasks.commands import NAME, Command, Progress


class Count(msgspec.Struct, frozen=True):
    to: int


async def _count(base: int, count: Count, progress: Progress) -> list[int]:
    for done in range(count.to):
        progress(done, count.to)
    return [base + number for number in range(count.to)]


async def _refuse(_: int, count: Count, __: Progress) -> None:
    raise NotFound(f"there is no {count.to}")


async def _fail(_: int, __: Count, ___: Progress) -> None:
    raise RuntimeError("a secret of the inside")


COMMANDS = {
    "count": Command(Count, list[int], _count),
    "refuse": Command(Count, Any, _refuse),
    "fail": Command(Count, Any, _fail),
}


async def ask(data_dir: Path, name: str, to: int, told: list[tuple[int, int]] | None = None) -> Any:
    def tell(done: int, of: int) -> None:
        if told is not None:
            told.append((done, of))

    return await asyncio.to_thread(commands.ask, data_dir, name, COMMANDS[name], Count(to), tell)


async def test_a_command_is_answered_with_progress_before_its_result(tmp_path: Path) -> None:
    async with commands.serving(tmp_path, COMMANDS, 10):
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
        told: list[tuple[int, int]] = []
        assert await ask(tmp_path, "count", 3, told) == [10, 11, 12]
        assert told == [(0, 3), (1, 3), (2, 3)]
    assert not (tmp_path / NAME).exists()
    with pytest.raises(FileNotFoundError):
        await ask(tmp_path, "count", 3)


async def test_failures_are_told_without_the_inside(tmp_path: Path) -> None:
    async with commands.serving(tmp_path, COMMANDS, 0):
        with pytest.raises(DeltaError, match="there is no 7"):
            await ask(tmp_path, "refuse", 7)
        with pytest.raises(DeltaError, match="its log has more") as failed:
            await ask(tmp_path, "fail", 7)
        assert "secret" not in failed.value.message
        assert await ask(tmp_path, "count", 1) == [0]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"nonsense\n",
        b"\xff\n",
        b"[]\n",
        b"{}\n",
        b'{"command": "count"}\n',
        b'{"command": 1, "arguments": {}}\n',
        b'{"command": "count", "arguments": {"to": "x"}}\n',
        b'{"command": "drop", "arguments": {}}\n',
        b'{"command": "count", "arguments": {"to": 1}, "x": "' + b"x" * (2 << 20) + b'"}\n',
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
async def test_what_is_no_command_is_refused(tmp_path: Path, line: bytes) -> None:
    async with commands.serving(tmp_path, COMMANDS, 0):
        reader, writer = await asyncio.open_unix_connection(tmp_path / NAME)
        writer.write(line)
        assert b'"error"' in await reader.readline()
        writer.close()
        assert await ask(tmp_path, "count", 1) == [0]


async def test_a_directory_with_a_long_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    async with commands.serving(deep, COMMANDS, 0):
        assert await ask(deep, "count", 1) == [0]


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / NAME))
    left.close()
    async with commands.serving(tmp_path, COMMANDS, 0):
        assert await ask(tmp_path, "count", 1) == [0]


async def test_a_server_goes_on_without_a_socket(tmp_path: Path) -> None:
    async with commands.serving(tmp_path / "missing", COMMANDS, 0):
        with pytest.raises(FileNotFoundError):
            await ask(tmp_path / "missing", "count", 1)


async def test_progress_that_nobody_reads_is_not_kept(tmp_path: Path) -> None:
    waiting: list[int] = []

    async def flood(_: int, count: Count, progress: Progress) -> None:
        for done in range(count.to):
            progress(done, count.to)
            if done % 1000 == 0:
                await asyncio.sleep(0)
        [writer] = writers
        waiting.append(writer.transport.get_write_buffer_size())

    writers: list[asyncio.StreamWriter] = []
    answered = commands._answer

    async def noting(
        known: Any, services: Any, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writers.append(writer)
        await answered(known, services, line, reader, writer)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(commands, "_answer", noting)
        async with commands.serving(tmp_path, {"flood": Command(Count, Any, flood)}, 0):
            _, writer = await asyncio.open_unix_connection(tmp_path / NAME, limit=1 << 10)
            writer.write(b'{"command": "flood", "arguments": {"to": 100000}}\n')
            while not waiting:
                await asyncio.sleep(0)
            assert waiting[0] < 64 << 10
            writer.close()


async def test_a_server_that_ends_before_it_answers_is_told_from_none(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / NAME))
    listener.listen()

    def end() -> None:
        connection, _ = listener.accept()
        connection.close()  # with the command unread: a reset

    ending = asyncio.create_task(asyncio.to_thread(end))
    with pytest.raises(DeltaError, match="ended before it answered"):
        await ask(tmp_path, "count", 1)
    await ending
    listener.close()


async def test_threads_keep_their_umask_while_the_socket_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise AssertionError("a umask is the whole process's")

    monkeypatch.setattr("os.umask", refuse)
    async with commands.serving(tmp_path, COMMANDS, 0):
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


async def test_a_server_that_stops_leaves_no_command_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = asyncio.Event()
    started: list[int] = []
    ended: list[str] = []
    failures: list[Any] = []

    async def wait(_: int, count: Count, __: Progress) -> int:
        try:
            started.append(count.to)
            await (finished if count.to else asyncio.Event()).wait()
        finally:
            ended.append("short" if count.to else "endless")
        return 1

    monkeypatch.setattr(commands, "_LAST_S", 0.05)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    known = {"wait": Command(Count, int, wait)}
    async with commands.serving(tmp_path, known, 0):
        silent, of_silent = await asyncio.open_unix_connection(tmp_path / NAME)
        half, of_half = await asyncio.open_unix_connection(tmp_path / NAME)
        of_half.write(b'{"comm')
        short, of_short = await asyncio.open_unix_connection(tmp_path / NAME)
        of_short.write(b'{"command": "wait", "arguments": {"to": 1}}\n')
        endless, of_endless = await asyncio.open_unix_connection(tmp_path / NAME)
        of_endless.write(b'{"command": "wait", "arguments": {"to": 0}}\n')
        while len(started) < 2:
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(finished.set)
    assert sorted(ended) == ["endless", "short"]
    assert b"result" in await short.readline()
    assert b"is stopping" in await endless.readline()
    assert (await silent.readline(), await half.readline()) == (b"", b"")
    for writer in (of_silent, of_half, of_short, of_endless):
        writer.close()
    await asyncio.sleep(0)
    assert failures == []


async def test_a_command_whose_asker_is_gone_is_broken_off(tmp_path: Path) -> None:
    ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def tell(_: int, count: Count, progress: Progress) -> None:
        try:
            for done in range(count.to):
                progress(done, count.to)
                await asyncio.sleep(0)
        except Exception as error:
            ended.set_result(error)
            raise
        ended.set_result(None)

    async with commands.serving(tmp_path, {"tell": Command(Count, Any, tell)}, 0):
        _, writer = await asyncio.open_unix_connection(tmp_path / NAME)
        writer.write(b'{"command": "tell", "arguments": {"to": 1000}}\n')
        await writer.drain()
        writer.transport.abort()
        assert isinstance(await ended, ConnectionError)
