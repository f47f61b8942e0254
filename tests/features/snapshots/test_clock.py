"""A clock that is set back or jumps ahead hides no snapshot behind an older one."""

import httpx
import pytest

from delta_server.core import times
from tests.conftest import SHARED, Keys
from tests.features.snapshots.shots import Shots
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

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


async def at(shots: Shots, time: str) -> object:
    answer = await shots.client.get("/v1/snapshots/at/prices", params={"time": time}, headers=shots.headers)
    return answer.json()["data"]


async def change_until(shots: Shots, time: str) -> object:
    body = {"endpoint_id": "prices", "from_time": "2020-01-02T00:00:00Z", "to_time": time}
    answer = await shots.client.post("/v1/deltas/compare", json=body, headers=shots.headers)
    return answer.json()["diff"][0]["value"]


@pytest.mark.parametrize("ahead_ms", [0, 20_000, 9 * DAY_MS])
@pytest.mark.parametrize("goes_on", [False, True])
async def test_what_came_while_the_clock_was_ahead_is_in_force_now(
    shots: Shots, clock: FakeClock, ahead_ms: int, goes_on: bool
) -> None:
    await shots.raw(b"[0]", endpoint="prices", captured_at="2020-01-01T00:00:00Z")
    await shots.raw(b"[1]", endpoint="prices")
    clock.advance(ahead_ms + 1)
    await shots.raw(b"[2]", endpoint="prices")
    clock.advance(-ahead_ms + 1)
    if goes_on:
        await shots.raw(b"[3]", endpoint="prices")
    newest = [3 if goes_on else 2]
    just_now = times.format(clock.now_ms())
    clock.advance(1000)
    for time in ("now", "1s", just_now, "2100-01-01"):
        assert await at(shots, time) == newest, time
        assert [await change_until(shots, time)] == newest, time
    clock.advance(60_000)
    assert await at(shots, "now") == newest
    assert await at(shots, "2020-01-02") == [0]
    if ahead_ms > 60_000:
        assert await at(shots, just_now) == [1], "of the past is told what has times of the past"


async def test_what_a_caller_dated_ahead_is_not_in_force_yet(shots: Shots, clock: FakeClock) -> None:
    await shots.raw(b"[1]", endpoint="prices")
    ahead = times.format(clock.now_ms() + DAY_MS // 2)
    await shots.raw(b"[2]", endpoint="prices", captured_at=ahead)
    assert await at(shots, "now") == [1]
    assert await at(shots, ahead) == [2]
