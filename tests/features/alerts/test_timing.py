"""Rules that judge time as it passes: silence, and metrics of events."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.alerts import timing
from tests.conftest import Keys, bearer
from tests.features.alerts.alerting import RULES, TRY, Alerting, at
from tests.storage.opened import START_MS, FakeClock

HOUR = 60
SILENCE: dict[str, Any] = {"kind": "silence", "path": None, "op": None, "value": None, "for": "1h"}
METRIC: dict[str, Any] = {
    "endpoint": None,
    "kind": "metric",
    "path": None,
    "op": "gte",
    "value": 3,
    "query": {"metrics": ["count"], "range": "1h", "filters": [["is", "eventType", ["signup"]]]},
}


@pytest.fixture
def alerting(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Alerting:
    return Alerting(app, client, keys, clock)


async def judge(alerting: Alerting, minute: int) -> None:
    alerting.minute = minute
    alerting.clock.time_ms = START_MS + minute * 60_000
    await timing.judge_due(alerting.app.services)


async def send_events(alerting: Alerting, minutes: list[int], kind: str = "signup") -> None:
    sent = [(f"{kind}{minute}-{n}", at(minute)) for n, minute in enumerate(minutes)]
    events = [{"eventType": kind, "timestamp": time, "messageId": id} for id, time in sent]
    answer = await alerting.client.post("/v1/events/batch", json=events, headers=bearer(alerting.keys.project))
    assert answer.is_success, answer.text


def when(alerts: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(alert["raised_at"], alert["cleared_at"]) for alert in alerts]


async def test_silence_raises_once_it_is_long_enough_and_a_snapshot_ends_it(alerting: Alerting) -> None:
    await alerting.count(1)
    await alerting.make(**SILENCE)
    for minute in (30, HOUR):
        await judge(alerting, minute)
    assert await alerting.alerts() == []
    for minute in (HOUR + 1, HOUR + 2):
        await judge(alerting, minute)
    assert when(await alerting.alerts()) == [(at(HOUR + 1), None)]
    [ended] = await alerting.count(1)
    await judge(alerting, HOUR + 4)
    [alert] = await alerting.alerts()
    assert (alert["cleared_at"], alert["cleared_snapshot_id"]) == (at(HOUR + 3), ended)
    assert alert["text"] == "no snapshot for 1h"
    assert [kind for kind, _ in await alerting.said()] == ["alert.raised", "alert.cleared"]


async def test_the_same_document_breaks_the_silence_of_snapshots_and_not_that_of_versions(alerting: Alerting) -> None:
    await alerting.count(1)
    await alerting.make(name="snapshots", **SILENCE)
    await alerting.make(name="versions", of="versions", **SILENCE)
    alerting.minute = 40
    await alerting.count(1)
    await judge(alerting, HOUR + 10)
    assert [(alert["rule"], alert["raised_at"]) for alert in await alerting.alerts()] == [("versions", at(HOUR + 1))]


async def test_silence_is_tried_on_the_times_of_snapshots(alerting: Alerting) -> None:
    for minute in (0, 30, 3 * HOUR, 3 * HOUR + 30):
        alerting.minute = minute
        await alerting.count(minute)
    alerting.clock.time_ms = START_MS + 6 * HOUR * 60_000
    rule = {"endpoint": "quakes", "kind": "silence", "for": "1h"}
    found = await alerting.tried(rule)
    assert [(one["from"], one["to"]) for one in found["fired"]] == [
        (at(31 + HOUR), at(3 * HOUR + 1)),
        (at(4 * HOUR + 31), None),
    ]
    assert (found["tried"], found["complete"]) == (4, True)


async def test_a_metric_of_events_is_judged_hour_by_hour_as_it_is_tried(alerting: Alerting) -> None:
    rule = await alerting.make(**METRIC)
    await send_events(alerting, [1, 2, 61, 62, 63, 64, 121, 241, 242, 243])
    await send_events(alerting, [5, 6, 7, 8], kind="other")
    await judge(alerting, 2 * HOUR + 1)
    assert when(await alerting.alerts()) == [(at(2 * HOUR), None)]
    await judge(alerting, 5 * HOUR + 1)
    raised = await alerting.alerts()
    assert when(raised) == [(at(2 * HOUR), at(3 * HOUR)), (at(5 * HOUR), None)]
    assert [(alert["value"], alert["text"], alert["endpoint"]) for alert in raised] == [
        (4, "4, at least 3", None),
        (3, "3, at least 3", None),
    ]
    shown = (await alerting.get(f"{RULES}/{rule}"))["rule"]
    assert (shown["state"], shown["last_value"], shown["judged_at"]) == ("raised", 3, at(5 * HOUR))
    assert (len(shown["recent"]), shown["recent"][-5:]) == (40, [2, 4, 1, 0, 3])
    body = {name: value for name, value in METRIC.items() if value is not None}
    tried = await alerting.tried(body, **{"from": at(0), "to": at(5 * HOUR)}, sweep=[1, 4])
    assert when([{"raised_at": one["from"], "cleared_at": one["to"]} for one in tried["fired"]]) == when(raised)
    assert tried["series"]["values"] == [2, 4, 1, 0, 3]
    assert tried["sweep"] == [{"value": 1, "fired": 2}, {"value": 4, "fired": 1}]


async def test_what_leaves_its_usual_range_is_raised(alerting: Alerting) -> None:
    """Ten an hour at the same hour of four weeks; then thirty."""
    week = 7 * 24 * HOUR
    await send_events(alerting, [n * week + m for n in range(4) for m in range(10)])
    alerting.clock.time_ms = START_MS + 4 * week * 60_000
    usual = {**METRIC, "kind": "usual", "op": None, "value": None}
    await alerting.make(**usual)
    await send_events(alerting, [4 * week + m for m in range(30)], kind="other")
    await judge(alerting, 4 * week + HOUR + 1)
    assert [alert["text"] for alert in await alerting.alerts()] == ["0, usual 8.5 to 11.5"]
    body = {name: value for name, value in usual.items() if value is not None}
    body["query"] = {"metrics": ["count"]}
    tried = await alerting.tried(body, **{"from": at(4 * week), "to": at(4 * week + HOUR)}, sweep=[2, 3, 50])
    assert tried["sweep"] == [{"value": 2, "fired": 1}, {"value": 3, "fired": 1}, {"value": 50, "fired": 0}]
    assert [(one["from"], one["value"]) for one in tried["fired"]] == [(at(4 * week + HOUR), 30)]
    assert tried["series"]["usual"] == [[8.5, 11.5]]


async def test_downtime_is_caught_up_with(alerting: Alerting) -> None:
    await alerting.make(**METRIC)
    await send_events(alerting, [1, 2, 3, 200, 201, 202])
    await judge(alerting, 10 * HOUR)
    assert when(await alerting.alerts()) == [(at(HOUR), at(2 * HOUR)), (at(4 * HOUR), at(5 * HOUR))]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"query": {"metrics": ["count", "unique_users"], "range": "1h"}}, "query.metrics"),
    ({"query": {"metrics": ["count"], "range": "7d"}}, "query.range"),
    ({"query": {"metrics": ["count"], "range": "1h", "groupBy": ["source"]}}, "query"),
    ({"query": {"metrics": ["colour"], "range": "1h"}}, "metrics[0]"),
    ({"query": {"metrics": ["count"], "range": "1h", "filters": [["is"]]}}, "filters[0]"),
    ({"endpoint": "quakes"}, "endpoint"),
]


async def test_questions_with_more_than_one_number_are_refused(alerting: Alerting) -> None:
    await alerting.count(1)
    for changed, field in REFUSED:
        body = {name: value for name, value in {**METRIC, **changed}.items() if value is not None}
        for path, sent in ((RULES, {"name": "many", **body}), (TRY, {"rule": body})):
            answer = await alerting.client.post(path, json=sent, headers=bearer(alerting.keys.project))
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field), changed
    sweep = {"rule": {"kind": "usual", "value": 2, "query": {"metrics": ["count"]}}, "sweep": [3, 0]}
    answer = await alerting.client.post(TRY, json=sweep, headers=bearer(alerting.keys.project))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "value")
