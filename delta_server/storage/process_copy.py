"""A process that begins as a copy of this one: at once, where one that is started anew imports for 0.1 s first."""

import gc
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGKILL
from typing import BinaryIO

from delta_server.storage import child

_THREADS = Path("/proc/self/task")


def is_safe() -> bool:
    """Whether this process has one thread: a copy has the locks that others hold, for ever."""
    if sys.platform != "linux":
        return False
    try:
        return len(list(_THREADS.iterdir())) == 1
    except OSError:
        return False


class ProcessCopy:
    """It runs `main` with where it is asked and where it answers; beyond those pipes it is as subprocess.Popen."""

    def __init__(self, main: Callable[[BinaryIO, BinaryIO], None]) -> None:
        """Raises OSError."""
        with ExitStack() as unused:
            asked, answered = _pipe(unused), _pipe(unused)
            self._pid = os.fork()
            unused.pop_all()
        if self._pid == 0:
            _run(main, (asked[0], answered[1]), (asked[1], answered[0]))
        os.close(asked[0])
        os.close(answered[1])
        self._is_gone = False
        self.stdin, self.stdout = os.fdopen(asked[1], "wb"), os.fdopen(answered[0], "rb")

    def kill(self) -> None:
        if not self._is_gone:
            with suppress(ProcessLookupError):
                os.kill(self._pid, SIGKILL)

    def wait(self) -> None:
        if not self._is_gone:
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._is_gone = True


def _pipe(unused: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        unused.callback(os.close, end)
    return ends


def _run(main: Callable[[BinaryIO, BinaryIO], None], own: tuple[int, int], others: tuple[int, int]) -> None:
    """Nothing that this process would do at its end is done here, too."""
    code = 1
    try:
        gc.freeze()  # looking through what there is would copy all of it
        for pipe in others:
            os.close(pipe)
        child.begin()
        child.end_with_parent()
        os.dup2(2, 1)  # nothing but answers may come out
        main(os.fdopen(own[0], "rb"), os.fdopen(own[1], "wb"))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
