"""Who hears of alerts, and when: quiet hours, digests, muted rules, webhooks that are named."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Egress, Log
from delta_server.core import times
from delta_server.features.alerts import expiring, timing
from delta_server.features.alerts.watching import CONSUMER
from delta_server.features.endpoints import tasks as endpoint_tasks
from delta_server.storage import outbox
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer
from tests.features.alerts.alerting import RULES, Alerting, at
from tests.storage.opened import START_MS, FakeClock

NIGHT = {"from": "23:00", "to": "07:00", "timezone": "UTC"}  # the tests begin at midnight
HOUR = 60


@pytest.fixture
def config(tmp_path: Path) -> Config:
    egress = Egress(allow_cidrs=("127.0.0.0/8",))
    return Config(storage=Storage(data_dir=tmp_path / "data"), log=Log(level="error"), egress=egress)


@pytest.fixture
async def alerting(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Alerting:
    made = Alerting(app, client, keys, clock)
    await made.count(1)
    return made


def go_to(alerting: Alerting, minute: int) -> None:
    alerting.minute = minute
    alerting.clock.time_ms = START_MS + minute * 60_000


def kinds_of(said: list[tuple[str, Any]]) -> list[str]:
    return [kind.partition(".")[2] for kind, _ in said]


async def test_what_happens_in_quiet_hours_is_said_when_they_end(alerting: Alerting) -> None:
    await alerting.make(quiet=NIGHT)
    await alerting.count(140)
    assert await alerting.said() == []
    assert [(alert["sent"], alert["sent_at"]) for alert in await alerting.alerts()] == [("held", at(7 * HOUR))]
    assert (await alerting.get("/v1/alerts/digest"))["lines"][0]["held"]
    await alerting.count(2)
    go_to(alerting, 7 * HOUR)
    said = await alerting.said()
    assert kinds_of(said) == ["raised", "cleared"]
    assert said[0][1]["alert"]["raised_at"] == at(2)
    assert await alerting.get("/v1/alerts/digest") == {"at": None, "lines": []}
    assert len(await alerting.said()) == 2


async def test_what_is_dropped_or_muted_is_listed_and_not_said(alerting: Alerting) -> None:
    await alerting.make(name="dropped", quiet={**NIGHT, "then": "drop"})
    muted = await alerting.make(name="muted")
    assert (await alerting.change(muted, muted_until=at(5)))["state"] == "muted"
    await alerting.count(140)
    assert sorted(alert["sent"] for alert in await alerting.alerts()) == ["dropped", "muted"]
    go_to(alerting, 8 * HOUR)
    await alerting.count(1)
    assert [alert["state"] for alert in await alerting.alerts()] == ["cleared", "cleared"]
    assert await alerting.said() == []
    await alerting.count(141)
    assert kinds_of(await alerting.said()) == ["raised", "raised"]


async def test_a_digest_gathers_what_several_rules_say(alerting: Alerting) -> None:
    hourly = {"every": "hourly"}
    await alerting.make(name="a", digest=hourly)
    await alerting.make(name="b", value=139, digest=hourly, quiet=NIGHT)
    await alerting.count(138, 140, 1)
    assert await alerting.said() == []
    waiting = await alerting.get("/v1/alerts/digest")
    assert waiting["at"] == at(HOUR)
    assert [(line["what"], line["text"], line["held"], line["at"]) for line in waiting["lines"]] == [
        ("raised", "a: 138, over 137", False, at(HOUR)),
        ("cleared", "a is over: 138, over 137; now 1", False, at(HOUR)),
        ("raised", "b: 140, over 139", True, at(8 * HOUR)),
        ("cleared", "b is over: 140, over 139; now 1", True, at(8 * HOUR)),
    ]
    go_to(alerting, HOUR)
    [(kind, body)] = await alerting.said()
    assert (kind, body["digest"]["count"]) == ("alert.digest", 2)
    go_to(alerting, 8 * HOUR)
    said = await alerting.said()
    assert [line["text"] for line in said[-1][1]["digest"]["lines"]] == [
        "b: 140, over 139",
        "b is over: 140, over 139; now 1",
    ]


async def test_named_webhooks_alone_hear_of_a_rule(alerting: Alerting) -> None:
    headers = bearer(alerting.keys.project)
    made = {}
    for name, events in (("desk", ["endpoint.deleted"]), ("all", ["alert.*"])):
        body = {"name": name, "url": "http://127.0.0.1:9/", "events": events}
        answer = await alerting.client.post("/v1/webhooks", json=body, headers=headers)
        made[name] = answer.json()["webhook"]["id"]
    named = await alerting.make(name="named", tell=["desk"], digest={"every": "hourly"})
    assert (await alerting.get(f"{RULES}/{named}"))["rule"]["tell"] == [made["desk"]]
    await alerting.make(name="open", value=200)
    await alerting.count(140, 201)
    assert kinds_of(await alerting.said()) == ["raised", "raised"]
    go_to(alerting, HOUR)
    assert kinds_of(await alerting.said()) == ["raised", "raised", "digest"]
    wanted = {"desk": ["alert.raised"], "all": ["alert.digest", "alert.raised"]}
    for name, types in wanted.items():
        found: list[str] = []
        while len(found) < len(types):
            answer = await alerting.client.get(f"/v1/webhooks/deliveries?webhook={made[name]}", headers=headers)
            found = [each["type"] for each in answer.json()["data"]]
        assert found == types


async def test_a_webhook_hears_of_what_is_no_endpoints(alerting: Alerting) -> None:
    headers = bearer(alerting.keys.project)
    webhook = {"name": "all", "url": "http://127.0.0.1:9/", "events": ["alert.*"]}
    assert (await alerting.client.post("/v1/webhooks", json=webhook, headers=headers)).status_code == 201
    query = {"metrics": ["count"], "range": "1h"}
    await alerting.make(endpoint=None, kind="metric", path=None, op="gte", value=1, query=query)
    event = {"eventType": "signup", "messageId": "m", "timestamp": at(HOUR + 1)}
    assert (await alerting.client.post("/v1/events/batch", json=[event], headers=headers)).is_success
    go_to(alerting, 2 * HOUR + 1)
    await timing.judge_due(alerting.app.services)
    [(kind, body)] = await alerting.said()
    assert (kind, "endpoint" in body) == ("alert.raised", False)
    found: list[dict[str, Any]] = []
    while not found:
        found = (await alerting.client.get("/v1/webhooks/deliveries", headers=headers)).json()["data"]
    assert [(each["type"], each["endpoint"]) for each in found] == [("alert.raised", None)]


async def test_alerts_that_cleared_are_kept_for_some_days(alerting: Alerting) -> None:
    await alerting.make()
    await alerting.count(140, 1, 141)
    assert len(await alerting.alerts()) == 2
    alerting.clock.advance(91 * times.DAY_MS)
    await expiring.expire(alerting.app.services)
    assert [alert["state"] for alert in await alerting.alerts()] == ["raised"]


async def test_rules_and_alerts_go_with_an_endpoint_that_is_purged(alerting: Alerting) -> None:
    await alerting.make(quiet=NIGHT)
    await alerting.count(140)
    assert len(await alerting.alerts()) == 1
    await alerting.client.delete("/v1/endpoints/quakes?purge=true", headers=bearer(alerting.keys.project))
    await endpoint_tasks.remove_deleted(alerting.app.services)
    for path in (RULES, "/v1/alerts"):
        assert (await alerting.get(path))["data"] == []
    assert await alerting.get("/v1/alerts/digest") == {"at": None, "lines": []}


async def test_the_last_rule_takes_its_place_in_the_outbox_along(alerting: Alerting) -> None:
    rules = [await alerting.make(), await alerting.make()]
    await alerting.count(140)
    assert len(await alerting.alerts()) == 2
    for rule, left in zip(rules, (1, 0), strict=True):
        await alerting.client.delete(f"{RULES}/{rule}", headers=bearer(alerting.keys.project))
        assert len((await alerting.get("/v1/alerts"))["data"]) == left
        assert (alerting.app.services.db.peek(outbox.position, CONSUMER) is not None) == bool(left)
    await alerting.make(value=100)
    await alerting.count(141)
    assert [alert["raised_at"] for alert in await alerting.alerts()] == [at(2)]
