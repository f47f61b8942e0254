"""What the systems that Delta stands in for promise their callers, row by row: each call as it is written there, under
all prefixes, with every form of credentials. Refusals first. Events have a file of their own."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.core import times
from tests.conftest import shared
from tests.http.requested import EVENT, NOBODY, OTHER_EVENT, PREFIXES, Made
from tests.storage.opened import FakeClock

# Whose project it is

CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/endpoints", None),
    ("POST", "/endpoints", {"name": "new"}),
    ("GET", "/endpoints/users", None),
    ("GET", "/projects", None),
    ("GET", "/auth/api-keys", None),
    ("POST", "/auth/api-keys", {"name": "new"}),
    ("GET", "/snapshots?endpoint_id=users", None),
    ("POST", "/snapshots", {"endpoint_id": "users", "data": {"n": 3}}),
    ("GET", "/snapshots/latest/users", None),
    ("GET", "/deltas?endpoint_id=users", None),
    ("POST", "/events", EVENT),
    ("POST", "/events/batch", [EVENT]),
    ("GET", "/events/raw", None),
    ("GET", "/events/aggregated", None),
    ("GET", "/events/analytics", None),
    ("GET", "/export/events", None),
    ("GET", "/export/aggregated", None),
    ("POST", "/query", {"metrics": ["count"]}),
    ("POST", "/track", {"event": "Signed Up", "userId": "u-1", "properties": {"plan": "pro"}}),
    ("POST", "/identify", {"userId": "u-1", "traits": {"plan": "pro"}}),
    ("GET", "/users", None),
]
CALL_IDS = [f"{method} {path}" for method, path, _ in CALLS]
NOT_MINE = ["<other>", "other", NOBODY, "nowhere", "", "mine,other", "Mine", "../mine"]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=CALL_IDS)
@shared
async def test_the_name_of_another_project_beside_a_key_is_refused(
    shared_made: Made, method: str, path: str, body: Any
) -> None:
    """In the same words, whether there is such a project or not."""
    made = shared_made
    said = set()
    for project in NOT_MINE:
        answer = await made.call(method, f"/v1{path}", body, x_api_key=made.keys.project, x_tenant_id=project)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), project
        said.add(answer.json()["message"])
    assert len(said) == 1


@shared
async def test_a_refused_call_changes_nothing(own_made: Made) -> None:
    made = own_made
    before = await everything(made)
    for method, path, body in CALLS:
        if method == "POST":
            await made.call(method, f"/v1{path}", body, x_api_key=made.keys.project, x_tenant_id="other")
    await made.call("POST", "/v1/endpoints", {"name": "new", "project_id": "<other>"}, x_api_key=made.keys.project)
    assert await everything(made) == before


async def everything(made: Made) -> list[Any]:
    lists = ["/v1/endpoints", "/v1/snapshots", "/v1/auth/api-keys", "/v1/events/raw", "/v1/users"]
    return [
        [
            row["id"] if "id" in row else row["messageId"]
            for row in (await made.call("GET", path, x_api_key=key)).json()["data"]
        ]
        for path in lists
        for key in (made.keys.project, made.keys.other)
    ]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=CALL_IDS)
@shared
async def test_a_key_comes_in_every_form(own_made: Made, method: str, path: str, body: Any) -> None:
    made = own_made
    project, account = made.keys.project, made.keys.account
    forms: list[dict[str, str]] = [
        {"authorization": f"Bearer {project}"},
        {"authorization": f"bearer {project}", "x_tenant_id": "<mine>"},
        {"x_api_key": project},
        {"x_api_key": project, "x_tenant_id": "<mine>"},
        {"x_api_key": project, "x_tenant_id": "mine"},
        {"x_api_key": account, "x_tenant_id": "mine"},
        {"authorization": f"Bearer {account}", "x_tenant_id": "<mine>"},
    ]
    for number, form in enumerate(forms):
        sent = {**body, "name": f"new {number}"} if isinstance(body, dict) and body.get("name") == "new" else body
        answer = await made.call(method, f"{PREFIXES[number % 3]}{path}", sent, **form)
        assert answer.is_success, (form, answer.text)


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=CALL_IDS)
@shared
async def test_an_account_key_says_which_project_is_meant(shared_made: Made, method: str, path: str, body: Any) -> None:
    made = shared_made
    if not path.startswith(("/projects", "/auth")):
        answer = await made.call(method, f"/v1{path}", body, x_api_key=made.keys.account)
        assert (answer.status_code, "project's key" in answer.json()["message"]) == (403, True)
    for project in (NOBODY, "nowhere", ""):
        answer = await made.call(method, f"/v1{path}", body, x_api_key=made.keys.account, x_tenant_id=project)
        assert answer.status_code == 403


@shared
async def test_what_an_account_key_does_in_a_project_stays_there(own_made: Made) -> None:
    made = own_made
    within = {"x_api_key": made.keys.account, "x_tenant_id": "other"}
    assert (await made.call("POST", "/v1/snapshots?endpoint=e", {"n": 1}, **within)).status_code == 201
    made_key = (await made.call("POST", "/v1/auth/api-keys", {"scopes": ["read"]}, **within)).json()
    assert (made_key["api_key"]["kind"], made_key["api_key"]["project"]) == ("project", "other")
    assert [row["name"] for row in (await made.call("GET", "/v1/endpoints", **within)).json()["data"]] == ["e", "users"]
    assert [row["name"] for row in (await made.call("GET", "/v1/projects", **within)).json()["data"]] == ["other"]
    assert (await made.call("GET", "/v1/endpoints/e", x_api_key=made.keys.project)).status_code == 404
    renamed = await made.call("PATCH", "/v1/projects/other", {"name": "others"}, **within)
    assert renamed.json()["project"]["name"] == "others"


@shared
async def test_names_in_headers_come_as_utf8_or_latin1(own_made: Made) -> None:
    made = own_made
    answer = await made.call("POST", "/v1/projects", {"name": "dépôt"}, x_api_key=made.keys.account)
    assert answer.status_code == 201
    for written in ("dépôt".encode(), "dépôt".encode("latin-1"), b" d\xc3\xa9p\xc3\xb4t "):
        headers = [(b"x-api-key", made.keys.account.encode()), (b"x-tenant-id", written)]
        assert (await made.client.get("/v1/endpoints", headers=headers)).status_code == 200


@shared
async def test_two_projects_in_one_request_must_be_the_same(own_made: Made) -> None:
    made = own_made
    account = {"x_api_key": made.keys.account, "x_tenant_id": "mine"}
    assert (await made.call("GET", "/v1/endpoints?project_id=<mine>", **account)).status_code == 200
    assert (await made.call("GET", "/v1/endpoints?project_id=other", **account)).status_code == 403
    headers = [("x-api-key", made.keys.account), ("x-tenant-id", "mine"), ("x-tenant-id", "other")]
    assert (await made.client.get("/v1/endpoints", headers=headers)).status_code == 403
    answer = await made.call("POST", "/v1/endpoints", {"name": "new", "project_id": "other"}, **account)
    assert answer.status_code == 403


@pytest.mark.parametrize("prefix", PREFIXES)
@shared
async def test_endpoints_of_a_project(own_made: Made, prefix: str) -> None:
    made = own_made
    path, key, account = f"{prefix}/endpoints", made.keys.project, made.keys.account
    for project in ("<other>", "other", NOBODY, "nowhere", ""):
        for name in ("project_id", "projectId"):
            refused = await made.call("POST", path, {name: project, "name": "new"}, x_api_key=key)
            assert refused.status_code == 403
            assert (await made.call("GET", f"{path}?{name}={project}", x_api_key=key)).status_code == 403
    for number, (project, sent) in enumerate([("<mine>", key), ("mine", key), ("<mine>", account), ("mine", account)]):
        body = {"project_id": project, "name": f"new {number}"}
        endpoint = (await made.call("POST", path, body, x_api_key=sent)).json()["endpoint"]
        assert endpoint["name"] == body["name"]
        listed = (await made.call("GET", f"{path}?project_id={project}", x_api_key=sent)).json()["data"]
        assert endpoint["id"] in [row["id"] for row in listed]
        one = f"{path}/{endpoint['id']}"
        assert (await made.call("GET", one, x_api_key=key)).json()["endpoint"] == endpoint
        assert (await made.call("DELETE", one, x_api_key=key)).status_code == 204
    answer = await made.call("POST", path, {"name": "new"}, x_api_key=account)
    assert (answer.status_code, "project_id" in answer.json()["message"]) == (403, True)
    assert (await made.call("POST", path, {"project_id": 7, "name": "new"}, x_api_key=key)).status_code == 400


# Errors

REFUSED: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("GET", "/endpoints", None, {}, 401),
    ("POST", "/track", {"event": "e", "userId": "u"}, {}, 401),
    ("POST", "/track", {"event": "e", "userId": "u"}, {"x_api_key": "<project>", "x_tenant_id": "other"}, 403),
    ("POST", "/track", {"userId": "u"}, {"x_api_key": "<project>"}, 400),
    ("GET", "/snapshots/<first_snapshot>?endpoint_id=<second>", None, {"x_api_key": "<project>"}, 404),
    ("GET", "/snapshots/<first_snapshot>?endpoint_id=second", None, {"x_api_key": "<project>"}, 404),
    ("GET", "/snapshots/<first_snapshot>?endpoint_id=<other_endpoint>", None, {"x_api_key": "<project>"}, 404),
    ("GET", f"/snapshots/<first_snapshot>?endpoint_id={NOBODY}", None, {"x_api_key": "<project>"}, 404),
    ("GET", "/snapshots/<first_snapshot>?endpoint_id=", None, {"x_api_key": "<project>"}, 404),
    ("GET", "/snapshots/<first_snapshot>?endpoint_id=users", None, {"x_api_key": "<other_key>"}, 404),
    ("GET", "/snapshots/<first_snapshot>/data?endpoint_id=second", None, {"x_api_key": "<project>"}, 404),
    ("DELETE", "/snapshots/<first_snapshot>?endpoint_id=second", None, {"x_api_key": "<project>"}, 404),
    ("GET", "/deltas/<last_snapshot>?endpoint_id=second", None, {"x_api_key": "<project>"}, 404),
    ("GET", "/nowhere", None, {"x_api_key": "<project>"}, 404),
    ("PUT", "/track", None, {"x_api_key": "<project>"}, 405),
    *(
        ("GET", f"{path}?interval={interval}", None, {"x_api_key": "<project>"}, 400)
        for path in ("/events/aggregated", "/events/analytics", "/export/events", "/export/aggregated")
        for interval in ("", "0h", "-1h", "soon", "1", "h", "1x", "1.5h", "99999999999d", "%00", "1h;drop")
    ),
    *(
        ("GET", f"/events/raw?{query}", None, {"x_api_key": "<project>"}, 400)
        for query in (
            *("startTime=soon", "endTime=2026-13-01", "startTime=2026-01-02&endTime=2026-01-01"),
            *("minPriority=urgent", "minPriority=101", "minPriority=-1", "minPriority="),
            *("page=0", "page=-1", "page=x", "pageSize=0", "pageSize=1001", "page=1000000", "page=1&page=2"),
        )
    ),
    *(
        ("GET", f"/events/analytics?{query}", None, {"x_api_key": "<project>"}, 400)
        for query in (
            *("metrics=median", "metrics=count,count", "metrics=", "metrics=count,", "metrics=p0_duration"),
            *("groupBy=colour", "groupBy=eventType,eventType", "interval=1h&groupBy=time:1h"),
            *("having=count", "having=count~5", "having=count>x", "having=unique_users>1", "having=>1"),
            *("orderBy=median", "orderBy=count:sideways", "orderBy=count&orderBy=-count"),
            *("page=0", "pageSize=0", "pageSize=10001", "page=99999999", "page=2&cursor=x", "fill=zero"),
        )
    ),
    ("GET", "/export/events?format=xml", None, {"x_api_key": "<project>"}, 400),
    ("GET", "/export/aggregated?format=", None, {"x_api_key": "<project>"}, 400),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), REFUSED, ids=lambda part: str(part)[:60])
@shared
async def test_refusals(
    shared_made: Made,
    shared_clock: FakeClock,
    method: str,
    path: str,
    body: Any,
    headers: Mapping[str, str],
    status: int,
) -> None:
    known = {"<project>": shared_made.keys.project, "<other_key>": shared_made.keys.other}
    sent = {name: known.get(value, value) for name, value in headers.items()}
    for prefix in PREFIXES:
        answer = await shared_made.call(method, prefix + path, body, x_request_id="r-17", **sent)
        problem = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
        assert problem["statusCode"] == problem["status"] == status
        assert problem["error"] == problem["title"] != ""
        assert problem["requestId"] == problem["request_id"] == answer.headers["x-request-id"] == "r-17"
        assert problem["timestamp"] == times.format(shared_clock.now_ms())


# What is answered

Check = Callable[[Any], bool]


def rows(count: int, **members: Any) -> Check:
    """`data` has `count` rows, the first of which has `members`."""
    return lambda found: len(found["data"]) == count and members.items() <= (found["data"] or [{}])[0].items()


def has(*names: str) -> Check:
    return lambda found: set(names) <= set(found)


ANSWERED: list[tuple[str, str, Any, Check]] = [
    ("GET", "/projects", None, rows(1, name="mine")),
    ("GET", "/projects?page=1&page_size=1", None, rows(1, name="mine")),
    ("GET", "/projects?page=2&pageSize=1", None, rows(0)),
    ("GET", "/projects/<mine>", None, lambda found: found["project"]["name"] == "mine"),
    ("GET", "/endpoints", None, rows(2, name="second")),
    ("GET", "/endpoints?project_id=<mine>", None, rows(2, name="second")),
    ("GET", "/endpoints?page=2&page_size=1", None, rows(1, name="users")),
    ("GET", "/endpoints?page=1&pageSize=1", None, lambda found: found["has_more"]),
    ("GET", "/endpoints/<endpoint>", None, lambda found: found["endpoint"]["name"] == "users"),
    ("POST", "/snapshots", {"endpoint_id": "<endpoint>", "data": {"n": 3}, "metadata": {"a": 1}},
     lambda found: found["snapshot"]["id"] and found["snapshot"]["metadata"] == {"a": 1}),
    ("POST", "/snapshots", {"endpointId": "users", "data": [], "metadata": {}}, has("snapshot")),
    ("POST", "/snapshots", {"endpoint": "users", "data": None}, has("snapshot")),
    ("POST", "/snapshots?endpoint_id=users", {"n": 3}, has("snapshot")),
    ("POST", "/snapshots/batch",
     {"snapshots": [{"endpoint": "users", "data": 1}, {"endpoint_id": "second", "data": 2}]},
     lambda found: [row["snapshot"]["endpoint"] for row in found["data"]] == ["users", "second"]),
    ("GET", "/snapshots?endpoint_id=<endpoint>&from=2026-01-01&to=2026-01-02&limit=1", None,
     rows(1, id="<last_snapshot>")),
    ("GET", "/snapshots?endpoint_id=users&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&limit=10", None, rows(2)),
    ("GET", "/snapshots?endpoint_id=users&from=2026-01-02", None, rows(0)),
    ("GET", "/snapshots/<last_snapshot>", None, lambda found: found["data"] == {"n": 2, "same": True}),
    ("GET", "/snapshots/<last_snapshot>?endpoint_id=<endpoint>", None, lambda found: found["data"]["n"] == 2),
    ("GET", "/snapshots/<last_snapshot>?endpoint_id=users", None, lambda found: found["data"]["n"] == 2),
    ("GET", "/snapshots/<last_snapshot>/data?endpoint=users", None, lambda found: found["n"] == 2),
    ("GET", "/snapshots/latest/<endpoint>", None, lambda found: found["snapshot"]["id"] == "<last_snapshot>"),
    ("GET", "/deltas?endpoint_id=<endpoint>", None,
     rows(1, changes_count=1, similarity_score=0.5, to_snapshot_id="<last_snapshot>")),
    ("GET", "/deltas/<last_snapshot>?endpoint_id=<endpoint>", None, has("diff", "changes_count")),
    ("POST", "/deltas/compare",
     {"endpoint_id": "<endpoint>", "from_snapshot_id": "<first_snapshot>", "to_snapshot_id": "<last_snapshot>"},
     lambda found: (found["changes_count"], found["similarity_score"], found["diff"])
     == (1, 0.5, [{"op": "replace", "path": "/n", "value": 2}])),
    ("GET", "/auth/api-keys", None, lambda found: "spare" in [row["name"] for row in found["data"]]),
    ("GET", "/auth/api-keys?page=1&pageSize=2", None, rows(2)),
    ("POST", "/auth/api-keys", {"name": "ci"}, lambda found: found["key"].startswith("dk_proj_")),
    ("POST", "/events", EVENT, lambda found: found["success"] and found["accepted"] == 1),
    ("POST", "/events", {"eventType": "bare"}, lambda found: found["success"] and found["accepted"] == 1),
    ("POST", "/events/batch", [EVENT, OTHER_EVENT], lambda found: found["success"] and found["accepted"] == 2),
    ("POST", "/events/batch", {"events": [EVENT]}, lambda found: found["success"] and found["accepted"] == 1),
    ("POST", "/track", {"event": "Signed Up", "userId": "u-1", "properties": {"plan": "pro"}}, has("success")),
    ("POST", "/identify", {"userId": "u-1", "traits": {"plan": "pro"}}, has("success")),
    ("POST", "/sync/notes/delta",
     {"device_id": "phone", "changes": [
         {"operation": "insert", "record_id": "n1", "encrypted_data": "aGk=", "checksum": sha256(b"hi").hexdigest(),
          "timestamp": "2026-01-01T00:00:00Z", "version": 1},
         {"operation": "update", "record_id": "n1", "encryptedData": "aG8=", "timestamp": "2026-01-01T00:00:01Z",
          "version": 2},
         {"operation": "delete", "record_id": "n2", "timestamp": "2026-01-01T00:00:00Z", "version": 7}]},
     lambda found: [result["status"] for result in found["results"]] == ["applied", "applied", "duplicate"]),
    ("GET", "/sync/notes/delta?since=2026-01-01T00:00:00Z&limit=10&offset=0", None,
     has("changes", "deleted", "has_more", "next_offset", "counts")),
    ("GET", "/sync/notes/delta?since=2126-01-01T00:00:00Z", None, lambda found: found["changes"] == []),
    ("GET", "/sync/notes/deleted?since=2026-01-01T00:00:00Z&limit=10&offset=0", None, has("deleted", "has_more")),
    ("GET", "/sync/status", None, has("version", "types")),
    ("GET", "/devices", None, rows(0)),
    ("GET", "/health", None, lambda found: found["status"] == "healthy" and "details" not in found),
]  # fmt: skip


READ = [row for row in ANSWERED if row[0] == "GET"]


@pytest.mark.parametrize(("method", "path", "body", "check"), READ, ids=[path for _, path, _, _ in READ])
@shared
async def test_what_is_read(shared_made: Made, method: str, path: str, body: Any, check: Check) -> None:
    for prefix in PREFIXES:
        await answers(shared_made, method, prefix + path, body, check)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("method", "path", "body", "check"), [row for row in ANSWERED if row not in READ])
@shared
async def test_what_is_answered(own_made: Made, prefix: str, method: str, path: str, body: Any, check: Check) -> None:
    await answers(own_made, method, prefix + path, body, check)


async def answers(made: Made, method: str, path: str, body: Any, check: Check) -> None:
    answer = await made.call(method, path, body, x_api_key=made.keys.project)
    assert answer.is_success, answer.text
    text = answer.text.replace(made.last_snapshot, "<last_snapshot>")
    assert check(msgspec.json.decode(text)), answer.text


@shared
async def test_things_that_are_deleted(own_made: Made) -> None:
    made = own_made
    for path in ("/api/auth/api-keys/<key>", "/v1/snapshots/<first_snapshot>?endpoint_id=users", "/v1/endpoints/users"):
        assert (await made.call("DELETE", path, x_api_key=made.keys.project)).status_code == 204
    new = (await made.call("POST", "/v1/projects", {"name": "new"}, x_api_key=made.keys.account)).json()["project"]
    for status in (204, 404):
        answer = await made.call("DELETE", f"/v1/projects/{new['id']}", x_api_key=made.keys.account)
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/v1/health", "/api/health", "/api/v1/health"])
async def test_health_needs_no_credentials(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok" if path == "/healthz" else "healthy")
    if path == "/healthz":
        assert (answer.json()["database"], answer.json()["server"]) == ("ok", "ok")
