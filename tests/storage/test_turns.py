"""Places for queries are shared fairly between projects."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import RateLimited, Unavailable
from delta_server.storage import turns
from delta_server.storage.turns import Callers, Turns

LONG_S = 3600.0


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def asking(of: Turns, project: int, *, seconds: float = LONG_S, kind: str = "") -> asyncio.Task[None]:
    return asyncio.create_task(of.take(project, seconds=seconds, kind=kind))


async def test_one_project_leaves_a_place_to_the_first_call_of_another() -> None:
    places = Turns(3)
    greedy = [asking(places, 1) for _ in range(10)]
    await settle()
    assert sum(task.done() for task in greedy) == 2
    await places.take(2, seconds=0)
    for task in greedy:
        task.cancel()


async def test_while_others_call_too_a_project_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Turns(6)
    for project in (1, 2, 3):
        await places.take(project, seconds=0)
    more = [asking(places, 1) for _ in range(5)]
    await settle()
    assert sum(task.done() for task in more) == 1
    places.give_back(2)
    places.give_back(3)
    await settle()
    assert sum(task.done() for task in more) == 1
    monkeypatch.setattr(turns, "LATELY_S", -1.0)  # and they call no more
    places.give_back(1)
    await settle()
    assert sum(task.done() for task in more) == 5
    places.give_back(1)


async def test_who_has_waited_for_long_still_calls() -> None:
    now = [0.0]
    places = Turns(4, now_s=lambda: now[0])
    await places.take(1, seconds=0)
    waiting = [asking(places, 1) for _ in range(3)]
    await settle()
    assert sum(task.done() for task in waiting) == 2  # one place is left to the first call of another
    now[0] += 2 * turns.LATELY_S
    await places.take(2, seconds=0)
    more = asking(places, 2)
    places.give_back(1)
    await settle()
    assert more.done()
    assert sum(task.done() for task in waiting) == 2
    for task in waiting:
        task.cancel()


async def test_of_one_project_kinds_take_turns() -> None:
    """What is asked for again as soon as it is answered does not keep the rest of the project waiting for ever."""
    places, order, waiting = Turns(2), list[str](), list[asyncio.Task[None]]()

    async def call(name: str) -> None:
        await places.take(1, seconds=LONG_S, kind=name[0])
        order.append(name)

    def ask(*names: str) -> None:
        waiting.extend(asyncio.create_task(call(name)) for name in names)

    await places.take(1, seconds=0, kind="c")
    ask("c1", "c2", "c3", "c4", "b1", "h1")
    for number in range(5, 9):
        await settle()
        places.give_back(1)
        await settle()
        ask(f"c{number}")
    assert order == ["c1", "b1", "h1", "c2"]
    for task in waiting:
        task.cancel()


async def test_too_many_of_one_kind_leave_room_for_the_first_of_another() -> None:
    places = Turns(2)
    await places.take(1, seconds=0, kind="c")
    waiting = [asking(places, 1, kind="c") for _ in range(turns.WAITING_OF_ONE)]
    await settle()
    waiting.append(asking(places, 1, kind="b"))
    await settle()
    for kind in "cb":
        with pytest.raises(RateLimited):
            await places.take(1, seconds=0, kind=kind)
    for task in waiting:
        task.cancel()
    await settle()
    places.give_back(1)
    await places.take(1, seconds=0)


async def test_a_place_whose_work_held_nobody_up_does_not_rest() -> None:
    now = [0.0]
    places = Turns(3, now_s=lambda: now[0])
    await places.take(2, seconds=0)
    now[0] += 0.01
    places.give_back(2)
    await places.take(1, seconds=0)
    next_one = asking(places, 1)
    now[0] += turns.SHORT_S * 2
    places.give_back(1, may_rest=False)
    await settle()
    assert next_one.done()
    assert places.is_behind(1)


@pytest.mark.parametrize(
    ("used_s", "others_s", "rests"),
    [
        pytest.param(turns.SHORT_S * 2, None, False, id="nobody else calls"),
        pytest.param(turns.SHORT_S / 2, 0.01, False, id="not for long"),
        pytest.param(turns.SHORT_S * 2, turns.SHORT_S * 3, False, id="another has used more"),
        pytest.param(turns.SHORT_S * 2, turns.SHORT_S / 2, True, id="the others have used nothing that took long"),
        pytest.param(turns.SHORT_S * 2, 0.01, True, id="the others have used less"),
    ],
)
async def test_a_place_of_who_has_used_more_than_the_others_rests(
    used_s: float, others_s: float | None, rests: bool
) -> None:
    now = [0.0]
    places = Turns(3, now_s=lambda: now[0])
    if others_s is not None:
        await places.take(2, seconds=0)
        now[0] += others_s
        places.give_back(2)
    await settle()
    await places.take(1, seconds=0)
    if others_s is None:
        await places.take(1, seconds=0)
    next_one = asking(places, 1)
    now[0] += used_s
    places.give_back(1)
    await settle()
    assert next_one.done() is not rests
    await places.take(3, seconds=0)  # others find a place meanwhile
    async with asyncio.timeout(60):
        await next_one


@pytest.mark.parametrize("elsewhere", [True, False])
async def test_a_place_rests_for_those_who_call_elsewhere_too(elsewhere: bool) -> None:
    now = [0.0]
    callers = Callers(lambda: now[0])
    places = Turns(3, callers=callers, now_s=lambda: now[0])
    for _ in range(2):
        await places.take(1, seconds=0)
    callers.note(1)
    now[0] += 2 * turns.SHORT_S
    if elsewhere:
        callers.note(2)
    assert not places.is_behind(1)  # nothing is known of it yet
    places.give_back(1)
    assert places.is_behind(1) == elsewhere
    now[0] += 2 * turns.LATELY_S
    assert not places.is_behind(1)


async def test_projects_take_turns_within_one_in_order() -> None:
    places = Turns(1)
    await places.take(9, seconds=0)
    order: list[str] = []

    async def ask(project: int, name: str) -> None:
        await places.take(project, seconds=LONG_S)
        order.append(name)
        places.give_back(project)

    asked = [
        asyncio.create_task(ask(project, name))
        for project, name in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")]
    ]
    await settle()
    places.give_back(9)
    await asyncio.gather(*asked)
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_who_waits_too_long_or_in_too_great_a_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAITING_OF_ONE", 2)
    places = Turns(2)
    await places.take(1, seconds=0)
    waiting = [asking(places, 1) for _ in range(2)]
    await settle()
    with pytest.raises(RateLimited):
        await places.take(1, seconds=LONG_S)
    begun = asyncio.create_task(places.take(1, seconds=LONG_S, has_begun=True))
    await settle()
    assert not begun.done()
    begun.cancel()
    await places.take(2, seconds=0)
    with pytest.raises(Unavailable, match="try again later"):
        await places.take(3, seconds=0)
    for task in waiting:
        task.cancel()
    await settle()
    places.give_back(1)
    await places.take(1, seconds=0)


@given(st.lists(st.tuples(st.sampled_from(["ask", "end", "leave"]), st.integers(1, 3)), max_size=60), st.integers(1, 4))
def test_no_place_is_lost_or_given_twice(steps: list[tuple[str, int]], places: int) -> None:
    async def play() -> None:
        of = Turns(places)
        asked: dict[int, list[asyncio.Task[None]]] = {1: [], 2: [], 3: []}
        callers = set[int]()
        for what, project in steps:
            mine = asked[project]
            have = [task for task in mine if task.done()]
            wait = [task for task in mine if not task.done()]
            if what == "ask":
                mine.append(asking(of, project))
                callers.add(project)
            elif what == "end" and have:
                mine.remove(have[0])
                of.give_back(project)
            elif what == "leave" and wait:
                mine.remove(wait[0])
                wait[0].cancel()
            await settle()
            taken = {number: sum(task.done() for task in tasks) for number, tasks in asked.items()}
            waiting = {number for number, tasks in asked.items() if any(not task.done() for task in tasks)}
            assert sum(taken.values()) <= places
            assert max(taken.values()) <= max(1, places - 1)
            if sum(taken.values()) < places:  # who waits, waits for a place of its own project only
                share = max(1, min(places - 1, places // max(1, len(callers))))
                assert all(taken[number] >= share for number in waiting)
        for tasks in asked.values():
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(play())
