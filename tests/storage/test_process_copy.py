"""A copy of a process answers, ends with it and does nothing that only it would do; a process with threads has none."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from delta_server.storage import process_copy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no copies")

_ANSWERED = """
import atexit, os, sys
from delta_server.storage import process_messages
from delta_server.storage.process_copy import ProcessCopy, is_safe

atexit.register(print, "at exit")

def answer(arriving, leaving):
    print("no answer", file=sys.stderr)
    os.write(1, b"no answer\\n")
    while (message := process_messages.read(arriving)) is not None:
        if message == b"fail":
            raise ValueError("as asked")
        process_messages.write(leaving, message[::-1])

print("not written yet", end=" ")
assert is_safe()
copy = ProcessCopy(answer)
process_messages.write(copy.stdin, b"abc")
assert process_messages.read(copy.stdout) == b"cba"
process_messages.write(copy.stdin, b"fail")
assert process_messages.read(copy.stdout) is None
for _ in range(2):
    copy.kill()
    copy.wait()
other = ProcessCopy(answer)
other.stdin.close()
assert process_messages.read(other.stdout) is None
other.wait()
"""


def test_a_copy_answers_and_ends() -> None:
    done = subprocess.run([sys.executable, "-c", _ANSWERED], capture_output=True, text=True, check=True)
    assert done.stdout == "not written yet at exit\n"
    assert done.stderr.count("no answer\n") == 4
    assert done.stderr.count("ValueError: as asked") == 1


def test_a_copy_that_cannot_be_made_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(errno.EAGAIN, "too many processes")

    monkeypatch.setattr(os, "fork", fork)
    open_files = Path("/proc/self/fd")
    before = sorted(open_files.iterdir())
    with pytest.raises(OSError, match="too many processes"):
        process_copy.ProcessCopy(lambda arriving, leaving: None)
    assert sorted(open_files.iterdir()) == before


def test_a_process_with_threads_is_not_copied() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not process_copy.is_safe()
    finally:
        end.set()
        thread.join()
