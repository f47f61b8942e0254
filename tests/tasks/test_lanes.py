"""What waits for one key goes together, in order; other keys do not wait; nobody is left waiting."""

import asyncio
from collections import deque

import pytest

from delta_server.core.errors import Unavailable
from delta_server.tasks.lanes import BatchQueues, QueuedItem

Queue = deque[QueuedItem]


def answer_all(queue: Queue, rounds: list[list[QueuedItem]]) -> None:
    taken = list(queue)
    queue.clear()
    rounds.append(taken)
    for one in taken:
        one.answer(len(rounds))


async def test_what_comes_while_one_is_served_goes_together_and_in_order() -> None:
    lanes, gate = BatchQueues(), asyncio.Event()
    rounds: list[list[QueuedItem]] = []

    async def serve(queue: Queue) -> None:
        answer_all(queue, rounds)
        await gate.wait()

    some = [QueuedItem() for _ in range(4)]
    lanes.join(1, some[0], serve)
    await some[0].answered()
    for one in some[1:]:
        lanes.join(1, one, serve)
    gate.set()
    assert [await one.answered() for one in some] == [1, 2, 2, 2]
    assert rounds == [some[:1], some[1:]]


async def test_keys_do_not_wait_for_each_other() -> None:
    lanes, gate = BatchQueues(), asyncio.Event()
    rounds: list[list[QueuedItem]] = []

    async def stuck(queue: Queue) -> None:
        await gate.wait()
        answer_all(queue, rounds)

    async def serve(queue: Queue) -> None:
        answer_all(queue, rounds)

    waits, goes = QueuedItem(), QueuedItem()
    lanes.join(1, waits, stuck)
    lanes.join(2, goes, serve)
    await goes.answered()
    assert not waits.done
    gate.set()
    await waits.answered()


async def test_a_lane_that_emptied_is_opened_again() -> None:
    lanes = BatchQueues()
    rounds: list[list[QueuedItem]] = []

    async def serve(queue: Queue) -> None:
        answer_all(queue, rounds)

    for number in range(1, 4):
        one = QueuedItem()
        lanes.join(1, one, serve)
        assert await one.answered() == number
        await asyncio.sleep(0)


async def test_those_behind_one_whose_serving_failed_are_told() -> None:
    lanes = BatchQueues()

    async def serve(queue: Queue) -> None:
        queue.popleft().fail(ValueError("this one"))
        raise asyncio.CancelledError

    first, second = QueuedItem(), QueuedItem()
    lanes.join(1, first, serve)
    lanes.join(1, second, serve)
    with pytest.raises(ValueError, match="this one"):
        await first.answered()
    with pytest.raises(Unavailable, match="shutting down"):
        await second.answered()


async def test_nobody_is_answered_twice() -> None:
    one = QueuedItem()
    one.answer("first")
    one.answer("second")
    one.fail(ValueError())
    assert await one.answered() == "first"
