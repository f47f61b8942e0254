"""Lists and looks at a time, against a plain list of what was stored."""

import asyncio
import random
from itertools import pairwise
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.conftest import SHARED, Keys
from tests.features.snapshots.shots import Shots, batch, envelope, second
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

LIST = "/v1/snapshots"
MOMENTS = 40
NAMES = ("a", "b", "c")


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


@pytest_asyncio.fixture(loop_scope="module")
async def stored(shots: Shots) -> list[dict[str, Any]]:
    """Snapshots of three endpoints in order of time; some of one moment, half of them unchanged."""
    rng = random.Random(3)
    moments = [(rng.randrange(MOMENTS), name) for name in NAMES for _ in range(25)]
    rng.shuffle(moments)
    bodies = [envelope(b"%d" % rng.randrange(2), name, captured_at=second(moment)) for moment, name in moments]
    answer = await shots.send("POST", "/v1/snapshots/batch", content=batch(*bodies), status=201)
    ids = [one["snapshot"]["id"] for one in answer["data"]]
    return sorted([(await shots.get(f"{LIST}/{id}"))["snapshot"] for id in ids], key=lambda one: one["captured_at"])


def wanted(
    stored: list[dict[str, Any]], *, name: str | None, changed: bool, since: int = 0, to: int = MOMENTS
) -> list[dict[str, Any]]:
    return [
        one
        for one in stored
        if (name is None or one["endpoint"] == name)
        and not (changed and one["unchanged"])
        and second(since) <= one["captured_at"] < second(to)
    ]


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("name", [*NAMES, None])
async def test_a_walk_meets_all_exactly_once(
    shots: Shots, stored: list[dict[str, Any]], name: str | None, changed: bool
) -> None:
    for limit, since, to in ((1, 0, MOMENTS), (3, 0, MOMENTS), (7, 5, 31), (1000, 5, 31), (4, 39, 39)):
        query: dict[str, Any] = {"limit": limit, "from": second(since), "to": second(to)}
        query |= {"changed_only": "true"} if changed else {}
        query |= {"endpoint_id": name} if name else {}
        expected = wanted(stored, name=name, changed=changed, since=since, to=to)
        up = await shots.walk(LIST, order="asc", **query)
        down = await shots.walk(LIST, **query)
        assert up == down[::-1]
        assert sorted(up, key=lambda one: one["id"]) == sorted(expected, key=lambda one: one["id"])
        assert [one["captured_at"] for one in up] == [one["captured_at"] for one in expected]


async def test_a_page_links_to_the_next(shots: Shots, stored: list[dict[str, Any]]) -> None:
    first = await shots.client.get(f"{LIST}?limit=2&endpoint_id=a&from=2020-01-01", headers=shots.headers)
    link = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    second_page = await shots.get(link)
    both = await shots.get(LIST, limit=4, endpoint_id="a")
    assert first.json()["data"] + second_page["data"] == both["data"]
    last = await shots.client.get(f"{LIST}?endpoint_id=a", headers=shots.headers)
    assert (last.json()["has_more"], last.json()["next_cursor"], last.headers.get("link")) == (False, None, None)


async def test_what_is_added_behind_a_walk_does_not_disturb_it(shots: Shots, stored: list[dict[str, Any]]) -> None:
    seen: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    for n in range(100):
        page = await shots.get(LIST, limit=5, **cursor)
        seen += page["data"]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        await shots.at((50 + n, b"[]"), endpoint="a")
        await shots.send("DELETE", f"{LIST}/{page['data'][-1]['id']}", status=204)
    assert [one["id"] for one in seen] == list(dict.fromkeys(one["id"] for one in seen))
    assert {one["id"] for one in seen} == {one["id"] for one in stored}


@pytest.mark.parametrize(("path", "query"), [(LIST, {"order": "asc"}), ("/v1/deltas", {}), ("/v1/endpoints", {})])
async def test_a_cursor_is_good_for_its_list_alone(
    shots: Shots, stored: list[dict[str, Any]], path: str, query: dict[str, str]
) -> None:
    cursor = (await shots.get(LIST, limit=1))["next_cursor"]
    assert "next_cursor of the page before" in (await shots.get(path, cursor=cursor, status=400, **query))["message"]
    for broken in (cursor[:-2], cursor + "A", cursor[::-1], cursor.swapcase()):
        await shots.get(LIST, cursor=broken, status=400)


async def test_ages_and_dates_bound_a_list(shots: Shots, clock: FakeClock) -> None:
    for hours in (30, 5, 1):
        clock.time_ms -= hours * 3_600_000
        await shots.put(b"%d" % hours)
        clock.time_ms += hours * 3_600_000
    for query, count in (("from=5h", 2), ("from=2h", 1), ("to=5h", 1), ("from=2025-12-31&to=2026-01-01", 2)):
        assert len((await shots.get(f"{LIST}?{query}"))["data"]) == count
    assert [int(await shots.data(one["id"])) for one in (await shots.get(LIST))["data"]] == [1, 5, 30]


async def test_as_of_a_time(shots: Shots) -> None:
    await shots.at((10, b"1"), (20, b"2"), (20.5, b"2"), (30, b"3"))
    said = {}
    for moment in (9.999, 10, 10.001, 19.999, 20, 20.499, 20.5, 29.999, 30, 59):
        answer = await shots.client.get(f"{LIST}/at/e", params={"time": second(moment)}, headers=shots.headers)
        said[moment] = answer.json()["data"] if answer.status_code == 200 else answer.status_code
    assert said == {9.999: 404, 10: 1, 10.001: 1, 19.999: 1, 20: 2, 20.499: 2, 20.5: 2, 29.999: 2, 30: 3, 59: 3}
    assert (await shots.get(f"{LIST}/at/e", time="9999-12-31"))["data"] == 3
    assert (await shots.get(f"{LIST}/at/e", time="2020-01-01T01:00:20+01:00"))["data"] == 2
    assert (await shots.get(f"{LIST}/at/e", time="1h"))["data"] == 3
    said_at = await shots.get(f"{LIST}/at/e", time=second(20.5))
    assert said_at["snapshot"]["captured_at"] == "2020-01-01T00:00:20.500Z"


async def test_latest_follows_captures_not_arrivals(shots: Shots) -> None:
    await shots.send("POST", "/v1/endpoints", json={"name": "e"}, status=201)
    assert (await shots.get(f"{LIST}/latest/e", status=404))["message"] == "e has no snapshot yet"
    [_, head, _] = await shots.at((10, b"1"), (30, b"3"), (20, b"2"))
    assert (await shots.get(f"{LIST}/latest/e"))["snapshot"] == head
    await shots.send("DELETE", f"{LIST}/{head['id']}", status=204)
    assert (await shots.get(f"{LIST}/latest/e"))["data"] == 2


@pytest.mark.parametrize("gone", range(6))
async def test_a_deleted_snapshot_is_gone_and_its_neighbours_meet(shots: Shots, gone: int) -> None:
    """A, B, B, A, C, C: first and last of the timeline, of a run, and a run between equal ones."""
    bodies = [b"[1]", b"[2]", b"[2]", b"[1]", b"[3]", b"[3]"]
    kept = await shots.at(*enumerate(bodies))
    await shots.send("DELETE", f"{LIST}/{kept[gone]['id']}", status=204)
    for path in (f"{LIST}/{kept[gone]['id']}", f"{LIST}/{kept[gone]['id']}/data", f"/v1/deltas/{kept[gone]['id']}"):
        await shots.get(path, status=404)
    await shots.send("DELETE", f"{LIST}/{kept[gone]['id']}", status=404)
    del kept[gone], bodies[gone]
    listed = await shots.walk(LIST, order="asc")
    assert [one["id"] for one in listed] == [one["id"] for one in kept]
    unchanged = [before == after for before, after in pairwise(bodies)]
    assert [one["unchanged"] for one in listed] == [False, *unchanged]
    assert [await shots.data(one["id"]) for one in listed] == bodies
    at_once = await shots.walk("/v1/deltas", kind="all", order="asc")  # some may wait still, none is wrong
    ids = [one["id"] for one in kept]
    right = [(ids[n], ids[n + 1]) for n, same in enumerate(unchanged) if not same]
    assert {(one["from_snapshot_id"], one["to_snapshot_id"]) for one in at_once} <= set(right)
    [last] = await shots.at((60, b"[4]"))
    await shots.send("POST", f"{LIST}?endpoint=e&include=delta", content=b"[5]", status=201)
    found = await shots.walk("/v1/deltas", kind="all", order="asc", to=second(59))
    async with asyncio.timeout(60):  # the request waits for its own delta alone
        while len(found) < len(right):
            await asyncio.sleep(0.01)
            found = await shots.walk("/v1/deltas", kind="all", order="asc", to=second(59))
    assert [(one["from_snapshot_id"], one["to_snapshot_id"]) for one in found] == right
    assert last["unchanged"] is False


async def test_all_snapshots_of_an_endpoint_may_go(shots: Shots) -> None:
    for one in await shots.at((1, b"1"), (2, b"2"), (3, b"3")):
        await shots.send("DELETE", f"{LIST}/{one['id']}", status=204)
    assert (await shots.get(LIST))["data"] == []
    assert (await shots.get("/v1/deltas", kind="all"))["data"] == []
    assert (await shots.put(b"3"))["unchanged"] is False
