"""What one project has, another neither sees nor changes: whichever of the two was first, by ids and by equal names.

Every route of every feature stands in one of the tables here, or among those that are tried ELSEWHERE.
"""

import asyncio
import json
import re
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import FEATURES, Application, guards_of
from delta_server.core.query.boards import digest_of_all
from delta_server.features.endpoints import tasks as endpoints_tasks
from delta_server.features.event_schemas import tasks as event_schemas_tasks
from delta_server.features.profiles import tasks as profiles_tasks
from delta_server.features.projects import tasks as projects_tasks
from delta_server.features.stream import service as stream
from delta_server.features.stream.events import WantedEvents
from delta_server.features.stream.happenings import WantedHappenings
from delta_server.features.stream.service import Wanted
from delta_server.http.gate import bare
from tests.conftest import Keys, bearer

TENANTS = ("project", "other")
BOTH_WAYS = [TENANTS, TENANTS[::-1]]  # the first has the smaller number in every table
SPAN = ["2025-12-01", "2026-02-01"]

GUARDS = guards_of(FEATURES)
ELSEWHERE = {
    ("POST", "/v1/projects"), ("POST", "/v1/endpoints"), ("POST", "/v1/auth/api-keys"), ("GET", "/v1/backup"),
    *(route for route in GUARDS if route[1].startswith("/v1/backups")),
    *(route for route in GUARDS if route[1].startswith("/v1/prometheus")),
    ("POST", "/v1/feeds"), ("POST", "/v1/mcp"), ("POST", "/v1/alerts/rules"), ("GET", "/v1/alerts/digest"),
    ("POST", "/v1/saved-queries"), ("POST", "/v1/annotations"), ("POST", "/v1/boards"),
    ("GET", "/v1/anomalies"), ("GET", "/v1/event-types"), ("GET", "/v1/event-types/{}/schema/changes"),
    ("POST", "/v1/sync/{}/delta"), ("GET", "/v1/sync/config"), ("GET", "/v1/sync/stream"),
    ("PUT", "/v1/sync/types/{}"), ("GET", "/v1/sync/spaces"),
    ("PUT", "/v1/datasets/{}/{}/current"), ("GET", "/v1/datasets/{}/{}/jobs/{}"),
    ("POST", "/v1/sync/upload"), ("GET", "/v1/sync/upload"), ("DELETE", "/v1/sync/upload"),
    ("GET", "/v1/sync/upload/results"),
    ("GET", "/v1/sync/status"), ("POST", "/v1/sync/digest"),
    ("POST", "/v1/sync/{}/rxdb/push"), ("GET", "/v1/sync/{}/rxdb/stream"), ("POST", "/v1/sync/watermelon/push"),
    ("POST", "/v1/snapshots"), ("POST", "/v1/snapshots/batch"), ("GET", "/v1/stream"), ("GET", "/v1/audit"),
    ("GET", "/healthz/details"), ("GET", "/metrics"), ("GET", "/v1/instance"),
    ("GET", "/v1/instance/users"), ("PATCH", "/v1/instance/users/{}"),
    *(route for route, access in GUARDS.items() if access.keys == "person"),
    *(route for route, access in GUARDS.items() if route[1].startswith("/v1/webhooks") and not access.public),
    ("POST", "/v1/invitations"), ("GET", "/v1/invitations"), ("DELETE", "/v1/invitations/{}"),
    ("PUT", "/v1/projects/{}/members/{}"), ("DELETE", "/v1/projects/{}/members/{}"),
    ("POST", "/v1/projects/{}/transfer"), ("POST", "/v1/projects/{}/restore"), ("POST", "/v1/endpoints/{}/restore"),
    ("POST", "/v1/endpoints/preview"), ("GET", "/v1/polls/failing"),
    ("GET", "/v1/endpoints/{}/schema/kept-aside/{}"), ("DELETE", "/v1/endpoints/{}/schema/kept-aside/{}"),
}  # fmt: skip
"""What makes things, is an account's or a person's, or has a test of its own; routes that take events, and those open
to all, too."""


RULE: dict[str, Any] = {"kind": "threshold", "path": "/a", "op": "gt", "value": 1}

OF_DOCUMENT: Any = [{"name": "of", "endpoint": "{endpoint}", "path": "/of"}]


class Ask(msgspec.Struct, frozen=True):
    method: str
    path: str
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def route(self) -> tuple[str, str]:
        """Which of GUARDS it is: names stand in the places of path parameters."""
        path = re.sub(r"\b(prices|goods|shop|ann|acme|memos|bought)\b", "{}", self.path.partition("?")[0])
        return self.method, bare(path)

    def of(self, ids: dict[str, str]) -> "Ask":
        """With one tenant's ids in the places of their names."""
        body = self.body and _filled(self.body, ids)
        return Ask(self.method, self.path.format(**ids), body)


def _filled(body: Any, ids: dict[str, str]) -> Any:
    if isinstance(body, str):
        return body.format(**ids)
    if isinstance(body, list):
        return [_filled(value, ids) for value in body]
    return {name: _filled(value, ids) for name, value in body.items()} if isinstance(body, dict) else body


def get(path: str) -> Ask:
    return Ask("GET", path)


def post(path: str, **body: Any) -> Ask:
    return Ask("POST", path, body)


SHOWN = [
    get("/v1/projects"),
    get("/v1/auth/api-keys"),
    get("/v1/endpoints"),
    get("/v1/endpoints?include=summary&sort=changed"),
    get("/v1/endpoints/prices/timeline"),
    get("/v1/endpoints/prices"),
    get("/v1/endpoints/prices/history?path=/of"),
    get("/v1/endpoints/prices/fields"),
    get("/v1/endpoints/prices/blame"),
    get("/v1/deltas"),
    get("/v1/deltas?endpoint=prices&path=/of&include=changes"),
    post("/v1/deltas/compare", endpoint="prices", from_time="2026-01-01T00:00:00Z"),
    get("/v1/snapshots"),
    get("/v1/snapshots?endpoint=prices"),
    get("/v1/snapshots?endpoint=prices&around=now&include=delta"),
    get("/v1/snapshots/latest/prices"),
    get("/v1/snapshots/at/prices?time=2026-01-01T00:00:01Z"),
    get("/v1/events/raw"),
    get("/v1/events/raw?userId=ann"),
    get("/v1/events/retention"),
    get("/v1/visits/settings"),
    get("/v1/events/aggregated?groupBy=source&startTime=2025-12-01&endTime=2026-02-01"),
    post("/v1/query", metrics=["count"], groupBy=["source"], range=SPAN),
    post("/v1/query/funnel", steps=["seen", "bought"], groupBy="source", range=SPAN),
    post("/v1/query/paths", by="source", range=SPAN),
    *(
        post("/v1/sql", sql=f"FROM {view}")
        for view in ("events", "field_values", "snapshots", "deltas", "fields", "profiles")
    ),
    get("/v1/users"),
    get("/v1/users?q=ann"),
    get("/v1/users/ann"),
    get("/v1/users/ann/traits"),
    get("/v1/event-types/bought/schema"),
    get("/v1/groups"),
    get("/v1/groups/acme"),
    get("/v1/erasures"),
    get("/v1/feeds"),
    get("/v1/saved-queries"),
    get("/v1/annotations"),
    get("/v1/boards"),
    get("/v1/inbound-webhooks"),
    get("/v1/alerts/rules"),
    get("/v1/sync/memos/delta"),
    get("/v1/sync/memos/deleted"),
    get("/v1/sync/memos/rxdb/pull"),
    get("/v1/sync/download"),
    get("/v1/sync/watermelon/pull"),
    post("/v1/sync/watermelon/pull"),
    get("/v1/devices"),
    get("/v1/datasets"),
    get("/v1/datasets/goods"),
    get("/v1/datasets/goods/shop/current"),
    get("/v1/datasets/goods/shop/previous"),
    get("/v1/datasets/goods/shop/delta"),
    get("/v1/sync/types"),
    get("/v1/sync/stats"),
    get("/v1/sync/recent"),
    get("/v1/sync/conflicts"),
    get("/v1/sync/memos/records"),
    *(get(f"/v1/export/events?format={form}") for form in ("csv", "json", "ndjson")),
    get("/v1/export/aggregated?groupBy=source&format=csv&startTime=2025-12-01&endTime=2026-02-01"),
    get("/v1/export/history?endpoint=prices&fields=/of&format=csv"),
]
"""By equal names; the answer holds something of whoever asks."""

AMOUNTS = {"project": 2, "other": 5}
COUNTED = [
    ("GET", "/v1/projects/{project}/usage", None, lambda found: found["usage"]["snapshots"]),
    ("GET", "/v1/endpoints/prices/stats", None, lambda found: found["totals"]["snapshots"]),
    ("GET", "/v1/projects/{project}/timeline", None, lambda found: found["data"][0]["versions"] + 1),
    ("GET", "/v1/events/stats", None, lambda found: (found["waiting_events"] + found["sealed_events"]) // 2 - 2),
    ("GET", "/v1/events/analytics?eventType=seen&startTime=2025-12-01&endTime=2026-02-01", None,
        lambda found: found["data"][0]["count"]),
    ("POST", "/v1/query/retention", {"start": "seen", "range": SPAN}, lambda found: found["rows"][0]["size"]),
    ("POST", "/v1/query/persons", {"funnel": {"steps": ["seen", "bought"], "range": SPAN}, "part": {"step": 1}},
        lambda found: len(found["data"])),
]  # fmt: skip
"""Answers that name nothing, and where the number stands in them that AMOUNTS has."""

BY_ID = [
    get("/v1/projects/{project}"),
    get("/v1/projects/{project}/usage"),
    get("/v1/projects/{project}/usage/history"),
    get("/v1/projects/{project}/timeline"),
    get("/v1/projects/{project}/members"),
    get("/v1/projects/{project}/invitations"),
    Ask("POST", "/v1/projects/{project}/invitations", {"email": "bo@example.com"}),
    Ask("DELETE", "/v1/projects/{project}/invitations/{invitation}"),
    get("/v1/snapshots/{snapshot}"),
    get("/v1/snapshots/{snapshot}?include=place,delta&data=false"),
    get("/v1/snapshots?around={snapshot}"),
    get("/v1/snapshots/{snapshot}/data"),
    get("/v1/snapshots/{snapshot}/value?path=/of"),
    get("/v1/snapshots/{snapshot}/tree"),
    get("/v1/snapshots/{snapshot}/find?q=of"),
    get("/v1/snapshots/{snapshot}/records"),
    get("/v1/snapshots?endpoint_id={endpoint}"),
    get("/v1/snapshots/latest/{endpoint}"),
    get("/v1/deltas/{delta}"),
    get("/v1/deltas?endpoint_id={endpoint}"),
    get("/v1/deltas?since_snapshot={snapshot}"),
    Ask("POST", "/v1/deltas/compare", {"from_snapshot_id": "{snapshot}", "to_snapshot_id": "{delta}"}),
    get("/v1/endpoints/{endpoint}"),
    get("/v1/endpoints/{endpoint}/history?path=/of"),
    get("/v1/endpoints/{endpoint}/fields"),
    get("/v1/endpoints/{endpoint}/blame"),
    get("/v1/endpoints/{endpoint}/series?path=/of"),
    get("/v1/endpoints/{endpoint}/stats"),
    get("/v1/export/history?endpoint={endpoint}&fields=/of"),
    get("/v1/endpoints/{endpoint}/schema"),
    get("/v1/endpoints/{endpoint}/schema/changes"),
    Ask("POST", "/v1/export/features", {"labels": {"event_type": "seen"}, "features": OF_DOCUMENT}),
    get("/v1/endpoints/{endpoint}/schema/enforcement"),
    get("/v1/endpoints/{endpoint}/schema/kept-aside"),
    Ask("POST", "/v1/endpoints/{endpoint}/schema/kept-aside/accept", {}),
    Ask("DELETE", "/v1/endpoints/{endpoint}/schema/kept-aside"),
    Ask("PUT", "/v1/endpoints/{endpoint}/schema/enforcement", {"mode": "off"}),
    Ask("POST", "/v1/endpoints/{endpoint}/schema/try", {}),
    Ask("POST", "/v1/endpoints/{endpoint}/preview", {"retention": {"keep_last": 1}}),
    get("/v1/endpoints/{endpoint}/polls"),
    get("/v1/endpoints/{endpoint}/polls/summary"),
    Ask("POST", "/v1/endpoints/{endpoint}/poll"),
    get("/v1/endpoints/{endpoint}/timeline"),
    Ask("PUT", "/v1/endpoints/{endpoint}/inbound-webhook", {"transform": "data"}),
    get("/v1/endpoints/{endpoint}/inbound-webhook"),
    Ask("POST", "/v1/endpoints/{endpoint}/inbound-webhook/rotate", {"overlap": "1h"}),
    Ask("DELETE", "/v1/endpoints/{endpoint}/inbound-webhook"),
    Ask("POST", "/v1/feeds/{feed}/rotate", {"overlap": "1h"}),
    Ask("DELETE", "/v1/feeds/{feed}"),
    get("/v1/saved-queries/{query}"),
    Ask("PATCH", "/v1/saved-queries/{query}", {"name": "mine"}),
    Ask("DELETE", "/v1/saved-queries/{query}"),
    Ask("PATCH", "/v1/annotations/{annotation}", {"text": "mine"}),
    Ask("DELETE", "/v1/annotations/{annotation}"),
    get("/v1/boards/{board}"),
    Ask("PATCH", "/v1/boards/{board}", {"name": "mine"}),
    Ask("POST", "/v1/boards/{board}/shares", {}),
    get("/v1/boards/{board}/shares"),
    Ask("POST", "/v1/boards/{board}/shares/{share}/approve", {"digest": digest_of_all({})}),  # its query went
    Ask("DELETE", "/v1/boards/{board}/shares/{share}"),
    Ask("DELETE", "/v1/boards/{board}"),
    get("/v1/alerts/rules/{rule}"),
    get("/v1/alerts?rule={rule}"),
    Ask("PATCH", "/v1/alerts/rules/{rule}", {"value": 2}),
    Ask("POST", "/v1/alerts/try", {"rule": {**RULE, "endpoint": "{endpoint}"}}),
    Ask("DELETE", "/v1/alerts/rules/{rule}"),
    get("/v1/erasures/{erasure}"),
    get("/v1/datasets/goods/{mark}"),
    get("/v1/datasets/goods/{mark}/delta/summary"),
    get("/v1/datasets/goods/{mark}/jobs"),
    Ask("POST", "/v1/datasets/goods/{mark}/promote"),
    Ask("DELETE", "/v1/datasets/goods/{mark}"),
    get("/v1/sync/memos/records/{mark}"),
    get("/v1/sync/memos/records/{mark}/history"),
    Ask("POST", "/v1/sync/memos/records/{mark}/restore", {"version": 1}),
    Ask("POST", "/v1/sync/memos/records/{mark}/compare", {"from_version": 1, "to_version": 1}),
    Ask("POST", "/v1/sync/conflicts/{conflict}", {"take": "device", "server_version": 1}),
    Ask("PATCH", "/v1/devices/{device}", {"name": "mine"}),
    Ask("DELETE", "/v1/devices/{device}"),
    Ask("PATCH", "/v1/endpoints/{endpoint}", {"description": "mine"}),
    Ask("PATCH", "/v1/projects/{project}", {"description": "mine"}),
    Ask("DELETE", "/v1/snapshots/{snapshot}"),
    Ask("DELETE", "/v1/endpoints/{endpoint}"),
    Ask("POST", "/v1/auth/api-keys/{key}/rotate"),
    Ask("DELETE", "/v1/auth/api-keys/{key}"),
    Ask("DELETE", "/v1/projects/{project}"),
]
"""Not found by a stranger; what deletes comes last."""

CHANGED = [
    Ask("PATCH", "/v1/endpoints/prices", {"description": "changed"}),
    Ask("PUT", "/v1/events/retention", {"days": 3}),
    Ask("PUT", "/v1/visits/settings", {"fields": {"path": False}}),
    Ask("PATCH", "/v1/datasets/goods", {"guard_rows": 3}),
    Ask("DELETE", "/v1/datasets/goods/shop/current"),
    Ask("DELETE", "/v1/datasets/goods/shop/previous"),
    Ask("DELETE", "/v1/datasets/goods"),
    post("/v1/alias", previousId="ann", userId="zoe"),
    Ask("DELETE", "/v1/users/ann"),
    Ask("DELETE", "/v1/endpoints/prices"),
]
"""By equal names."""


class Tenants:
    """Two projects that have the like of everything."""

    def __init__(self, app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
        self.app = app
        self.ids: dict[str, dict[str, str]] = {}
        self._client = client
        self._keys = keys

    async def send(self, name: str, ask: Ask, *, status: int | None = None) -> httpx.Response:
        headers = bearer(getattr(self._keys, name))
        answer = await self._client.request(ask.method, ask.path, json=ask.body, headers=headers)
        assert answer.status_code == status if status else answer.is_success, f"{name}: {ask}: {answer.text}"
        return answer

    async def deliver(self, name: str, path: str, mark: str, again: bool = False) -> None:
        headers = bearer(getattr(self._keys, name)) | {"content-type": "application/x-ndjson"}
        answer = await self._client.put(f"{path}/current", content=f'["{mark}", {int(again)}]\n', headers=headers)
        assert answer.is_success, answer.text

    async def fill(self, name: str) -> None:
        mark, amount = f"mark-of-{name}", AMOUNTS[name]
        path = "/v1/snapshots?endpoint=prices&include=delta&captured_at=2026-01-01T00:00:0"
        stored = [
            (await self.send(name, post(f"{path}{n}Z", of=f"{mark}-{n}", **{mark: n}))).json() for n in range(amount)
        ]
        await self.send(name, post("/v1/endpoints", name=mark))
        polling = {"url": f"http://127.0.0.1:9/{mark}", "interval": "5m", "enabled": False}
        await self.send(name, Ask("PATCH", "/v1/endpoints/prices", {"polling": polling}))
        await self.send(name, Ask("PUT", "/v1/endpoints/prices/inbound-webhook", {"transform": "data"}))
        users = ["ann", *(f"user-{n}-of-{name}" for n in range(amount - 1))]
        seen = [{"eventType": kind, "userId": user, "source": mark} for user in users for kind in ("seen", "bought")]
        await self.send(name, Ask("POST", "/v1/events/batch", seen))
        calls: list[dict[str, Any]] = [
            {"type": "identify", "traits": {"of": mark}},
            {"type": "group", "groupId": "acme", "traits": {"of": mark}},
            {"type": "track", "event": "logged in", "anonymousId": f"anonymous-of-{name}"},
            {"type": "alias", "previousId": "anne"},
        ]
        await self.send(name, post("/v1/batch", batch=[{"userId": "ann", **call} for call in calls]))
        await profiles_tasks.read_events(self.app.services, {})  # as the loop does, should the test last a minute
        await self.send(name, Ask("PUT", "/v1/events/retention", {"types": {mark: 5}}))
        await self.send(name, Ask("PUT", "/v1/visits/settings", {"origins": [f"https://{mark}.example"]}))
        erasure = (await self.send(name, Ask("DELETE", f"/v1/users/nobody-of-{name}"))).json()["erasure"]
        key = (await self.send(name, post("/v1/auth/api-keys", scopes=["admin"]))).json()
        feed = (await self.send(name, post("/v1/feeds", endpoint_id="prices"))).json()["feed"]
        save = post("/v1/saved-queries", name=mark, kind="sql", spec={"sql": f"select '{mark}'"})
        query = (await self.send(name, save)).json()["saved_query"]
        annotation = (await self.send(name, post("/v1/annotations", text=mark))).json()["annotation"]
        tiles = [{"id": "a", "query_id": query["id"]}]
        board = (await self.send(name, post("/v1/boards", name=mark, tiles=tiles))).json()["board"]
        shared = (await self.send(name, post(f"/v1/boards/{board['id']}/shares"))).json()
        make_rule = Ask("POST", "/v1/alerts/rules", {"name": mark, "endpoint": "prices", **RULE})
        rule = (await self.send(name, make_rule)).json()["rule"]
        for client, again in (("shop", False), ("shop", True)):
            await self.deliver(name, f"/v1/datasets/goods/{client}", mark, again)
            if not again:
                await self.send(name, post(f"/v1/datasets/goods/{client}/promote"))
        await self.deliver(name, f"/v1/datasets/goods/{mark}", mark)
        await self.deliver(name, f"/v1/datasets/{mark}/shop", mark)
        note = {"change_id": "1", "record_id": mark, "operation": "insert", "data": mark}
        gone = [{**note, "change_id": "2", "record_id": f"{mark}-2"}]
        gone += [{"change_id": "3", "record_id": f"{mark}-2", "operation": "delete"}]
        await self.send(name, post("/v1/sync/memos/delta", device_id=mark, batch_id="1", changes=[note, *gone]))
        await self.send(name, Ask("PUT", "/v1/sync/types/memos", {"schema": {"title": mark}, "conflicts": "manual"}))
        other = [{**note, "change_id": "4", "operation": "update", "data": [mark]}]
        conflict = post("/v1/sync/memos/delta", device_id=mark, batch_id="2", mode="per_record", changes=other)
        [met] = (await self.send(name, conflict)).json()["results"]
        [device] = (await self.send(name, get("/v1/devices"))).json()["data"]
        invite = Ask(
            "POST", f"/v1/projects/{'mine' if name == 'project' else 'other'}/invitations", {"email": "ann@example.com"}
        )
        invitation = (await self.send(name, invite)).json()["invitation"]
        await self.erased(name, erasure["id"])
        await event_schemas_tasks.learn(self.app.services)
        [project] = (await self.send(name, get("/v1/projects"))).json()["data"]
        self.ids[name] = {
            "mark": mark,
            "anonymous": f"anonymous-of-{name}",
            "project": project["id"],
            "endpoint": stored[0]["snapshot"]["endpoint_id"],
            "snapshot": stored[0]["snapshot"]["id"],
            "delta": stored[-1]["delta"]["id"],
            "erasure": erasure["id"],
            "feed": feed["id"],
            "rule": rule["id"],
            "query": query["id"],
            "annotation": annotation["id"],
            "board": board["id"],
            "share": shared["share"]["id"],
            "key": key["api_key"]["id"],
            "device": device["id"],
            "conflict": met["conflict_id"],
            "invitation": invitation["id"],
        }

    async def erased(self, name: str, id: str) -> None:
        while (await self.send(name, get(f"/v1/erasures/{id}"))).json()["erasure"]["state"] != "done":
            await asyncio.sleep(0.01)

    async def shown(self, name: str) -> dict[str, Any]:
        """What each of SHOWN answers, without what differs from call to call."""
        return {f"{ask} {ask.body}": _lasting(await self.send(name, ask)) for ask in SHOWN}


def _lasting(answer: httpx.Response) -> str:
    if not answer.headers["content-type"].startswith("application/json"):
        return answer.text
    found = answer.json()
    if isinstance(found, dict):
        found.pop("meta", None)  # how long it took
    return re.sub(r'"last_used_at": [^,}]*', "", json.dumps(found))


def assert_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert {ask: text for ask, text in now.items() if text != before[ask]} == {}, before


@pytest.fixture
def tenants(app: Application, client: httpx.AsyncClient, keys: Keys) -> Tenants:
    return Tenants(app, client, keys)


def test_all_routes_are_tried() -> None:
    tried = {ask.route for ask in (*SHOWN, *BY_ID, *CHANGED)} | {Ask(*counted[:2]).route for counted in COUNTED}
    all_others = {route for route, access in GUARDS.items() if not access.public and access.scope != "ingest"}
    assert all_others - tried == ELSEWHERE


@pytest.mark.parametrize(("first", "second"), BOTH_WAYS)
async def test_each_sees_its_own(tenants: Tenants, first: str, second: str) -> None:
    for name in (first, second):
        await tenants.fill(name)
    for name, stranger in BOTH_WAYS:
        for asked, text in (await tenants.shown(name)).items():
            assert any(mark in text for mark in tenants.ids[name].values()), f"{asked}: {text}"
            assert not any(mark in text for mark in tenants.ids[stranger].values()), f"{asked}: {text}"
        for method, path, body, number in COUNTED:
            ask = Ask(method, path.format(**tenants.ids[name]), body)
            assert number((await tenants.send(name, ask)).json()) == AMOUNTS[name], str(ask)


async def test_a_stranger_finds_nothing_by_id(tenants: Tenants) -> None:
    for name in TENANTS:
        await tenants.fill(name)
    before = {name: await tenants.shown(name) for name in TENANTS}
    for owner, stranger in BOTH_WAYS:
        for ask in BY_ID:
            await tenants.send(stranger, ask.of(tenants.ids[owner]), status=404)
    for name in TENANTS:
        assert_same(before[name], await tenants.shown(name))
    for owner in TENANTS:
        for ask in BY_ID:
            await tenants.send(owner, ask.of(tenants.ids[owner]))


@pytest.mark.parametrize(("owner", "stranger"), BOTH_WAYS)
async def test_a_stranger_changes_nothing_by_name(tenants: Tenants, owner: str, stranger: str) -> None:
    for name in TENANTS:
        await tenants.fill(name)
    before = await tenants.shown(owner)
    for ask in CHANGED:
        answer = await tenants.send(stranger, ask)
        if answer.content and "erasure" in answer.json():
            await tenants.erased(stranger, answer.json()["erasure"]["id"])
    await tenants.send(stranger, Ask("DELETE", f"/v1/projects/{tenants.ids[stranger]['project']}"))
    await endpoints_tasks.remove_deleted(tenants.app.services)
    await projects_tasks.remove_deleted(tenants.app.services)
    assert_same(before, await tenants.shown(owner))


@pytest.mark.parametrize(("first", "second"), BOTH_WAYS)
async def test_a_stream_has_what_happens_in_its_project_alone(tenants: Tenants, first: str, second: str) -> None:
    svc = tenants.app.services
    numbers = {"project": 1, "other": 2}
    wanted = Wanted(WantedEvents(), WantedHappenings(frozenset(stream.HAPPENING_TOPICS)))
    streams = {
        name: stream.follow(svc, numbers[name], wanted, (0, 0), is_allowed=lambda: True) for name in (first, second)
    }
    for name in (first, second):
        await tenants.send(name, post("/v1/track", event="seen", userId="ann", properties={"of": f"event-of-{name}"}))
        for n in range(2):
            await tenants.send(name, post(f"/v1/snapshots?endpoint=snapshot-of-{name}&include=delta", n=n))
    for name, stranger in BOTH_WAYS:
        text = ""
        while not all(part in text for part in (f"event-of-{name}", f"snapshot-of-{name}", "delta.created")):
            text += (await anext(streams[name])).decode()
        assert f"-of-{stranger}" not in text
        await streams[name].aclose()
