"""What many want at once is made once."""

import asyncio

import pytest

from delta_server.tasks.shared import RequestCoalescer


class Maker:
    def __init__(self) -> None:
        self.made = 0
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.made += 1
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return self.made


async def test_who_asks_while_it_is_made_waits_for_it() -> None:
    shared, make = RequestCoalescer[int](2, most_bytes=100), Maker()
    asking = [asyncio.ensure_future(shared.get("a", make)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    make.go_on.set()
    assert await asyncio.gather(*asking[1:]) == [1, 1]
    assert await shared.get("a", make) == 1


async def test_an_error_is_told_to_those_who_wait_and_not_kept() -> None:
    shared, make = RequestCoalescer[int](2, most_bytes=100), Maker()
    make.error = ValueError("no")
    make.go_on.set()
    for told in await asyncio.gather(*(shared.get("a", make) for _ in range(2)), return_exceptions=True):
        assert isinstance(told, ValueError)
    make.error = None
    assert await shared.get("a", make) == 2


@pytest.mark.parametrize(("again", "made"), [("c", 3), ("b", 3), ("a", 4)])
async def test_the_last_few_are_kept(again: str, made: int) -> None:
    shared, make = RequestCoalescer[int](2, most_bytes=100), Maker()
    make.go_on.set()
    for key in "abc":
        await shared.get(key, make)
    await shared.get(again, make)
    assert make.made == made


@pytest.mark.parametrize(("size", "made"), [(50, 2), (51, 3), (101, 3)])
async def test_they_take_so_many_bytes_at_most(size: int, made: int) -> None:
    """What is too large by itself is shared while it is made."""
    shared, make = RequestCoalescer[int](9, most_bytes=100), Maker()
    make.go_on.set()
    for key in "aba":
        await shared.get(key, make, size=lambda _: size)
    assert make.made == made


async def test_what_is_not_to_be_kept_is_shared_while_it_is_made() -> None:
    shared, make = RequestCoalescer[int](2, most_bytes=100), Maker()
    asking = [asyncio.ensure_future(shared.get("a", make, keep=False)) for _ in range(2)]
    await asyncio.sleep(0)
    make.go_on.set()
    assert await asyncio.gather(*asking) == [1, 1]
    assert await shared.get("a", make, keep=False) == 2
