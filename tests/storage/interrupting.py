"""Interrupts a borrower of the scratch buffer at every opcode of cache.py: `python -m tests.storage.interrupting`."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from delta_server.storage import cache as cache_module
from delta_server.storage.cache import ScratchBuffer


class Interrupted(BaseException):
    pass


def interrupted_at(opcode: int, work: Callable[[], None]) -> bool:
    """Do `work`, and raise at this opcode of cache.py, as in a thread whose caller has left; whether there was one."""
    left = opcode

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != cache_module.__file__:
            return trace
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise Interrupted
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


def main() -> None:
    def borrow() -> None:
        with scratch.borrow("a", 10) as lent:
            lent.view[:] = bytes(10)
            lent.filled = True

    scratch, opcode = ScratchBuffer(), 0
    while interrupted_at(opcode, borrow):
        with scratch.borrow("b", 10) as lent:
            assert not lent.filled or bytes(lent.view) == b"0123456789"
            lent.view[:] = b"0123456789"
            lent.filled = True
        with scratch.borrow("b", 10) as lent:
            assert lent.filled, f"what was lent is not lent again after opcode {opcode}"
            assert bytes(lent.view) == b"0123456789"
        opcode += 1
    assert opcode > 20


if __name__ == "__main__":
    main()
