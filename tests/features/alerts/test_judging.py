"""Versions judged as they come in."""

import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import DatabaseFailed, Unavailable
from delta_server.features.alerts import judging
from delta_server.features.history import service as history
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.features.alerts.alerting import OVER, RULES, Alerting, at
from tests.often import seeds
from tests.storage.opened import FakeClock


@pytest.fixture
def alerting(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Alerting:
    return Alerting(app, client, keys, clock)


async def test_a_threshold_raises_and_clears(alerting: Alerting) -> None:
    await alerting.count(100)
    rule = await alerting.make(in_a_row=2, clear={"value": 136, "in_a_row": 2})
    ids = await alerting.count(138, 139, 141, 136, 135)
    [alert] = await alerting.alerts()
    assert (alert["state"], alert["raised_at"], alert["value"], alert["most"]) == ("raised", at(3), 139, 141)
    assert (alert["snapshot_id"], alert["text"], alert["sent"]) == (ids[1], "139, over 137", "now")
    shown = (await alerting.get(f"{RULES}/{rule}"))["rule"]
    assert (shown["state"], shown["since"], shown["last_value"], shown["judged_at"]) == ("raised", at(3), 135, at(6))
    assert shown["recent"] == [100, 138, 139, 141, 136, 135]
    assert (await alerting.get("/v1/alerts?state=raised"))["raised"] == 1
    ids = await alerting.count(134)
    [alert] = await alerting.alerts(state="cleared", rule=rule)
    assert (alert["cleared_at"], alert["cleared_snapshot_id"], alert["most"]) == (at(7), ids[0], 141)
    said = await alerting.said()
    assert [(kind, body["endpoint"]["name"], body["alert"]["text"]) for kind, body in said] == [
        ("alert.raised", "quakes", "139, over 137"),
        ("alert.cleared", "quakes", "139, over 137"),
    ]
    assert (await alerting.get(f"{RULES}/{rule}"))["rule"]["state"] == "quiet"


async def test_what_holds_when_the_rule_is_made_raises_and_what_happened_before_does_not(alerting: Alerting) -> None:
    await alerting.count(1, 140)
    await alerting.make(name="over")
    await alerting.make(name="change", kind="change", op=None, value=50)
    assert [(alert["rule"], alert["raised_at"]) for alert in await alerting.alerts()] == [("over", at(2))]


async def test_a_changed_condition_begins_anew(alerting: Alerting) -> None:
    await alerting.count(140)
    rule = await alerting.make()
    assert len(await alerting.alerts(state="raised")) == 1
    assert (await alerting.change(rule, name="more"))["raised"] == 1
    assert (await alerting.change(rule, value=150))["raised"] == 0
    assert await alerting.alerts(state="raised") == []
    await alerting.change(rule, value=130)
    [old, new] = await alerting.alerts()
    assert (old["state"], new["state"], new["text"]) == ("cleared", "raised", "140, over 130")


async def test_what_comes_late_is_listed_and_nobody_hears_of_it(alerting: Alerting) -> None:
    await alerting.count(1)
    await alerting.make()
    alerting.minute += 3 * 1440
    alerting.clock.time_ms += 3 * times.DAY_MS
    path = f"/v1/snapshots?endpoint=quakes&captured_at={at(60)}"
    await alerting.client.post(path, json={"count": 150}, headers=bearer(alerting.keys.project))
    assert [(alert["raised_at"], alert["sent"]) for alert in await alerting.alerts()] == [(at(60), "late")]
    earlier = f"/v1/snapshots?endpoint=quakes&captured_at={at(30)}"
    await alerting.client.post(earlier, json={"count": 151}, headers=bearer(alerting.keys.project))
    await alerting.count(1)
    assert [alert["state"] for alert in await alerting.alerts()] == ["cleared"]
    assert await alerting.said() == []


async def test_other_projects_hear_and_see_nothing(alerting: Alerting) -> None:
    await alerting.count(1)
    await alerting.make()
    other = bearer(alerting.keys.other)
    await alerting.client.post("/v1/snapshots?endpoint=quakes", json={"count": 500}, headers=other)
    assert await alerting.alerts() == []
    await alerting.count(140)
    assert len(await alerting.alerts()) == 1
    found = (await alerting.client.get("/v1/alerts", headers=other)).json()
    assert (found["data"], found["raised"]) == ([], 0)
    assert (await alerting.client.get("/v1/alerts/digest", headers=other)).json() == {"at": None, "lines": []}


async def test_a_high_knows_the_history_before_the_rule(alerting: Alerting) -> None:
    await alerting.count(5, 9, 3)
    rule = await alerting.make(kind="high", op=None, value=None)
    await alerting.count(8, 9, 10, 7)
    assert [(alert["raised_at"], alert["cleared_at"]) for alert in await alerting.alerts()] == [(at(6), at(7))]
    await alerting.change(rule, kind="low")
    await alerting.count(4, 2)
    assert [alert["raised_at"] for alert in await alerting.alerts(state="raised")] == [at(9)]


def random_documents(random: random.Random) -> list[Any]:
    """With records that come and go, and numbers around the limits of RULES_TRIED."""
    documents: list[Any] = []
    for _ in range(25):
        there = [id for id in "abcd" if random.random() < 0.7]
        records = [{"id": id, "mag": random.choice([5, 6, 7]), "title": f"quake {id}"} for id in there]
        random.shuffle(records)
        count = random.choice([134, 136, 137, 138, 140, None, "many"])
        documents.append({"count": count, "note": random.random(), "features": records})
    return documents


RULES_TRIED: list[dict[str, Any]] = [
    {"in_a_row": 2, "clear": {"value": 136, "in_a_row": 2}},
    {"op": "lte", "value": 136},
    {"kind": "change", "op": None, "value": 1.5},
    {"kind": "high", "op": None, "value": None},
    {"kind": "low", "path": "/features/*/mag", "op": None, "value": None},
    {"kind": "appears", "path": "/features/*", "op": None, "value": None, "in_a_row": 2},
    {"kind": "disappears", "path": "/features/[id=a]", "op": None, "value": None},
    {"kind": "matches", "path": "", "op": None, "value": None, "expression": "length(features) > `2`"},
    {"kind": "places", "path": None, "op": None, "value": 3},
    {"kind": "similarity", "path": None, "op": None, "value": 0.4},
    {"path": "/features/*/mag", "op": "gte", "value": 6, "in_a_row": 2, "clear": {"in_a_row": 2}},
]


@pytest.mark.parametrize("seed", seeds(2))
async def test_a_trial_says_what_the_background_raises(alerting: Alerting, seed: int) -> None:
    keys = {"diff": {"array_keys": {"/features": ["id"]}}}
    await alerting.client.post("/v1/endpoints", json={"name": "quakes", **keys}, headers=bearer(alerting.keys.project))
    made = [await alerting.make(**rule) for rule in RULES_TRIED]
    await alerting.store(random_documents(random.Random(seed)))
    fired = 0
    for rule, changed in zip(made, RULES_TRIED, strict=True):
        body = {name: value for name, value in {**OVER, **changed}.items() if value is not None}
        tried = await alerting.tried(body)
        raised = await alerting.alerts(rule=rule)
        found = [(alert["raised_at"], alert["cleared_at"], *_shown(alert)) for alert in raised]
        assert found == [(one["from"], one["to"], *_shown(one)) for one in tried["fired"]], changed
        fired += tried["fired_count"]
    assert fired > 20


def _shown(alert: dict[str, Any]) -> list[Any]:
    return [alert[name] for name in ("value", "most", "snapshot_id", "record", "label")]


async def test_versions_that_were_not_judged_at_the_end_are_after_the_next_start(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        alerting = Alerting(app, client, keys, clock)
        await alerting.count(1)
        await alerting.make()
        await alerting.settle()
        with monkeypatch.context() as patched:
            patched.setattr(judging, "judge_part", _unavailable)
            await alerting.count(140, 1, 141)
    async with started(built(config, clock)) as app, client_of(app) as client:
        again = Alerting(app, client, keys, clock)
        clock.time_ms += 10 * 60_000
        assert [alert["raised_at"] for alert in await again.alerts()] == [at(2), at(4)]
        assert [kind for kind, _ in await again.said()] == ["alert.raised", "alert.cleared", "alert.raised"]


async def _unavailable(*_: object) -> None:
    raise Unavailable("not now")


async def test_a_damaged_version_is_passed_over(alerting: Alerting, monkeypatch: pytest.MonkeyPatch) -> None:
    await alerting.count(1)
    await alerting.make()
    await alerting.settle()
    with monkeypatch.context() as patched:
        patched.setattr(history, "read_versions", _damaged)
        await alerting.count(140)
        assert await alerting.alerts() == []
    await alerting.count(141)
    assert [alert["raised_at"] for alert in await alerting.alerts()] == [at(3)]


async def _damaged(*given: object) -> AsyncIterator[None]:
    if given:
        raise DatabaseFailed("a pack is damaged")
    yield


async def test_a_crash_before_the_place_is_written_raises_nothing_twice(
    alerting: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule's own place is behind what it judged."""
    await alerting.count(1)
    await alerting.make()
    await alerting.count(140)
    assert len(await alerting.alerts()) == 1
    services = alerting.app.services
    endpoint = (await alerting.get("/v1/endpoints/quakes"))["endpoint"]["id"]
    for _ in range(2):
        assert not await judging.judge_part(services, 1, endpoint)
    assert len(await alerting.alerts()) == 1
    assert len(await alerting.said()) == 1


async def test_projects_take_turns_a_part_of_an_endpoint_each() -> None:
    waiting = judging.Waiting()
    for project, endpoint in ((1, "a"), (1, "b"), (2, "c"), (3, "d")):
        waiting.add(project, endpoint)
    turns = []
    while turn := waiting.next_turn():
        turns.append(turn)
        for project, endpoint in turn:
            if (project, endpoint) == (1, "a") and len(turns) < 4:
                waiting.put_back(project, endpoint)
            else:
                waiting.end(project, endpoint)
    assert turns == [[(1, "a"), (2, "c")], [(3, "d"), (1, "b")], [(1, "a")], [(1, "a")]]
    assert waiting.is_empty


@pytest.mark.parametrize(
    ("rule", "recent", "after"),
    [
        ({}, [1, 2], [1, 2, 3, 4]),
        ({"kind": "high", "op": None, "value": None}, [1, 2, 3], [1, 2, 3, 4]),
        ({"kind": "appears", "op": None, "value": None, "path": "/count"}, [1, 1, 1], [1, 1, 1, 1]),
        ({"kind": "places", "op": None, "value": 5, "path": None}, [1, 1], [1, 1, 1]),
        ({"kind": "silence", "op": None, "value": None, "path": None, "for": "1h"}, [], []),
    ],
)
async def test_a_rule_knows_the_last_numbers_from_before_it_was_made(
    alerting: Alerting, rule: dict[str, Any], recent: list[float], after: list[float]
) -> None:
    await alerting.count(1, 2, 3)
    made = await alerting.make(**rule)
    assert (await alerting.get(f"{RULES}/{made}"))["rule"]["recent"][: len(recent)] == recent
    await alerting.count(4)
    await alerting.alerts()
    assert (await alerting.get(f"{RULES}/{made}"))["rule"]["recent"] == after


async def test_forty_numbers_are_known_at_most(alerting: Alerting) -> None:
    await alerting.count(*range(45))
    made = await alerting.make(kind="change", op=None, value=5)
    assert (await alerting.get(f"{RULES}/{made}"))["rule"]["recent"] == list(range(5, 45))
