"""A clock that is set back or jumps ahead hides no snapshot behind an older one."""

import httpx
import pytest

from tests.conftest import Keys
from tests.features.snapshots.shots import Shots
from tests.storage.opened import FakeClock

DAY_MS = 86_400_000


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


async def latest(shots: Shots) -> object:
    return (await shots.client.get("/v1/snapshots/latest/prices", headers=shots.headers)).json()["data"]


@pytest.mark.parametrize("jump_ms", [-DAY_MS, -1, 0, 1, DAY_MS])
async def test_what_is_sent_last_is_the_latest(shots: Shots, clock: FakeClock, jump_ms: int) -> None:
    for value in (1, 2):
        await shots.raw(b"[%d]" % value, endpoint="prices")
    clock.advance(jump_ms)
    for value in (3, 4):
        await shots.raw(b"[%d]" % value, endpoint="prices")
        assert await latest(shots) == [value]


async def test_a_time_that_was_given_is_kept(shots: Shots, clock: FakeClock) -> None:
    await shots.raw(b"[1]", endpoint="prices")
    await shots.raw(b"[0]", endpoint="prices", captured_at="2020-01-01T00:00:00Z")
    assert await latest(shots) == [1]
