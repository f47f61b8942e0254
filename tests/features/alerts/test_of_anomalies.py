"""Rules of anomalies: what was found raises and clears, each once, and the trial says the same of what is recorded."""

import random
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.anomalies.words import SeriesKind
from delta_server.features.alerts import raising, timing
from delta_server.features.anomalies import following, store, tasks
from delta_server.features.anomalies.store import EVENTS, AnomalyRow
from delta_server.features.endpoints import service as endpoints
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.features.alerts.alerting import RULES, TRY, Alerting
from tests.often import seeds
from tests.storage.opened import START_MS, FakeClock

HOUR_MS = 3_600_000
FIRST = START_MS // HOUR_MS + 1
"""The first full hour of the clock."""
ANOMALY: dict[str, Any] = {"kind": "anomaly", "path": None, "op": None, "value": None}
ENDS = ("raised_at", "cleared_at")


def at(hour: float) -> str:
    return times.format(round((FIRST + hour) * HOUR_MS))


def odd(
    begin: int,
    end: int | None = None,
    *,
    series: SeriesKind = "field",
    name: str = "/count",
    value: float = 900,
    off: float = 8,
    peak: int | None = None,
) -> AnomalyRow:
    """A spike; hours from FIRST on."""
    ended = None if end is None else (FIRST + end) * HOUR_MS
    peak_ms = (FIRST + (begin if peak is None else peak)) * HOUR_MS
    began_ms = (FIRST + begin) * HOUR_MS
    return AnomalyRow(0, b"", 0, series, name, "spike", began_ms, ended, peak_ms, value, 90, 110, off, None, ())


def new(hour: float, label: str, *, name: str = "/status") -> AnomalyRow:
    at_ms = round((FIRST + hour) * HOUR_MS)
    return AnomalyRow(0, b"", 0, "field", name, "new_value", at_ms, at_ms, at_ms, 0, 0, 0, 0, label, ())


class Found(Alerting):
    """Anomalies as the search for them stores them, of `quakes` or of events."""

    async def find(self, hour: int, *rows: AnomalyRow, of_events: bool = False, judged: bool = True) -> None:
        """Up to an hour; then rules are judged, unless it is said that the server was down."""
        self.clock.time_ms = max(self.clock.time_ms + 60_000, (FIRST + hour) * HOUR_MS + following.GRACE_MS)

        def write(tx: Tx) -> None:
            of = EVENTS if of_events else endpoints.find(tx, 1, "quakes").id
            store.put_states(tx, 1, of, {("field", "/count"): b""})
            for row in rows:
                store.put(tx, 1, msgspec.structs.replace(row, endpoint=of))
            store.put_hour(tx, 1, of, FIRST + hour)

        await self.app.services.db.write(write)
        if judged:
            await timing.judge_due(self.app.services)

    async def ends(self) -> list[tuple[str, str | None]]:
        return [(alert["raised_at"], alert["cleared_at"]) for alert in await self.alerts()]


@pytest.fixture
def found(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Found:
    return Found(app, client, keys, clock)


async def test_an_anomaly_raises_grows_and_clears(found: Found) -> None:
    await found.count(1)
    rule = await found.make(**ANOMALY)
    await found.find(30, odd(29))
    [alert] = await found.alerts()
    assert (alert["raised_at"], alert["cleared_at"], alert["record"]) == (at(29), None, "/count")
    assert (alert["value"], alert["text"]) == (900, "/count: 900, where 90 to 110 are usual")
    assert (alert["limit"], alert["kind"], alert["endpoint"]) == ("unusual", "anomaly", "quakes")
    shown = (await found.get(f"{RULES}/{rule}"))["rule"]
    assert (shown["state"], shown["judged_at"], shown["last_value"], shown["recent"]) == ("raised", at(30), 8, [])
    await found.find(31, odd(29, value=1200, off=12, peak=30), odd(30, name="/depth"))
    await found.find(32, odd(29, 31, value=1200, off=12, peak=30))
    counted, other = await found.alerts()
    assert (counted["id"], counted["cleared_at"], counted["most"]) == (alert["id"], at(31), 1200)
    assert (other["record"], other["state"]) == ("/depth", "raised")
    said = await found.said()
    assert [(kind, body["alert"]["record"]) for kind, body in said] == [
        ("alert.raised", "/count"),
        ("alert.raised", "/depth"),
        ("alert.cleared", "/count"),
    ]
    await found.find(33)
    assert len(await found.said()) == 3


async def test_a_new_value_raises_and_clears_at_once(found: Found) -> None:
    await found.count(1)
    await found.make(**ANOMALY)
    await found.make(**{**ANOMALY, "value": 1})
    await found.find(30, new(29.5, "closed"), new(29.5, "no", name="/flag"))
    alerts = await found.alerts()
    assert [(each["record"], each["value"], each["raised_at"], each["cleared_at"]) for each in alerts] == [
        ("new value of /status", "closed", at(29.5), at(29.5)),
        ("new value of /flag", "no", at(29.5), at(29.5)),
    ]
    assert alerts[0]["text"] == "/status: closed, which was never there before"
    assert [kind for kind, _ in await found.said()] == ["alert.raised", "alert.cleared"] * 2


async def test_a_path_and_a_value_choose(found: Found) -> None:
    await found.count(1)
    of_path = await found.make(**{**ANOMALY, "path": "/depth"})
    far = await found.make(**{**ANOMALY, "value": 10})
    await found.find(30, odd(29), odd(29, name="/depth", off=-6), odd(29, series="size", name="", value=2.5))
    assert [alert["rule_id"] for alert in await found.alerts()] == [of_path]
    await found.find(31, odd(29, off=11, peak=30))
    assert [alert["rule_id"] for alert in await found.alerts()] == [of_path, far]
    limits = {alert["limit"] for alert in await found.alerts()}
    assert limits == {"unusual", "unusual by 10 deviations or more"}
    await found.find(32, odd(29, 31, off=11, peak=30), odd(29, 31, name="/depth", off=-6))
    assert await found.ends() == [(at(29), at(31))] * 2


async def test_anomalies_of_events(found: Found) -> None:
    await found.count(1)
    await found.make(**{**ANOMALY, "endpoint": None})
    await found.find(30, odd(29))
    await found.find(30, odd(29, series="events", name="view", value=95), of_events=True)
    [alert] = await found.alerts()
    assert (alert["endpoint"], alert["record"], alert["snapshot_id"]) == (None, "view", None)
    assert alert["text"] == "view: 95 events in an hour, where 90 to 110 are usual"


async def test_what_lasts_is_raised_by_a_new_rule_and_what_ended_is_not(found: Found) -> None:
    await found.count(1)
    await found.find(100, odd(20, 22), odd(98), odd(40, name="/depth"))
    rule = await found.make(**ANOMALY)
    await found.find(101)
    alerts = await found.alerts()
    assert [(alert["raised_at"], alert["sent"]) for alert in alerts] == [(at(40), "late"), (at(98), "now")]
    await found.change(rule, value=7)
    assert all(await found.ends())
    await found.find(102, odd(98, 101))
    assert [alert["cleared_at"] for alert in await found.alerts()][2:] == [None, at(101)]
    await found.find(103, odd(40, 102, name="/depth"))
    assert [kind for kind, _ in await found.said()] == ["alert.raised", "alert.raised", "alert.cleared"]


async def test_quiet_hours_hold_an_anomaly_and_a_muted_rule_says_nothing(found: Found) -> None:
    await found.count(1)
    hour = times.format((FIRST + 30) * HOUR_MS)[11:16]
    await found.make(**ANOMALY, quiet={"from": hour, "to": times.format((FIRST + 33) * HOUR_MS)[11:16]})
    await found.make(**ANOMALY, muted_until=at(200))
    await found.find(30, odd(29))
    assert [alert["sent"] for alert in await found.alerts()] == ["held", "muted"]
    assert await found.said() == []
    await found.find(33)
    assert [kind for kind, _ in await found.said()] == ["alert.raised"]


async def test_after_a_restart_none_is_missing_and_none_comes_twice(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(built(config, clock)) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        found = Found(app, client, keys, clock)
        await found.count(1)
        await found.make(**ANOMALY)
        await found.find(30, odd(29))
        await found.find(31, odd(29, 30), odd(30, name="/depth"), judged=False)
        with monkeypatch.context() as patched:  # it ends within the commit
            patched.setattr(raising, "CLEARED", None)
            with pytest.raises(AttributeError):
                await timing.judge_due(app.services)
    async with started(built(config, clock)) as app, client_of(app) as client:
        now_ms = clock.time_ms
        found = Found(app, client, keys, clock)
        clock.time_ms = now_ms
        for _ in range(2):
            await timing.judge_due(app.services)
        assert await found.ends() == [(at(29), at(30)), (at(30), None)]
        assert [kind for kind, _ in await found.said()] == ["alert.raised", "alert.cleared", "alert.raised"]


async def test_more_at_once_than_are_judged_at_once(found: Found) -> None:
    await found.count(1)
    await found.make(**ANOMALY)
    await found.find(300, *(odd(100 + n, 101 + n) for n in range(60)))
    await timing.judge_due(found.app.services)
    assert await found.ends() == [(at(100 + n), at(101 + n)) for n in range(60)]


async def test_a_rule_is_tried_on_what_is_recorded(found: Found) -> None:
    await found.count(100, 900, 100)
    await found.find(40, odd(10, 11), odd(20, 25, off=12, value=1500), odd(30, name="/depth", off=6), new(35.5, "x"))
    rule = {"endpoint": "quakes", "kind": "anomaly"}
    tried = await found.tried(rule, sweep=[5, 7, 10, 20])
    fired = [(each["from"], each["to"], each["value"], each["record"]) for each in tried["fired"]]
    assert fired == [
        (at(10), at(11), 900, "/count"),
        (at(20), at(25), 1500, "/count"),
        (at(30), None, 900, "/depth"),
        (at(35.5), at(35.5), "x", "new value of /status"),
    ]
    assert tried["fired"][1]["label"] == "/count: 1,500, where 90 to 110 are usual"
    assert tried["sweep"] == [{"value": n, "fired": count} for n, count in ((5, 3), (7, 2), (10, 1), (20, 0))]
    assert (tried["fired_count"], tried["complete"], tried["series"]["times"]) == (4, True, [])
    assert tried["from"] == times.format(START_MS)
    of_path = await found.tried({**rule, "path": "/count", "value": 10}, sweep=[1])
    assert ([each["from"] for each in of_path["fired"]], of_path["sweep"]) == ([at(20)], [{"value": 1, "fired": 2}])
    assert of_path["series"]["values"] == [100, 900, 100]
    assert [each["from"] for each in (await found.tried(rule, **{"from": at(15), "to": at(30)}))["fired"]] == [at(20)]
    unread = await found.tried({**rule, "path": "/depth"})
    assert (unread["tried"], unread["fired_count"], unread["complete"]) == (0, 0, False)
    of_events = await found.tried({"kind": "anomaly"})
    assert (of_events["tried"], of_events["fired_count"], of_events["complete"]) == (0, 0, True)


@pytest.mark.parametrize("seed", seeds(6))
async def test_the_trial_fires_as_often_as_the_rule_did(found: Found, seed: int) -> None:
    """Series become odd, more so, and usual again, while the server is up and down."""
    chance = random.Random(seed)
    await found.count(1)
    rules: list[dict[str, Any]] = [{}, {"value": 7}, {"path": "/count"}, {"path": "/count", "value": 9}]
    made = [await found.make(**{**ANOMALY, **rule}) for rule in rules]
    lasting: dict[str, AnomalyRow] = {}
    for hour in range(30, 80):
        rows = list(_moved(chance, hour, lasting))
        await found.find(hour + 1, *rows, judged=chance.random() < 0.6)
    await found.find(81)
    for rule, id in zip(rules, made, strict=True):
        raised = await found.alerts(rule=id, limit="1000")
        tried = await found.tried({"endpoint": "quakes", "kind": "anomaly", **rule})
        assert _ends(raised, "raised_at", "cleared_at") == _ends(tried["fired"], "from", "to")
        assert (tried["fired_count"], tried["complete"]) == (len(raised), True)
        assert tried["fired_count"] > 0


def _moved(chance: random.Random, hour: int, lasting: dict[str, AnomalyRow]) -> Sequence[AnomalyRow]:
    rows = [new(hour + chance.random(), f"v{hour}")] if chance.random() < 0.1 else []
    for name in ("/count", "/depth", ""):
        row, lot = lasting.get(name), chance.random()
        if row is None and lot < 0.4:
            row = odd(hour, series="field" if name else "size", name=name, off=chance.uniform(4.5, 9))
        elif row is not None and lot < 0.4:
            row = msgspec.structs.replace(row, ended_at=(FIRST + hour) * HOUR_MS)
        elif row is not None and lot < 0.7:
            row = msgspec.structs.replace(row, deviations=row.deviations + 2, value=row.value + 1)
        else:
            continue
        rows.append(row)
        lasting[name] = row
        if row.ended_at is not None:
            del lasting[name]
    return rows


def _ends(listed: Sequence[dict[str, Any]], begin: str, end: str) -> list[tuple[str, str, str | None]]:
    return sorted((each["record"], each[begin], each[end]) for each in listed)


async def test_a_field_that_a_rule_names_is_watched(found: Found) -> None:
    """A number in an array, which nobody looks at otherwise; found, raised and tried over HTTP."""
    weeks = 3 * 7 * 24
    documents = [
        {"rows": [{"id": "a", "n": 100 + n % 5}, {"id": "b", "n": 900 if n == weeks else 50}]} for n in range(weeks + 4)
    ]

    async def come(first: int, end: int) -> None:
        some = [
            {"endpoint_id": "quakes", "captured_at": at(hour), "data": documents[hour]} for hour in range(first, end)
        ]
        for begin in range(0, len(some), 500):
            body = {"snapshots": some[begin : begin + 500]}
            answer = await found.client.post(
                "/v1/snapshots/batch", json=body, headers=bearer(found.keys.project)
            )  # fmt: skip
            assert answer.is_success, answer.text
        await found.settle()

    await come(0, 1)
    rule = await found.make(**{**ANOMALY, "path": "/rows/*/n"})
    found.clock.time_ms = (FIRST + weeks + 4) * HOUR_MS + following.GRACE_MS
    await come(1, weeks + 4)
    await tasks.judge(found.app.services)
    await timing.judge_due(found.app.services)
    [alert] = await found.alerts()
    assert (alert["raised_at"], alert["cleared_at"]) == (at(weeks), at(weeks + 1))
    assert alert["text"].startswith("/rows/*/n: 1,")
    assert alert["text"].endswith("most of it /rows/[id=b]: 900 instead of 50")
    tried = await found.tried({"endpoint": "quakes", "kind": "anomaly", "path": "/rows/*/n"})
    assert [(each["from"], each["value"]) for each in tried["fired"]] == [(at(weeks), alert["value"])]
    assert max(tried["series"]["values"]) == alert["value"]
    assert tried["complete"]
    deleted = await found.client.delete(f"{RULES}/{rule}", headers=bearer(found.keys.project))
    assert deleted.is_success
    of = found.app.services.db.peek(lambda tx: endpoints.find(tx, 1, "quakes").id)
    assert found.app.services.db.peek(store.watched, 1, of) == []


async def test_who_may_not_read_events_makes_no_rule_of_their_anomalies(found: Found) -> None:
    await found.count(1)
    scopes = ["alerts:read", "alerts:write", "snapshots:read"]
    made = await found.client.post("/v1/auth/api-keys", json={"scopes": scopes}, headers=bearer(found.keys.project))
    headers = bearer(made.json()["key"])
    for path, rule in ((RULES, {"name": "odd", "kind": "anomaly"}), (TRY, {"rule": {"kind": "anomaly"}})):
        answer = await found.client.post(path, json=rule, headers=headers)
        assert (answer.status_code, "events:read" in answer.json()["message"]) == (403, True)
    of_endpoint = await found.make(key=made.json()["key"], **ANOMALY)
    body = {"kind": "metric", "op": "gt", "value": 1, "query": {"metrics": ["count"], "range": "1h"}}
    answer = await found.client.patch(f"{RULES}/{of_endpoint}", json=body, headers=bearer(found.keys.project))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "kind")
