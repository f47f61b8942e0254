"""The threads for pure work: what nobody waits for ends, and projects take turns."""

import asyncio
import gc
import os
import random
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from delta_server.core.errors import TooCostly, Unavailable
from delta_server.storage.priority import WITH_LOCK
from delta_server.storage.turns import Callers, Turns
from delta_server.tasks.threads import PATIENT_S, BatchThread, FairThreadPool, OneAtATime, ThreadPool

WAIT_S = 60
"""Only a deadlock waits this long."""


def endless(began: threading.Event) -> None:
    began.set()
    while True:
        try:
            time.monotonic()
        except Exception:
            continue


async def test_closing_ends_what_runs_and_gives_up_the_rest_and_the_loop_goes_on() -> None:
    cpu, entered, let_go = ThreadPool(1, "test"), threading.Event(), threading.Event()

    def run() -> bool:
        entered.set()
        return let_go.wait(WAIT_S)

    running = asyncio.ensure_future(cpu(run))
    queued = [asyncio.ensure_future(cpu(let_go.wait, WAIT_S)) for _ in range(3)]
    assert await asyncio.to_thread(entered.wait, WAIT_S)
    closing = asyncio.create_task(cpu.close())
    await asyncio.wait(queued, timeout=WAIT_S)
    assert all(future.cancelled() for future in queued)
    assert not closing.done()
    with pytest.raises(Unavailable, match="shutting down"):
        await cpu(run)
    let_go.set()  # no bytecode before it: nothing can be raised there
    await closing
    with pytest.raises(Unavailable, match="shutting down"):
        await running


@pytest.fixture
def usual_s() -> Iterator[float]:
    """The interval of a server, while a test lasts."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before_s)


async def test_batches_are_worked_on_one_at_a_time_and_keep_the_lock_for_longer(usual_s: float) -> None:
    callers = Callers()
    cpu, at_once, most = BatchThread("test", callers), 0, 0

    def step() -> float:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        interval_s = sys.getswitchinterval()
        at_once -= 1
        return interval_s

    callers.note(1)
    assert await asyncio.gather(*(cpu(step) for _ in range(20))) == pytest.approx([PATIENT_S] * 20)
    assert most == 1
    assert sys.getswitchinterval() == usual_s
    await cpu.close()


async def test_with_another_project_that_calls_batches_keep_the_lock_as_others_do(usual_s: float) -> None:
    callers, entered, let_go = Callers(), threading.Event(), threading.Event()
    cpu = BatchThread("test", callers)
    callers.note(1)

    def run() -> bool:
        entered.set()
        return let_go.wait(WAIT_S)

    running = asyncio.ensure_future(cpu(run))
    assert await asyncio.to_thread(entered.wait, WAIT_S)
    assert sys.getswitchinterval() == pytest.approx(PATIENT_S)
    callers.note(2)
    second = asyncio.ensure_future(cpu(sys.getswitchinterval))
    await asyncio.sleep(0)
    assert sys.getswitchinterval() == usual_s, "of what runs already, too"
    let_go.set()
    assert (await running, await second) == (True, usual_s)
    await cpu.close()


async def test_a_batch_that_fails_or_is_given_up_leaves_the_interval_as_it_was(usual_s: float) -> None:
    cpu, began = BatchThread("test", Callers()), threading.Event()
    with pytest.raises(ZeroDivisionError):
        await cpu(lambda: 1 / 0)
    assert sys.getswitchinterval() == usual_s
    running = asyncio.ensure_future(cpu(endless, began))
    assert await asyncio.to_thread(began.wait, WAIT_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sys.getswitchinterval() == usual_s
    await cpu.close()


_TRACED = """
import asyncio, sys, threading, time
from tests.tasks.test_threads import endless
from delta_server.tasks.threads import ThreadPool

async def main():
    pool, began = ThreadPool(1, "test"), threading.Event()
    assert await pool(len, "abc") == 3
    if sys.argv[1] == "interrupted":
        running = asyncio.ensure_future(pool(endless, began))
        await asyncio.to_thread(began.wait)
        running.cancel()
    await pool.close()

asyncio.run(main())
sys.settrace(lambda *_: None)
print("as before".upper(), (lambda: 7)())
"""


@pytest.mark.parametrize("how", ["ended", "interrupted"])
def test_a_call_leaves_the_interpreter_as_it_was(how: str) -> None:
    """An interrupt that was taken back left the process slower by a tenth, and functions that are traced never began:
    those of a profiler, a debugger or hypothesis."""
    done = subprocess.run(
        [sys.executable, "-c", _TRACED, how], capture_output=True, text=True, timeout=2 * WAIT_S, check=True
    )
    assert done.stdout == "AS BEFORE 7\n"


async def test_closing_ends_what_computes() -> None:
    cpu, began = ThreadPool(1, "test"), threading.Event()
    running = asyncio.ensure_future(cpu(endless, began))
    assert await asyncio.to_thread(began.wait, WAIT_S)
    await cpu.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await running


async def test_what_is_raised_reaches_the_caller() -> None:
    cpu = ThreadPool(1, "test")
    with pytest.raises(ValueError, match="invalid literal"):
        await cpu(int, "x")
    await cpu.close()


class Large:
    """Something that takes memory."""


@pytest.mark.parametrize("fair", [False, True])
async def test_what_a_call_that_fails_was_given_is_free_at_once(fair: bool) -> None:
    """Not when the next garbage is collected: a thousand refused bodies were 400 MB by then."""
    cpu, fair_cpu = ThreadPool(1, "test"), FairThreadPool(1, "test", seconds=WAIT_S)

    def refuse(_: Large) -> None:
        raise ValueError("refused")

    async def call(given: Large) -> str:
        try:
            if fair:
                async with fair_cpu.turn(1) as thread:
                    await thread(refuse, given)
            await cpu(refuse, given)
        except ValueError as error:
            return str(error)
        return ""

    gc.disable()
    try:
        given = Large()
        gone = weakref.ref(given)
        assert await call(given) == "refused"
        del given
        await cpu(int, "7")
        async with fair_cpu.turn(1) as thread:
            await thread(int, "7")  # a thread lets go of a call when it takes the next
        assert gone() is None
    finally:
        gc.enable()
    await cpu.close()
    await fair_cpu.close()


async def test_what_nobody_waits_for_ends() -> None:
    cpu, began = ThreadPool(1, "test"), threading.Event()
    running = asyncio.ensure_future(cpu(endless, began))
    assert await asyncio.to_thread(began.wait, WAIT_S)
    running.cancel()
    assert await cpu(int, "7") == 7
    await cpu.close()


async def test_an_interrupt_never_hits_the_next_call() -> None:
    """Calls are given up at any moment: before they begin, while they run, as they end."""
    cpu, chance = ThreadPool(1, "test"), random.Random(1)

    def count(to: int) -> int:
        return sum(1 for _ in range(to))

    for _ in range(400):
        given_up = asyncio.ensure_future(cpu(count, chance.randrange(3000)))
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        given_up.cancel()
        assert await cpu(count, 500) == 500
    await cpu.close()


async def test_an_interrupt_that_the_interpreter_drops_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised in the callback of a weak reference ends with it. The interrupted thread begins no other: one that
    has not begun yet bears its identity, and would be ended by a second interrupt before it says that it has begun."""
    inside, ended = threading.Event(), threading.Event()
    start, began_by = threading.Thread.start, []

    def started(thread: threading.Thread) -> None:
        began_by.append(threading.current_thread().name)
        start(thread)

    class Thing: ...

    def callback(_: object) -> None:
        inside.set()
        while True:
            pass

    def work() -> None:
        thing = Thing()
        held = weakref.ref(thing, callback)
        try:
            del thing
            while held() is None:
                pass
        finally:
            ended.set()

    pool = ThreadPool(1, "interrupted")
    monkeypatch.setattr(threading.Thread, "start", started)
    task = asyncio.create_task(pool(work))
    await asyncio.to_thread(inside.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 60)
    await pool.close()
    assert [name for name in began_by if name.startswith("interrupted")] == []


async def test_a_turn_past_its_time_is_refused_and_its_thread_is_free_again() -> None:
    cpu = FairThreadPool(1, "test", seconds=0.01)
    with pytest.raises(TooCostly, match="answer_seconds"):
        async with cpu.turn(1) as thread:
            await thread(endless, threading.Event())
    assert await _in_turn(FairThreadPool(1, "test", seconds=WAIT_S), 1) == 7
    while True:  # until the thread is free, a turn may pass without its call beginning
        try:
            assert await _in_turn(cpu, 2) == 7
            break
        except (TooCostly, Unavailable):
            continue
    await cpu.close()


async def test_a_time_out_within_a_turn_is_not_the_turn_s() -> None:
    cpu = FairThreadPool(1, "test", seconds=WAIT_S)
    with pytest.raises(TimeoutError):
        async with cpu.turn(1):
            raise TimeoutError
    await cpu.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a priority is a thread's on Linux only")
async def test_threads_for_what_nobody_waits_for_go_behind_the_others() -> None:
    pools = [ThreadPool(1, "test"), ThreadPool(1, "test", behind=True)]
    found = [await pool(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) for pool in pools]
    assert found == [os.getpriority(os.PRIO_PROCESS, 0), max(WITH_LOCK, found[0])]
    for pool in pools:
        await pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a priority is a thread's on Linux only")
async def test_the_turns_of_who_has_used_more_than_its_share_go_behind_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = FairThreadPool(3, "test", seconds=WAIT_S)
    monkeypatch.setattr(Turns, "is_behind", lambda self, project: project == 1)
    found = [
        await _in_turn(cpu, project, lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        for project in (1, 2)
    ]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert found == [max(WITH_LOCK, own), own]
    await cpu.close()


async def test_one_project_leaves_a_thread_to_the_others() -> None:
    cpu, order = FairThreadPool(3, "test", seconds=WAIT_S), list[str]()
    async with cpu.turn(1), cpu.turn(1):
        third = asyncio.ensure_future(_in_turn(cpu, 1, lambda: order.append("third of one")))
        await asyncio.sleep(0)
        await _in_turn(cpu, 2, lambda: order.append("first of another"))
        assert not third.done()
    await third
    assert order == ["first of another", "third of one"]
    await cpu.close()


async def test_a_turn_is_over_when_its_thread_is_free() -> None:
    """A step that cannot be interrupted goes on though its caller has left; meanwhile it counts."""
    cpu, entered, let_go = FairThreadPool(2, "test", seconds=WAIT_S), threading.Event(), threading.Event()

    def run() -> bool:
        entered.set()
        return let_go.wait(WAIT_S)

    left = asyncio.ensure_future(_in_turn(cpu, 1, run))
    assert await asyncio.to_thread(entered.wait, WAIT_S)
    left.cancel()
    await asyncio.wait([left])
    waiting = asyncio.ensure_future(_in_turn(cpu, 1))
    await _in_turn(cpu, 2)
    assert not waiting.done()
    let_go.set()
    assert await waiting == 7
    await cpu.close()


async def test_no_turn_is_lost_whenever_its_caller_leaves() -> None:
    """While it waits, as it is given the turn, while its thread computes, between two calls, as it ends."""
    cpu, chance = FairThreadPool(3, "test", seconds=WAIT_S), random.Random(2)

    async def work(project: int) -> None:
        async with cpu.turn(project) as thread:
            for _ in range(3):
                await thread(sum, range(chance.randrange(20_000)))
                await asyncio.sleep(0)

    for _ in range(60):
        some = [asyncio.ensure_future(work(chance.randrange(3))) for _ in range(6)]
        for one in chance.sample(some, 6):
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            one.cancel()
        await asyncio.gather(*some, return_exceptions=True)
    async with asyncio.timeout(WAIT_S), cpu.turn(0), cpu.turn(1), cpu.turn(2):
        pass  # all three places are there
    await cpu.close()


async def _in_turn(cpu: FairThreadPool, project: int, work: Any = lambda: 7) -> Any:
    async with cpu.turn(project) as thread:
        return await thread(work)


async def test_large_steps_of_a_project_run_one_at_a_time_and_those_of_others_beside_them() -> None:
    cpu = ThreadPool(4, "test")
    one = OneAtATime(cpu, seconds=WAIT_S)
    entered, let_go = threading.Semaphore(0), threading.Event()

    def run() -> bool:
        entered.release()
        return let_go.wait(WAIT_S)

    running = [asyncio.create_task(one(project, run)) for project in (1, 1, 1, 2)]
    for _ in range(2):
        assert await asyncio.to_thread(entered.acquire, timeout=WAIT_S)
    assert not entered.acquire(blocking=False)
    let_go.set()
    assert await asyncio.gather(*running) == [True] * 4
    await cpu.close()


async def test_a_large_step_that_fails_lets_the_next_one_run() -> None:
    cpu = ThreadPool(1, "test")
    one = OneAtATime(cpu, seconds=WAIT_S)
    with pytest.raises(ZeroDivisionError):
        await one(1, lambda: 1 // 0)
    assert await one(1, lambda: 2) == 2
    await cpu.close()
