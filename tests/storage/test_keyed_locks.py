import asyncio

from delta_server.storage.keyed_locks import KeyedLocks


async def test_holders_of_one_key_take_turns_and_others_do_not_wait() -> None:
    locks = KeyedLocks()
    order: list[str] = []

    async def hold(name: str, keys: list[int]) -> None:
        async with locks.hold(keys):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(hold("a", [2, 1]), hold("b", [1, 2, 1]), hold("c", [3]))
    assert order.index("a out") < order.index("b in")
    assert order.index("c in") < order.index("a out")


async def test_a_lock_that_nobody_holds_is_gone() -> None:
    locks = KeyedLocks()
    async with locks.hold(range(100)), locks.hold([100]):
        assert len(locks._locks) == 101
    assert len(locks._locks) == 0
