"""The process that does pure work for the server: one call after the other from stdin, results to stdout.

It ends when stdin does. A frame is the lengths of its parts (8 bytes each, their count in 8 bytes before them, all
big-endian), a pickle and the large bytes that stand outside of it (PEP 574), so that no document is copied for it.
"""

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import IO, Any

from delta_server.core.errors import DeltaError, TooCostly
from delta_server.storage import child

ARGUMENT = "pure-worker"
"""What the program is called with to be this."""
RECYCLE_BYTES = 64 << 20
"""A process that still holds so much when it has answered is replaced."""
MIN_MEMORY_BYTES = 256 << 20
MAX_TIMES = 16
"""The memory that a call may take, in sizes of what it is given: a comparison needs 12 of the larger document."""
TOO_LARGE = "this takes more memory than it may: ask for less, for example a part of the document"


def main() -> None:
    """Serve calls until stdin ends."""
    child.begin()
    child.end_with_parent()
    arriving, leaving = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but frames may come out
    while (call := receive(arriving, _limit_memory)) is not None:
        failed, value = _call_result(*call)
        del call
        send(leaving, failed, child.resident_bytes() > RECYCLE_BYTES, value)
        del value


def _call_result(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
    """(whether it failed, the result or the exception)."""
    try:
        return False, fn(*args, **kwargs)
    except MemoryError:
        return True, TooCostly(TOO_LARGE)
    except DeltaError as error:
        return True, error
    except Exception as error:
        error.add_note("".join(traceback.format_tb(error.__traceback__)))
        return True, _portable(error)


def _limit_memory(given_bytes: int) -> None:
    """Where the system can do it."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (MIN_MEMORY_BYTES + MAX_TIMES * given_bytes, most))


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def send(stream: IO[bytes], *values: Any) -> None:
    """Write a frame of `values`, whose bytes, at the top or in a tuple there, are not copied."""
    large: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(tuple(map(_out_of_band, values)), protocol=5, buffer_callback=large.append)
    parts: list[bytes | memoryview] = [packed, *(buffer.raw() for buffer in large)]
    stream.write(b"".join(size.to_bytes(8) for size in (len(parts), *map(len, parts))))
    for part in parts:
        stream.write(part)
    stream.flush()


def _out_of_band(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_out_of_band, value))
    return pickle.PickleBuffer(value) if type(value) is bytes else value


def receive(stream: IO[bytes], announce: Callable[[int], None] | None = None) -> tuple[Any, ...] | None:
    """The values of the next frame, None at the end; `announce` gets its size before it is read. Raises EOFError
    when it ends in the middle of one."""
    head = stream.read(8)
    if not head:
        return None
    sizes = [int.from_bytes(_read_exactly(stream, 8)) for _ in range(int.from_bytes(head))]
    if announce is not None:
        announce(sum(sizes))
    packed, *large = [_read_exactly(stream, size) for size in sizes]
    values: tuple[Any, ...] = pickle.loads(packed, buffers=large)  # noqa: S301 - between the server and its own child
    return values


def _read_exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found
