"""What devices are answered once old versions and deletions are forgotten."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync.forgetting import expiring
from tests.conftest import Keys, bearer
from tests.features.sync.test_push_pull import NOTES, batch, change, everything, pull, push, statuses
from tests.storage.opened import FakeClock


@pytest.fixture
async def forgotten(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> dict[str, Any]:
    """Of r0 to r5 the last was deleted, with number 7, so long ago that it is forgotten. What a pull began with then,
    and a time from before the deletion and one from after it."""
    await push(client, keys, batch("phone", 1, *[change(i, f"r{i}", i) for i in range(6)]))
    began = (await pull(client, keys))["next_cursor"]
    clock.advance(times.DAY_MS)
    before = times.format(clock.now_ms())
    clock.advance(times.DAY_MS)
    await push(client, keys, batch("phone", 2, change(10, "r5")))
    clock.advance(91 * times.DAY_MS)
    after = times.format(clock.now_ms())
    await push(client, keys, batch("phone", 3, change(11, "r0", 9)))
    await expiring.expire(app.services)
    return {"cursor": began, "before": before, "after": after}


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_one_resync_ends_it(client: httpx.AsyncClient, keys: Keys, forgotten: dict[str, Any], limit: int) -> None:
    answer = await pull(client, keys, f"cursor={forgotten['cursor']}&limit={limit}", 410)
    assert (answer["code"], answer["resync"]) == ("RESYNC_REQUIRED", NOTES)
    found = await everything(client, keys, limit)
    assert [record["record_id"] for record in found] == ["r1", "r2", "r3", "r4", "r0"]


async def test_what_is_forgotten_while_all_is_read_ends_the_reading(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await push(client, keys, batch("phone", 1, *[change(i, f"r{i}", i) for i in range(6)]))
    first = await pull(client, keys, "limit=2")
    await push(client, keys, batch("phone", 2, change(10, "r0")))
    clock.advance(91 * times.DAY_MS)
    await expiring.expire(app.services)
    await pull(client, keys, f"limit=2&cursor={first['next_cursor']}", 410)


async def test_times_from_before_what_is_forgotten_ask_for_a_resync(
    client: httpx.AsyncClient, keys: Keys, forgotten: dict[str, Any]
) -> None:
    assert (await pull(client, keys, f"since={forgotten['before']}", 410))["code"] == "RESYNC_REQUIRED"
    found = await pull(client, keys, f"since={forgotten['after']}")
    assert [record["record_id"] for record in found["changes"]] == ["r0"]
    everything = await pull(client, keys, "since=1970-01-01T00:00:00Z")
    assert len(everything["changes"]) == 5, "who asks from before all there is begins with nothing"


async def test_forgotten_records_only_come_back_by_the_number_of_their_deletion(
    client: httpx.AsyncClient, keys: Keys, forgotten: dict[str, Any]
) -> None:
    for number, base in ((20, {}), (21, {"base_version": 6})):
        answer = await push(client, keys, batch("tablet", number, change(number, "r5", 1, **base)), 409)
        assert answer["results"][0]["server"] == {"record_id": "r5", "operation": "delete", "version": 7}
    gone = await push(client, keys, batch("tablet", 22, change(22, "r5")))
    assert statuses(gone) == [("duplicate", 7)]
    back = await push(client, keys, batch("tablet", 23, change(23, "r5", 1, base_version=7)))
    assert statuses(back) == [("applied", 9)]


async def test_who_begins_gets_its_own_records_on_every_page(client: httpx.AsyncClient, keys: Keys) -> None:
    await push(client, keys, batch("phone", 1, *[change(i, f"r{i}", i) for i in range(5)]))
    answer: dict[str, Any] = {"has_more": True, "next_cursor": ""}
    found: list[str] = []
    while answer["has_more"]:
        cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else ""
        answer = await pull(client, keys, f"limit=2&exclude_device=phone{cursor}")
        found += [record["record_id"] for record in answer["changes"]]
    assert found == ["r0", "r1", "r2", "r3", "r4"]
    headers = bearer(keys.read)
    then = await client.get(f"{NOTES}?exclude_device=phone&cursor={answer['next_cursor']}", headers=headers)
    assert then.json()["changes"] == []
