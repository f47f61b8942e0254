"""Parts that a command is sent behind its line."""

import asyncio
import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import DeltaError, Invalid
from delta_server.tasks import commands, feeding
from delta_server.tasks.commands import Command, NoArguments
from delta_server.tasks.feeding import Feed, Part

END = bytes(8)


def framed(*parts: Part) -> bytes:
    return b"".join(struct.pack(">II", len(head), len(body)) + head + body for head, body in parts)


@given(st.lists(st.builds(Part, st.binary(min_size=1, max_size=50), st.binary(max_size=300))))
def test_parts_come_as_they_were_sent(parts: list[Part]) -> None:
    assert list(feeding.received(io.BytesIO(framed(*parts) + END + b"more"))) == parts


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", ConnectionResetError),
        (END[:-1], ConnectionResetError),
        (framed(Part(b"h", b"body")), ConnectionResetError),
        (framed(Part(b"h", b"body"))[:-1], ConnectionResetError),
        (struct.pack(">II", 1, 1 << 31), Invalid),
        (struct.pack(">II", 1 << 31, 1), Invalid),
    ],
    ids=["nothing", "half an end", "no end", "half a body", "a large body", "a large head"],
)
def test_what_breaks_off_or_is_too_large_is_refused(sent: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(feeding.received(io.BytesIO(sent)))


async def _lengths(_: Any, __: NoArguments, progress: Callable[[int], None], feed: Feed) -> list[int]:
    """Told after each part how many there were."""
    lengths: list[int] = []
    while True:
        try:
            part = await feed.next()
        except Invalid:
            return lengths
        if part.head == b"refuse":
            raise DeltaError("that is enough")
        lengths.append(len(part.body))
        progress(len(lengths))


COMMANDS = {"lengths": Command(NoArguments, list[int], _lengths, progress=tuple[int], fed=True)}


async def ask(data_dir: Path, parts: Iterator[Part], told: Callable[..., None] = print) -> Any:
    command = COMMANDS["lengths"]
    return await asyncio.to_thread(commands.ask, data_dir, "lengths", command, NoArguments(), told, parts)


async def test_a_command_reads_its_parts_however_large(tmp_path: Path) -> None:
    told: list[int] = []
    sizes = [0, 1, 300_000, 5 << 20]
    async with commands.serving(tmp_path, COMMANDS, None):
        assert await ask(tmp_path, (Part(b"head", b"x" * size) for size in sizes), told.append) == sizes
    assert told == [1, 2, 3, 4]


async def test_a_command_that_fails_is_heard_by_whoever_still_sends(tmp_path: Path) -> None:
    def endless() -> Iterator[Part]:
        yield Part(b"refuse", b"")
        while True:
            yield Part(b"head", b"x" * 100_000)

    async with commands.serving(tmp_path, COMMANDS, None):
        with pytest.raises(DeltaError, match="that is enough"):
            await ask(tmp_path, endless())


async def test_parts_that_cannot_be_read_end_the_command_as_its_end_does(tmp_path: Path) -> None:
    told: list[int] = []

    def failing() -> Iterator[Part]:
        yield Part(b"head", b"x")
        raise DeltaError("line 2 is broken")

    async with commands.serving(tmp_path, COMMANDS, None):
        with pytest.raises(DeltaError, match="line 2"):
            await ask(tmp_path, failing(), told.append)
    assert told == [1]


@pytest.mark.parametrize("sent", [b"", END[:3], framed(Part(b"h", b"body")), framed(Part(b"h", b"b" * 99))[:-50]])
async def test_whoever_goes_away_leaves_nothing_behind(tmp_path: Path, sent: bytes) -> None:
    async with commands.serving(tmp_path, COMMANDS, None):
        reader, writer = await asyncio.open_unix_connection(tmp_path / commands.NAME)
        writer.write(b'{"command": "lengths", "arguments": {}}\n' + sent)
        writer.write_eof()
        lines = (await reader.read()).splitlines()
        assert not any(b"result" in line or b"error" in line for line in lines)
        writer.close()
        assert await ask(tmp_path, iter([Part(b"head", b"x")])) == [1]


async def test_a_server_that_stops_ends_a_command_that_waits_for_parts(tmp_path: Path) -> None:
    async with commands.serving(tmp_path, COMMANDS, None):
        reader, writer = await asyncio.open_unix_connection(tmp_path / commands.NAME)
        writer.write(b'{"command": "lengths", "arguments": {}}\n' + framed(Part(b"h", b"x")))
        assert await reader.readline() == b'{"progress":[1]}\n'
    assert b"has broken the command off" in (await reader.readline())
    writer.close()
