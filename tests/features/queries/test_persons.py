"""Questions about users speak of persons: before and after sealing, in events and rollups, however late a merge is."""

from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.features.projects import service as projects
from delta_server.storage.events.query.processes import QueryProcesses
from delta_server.storage.events.rollups import cover
from tests.conftest import Keys, bearer, shared

RANGE = ["2026-11-05", "2026-11-06"]


def at(hour: int) -> str:
    return f"2026-11-05T{hour:02}:00:00Z"


def page(hour: int, user: Any = None, anonymous: Any = None) -> dict[str, Any]:
    return {"type": "page", "name": "home", "userId": user, "anonymousId": anonymous, "timestamp": at(hour)}


def buy(hour: int, user: Any = None, anonymous: Any = None) -> dict[str, Any]:
    return {"type": "track", "event": "Buy", "userId": user, "anonymousId": anonymous, "timestamp": at(hour)}


def identify(hour: int, user: Any, anonymous: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "anonymousId": anonymous, "timestamp": at(hour)}


def alias(hour: int, previous: str, user: str) -> dict[str, Any]:
    return {"type": "alias", "userId": user, "previousId": previous, "timestamp": at(hour)}


class Case(msgspec.Struct, frozen=True):
    """`calls` come, are sealed perhaps, then `late` ones. `persons` are those of all events with how many they are,
    `funnel` those who came to the page, and bought after it."""

    calls: list[dict[str, Any]]
    late: list[dict[str, Any]]
    persons: dict[str | None, int]
    funnel: tuple[int, int]


CASES = {
    "before and after a login": Case(
        [page(9, None, "an1")], [identify(10, "U1", "an1"), buy(11, "U1", "an1")], {"U1": 3}, (1, 1)
    ),
    "the login comes last, with an older time": Case(
        [page(9, None, "an1"), buy(11, "U1", "an1")], [identify(8, "U1", "an1")], {"U1": 3}, (1, 1)
    ),
    "two users of a device": Case(
        [page(9, None, "dev"), identify(10, "ann", "dev"), identify(11, "bob", "dev")],
        [buy(12, "bob", "dev"), page(13, None, "dev")],
        {"ann": 3, "bob": 2},
        (1, 0),
    ),
    "the first of them is heard of last": Case(
        [page(9, None, "dev"), identify(11, "bob", "dev"), buy(12, "ann", "dev")],
        [identify(10, "ann", "dev")],
        {"ann": 3, "bob": 1},
        (1, 1),
    ),
    "users that turn out to be one": Case(
        [page(9, "old"), buy(10, "new")], [alias(11, "old", "new")], {"new": 3}, (1, 1)
    ),
    "a chain of them, from its end": Case(
        [page(9, "a"), buy(10, "c"), page(11, None, "dev"), identify(11, "a", "dev")],
        [alias(12, "b", "c"), alias(13, "a", "b")],
        {"c": 6},
        (1, 1),
    ),
    "a circle": Case([page(9, "a"), buy(10, "b")], [alias(11, "a", "b"), alias(12, "b", "a")], {"b": 4}, (1, 1)),
    "constant ids": Case(
        [page(9, None, "anonymous"), page(9, "null", "x"), buy(10, "UNDEFINED", "x"), buy(10, "u", "server")],
        [identify(11, "u", "server"), page(12, "0")],
        {"u": 2, "x": 2, None: 2},
        (1, 1),
    ),
    "nobody was identified": Case(
        [page(9, None, "x"), buy(10, None, "x"), page(9, "x", "y")], [buy(11, "y")], {"x": 3, "y": 1}, (1, 1)
    ),
    "a user named like an anonymous id": Case(
        [page(9, "dev"), page(10, None, "dev"), buy(11, "U1")], [identify(12, "U1", "dev")], {"dev": 1, "U1": 3}, (2, 1)
    ),
    "numbers": Case([page(9, None, 7)], [identify(10, 42, "7"), buy(11, "42")], {"42": 3}, (1, 1)),
}


async def ask(client: httpx.AsyncClient, keys: Keys, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json={"range": RANGE, **body}, headers=bearer(keys.project))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def check(client: httpx.AsyncClient, keys: Keys, case: Case) -> None:
    everybody = {name for name in case.persons if name is not None}
    [row] = (await ask(client, keys, "/v1/query", {"metrics": ["unique_users"]}))["rows"]
    assert row["unique_users"] == len(everybody)
    rows = (await ask(client, keys, "/v1/query", {"groupBy": ["userId"]}))["rows"]
    assert {row["userId"]: row["count"] for row in rows} == case.persons
    steps = (await ask(client, keys, "/v1/query/funnel", {"steps": ["page", "Buy"]}))["rows"]
    assert tuple(step["users"] for step in steps) == case.funnel
    cohort = (await ask(client, keys, "/v1/query/retention", {"every": "1d"}))["rows"][0]
    assert cohort["size"] == len(everybody)
    sql = "select person, count(*)::int as n from events group by person"
    answer = await client.post("/v1/sql", json={"sql": sql}, headers=bearer(keys.project))
    assert {row["person"]: row["n"] for row in answer.json()["rows"]} == case.persons
    for name in everybody:
        count = case.persons[name]
        user = (await client.get(f"/v1/users/{name}", headers=bearer(keys.project))).json()["user"]
        assert (user["id"], user["events"]["count"]) == (name, count)
        listed = await client.get(f"/v1/events/raw?userId={name}&startTime=2026-11-05", headers=bearer(keys.project))
        assert len(listed.json()["data"]) == count


async def send(client: httpx.AsyncClient, keys: Keys, calls: list[dict[str, Any]]) -> None:
    answer = await client.post("/v1/batch", json={"batch": calls}, headers=bearer(keys.project))
    assert answer.json()["accepted"] == len(calls)


async def maintain(app: Application, keys: Keys) -> None:
    project = projects.caller_within(app.services, keys.project, ()).project
    await app.services.event_maintenance.run_maintenance(project, seal=True, compact=True)


@pytest.mark.parametrize("rolled", [False, True], ids=["waiting", "rolled up"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@shared
async def test_questions_speak_of_persons(
    shared_client: httpx.AsyncClient,
    own_keys: Keys,
    shared_app: Application,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
    rolled: bool,
) -> None:
    monkeypatch.setattr(cover, "MIN_ROLLUP_EVENTS", 0)
    monkeypatch.setattr(cover, "MIN_GAP_EVENTS", 0)
    # Beside other projects a query may run in a process of its own, where nothing is patched.
    monkeypatch.setattr(QueryProcesses, "answering", lambda *_: None)
    await send(shared_client, own_keys, case.calls)
    if rolled:
        await maintain(shared_app, own_keys)
    await send(shared_client, own_keys, case.late)
    if not rolled:
        await check(shared_client, own_keys, case)
    await maintain(shared_app, own_keys)
    answer = await ask(shared_client, own_keys, "/v1/query", {"metrics": ["unique_users"]})
    assert (answer["meta"]["source"], answer["meta"]["merges_pending"]) == ("rollup", False)
    await check(shared_client, own_keys, case)


async def test_until_rollups_know_of_a_merge_the_answer_says_so(
    client: httpx.AsyncClient, keys: Keys, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cover, "MIN_ROLLUP_EVENTS", 0)
    monkeypatch.setattr(cover, "MIN_GAP_EVENTS", 0)
    await send(client, keys, [page(9, None, "an1"), buy(10, "U1")])
    await app.services.event_maintenance.run_maintenance(seal=True, compact=True)
    await send(client, keys, [identify(11, "U1", "an1")])
    found = []
    for metrics in (["unique_users"], ["count"]):
        for _ in range(2):
            answer = await ask(client, keys, "/v1/query", {"metrics": metrics})
            found.append((answer["rows"][0][metrics[0]], answer["meta"]["merges_pending"]))
            await app.services.event_maintenance.run_maintenance(seal=True, compact=True)
    assert found == [(2, True), (1, False), (3, False), (3, False)]
