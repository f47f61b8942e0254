"""Where log lines go: a file descriptor whose reader may have stopped reading.

A write to a full pipe waits for its reader, and with it the event loop, or the one writer, and so everybody. So a line
is written only while there is room for it; else it waits in memory for a thread that writes it when there is, and past
MOST_BYTES of those a line is lost, and counted.
"""

import atexit
import os
import select
import threading
from collections import deque
from pathlib import Path
from typing import TextIO

import structlog

MOST_BYTES = 1 << 20
AT_EXIT_S = 1.0
"""How long the end of the program waits for lines that wait."""
_LOOK_AGAIN_MS = 1000

log = structlog.get_logger("delta.log")


class LogOutput:
    """As much of a text stream as loggers use. Used from any thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        line = text.encode(errors="backslashreplace")
        with self._lock:
            if self._thread is None:
                line = self._written(line)
            if line:
                self._keep(line)
        return len(text)

    def flush(self) -> None:
        """Nothing: a line is written or waits."""

    def end(self) -> None:
        """Give what waits a moment."""
        if (thread := self._thread) is not None:
            thread.join(AT_EXIT_S)

    def _keep(self, line: bytes) -> None:
        if self._waiting_bytes + len(line) > MOST_BYTES:
            self._lost += 1
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_waiting, name="delta-log", daemon=True)
            self._thread.start()

    def _write_waiting(self) -> None:
        while True:
            self._poll.poll(_LOOK_AGAIN_MS)
            with self._lock:
                while self._waiting and not (rest := self._written(self._waiting[0])):
                    self._waiting_bytes -= len(self._waiting.popleft())
                if not self._waiting:
                    self._thread, lost, self._lost = None, self._lost, 0
                    break
                self._waiting_bytes -= len(self._waiting[0]) - len(rest)
                self._waiting[0] = rest
        if lost:
            log.warning("log lines were lost: nobody read them in time", lines=lost)

    def _written(self, line: bytes) -> bytes:
        """What there was no room for. A reader that is gone takes everything."""
        rest = memoryview(line)
        try:
            while rest and self._poll.poll(0):
                written = os.write(
                    self._fd, rest[: select.PIPE_BUF]
                )  # poll says of a pipe that it has room for so many
                rest = rest[written:]
        except BlockingIOError:  # the descriptor was made so by another program that has it too
            pass
        except OSError:
            return b""
        return bytes(rest)


class RotatedFile:
    """A file that is put aside when it is large: FILE becomes FILE.1, that FILE.2, and the oldest of `files` goes. What
    a full disk refuses is lost. Used from any thread."""

    def __init__(self, path: Path, *, most_bytes: int, files: int) -> None:
        """Raises OSError."""
        self._path, self._most_bytes, self._files = path, most_bytes, files
        self._lock = threading.Lock()
        self._fd = self._opened()
        self._size = os.fstat(self._fd).st_size

    def write(self, text: str) -> int:
        line = text.encode(errors="backslashreplace")
        with self._lock:
            try:
                if self._size and self._size + len(line) > self._most_bytes:
                    self._rotate()
                self._size += os.write(self._fd, line)
            except OSError:
                pass
        return len(text)

    def flush(self) -> None:
        """Nothing: each line is with the system."""

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _rotate(self) -> None:
        for number in range(self._files - 1, 0, -1):
            source = self._numbered(number - 1)
            if source.exists():
                source.replace(self._numbered(number))
        if self._files == 1:
            self._path.unlink(missing_ok=True)
        old, self._fd = self._fd, self._opened()
        os.close(old)
        self._size = os.fstat(self._fd).st_size

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def unstalled(stream: TextIO) -> TextIO | LogOutput:
    """A LogOutput behind which `stream` never has its writer wait, where there is such a thing."""
    if not hasattr(select, "poll"):
        return stream
    try:
        output = LogOutput(stream.fileno())
    except (OSError, ValueError):  # no file, as in tests
        return stream
    atexit.register(output.end)
    return output
