import asyncio

import pytest

from delta_server.tasks.signals import Signal, WaitingCallers


async def test_a_signal_wakes_all_that_wait() -> None:
    signal = Signal()
    waiting = [asyncio.create_task(signal.wait(60)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.notify()
    assert await asyncio.gather(*waiting) == [True, True, True]


async def test_waiting_ends_without_a_signal() -> None:
    signal = Signal()
    assert await signal.wait(0.001) is False
    signal.notify()


async def test_what_happened_before_does_not_wake() -> None:
    signal = Signal()
    signal.notify()
    assert await signal.wait(0) is False


async def test_what_happened_while_looking_is_not_missed() -> None:
    signal = Signal()
    seen = signal.count
    signal.notify()  # while the waiter was looking, and before it waits
    assert await signal.wait(60, since=seen) is True
    assert await signal.wait(0, since=signal.count) is False


async def test_a_cancel_in_the_moment_of_a_notify_is_not_lost() -> None:
    for turns in range(4):
        signal = Signal()
        waiting = asyncio.create_task(signal.wait(60))
        await asyncio.sleep(0)
        signal.notify()
        for _ in range(turns):
            await asyncio.sleep(0)
        woken = waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled() or woken, f"swallowed {turns} turns after the notify"


LONG = {"own_s": 60.0, "others_s": 60.0}


@pytest.mark.parametrize("project", [1, 2])
async def test_the_background_lets_pass_what_callers_wait_for(project: int) -> None:
    foreground = WaitingCallers()
    await foreground.yield_to_callers(project, **LONG)
    with foreground.waiting(1), foreground.waiting(1), foreground.waiting(3):
        passing = asyncio.create_task(foreground.yield_to_callers(project, **LONG))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not passing.done()
    await asyncio.wait_for(passing, 30)


@pytest.mark.parametrize(
    ("project", "own_s", "others_s", "waits"),
    [(1, 0.001, 60.0, False), (2, 60.0, 0.001, False), (1, 60.0, 0.001, True), (2, 0.001, 60.0, True)],
)
async def test_it_waits_for_its_own_callers_and_for_others_each_for_their_time(
    project: int, own_s: float, others_s: float, waits: bool
) -> None:
    foreground = WaitingCallers()
    with foreground.waiting(1):
        passing = asyncio.create_task(foreground.yield_to_callers(project, own_s=own_s, others_s=others_s))
        done, _ = await asyncio.wait({passing}, timeout=0.05 if waits else 30)
        assert (passing in done) is not waits
    await asyncio.wait_for(passing, 30)


async def test_between_two_requests_of_a_caller_it_is_not_quiet() -> None:
    foreground = WaitingCallers()
    await foreground.yield_until_quiet(quiet_s=60.0, most_s=60.0)  # nobody has called yet
    with foreground.waiting(1):
        passing = asyncio.create_task(foreground.yield_until_quiet(quiet_s=60.0, most_s=60.0))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not passing.done()
    passing.cancel()
    await foreground.yield_until_quiet(quiet_s=60.0, most_s=0.001)  # it waits no longer than that
    await foreground.yield_until_quiet(quiet_s=0.0, most_s=60.0)
