import asyncio

from delta_server.tasks.signals import Signal

LONG_S = 60.0


async def test_notify_wakes_all_who_wait() -> None:
    signal = Signal()
    waiting = [asyncio.create_task(signal.wait(LONG_S)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.notify()
    assert await asyncio.gather(*waiting) == [True, True, True]


async def test_what_happened_before_does_not_wake() -> None:
    signal = Signal()
    signal.notify()
    assert await signal.wait(0) is False


async def test_what_happened_while_looking_is_not_missed() -> None:
    signal = Signal()
    seen = signal.count
    signal.notify()  # while the waiter was looking, and before it waits
    assert await signal.wait(LONG_S, since=seen) is True
    assert await signal.wait(0, since=signal.count) is False
