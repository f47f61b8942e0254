"""What waits for the writer at the same time is written in one call, and each is answered for itself."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from delta_server.core.errors import Unavailable
from delta_server.storage.database import Database, Tx
from delta_server.tasks import joint_writes
from delta_server.tasks.joint_writes import JointWrites


class Writer:
    """Runs calls in order, in the next turn of the loop; one of `refused` does not begin."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused

    async def write(self, fn: Callable[..., Any], *args: Any) -> Any:
        await asyncio.sleep(0)
        if self.refused:
            self.refused -= 1
            raise Unavailable("too many writes are waiting")
        return fn(None, *args)


class Inserts:
    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, _: Tx, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        if any(item < 0 for item in items):
            raise ValueError("a fault")
        return [item * 10 for item in items]


async def written(
    writes: JointWrites, writer: Writer, insert: Inserts, *items: int, weight: int = 1
) -> Sequence[object]:
    db = cast("Database", writer)
    each = (writes.write(db, 1, item, insert, weight=weight) for item in items)
    return await asyncio.gather(*each, return_exceptions=True)


async def test_what_comes_together_goes_in_one_call() -> None:
    writes, insert = JointWrites(), Inserts()
    assert await written(writes, Writer(), insert, 1, 2, 3) == [10, 20, 30]
    assert await written(writes, Writer(), insert, 4) == [40]
    assert insert.calls == [[1, 2, 3], [4]]


async def test_keys_go_by_themselves() -> None:
    writes, insert, db = JointWrites(), Inserts(), cast("Database", Writer())
    both = asyncio.gather(writes.write(db, 1, 1, insert), writes.write(db, 2, 2, insert))
    assert list(await both) == [10, 20]
    assert insert.calls == [[1], [2]]


@pytest.mark.parametrize(
    ("weight", "calls"),
    [
        (joint_writes.TOGETHER // 2, [[1, 2], [3, 4], [5]]),
        (joint_writes.TOGETHER + 1, [[1], [2], [3], [4], [5]]),
    ],
)
async def test_one_call_is_bounded(weight: int, calls: list[list[int]]) -> None:
    writes, insert = JointWrites(), Inserts()
    assert await written(writes, Writer(), insert, 1, 2, 3, 4, 5, weight=weight) == [10, 20, 30, 40, 50]
    assert insert.calls == calls


async def test_a_fault_of_one_is_not_the_others() -> None:
    writes, insert = JointWrites(), Inserts()
    first, second, third = await written(writes, Writer(), insert, 1, -2, 3)
    assert [first, third] == [10, 30]
    assert isinstance(second, ValueError)
    assert insert.calls == [[1, -2, 3], [1], [-2], [3]]


async def test_a_call_that_is_refused_is_told_to_all_who_wait_and_to_nobody_after() -> None:
    writes, insert, writer = JointWrites(), Inserts(), Writer(refused=1)
    assert [type(one) for one in await written(writes, writer, insert, 1, 2)] == [Unavailable] * 2
    assert await written(writes, writer, insert, 3) == [30]
    assert insert.calls == [[3]]
