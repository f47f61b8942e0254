"""A second process that reads every other batch of rows: half of the work on them is done beside the other half.

It is sent how rows are compared, as JSON, and then batches: the offset of each, and its bytes. It answers one byte when
it is ready, and what `EntryMaker.parted` makes of each batch. It ends when its stdin does.
"""

import os
import select
import subprocess
import sys
from types import TracebackType
from typing import BinaryIO

import msgspec

from delta_server.core.rowdelta.entries import EntryMaker
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage import child, process_messages

ARGUMENT = "rows-worker"
"""What the program is called with to be this."""

_READY = b"+"
_OFFSET_BYTES = 8
_BEGIN = 32
"""Blocks that are read before it is started: where there are few, it would be ready too late."""


class _Setup(msgspec.Struct, frozen=True):
    fields: tuple[str, ...]
    settings: Settings


class ProcessAssistant:
    """Started when it was asked for often enough; without it, or when it dies, the work is done all the same."""

    def __init__(self, fields: tuple[str, ...], settings: Settings, *, after: int = _BEGIN, wait_s: float = 0) -> None:
        """It is started when it was asked for `after` times, and then waited for at each until it is ready."""
        self._after, self._wait_s = after, wait_s
        plain = Settings(**{name: getattr(settings, name) for name in Settings.__struct_fields__})
        self._setup = msgspec.json.encode(_Setup(fields, plain))
        self._asked = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = self._is_dead = False

    def is_ready(self) -> bool:
        self._asked += 1
        if self._asked < self._after or self._is_dead:
            return False
        if self._process is None:
            self._start()
        elif not self._is_ready:
            assert self._process.stdout is not None
            if select.select([self._process.stdout], [], [], self._wait_s)[0]:
                self._is_ready = self._process.stdout.read(1) == _READY
                self._is_dead = not self._is_ready
        return self._is_ready and not self._is_dead

    def give(self, offset: int, block: bytes) -> None:
        try:
            self._send(offset.to_bytes(_OFFSET_BYTES) + block)
        except OSError:
            self._is_dead = True

    def take(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        answer = None if self._is_dead else process_messages.read(self._process.stdout)
        self._is_dead = answer is None
        return answer or b""

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this program, with arguments of ours
                [*child.program(), ARGUMENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child.environment()
            )
            self._send(self._setup)
        except OSError:
            self._is_dead = True

    def _send(self, payload: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        process_messages.write(self._process.stdin, payload)

    def __enter__(self) -> "ProcessAssistant":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait()


def main() -> None:
    child.begin()
    child.end_with_parent()
    arriving, leaving = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but answers may come out
    first = process_messages.read(arriving)
    if first is None:
        return
    setup = msgspec.json.decode(first, type=_Setup)
    maker = EntryMaker(setup.fields, setup.settings)
    _answer(arriving, leaving, maker)


def _answer(arriving: BinaryIO, leaving: BinaryIO, maker: EntryMaker) -> None:
    leaving.write(_READY)
    leaving.flush()
    while (batch := process_messages.read(arriving)) is not None:
        offset, block = int.from_bytes(batch[:_OFFSET_BYTES]), batch[_OFFSET_BYTES:]
        process_messages.write(leaving, maker.parted(block, offset))
