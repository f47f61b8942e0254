"""A second process that does about every other piece of the work beside us: reads rows, joins and checks them.

It is sent how rows are compared, as JSON, and then letters with what follows them: a batch of rows, its offset and its
bytes, or its size where both have the file open; a part to be joined; entries of rows that are to be read again; pairs
of such rows. It answers what `EntryMaker.parted`, `joining.join`, `Checker.beside` and `PairChecker.beside` make of
each, and one byte before that when it is ready. It ends when its stdin does. Where we have one thread it is a copy,
which needs no setup and is ready at once.
"""

import fcntl
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from struct import Struct
from types import MappingProxyType, TracebackType
from typing import IO, BinaryIO

import msgspec

from delta_server.core.rowdelta import joining
from delta_server.core.rowdelta.blocks import BLOCK_BYTES
from delta_server.core.rowdelta.checking import Checker
from delta_server.core.rowdelta.csv_lines import LineMaker, Table
from delta_server.core.rowdelta.entries import EntryMaker, Maker
from delta_server.core.rowdelta.pairs import PairChecker
from delta_server.core.rowdelta.ports import ReadAt, Side
from delta_server.core.rowdelta.settings import Settings
from delta_server.core.rowdelta.texts import changed_meanwhile
from delta_server.storage import child, process_copy, process_messages
from delta_server.storage.process_copy import ProcessCopy

ARGUMENT = "rows-worker"
"""What the program is called with to be this."""

_READY = b"+"
_BATCH, _PART, _LEFT, _PAIRS = b"b", b"p", b"l", b"c"
_NO_FILES: Mapping[Side, int] = MappingProxyType({})
_PLACE = Struct(">iQQ")
"""Of a batch: the file, or `_NO_FILE` when its bytes follow; its offset and its size."""

_OF_BEFORE = Struct(">Q")
"""How many bytes of a part are those of `before`."""

_OF_FILE, _OF_PAIRS = Struct(">i"), Struct(">ii?")
_NO_FILE = -1
_PIPE_BYTES = 1 << 20
_RELEASED_BYTES = 8 << 20
"""The C library (glibc) gives memory back beyond twice the largest block that it released: without one of this size
each batch takes 200 pages anew."""

_BEGIN, _BEGIN_COPY = 32, 8
"""Blocks that are read before it is started anew, or as a copy: where there are few, it would be ready too late."""


class _Setup(msgspec.Struct, frozen=True):
    fields: tuple[str, ...]
    settings: Settings
    table: Table | None


class ProcessAssistant:
    """Started when it was asked for often enough; without it, or when it dies, the work is done all the same."""

    def __init__(
        self,
        fields: tuple[str, ...],
        settings: Settings,
        table: Table | None = None,
        *,
        files: Mapping[Side, int] = _NO_FILES,
        spill: int | None = None,
        after: int | None = None,
        wait_s: float = 0,
    ) -> None:
        """It is started when it was asked for `after` times, and then waited for at each until it is ready. `files` are
        those open ones that it can read itself, and so is `spill`."""
        self._copies = process_copy.is_safe()
        self._after, self._wait_s = after or (_BEGIN_COPY if self._copies else _BEGIN), wait_s
        self._files = {} if sys.platform == "win32" else dict(files)
        self._spill = None if sys.platform == "win32" else spill
        plain = Settings(**{name: getattr(settings, name) for name in Settings.__struct_fields__})
        self._setup = _Setup(fields, plain, table)
        self._asked = 0
        self._process: subprocess.Popen[bytes] | ProcessCopy | None = None
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

    def reads(self, side: Side) -> bool:
        return side in self._files

    def moved(self, side: Side) -> None:
        if self._spill is None:
            self._files.pop(side, None)
        else:
            self._files[side] = self._spill

    def give(self, side: Side, offset: int, blocks: list[bytes]) -> None:
        file = self._files.get(side, _NO_FILE)
        place = _PLACE.pack(file, offset, sum(map(len, blocks)))
        self._try_to_send(_BATCH, place, *(blocks if file == _NO_FILE else []))

    def give_part(self, before: bytes, after: bytes) -> None:
        self._try_to_send(_PART, _OF_BEFORE.pack(len(before)), before, after)

    def give_left(self, side: Side, entries: bytes) -> None:
        self._try_to_send(_LEFT, _OF_FILE.pack(self._files[side]), entries)

    def give_pairs(self, pairs: bytes, *, with_lines: bool) -> None:
        head = _OF_PAIRS.pack(self._files["before"], self._files["after"], with_lines)
        self._try_to_send(_PAIRS, head, pairs)

    def take(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        answer = None if self._is_dead else process_messages.read(self._process.stdout)
        self._is_dead = answer is None
        return answer or b""

    def _start(self) -> None:
        try:
            if self._copies and process_copy.is_safe():
                self._process = ProcessCopy(lambda arriving, leaving: _answer(arriving, leaving, self._setup))
                self._is_ready = True
                _enlarge(self._process.stdout)
                return
            self._process = subprocess.Popen(  # noqa: S603 - this program, with arguments of ours
                [*child.program(), ARGUMENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child.environment(),
                pass_fds=[file for file in (*self._files.values(), self._spill) if file is not None],
            )
            _enlarge(self._process.stdout)
            self._send(msgspec.json.encode(self._setup))
        except OSError:
            self._is_dead = True

    def _try_to_send(self, *pieces: bytes) -> None:
        try:
            self._send(b"".join(pieces))
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
                    with suppress(OSError):  # what it was still sent when it died
                        pipe.close()
            self._process.wait()


def _enlarge(pipe: IO[bytes] | None) -> None:
    """So that an answer fits, and it goes on while we do: the system's 64 kB are a quarter of one."""
    if sys.platform == "linux" and pipe is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def main() -> None:
    child.begin()
    child.end_with_parent()
    arriving, leaving = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but answers may come out
    first = process_messages.read(arriving)
    if first is None:
        return
    setup = msgspec.json.decode(first, type=_Setup)
    leaving.write(_READY)
    leaving.flush()
    _answer(arriving, leaving, setup)


def _answer(arriving: BinaryIO, leaving: BinaryIO, setup: _Setup) -> None:
    maker: Maker = EntryMaker(setup.fields, setup.settings)
    if setup.table is not None:
        maker = LineMaker(setup.table, setup.fields, setup.settings)
    bytes(_RELEASED_BYTES)
    checker, pair_checker = Checker(setup.fields, setup.settings), PairChecker(setup.fields, setup.settings)
    while (message := process_messages.read(arriving)) is not None:
        kind, given = message[:1], message[1:]
        if kind == _BATCH:
            answer = _made(given, maker)
        elif kind == _PART:
            parts, of_before = given[_OF_BEFORE.size :], _OF_BEFORE.unpack_from(given)[0]
            answer = joining.packed(joining.join(parts[:of_before], parts[of_before:]))
        elif kind == _PAIRS:
            before, after, with_lines = _OF_PAIRS.unpack_from(given)
            pairs = given[_OF_PAIRS.size :]
            answer = pair_checker.beside(pairs, _reader(before), _reader(after), with_lines=with_lines)
        else:
            file = _OF_FILE.unpack_from(given)[0]
            answer = checker.beside(given[_OF_FILE.size :], _reader(file))
        process_messages.write(leaving, answer)


def _reader(file: int) -> ReadAt:
    return lambda offset, size: os.pread(file, size, offset)


def _made(batch: bytes, maker: Maker) -> bytes:
    file, offset, size = _PLACE.unpack_from(batch)
    pieces = [batch[_PLACE.size :]] if file == _NO_FILE else _pieces(file, offset, size)
    return maker.parted(pieces, offset)


def _pieces(file: int, offset: int, size: int) -> Iterator[bytes]:
    """Raises OSError where it cannot be read, and Conflict where it is not as long any more."""
    end = offset + size
    while offset < end:
        piece = os.pread(file, min(BLOCK_BYTES, end - offset), offset)
        if not piece:
            raise changed_meanwhile()
        offset += len(piece)
        yield piece
