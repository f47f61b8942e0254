"""Rules of alerts: what is refused, how they are made and changed, and tried on recorded history."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.core import times
from delta_server.core.alerts import rules
from delta_server.features.alerts.feature import FEATURE
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import START_MS, FakeClock

RULES, TRY = "/v1/alerts/rules", "/v1/alerts/try"
OVER: dict[str, Any] = {"endpoint": "quakes", "kind": "threshold", "path": "/count", "op": "gt", "value": 137}
NAMED = {"name": "many", **OVER}
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def refused(title: str, field: str, says: str = "", **changed: Any) -> Row:
    """A rule otherwise as NAMED; None takes a field away."""
    body = {name: value for name, value in {**NAMED, **changed}.items() if value is not None}
    return Row(title, "POST", RULES, 400, body=body, field=field, says=says)


REFUSED = [
    Row("no key", "POST", RULES, 401, key=None, body=NAMED),
    Row("without the scope", "POST", RULES, 403, key="read", body=NAMED, says="alerts:write"),
    Row("deleting takes more", "DELETE", f"{RULES}/{NOBODY}", 403, key="write", says="alerts:admin"),
    Row("no such endpoint", "POST", RULES, 404, body={**NAMED, "endpoint": "nowhere"}),
    Row("another tenant's endpoint", "POST", RULES, 404, key="other", body=NAMED),
    Row("no such rule", "GET", f"{RULES}/{NOBODY}", 404),
    Row("no id", "PATCH", f"{RULES}/x", 404, body={}),
    Row("alerts of no such rule", "GET", f"/v1/alerts?rule={NOBODY}", 404),
    Row("no cursor", "GET", "/v1/alerts?cursor=x", 400),
    Row("unknown field", "POST", RULES, 400, body={**NAMED, "colour": 1}),
    Row("no name", "POST", RULES, 400, body=OVER),
    refused("no endpoint", "endpoint", endpoint=None),
    refused("a path that is none", "path", path="count"),
    refused("a path of everything", "path", path="/**"),
    refused("a path of the document", "path", path=""),
    refused("no path", "path", path=None),
    refused("no value", "value", value=None),
    refused("no op", "op", op=None),
    refused("a field of another kind", "expression", expression="@"),
    refused("of another kind", "op", kind="change"),
    refused("what cannot last has no in_a_row", "in_a_row", kind="change", op=None, in_a_row=2),
    refused("what cannot last has no clear", "clear", kind="high", op=None, value=None, clear={}),
    refused("a kind without clear.value", "clear.value", kind="appears", op=None, value=None, clear={"value": 1}),
    refused("clear that raises", "clear.value", clear={"value": 138}),
    refused("clear that raises below", "clear.value", op="lte", clear={"value": 136}),
    refused("a share of nothing", "value", kind="change", op=None, value=0),
    refused("a similarity of percent", "value", kind="similarity", op=None, path=None, value=90),
    refused("fewer than no places", "value", kind="places", op=None, path=None, value=-1),
    refused("no JMESPath", "expression", kind="matches", op=None, value=None, expression="a ||"),
    refused("silence of seconds", "for", kind="silence", op=None, value=None, path=None, **{"for": "5s"}),
    refused("silence of no length", "for", kind="silence", op=None, value=None, path=None, **{"for": "soon"}),
    refused("quiet without an end", "quiet.to", quiet={"from": "22:00", "to": "7"}),
    refused("quiet all day", "quiet.to", quiet={"from": "22:00", "to": "22:00"}),
    refused("no time zone", "quiet.timezone", quiet={"from": "22:00", "to": "07:00", "timezone": "Paris"}),
    refused("a digest at no time", "digest.at", digest={"every": "daily", "at": "24:00"}),
    refused("no such webhook", "tell[0]", tell=["desk"]),
    refused("a rule of 20 kB", "query", kind="metric", endpoint=None, path=None,
        query={"metrics": ["count"], "filters": [["is", "source", ["x" * 20_000]]]}),
    refused("muted for ever", "muted_until", muted_until="2126-01-01T00:00:00Z"),
    refused("an anomaly that lasts for versions", "in_a_row", kind="anomaly", op=None, in_a_row=2),
    refused("an anomaly that clears by a number", "clear", kind="anomaly", op=None, clear={"value": 1}),
    refused("an anomaly over a limit", "op", kind="anomaly"),
    refused("an anomaly of nothing", "value", kind="anomaly", op=None, value=0),
    refused("an anomaly of a document", "path", kind="anomaly", op=None, path=""),
    refused("an anomaly of everything", "path", kind="anomaly", op=None, path="/**"),
    refused("a field of events", "path", kind="anomaly", op=None, endpoint=None),
    refused("events of an endpoint", "endpoint", kind="metric", path=None, query={"metrics": ["count"]}),
    Row("a trial back to front", "POST", TRY, 400, body={"rule": OVER, "from": "1h", "to": "2h"}, field="from"),
    Row("a sweep of nothing", "POST", TRY, 400, field="sweep",
        body={"rule": {"endpoint": "quakes", "kind": "high", "path": "/count"}, "sweep": [1]}),
    Row("a trial of no endpoint", "POST", TRY, 404, body={"rule": {**OVER, "endpoint": "nowhere"}}),
]  # fmt: skip


@shared
async def test_refusals(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    await shared_client.post("/v1/snapshots?endpoint=quakes", json={"count": 1}, headers=bearer(shared_keys.project))
    for row in REFUSED:
        await check(shared_client, shared_keys, row)


@shared
async def test_who_may_not_read_snapshots_makes_no_rule_of_them(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    made = await client.post(
        "/v1/auth/api-keys", json={"scopes": ["alerts:read", "alerts:write"]}, headers=bearer(keys.project)
    )
    headers = bearer(made.json()["key"])
    await client.post("/v1/snapshots?endpoint=quakes", json={"count": 1}, headers=bearer(keys.project))
    for path, body in ((RULES, NAMED), (TRY, {"rule": OVER})):
        answer = await client.post(path, json=body, headers=headers)
        assert (answer.status_code, "snapshots:read" in answer.json()["message"]) == (403, True)
    assert (await client.get(RULES, headers=headers)).status_code == 200


async def store_versions(client: httpx.AsyncClient, keys: Keys, clock: FakeClock, documents: list[Any]) -> list[str]:
    """One each minute; their ids."""
    found = []
    for number, document in enumerate(documents, 1):
        clock.advance(60_000)
        path = f"/v1/snapshots?endpoint=quakes&include=delta&captured_at={at(number)}"
        answer = await client.post(path, json=document, headers=bearer(keys.project))
        assert answer.status_code == 201, answer.text
        found.append(answer.json()["snapshot"]["id"])
    return found


async def store_counts(client: httpx.AsyncClient, keys: Keys, clock: FakeClock, counts: list[Any]) -> list[str]:
    return await store_versions(client, keys, clock, [{"count": count} for count in counts])


async def tried(client: httpx.AsyncClient, keys: Keys, rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await client.post(TRY, json={"rule": rule, **more}, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def at(minutes: int) -> str:
    return times.format(START_MS + minutes * 60_000)


@shared
async def test_a_threshold_is_tried_with_its_hysteresis(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    ids = await store_counts(client, keys, clock, [100, 138, 139, 136, 135, 134, 140, 141, 142, 143])
    rule = {**OVER, "in_a_row": 2, "clear": {"value": 136, "in_a_row": 2}}
    found = await tried(client, keys, rule, sweep=[139, 142])
    assert [
        (each["from"], each["to"], each["value"], each["most"], each["snapshot_id"]) for each in found["fired"]
    ] == [
        (at(3), at(6), 139, 139, ids[2]),
        (at(8), None, 141, 143, ids[7]),
    ]
    assert {each["sent"] for each in found["fired"]} == {"now"}
    assert (found["tried"], found["fired_count"], found["complete"]) == (10, 2, True)
    assert found["share"] == pytest.approx((3 + 2) / 9, abs=1e-4)
    assert found["series"]["values"] == [100, 138, 139, 136, 135, 134, 140, 141, 142, 143]
    assert found["sweep"] == [{"value": 139, "fired": 1}, {"value": 142, "fired": 0}]
    part = await tried(client, keys, rule, **{"from": at(7), "to": at(9)})
    assert (part["from"], part["to"], part["tried"]) == (at(7), at(8), 2)
    assert [each["from"] for each in part["fired"]] == [at(8)]


@shared
async def test_an_endpoint_without_history_has_nothing_to_try(client: httpx.AsyncClient, keys: Keys) -> None:
    await client.post("/v1/endpoints", json={"name": "quakes"}, headers=bearer(keys.project))
    found = await tried(client, keys, OVER, sweep=[3])
    assert (found["tried"], found["from"], found["fired"], found["share"]) == (0, None, [], 0)
    assert found["sweep"] == [{"value": 3, "fired": 0}]


@shared
async def test_each_record_has_alerts_of_its_own(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    of_versions: list[list[tuple[str, float]]] = [
        [("a", 5), ("b", 7)],
        [("b", 7.5), ("a", 6)],
        [("a", 6.4)],
        [("a", 1), ("b", 9)],
    ]
    records = [[{"id": id, "mag": mag, "title": f"quake {id}"} for id, mag in rows] for rows in of_versions]
    await store_versions(client, keys, clock, [{"features": features} for features in records])
    rule = {**OVER, "path": "/features/*/mag", "op": "gte", "value": 6}
    found = await tried(client, keys, rule)
    assert [(each["label"], each["from"], each["to"], each["value"], each["most"]) for each in found["fired"]] == [
        ("quake b", at(1), at(3), 7, 7.5),
        ("quake a", at(2), at(4), 6, 6.4),
        ("quake b", at(4), None, 9, 9),
    ]
    assert [each["record"] for each in found["fired"]] == ["/features/[id=b]", "/features/[id=a]", "/features/[id=b]"]
    assert found["series"]["values"] == [7, 7.5, 6.4, 9]
    one = await tried(client, keys, {**rule, "path": "/features/[id=a]/mag"})
    assert [(each["from"], each["to"]) for each in one["fired"]] == [(at(2), at(4))]


@shared
async def test_quiet_hours_and_digests_say_when_people_would_be_told(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await store_counts(client, keys, clock, [1, 140])
    night = {"from": "22:00", "to": "07:00", "timezone": "Europe/Paris"}
    daily = {"every": "daily", "at": "08:00", "timezone": "Europe/Paris"}
    cases: list[tuple[dict[str, Any], tuple[str, str | None]]] = [
        ({"quiet": night}, ("held", "2026-01-01T06:00:00.000Z")),
        ({"quiet": {**night, "then": "drop"}}, ("dropped", None)),
        ({"digest": daily}, ("digest", "2026-01-01T07:00:00.000Z")),
        ({"digest": {"every": "hourly"}}, ("digest", "2026-01-01T01:00:00.000Z")),
        ({"quiet": night, "digest": {"every": "hourly"}}, ("held", "2026-01-01T07:00:00.000Z")),
    ]
    for more, sent in cases:
        [fired] = (await tried(client, keys, {**OVER, **more}))["fired"]
        assert (fired["sent"], fired["sent_at"]) == sent, more


@shared
async def test_rules_are_made_changed_and_deleted(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    await store_counts(client, keys, clock, [1])
    headers = {**bearer(keys.project), "idempotency-key": "once"}
    made = await client.post(RULES, json=NAMED, headers=headers)
    assert made.status_code == 201, made.text
    rule = made.json()["rule"]
    assert (await client.post(RULES, json=NAMED, headers=headers)).json()["rule"] == rule
    assert (rule["endpoint"], rule["state"], rule["limit"], rule["in_a_row"]) == ("quakes", "quiet", "over 137", 1)
    path, headers = f"{RULES}/{rule['id']}", bearer(keys.write)
    muted = {"muted_until": "2026-01-02T00:00:00Z", "value": 99, "clear": {"value": 90}}
    changed = (await client.patch(path, json=muted, headers=headers)).json()["rule"]
    assert (changed["state"], changed["limit"], changed["clear"]) == ("muted", "over 99", {"value": 90, "in_a_row": 1})
    clock.advance(86_400_000)
    assert (await client.get(path, headers=bearer(keys.read))).json()["rule"]["state"] == "quiet"
    for body, field in (({"value": None}, "value"), ({"kind": "metric"}, "path"), ({"op": "lt"}, "clear.value")):
        answer = await client.patch(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert [each["name"] for each in (await client.get(RULES, headers=headers)).json()["data"]] == ["many"]
    assert (await client.get(RULES, headers=bearer(keys.other))).json()["data"] == []
    for method in ("GET", "PATCH", "DELETE"):
        assert (await client.request(method, path, json={}, headers=bearer(keys.other))).status_code == 404
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert (await client.get(path, headers=headers)).status_code == 404


@shared
async def test_an_endpoint_has_twenty_rules_at_most(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    await store_counts(client, keys, clock, [1])
    answers = [await client.post(RULES, json=NAMED, headers=bearer(keys.project)) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [409]


@shared
async def test_rules_go_with_their_endpoint(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    await store_counts(client, keys, clock, [1])
    path = f"{RULES}/{(await client.post(RULES, json=NAMED, headers=bearer(keys.project))).json()['rule']['id']}"
    await client.delete("/v1/endpoints/quakes", headers=bearer(keys.project))
    assert (await client.get(path, headers=bearer(keys.read))).json()["rule"]["endpoint"] is None
    await client.post("/v1/endpoints/quakes/restore", headers=bearer(keys.project))
    assert (await client.get(path, headers=bearer(keys.read))).json()["rule"]["endpoint"] == "quakes"


def test_the_page_has_all_routes_and_kinds() -> None:
    text = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
    listed = {
        (m, re.sub(r"{\w+}", "{}", path)) for m, path in re.findall(r"`(POST|GET|PATCH|DELETE) (/v1/[^`?]+)`", text)
    }
    assert listed == set(FEATURE.guards)
    table = text.split("## Kinds")[1].split("## ")[0]
    kinds = [kind for row in re.findall(r"^\| (`.+?) \|", table, re.M) for kind in re.findall(r"`(\w+)`", row)]
    assert kinds == ["kind", *rules.KINDS]
