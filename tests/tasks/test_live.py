"""What streams are about to send (tasks/live.py)."""

import asyncio
from functools import partial

import pytest

from delta_server.tasks.live import SMALL_STEP, OpenStreams
from delta_server.tasks.topics import Topics


@pytest.mark.parametrize(
    ("things", "most_at_once"),
    [pytest.param(SMALL_STEP, 50, id="what is small is done at once"), pytest.param(SMALL_STEP + 1, 1, id="large")],
)
async def test_large_steps_take_a_turn_of_the_loop_each(things: int, most_at_once: int) -> None:
    """However many streams hear of the same, other requests get in between."""
    live = OpenStreams(100, Topics())
    done = [0]
    turns = []

    def work() -> None:
        done[0] += 1

    async def look() -> None:
        while done[0] < 50:
            before = done[0]
            await asyncio.sleep(0)
            turns.append(done[0] - before)

    await asyncio.gather(look(), *(live.step(things, work) for _ in range(50)))
    assert max(turns) == most_at_once


async def test_a_step_that_fails_or_is_given_up_keeps_none_from_its_turn() -> None:
    live = OpenStreams(100, Topics())
    with pytest.raises(ZeroDivisionError):
        await live.step(SMALL_STEP + 1, lambda: 1 // 0)
    given_up = asyncio.ensure_future(live.step(SMALL_STEP + 1, lambda: 1))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await live.step(SMALL_STEP + 1, partial(int, "2")) == 2
