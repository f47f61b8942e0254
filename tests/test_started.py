"""A program that is forked (tests/started.py) is what Popen would have started."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from delta_server import __version__
from tests.server_process import environment, run, serving, start

TOLD = """
import os, sys, time
print(sys.argv, os.getcwd(), sys.path[0] in ("", os.getcwd()), os.environ["WORD"], "OTHER" in os.environ, time.tzname)
print(sys.stdin.read(), __name__, sys.stdout.line_buffering, sorted(os.listdir("/proc/self/fd")))
print("told", file=sys.stderr)
"""
ENDS = [
    ("print(1)", 0),
    ("import sys; sys.exit(7)", 7),
    ("raise SystemExit('no')", 1),
    ("1 / 0", 1),
    ("import os; os.kill(os.getpid(), 9)", -9),
    ("import os; os._exit(5)", 5),
    ("import atexit; atexit.register(print, 'at the end')", 0),
]


def both(code: str, *arguments: str, directory: Path, text: str = "") -> list[Any]:
    """What came of it: forked, and started anew."""
    done = []
    for command in (None, [sys.executable]):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        env = environment(WORD="a b", TZ="America/New_York")
        options: dict[str, Any] = {"cwd": directory, "env": env, "text": True, **pipes}
        with start(*arguments, command=command, code=code, **options) as process:
            answers = process.communicate(text, timeout=60)
        assert process.poll() == process.returncode
        done.append((process.returncode, *answers))
    return done


def test_it_has_its_arguments_directory_environment_and_streams(tmp_path: Path) -> None:
    forked, anew = both(TOLD, "one", "two words", directory=tmp_path, text="said\nto it")
    assert forked == anew
    assert "two words" in forked[1]
    assert str(tmp_path) in forked[1]


@pytest.mark.parametrize(("code", "status"), ENDS)
def test_it_ends_as_it_would(tmp_path: Path, code: str, status: int) -> None:
    forked, anew = both(code, directory=tmp_path)
    assert forked[0] == anew[0] == status
    assert forked[1] == anew[1]
    assert forked[2].splitlines()[-1:] == anew[2].splitlines()[-1:]


ENDED = """
import os
from tests.started import reap
if not (child := os.fork()):
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended, and was not waited for
reap()
reap()
print("none is left")
"""


def test_children_that_have_ended_are_reaped_and_none_need_be_left(tmp_path: Path) -> None:
    options: dict[str, Any] = {"cwd": Path(__file__).parent.parent, "env": environment(), "stdout": subprocess.PIPE}
    with start(command=[sys.executable], code=ENDED, **options) as process:
        assert process.communicate(timeout=60)[0] == b"none is left\n"


def test_commands_are_the_programs_own(tmp_path: Path) -> None:
    assert __version__ in run(tmp_path, "version").stdout
    assert run(tmp_path, "versoin", check=False).returncode == 2


def test_it_is_waited_for_and_hears_signals(tmp_path: Path) -> None:
    with start(code="import time; print(1, flush=True); time.sleep(60)", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    with serving(tmp_path) as server:
        server.process.kill()
        assert server.process.wait(60) == -signal.SIGKILL
