"""Pure work in processes of its own: what it gives and raises, and that nothing of it is left when nobody waits."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from delta_server.core.errors import Conflict, DeltaError, Invalid, TooCostly, Unavailable
from delta_server.tasks import pure_worker
from delta_server.tasks.processes import ProcessPool


@pytest.fixture
async def processes() -> AsyncIterator[ProcessPool]:
    opened = ProcessPool(2)
    yield opened
    await opened.close()


def _refuse(error: DeltaError) -> None:
    raise error


def _unportable() -> None:
    class Own(Exception):
        pass

    raise Own("nobody else knows it")


def _die() -> None:
    os._exit(9)


def _fill_inside(given: list[dict[str, bytes]], times: int) -> int:
    return _fill(given[0]["document"], times)


def _fill(given: bytes, times: int) -> int:
    return len(b"x" * (len(given) * times))


_kept: list[bytes] = []


def _keep(size: int) -> None:
    _kept.append(b"x" * size)


def _endless(began: str) -> None:
    Path(began).write_bytes(b"")
    while True:
        pass


@pytest.fixture
def began(tmp_path: Path) -> str:
    """A pipe: who reads it waits until `_endless` has begun."""
    os.mkfifo(tmp_path / "began")
    return str(tmp_path / "began")


async def test_what_is_given_and_got_is_equal(processes: ProcessPool) -> None:
    values: list[Any] = [7, b"", b"x" * (3 << 20), ("a", b"y" * 70_000, [b"z"]), {"n": [1.5, None]}]
    for value in values:
        assert await processes(_same, value) == value
    assert await processes(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]


def _same(value: Any) -> Any:
    return value


async def test_one_process_takes_call_after_call(processes: ProcessPool) -> None:
    assert len({await processes(os.getpid) for _ in range(3)} - {os.getpid()}) == 1
    both = await asyncio.gather(processes(os.getpid), processes(os.getpid))
    assert len(set(both)) == 2


@pytest.mark.parametrize(
    "error", [Invalid("no", field="a.b"), Conflict("taken"), Unavailable("later", retry_after_s=7)], ids=str
)
async def test_a_coded_error_comes_back_whole(processes: ProcessPool, error: DeltaError) -> None:
    with pytest.raises(type(error)) as raised:
        await processes(_refuse, error)
    assert (str(raised.value), raised.value.errors) == (str(error), error.errors)
    assert getattr(raised.value, "retry_after_s", None) == getattr(error, "retry_after_s", None)


async def test_any_other_error_tells_where_it_came_from(processes: ProcessPool) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await processes(int, "x")
    with pytest.raises(RuntimeError, match="Own: nobody else knows it"):
        await processes(_unportable)
    assert await processes(_same, 7) == 7


async def test_a_process_that_dies_costs_its_own_call_only(processes: ProcessPool) -> None:
    with pytest.raises(TooCostly, match="memory"):
        await processes(_die)
    assert await processes(_same, 7) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such limit")
async def test_memory_has_a_limit_by_what_is_given(processes: ProcessPool) -> None:
    given = b"x" * (1 << 20)
    assert await processes(_fill, given, pure_worker.MAX_TIMES // 2) == len(given) * pure_worker.MAX_TIMES // 2
    with pytest.raises(TooCostly, match="memory"):
        await processes(_fill, given, pure_worker.MAX_TIMES + (pure_worker.MIN_MEMORY_BYTES >> 20) + 1)


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such limit")
async def test_what_is_given_counts_wherever_it_stands(processes: ProcessPool) -> None:
    """Two documents that were in a list had the memory of none: from 50 MB on they were never compared."""
    given = [{"document": b"x" * (40 << 20)}]
    times = pure_worker.MAX_TIMES // 2
    assert await processes(_fill_inside, given, times) == (40 << 20) * times


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell")
async def test_a_process_that_keeps_much_memory_is_replaced(processes: ProcessPool) -> None:
    first = await processes(os.getpid)
    await processes(_keep, pure_worker.RECYCLE_BYTES)
    assert await processes(os.getpid) != first


async def test_what_nobody_waits_for_is_killed(processes: ProcessPool, began: str) -> None:
    pid = await processes(os.getpid)
    running = asyncio.ensure_future(processes(_endless, began))
    await asyncio.to_thread(Path(began).read_bytes)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await _until_gone(pid)
    assert await processes(_same, 7) == 7


async def test_what_waits_for_a_process_can_be_given_up(processes: ProcessPool, began: str) -> None:
    busy = []
    for _ in range(2):
        busy.append(asyncio.ensure_future(processes(_endless, began)))
        await asyncio.to_thread(Path(began).read_bytes)
    waiting = asyncio.ensure_future(processes(_same, 7))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for call in busy:
        call.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    assert await processes(_same, 7) == 7


async def test_closing_kills_what_runs_and_refuses_the_rest(began: str) -> None:
    processes = ProcessPool(1)
    pid = await processes(os.getpid)
    running, waiting = (asyncio.ensure_future(processes(_endless, began)) for _ in range(2))
    await asyncio.to_thread(Path(began).read_bytes)
    await processes.close()
    for call in (running, waiting):
        with pytest.raises((Unavailable, asyncio.CancelledError)):
            await call
    with pytest.raises(Unavailable, match="shutting down"):
        await processes(_same, 7)
    await _until_gone(pid)


@pytest.mark.usefixtures("whole_starts")  # its end is known at once
async def test_an_idle_process_that_the_system_ended_is_not_asked(processes: ProcessPool) -> None:
    pid = await processes(os.getpid)
    os.kill(pid, signal.SIGTERM)
    await _until_gone(pid)
    assert await processes(_same, 7) == 7


def _meet(pipe: Path, mode: str) -> int:
    """Opening either end waits for the other."""
    with pipe.open(mode):
        return os.getpid()


async def _both(processes: ProcessPool, pipe: Path) -> set[int]:
    """The processes of two calls that run at the same time."""
    return set(await asyncio.gather(processes(_meet, pipe, "r"), processes(_meet, pipe, "w")))


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


async def test_two_processes_wait_for_work(processes: ProcessPool, pipe: Path) -> None:
    assert await _both(processes, pipe) == await _both(processes, pipe)


async def test_the_second_of_them_does_not_wait_for_long(
    processes: ProcessPool, pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delta_server.tasks.processes.SECOND_IDLE_S", 0.0)
    pids = await _both(processes, pipe)
    gone = await _until_gone(*pids)
    assert {await processes(os.getpid)} == pids - {gone}


async def test_more_processes_end_at_once(processes: ProcessPool, pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delta_server.tasks.processes.MOST_IDLE", 1)
    pids = await _both(processes, pipe)
    kept = await processes(os.getpid)
    assert await _until_gone(*pids - {kept})


def _is_gone(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # it was waited for, or is the child of another (tests/started.py)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False


async def _until_gone(*pids: int) -> int:
    """One of them."""
    until = time.monotonic() + 60  # only processes that live on wait this long
    while time.monotonic() < until:
        for pid in pids:
            if _is_gone(pid):
                return pid
        await asyncio.sleep(0)
    pytest.fail("they live on")
