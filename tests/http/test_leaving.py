import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from delta_server.core.errors import TooLarge
from delta_server.http.leaving import ClientGone, run_in_turn, while_connected
from delta_server.services import Services


class _Caller:
    """Stands for a request whose caller sends `messages`, then waits for `leaves`."""

    def __init__(self, *messages: Any, route: str = "") -> None:
        self.scope = {"path_template": route}
        self.messages = list(messages)
        self.leaves = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            message = self.messages.pop(0)
            if isinstance(message, Exception):
                raise message
            return {"type": message}
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def a_caller(*messages: Any, route: str = "") -> Any:
    return _Caller(*messages, route=route)


class Work:
    def __init__(self) -> None:
        self.started, self.goes_on, self.cancelled = asyncio.Event(), asyncio.Event(), False

    async def __call__(self) -> str:
        self.started.set()
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # it may take a moment to end
            self.cancelled = True
            raise
        return "done"


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    yield Work()
    assert len(asyncio.all_tasks()) <= 2, "something still runs"


async def test_work_ends_with_its_caller(work: Work) -> None:
    caller = a_caller("http.request")
    waiting = asyncio.create_task(while_connected(caller, work()))
    await work.started.wait()
    caller.leaves.set()
    with pytest.raises(ClientGone):
        await waiting
    assert work.cancelled


async def test_a_caller_who_waits_gets_the_result(work: Work) -> None:
    work.goes_on.set()
    assert await while_connected(a_caller("http.request"), work()) == "done"


async def test_failures_are_the_works_own() -> None:
    async def fail() -> None:
        raise TooLarge("much")

    with pytest.raises(TooLarge):
        await while_connected(a_caller(), fail())


async def test_a_body_that_is_refused_is_told(work: Work) -> None:
    with pytest.raises(TooLarge):
        await while_connected(a_caller(TooLarge("much")), work())
    assert work.cancelled


async def test_cancelled_from_outside(work: Work) -> None:
    waiting = asyncio.create_task(while_connected(a_caller(), work()))
    await work.started.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cancelled


async def test_who_leaves_gives_up_the_turn_and_who_waits_for_one_its_place(services: Services) -> None:
    """Twenty of one project come and go; another's request is answered meanwhile."""
    callers = [a_caller() for _ in range(20)]
    begun: list[Services] = []

    async def long(svc: Services) -> None:
        begun.append(svc)
        await asyncio.Event().wait()

    async def short(svc: Services) -> int:
        return await svc.spare_cpu(int, "7")

    waiting = [asyncio.create_task(run_in_turn(caller, services, 1, long)) for caller in callers]
    assert await run_in_turn(a_caller(), services, 2, short) == 7
    assert 0 < len(begun) < len(callers)
    assert all(svc.spare_cpu is not services.spare_cpu for svc in begun)
    for caller in callers:
        caller.leaves.set()
    assert [type(left) for left in await asyncio.gather(*waiting, return_exceptions=True)] == [ClientGone] * 20
    assert await run_in_turn(a_caller(), services, 1, short) == 7


async def test_requests_of_one_route_leave_turns_to_those_of_another(services: Services) -> None:
    """Of one project: the last to come is the only one of its route, and not the last to be answered."""
    comparing = [a_caller(route="/v1/deltas/compare") for _ in range(20)]
    begun: list[int] = []

    async def compare(svc: Services, number: int) -> None:
        begun.append(number)
        await asyncio.Event().wait()

    async def blame(svc: Services) -> int:
        return len(begun)

    waiting = [
        asyncio.create_task(run_in_turn(caller, services, 1, partial(compare, number=number)))
        for number, caller in enumerate(comparing)
    ]
    while not begun:
        await asyncio.sleep(0)
    at_first = len(begun)
    blaming = asyncio.create_task(run_in_turn(a_caller(route="/blame"), services, 1, blame))
    await asyncio.sleep(0)
    for caller in comparing[:2]:
        caller.leaves.set()
    assert await blaming <= at_first + 2
    for caller in comparing:
        caller.leaves.set()
    await asyncio.gather(*waiting, return_exceptions=True)
