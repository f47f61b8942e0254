"""Events in over HTTP: each protocol as its clients send it, what is refused, what counts once."""

import base64
import csv
import gzip
import io
import json
import threading
from typing import Any

import httpx
import msgspec
import pytest
import zstandard

from delta_server.app import Application
from delta_server.core.errors import Unavailable
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.features.events import service
from delta_server.storage.database import Tx
from tests.conftest import SHARED, Keys, bearer, shared
from tests.features.rows import Row, check
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys

pytestmark = SHARED

NOW = "2026-01-01T00:00:00.000Z"
EVENT = {"eventType": "signup", "userId": "u1", "messageId": "m1"}
ONE = {"success": True, "accepted": 1, "duplicates": 0, "rejected": []}
AGAIN = {"success": True, "accepted": 0, "duplicates": 1, "rejected": []}
SINGLE = ["track", "identify", "page", "screen", "group", "alias"]
JITSU = [f"/api/s/{at}{call}" for at in ("", "s2s/") for call in (*SINGLE, "batch")]
TAKING = ["/v1/events", "/v1/events/batch", "/v1/batch", "/beacon/v1/batch", "/v1/logs", *(f"/v1/{c}" for c in SINGLE)]


class Kept(msgspec.Struct):
    """A line of a hot block."""

    at: int = msgspec.field(name="t")
    received_at: int = msgspec.field(name="r")
    type: str = msgspec.field(name="e")
    source: str | None = msgspec.field(name="o", default=None)
    user_id: str | None = msgspec.field(name="u", default=None)
    anonymous_id: str | None = msgspec.field(name="n", default=None)
    priority: int | None = msgspec.field(name="p", default=None)
    status: str | None = msgspec.field(name="a", default=None)
    data_text: str = msgspec.field(name="j", default="null")
    metadata_text: str = msgspec.field(name="k", default="null")
    message_id: str | None = msgspec.field(name="i", default=None)
    original_at: int | None = msgspec.field(name="y", default=None)

    @property
    def data(self) -> Any:
        return msgspec.json.decode(self.data_text)

    @property
    def metadata(self) -> Any:
        return msgspec.json.decode(self.metadata_text)


OF_TEST = "project IN (SELECT id FROM project WHERE account = (SELECT max(account) FROM project))"
"""Whose account is the newest."""


async def stored(app: Application) -> list[Kept]:
    """Every event that is kept, of all projects of the test, oldest first."""
    projects = await app.services.db.read(
        lambda tx: tx.all(f"SELECT DISTINCT project FROM event_block WHERE {OF_TEST} ORDER BY project")
    )
    found: list[Kept] = []
    for (project,) in projects:
        _, blocks = await app.services.event_reader.read_blocks(project, 0, limit=1000)
        found += [msgspec.json.decode(line, type=Kept) for _, lines in blocks for line in lines.splitlines()]
    return found


def _blocks(tx: Tx) -> Any:
    """Of all projects."""
    return tx.all("SELECT project, id FROM event_block")


async def profiles(app: Application) -> dict[str, dict[str, Any]]:
    rows = await app.services.db.read(lambda tx: tx.all(f"SELECT kind, name, traits FROM profile WHERE {OF_TEST}"))
    return {f"{kind} {name}": json.loads(traits) for kind, name, traits in rows}


def post(title: str, path: str, status: int, **more: Any) -> Row:
    return Row(title, "POST", path, status, **more)


REFUSED = [
    *(post(f"no key at {path}", path, 401, key=None, body=EVENT, says="this needs a key") for path in TAKING),
    *(post(f"a revoked key at {path}", path, 401, key="revoked", body=EVENT) for path in TAKING),
    *(post(f"a key for reading at {path}", path, 403, key="read", body=EVENT) for path in TAKING),
    *(post(f"an account's key at {path}", path, 403, key="account", body=EVENT) for path in TAKING),
    *(post(f"nothing at {path}", path, 400, raw=b"", says="empty") for path in TAKING),
    *(post(f"no JSON at {path}", path, 400, raw=b"eventType=a", says="not valid JSON") for path in TAKING),
    *(post(f"half a body at {path}", path, 400, raw=b'{"a": ', says="ends too early") for path in TAKING),
    *(post(f"too much at {path}", path, 413, raw=b" " * 4_194_305, says="events.request_bytes") for path in TAKING),
    *(post(f"no key at {path}", path, 401, key=None, body=EVENT, says="this needs a key") for path in JITSU),
    Row("RudderStack's settings without a key", "GET", "/sourceConfig/?p=npm&v=3", 401, key=None),
    Row("RudderStack's settings with a reading key", "GET", "/sourceConfig", 403, key="read"),
    Row("reading the settings without a key", "GET", "/v1/projects/nobody/settings", 401, key=None),
    Row("reading the settings with a reading key", "GET", "/v1/projects/{read}/settings", 403, key=None),
    post("an event without a type", "/v1/events", 400, body={"userId": "u"}, field="eventType"),
    post("an id that is none", "/v1/events", 400, body={"eventType": "a", "userId": []}, field="userId"),
    post("no time", "/v1/events", 400, body={"eventType": "a", "timestamp": "soon"}, field="timestamp"),
    post("an event that is too large", "/v1/events", 413, body={"eventType": "a", "data": "x" * 32_768}, says="32 KiB"),
    post("an array for one event", "/v1/events", 400, body=[EVENT], says="must be a JSON object"),
    post("a deep event", "/v1/events", 400, raw=b'{"eventType":"a","data":' + b"[" * 200 + b"]" * 200 + b"}"),
    post("no batch", "/v1/events/batch", 400, body=EVENT, field="events"),
    post("too many", "/v1/events/batch", 413, raw=b"[" + b"{}," * 10_000 + b"{}]", says="split it"),
    post("a track call without its event", "/v1/track", 400, body={"userId": "u"}, field="event"),
    post("a large track call", "/v1/track", 413, body={"event": "a", "properties": {"a": "x" * 32_768}}),
    post("no batch of calls", "/v1/batch", 400, body={"events": []}, field="batch"),
    post("no logs", "/v1/logs", 400, body={"resourceLogs": 5}, says="ExportLogsServiceRequest"),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_store_nothing(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row
) -> None:
    row = msgspec.structs.replace(
        row, path=row.path.format(read=shared_keys.read), says=row.says.replace("32 KiB", "32768")
    )
    before = await shared_app.services.db.read(_blocks)
    await check(shared_client, shared_keys, row)
    assert await shared_app.services.db.read(_blocks) == before


CALL = {"type": "track", "event": "a", "userId": "u", "messageId": "m1", "eventType": "a", "groupId": "g"}
BATCH = {"batch": [CALL], "events": [CALL]}


@pytest.mark.parametrize(
    "query", ["?_=1", "?compression=gzip&ver=1&ver=2", "?%ff&writeKey=x&a[]=1", "?" + "a=1&" * 101]
)
async def test_whatever_stands_in_the_query_is_no_fault(
    app: Application, client: httpx.AsyncClient, keys: Keys, query: str
) -> None:
    headers = bearer(keys.ingest)
    for path in [*TAKING, *JITSU]:
        body = BATCH if "batch" in path else CALL
        assert (await client.post(path + query, json=body, headers=headers)).status_code == 200, path


@pytest.mark.parametrize(
    "path", ["/v1/import", "/v1/import/", "/v1/batch/", "/v1/b/", "/beacon/v1/batch/", "/api/s/batch"]
)
async def test_batches_come_to_many_addresses(
    app: Application, client: httpx.AsyncClient, keys: Keys, path: str
) -> None:
    assert (await client.post(path, json=BATCH, headers=bearer(keys.ingest))).json() == ONE
    assert [event.type for event in await stored(app)] == ["a"]


@pytest.mark.parametrize("at", ["s", "s2s", "s2s/"])
async def test_jitsus_client(app: Application, client: httpx.AsyncClient, keys: Keys, at: str) -> None:
    path = f"/api/s/{'' if at == 's' else 's2s/'}"
    for call in SINGLE:
        sent = {**CALL, "type": call, "messageId": call, "writeKey": "***", "sentAt": NOW, "timestamp": NOW}
        answer = await client.post(f"{path}{call}", json=sent, headers={"x-write-key": f"{keys.ingest}:secret"})
        assert answer.json() == ONE, call
    assert [event.type for event in await stored(app)] == ["a", *SINGLE[1:]]


@shared
async def test_rudderstacks_configuration(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    url = f"/sourceConfig/?p=npm&v=3.34.1&build=modern&writeKey={own_keys.ingest}&lockIntegrationsVersion=true"
    for headers in ({}, {"authorization": "Basic " + base64.b64encode(f"{own_keys.ingest}:".encode()).decode()}):
        answer = await shared_client.get(
            url if not headers else "/sourceConfig/", headers={**headers, "origin": "https://a.example"}
        )
        source = answer.json()["source"]
        assert (source["writeKey"], source["enabled"], source["destinations"]) == (own_keys.ingest, True, [])
        assert answer.headers["access-control-allow-origin"] == "*"
    told = await shared_client.options(
        url, headers={"origin": "https://a.example", "access-control-request-method": "GET"}
    )
    assert (told.status_code, told.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    allowed = told.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "sentat", "anonymousid"} < set(allowed)


@pytest.mark.parametrize(("path", "wanted"), [("/v1/logs", "5"), ("/v1/logs/", "5"), ("/v1/batch", "60")])
async def test_exporters_are_never_to_wait_long(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, path: str, wanted: str
) -> None:
    async def full(*_: Any, **_more: Any) -> None:
        raise Unavailable("the disk is full", retry_after_s=60)

    monkeypatch.setattr(service, "append_events", full)
    answer = await client.post(path, json=BATCH, headers=bearer(keys.ingest))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, wanted)


@pytest.mark.parametrize("path", TAKING)
@shared
async def test_errors_are_what_clients_read(shared_client: httpx.AsyncClient, path: str) -> None:
    """RudderStack's sends a 401 again unless it finds both."""
    problem = (await shared_client.post(path, json=EVENT)).json()
    assert problem["code"] == "UNAUTHORIZED"
    assert problem["message"]


async def test_an_event(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    answer = await client.post("/v1/events", json=EVENT, headers=bearer(keys.ingest))
    assert (answer.status_code, answer.json()) == (200, ONE)
    [event] = await stored(app)
    assert (event.type, event.user_id, event.message_id) == ("signup", "u1", "m1")


async def test_the_same_message_counts_once(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    assert await check(client, keys, post("", "/v1/events", 200, body=EVENT)) == ONE
    assert await check(client, keys, post("", "/v1/events", 200, body=EVENT)) == AGAIN
    assert await check(client, keys, post("", "/v1/events", 200, body=EVENT, key="other")) == ONE
    assert len(await stored(app)) == 2


async def test_an_idempotency_key_stands_in_for_a_message_id(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    headers = {**bearer(keys.project), "idempotency-key": "k1"}
    for wanted in (ONE, AGAIN):
        assert (await client.post("/v1/events", json={"eventType": "a"}, headers=headers)).json() == wanted
    assert (await client.post("/v1/events", json=EVENT, headers=headers)).json() == ONE
    assert [event.message_id for event in await stored(app)] == ["k1", "m1"]
    headers["idempotency-key"] = "k" * 201
    assert (await client.post("/v1/events", json={"eventType": "a"}, headers=headers)).status_code == 400


@pytest.mark.parametrize(("size", "on_the_loop"), [(500, True), (20_000, False)])
async def test_large_bodies_are_read_on_a_thread(app: Application, size: int, on_the_loop: bool) -> None:
    """20 KB of what is no event, 10,000 times refused, take 0.1 s."""
    threads = []

    def read(body: bytes, arrival: Arrival) -> Parsed:
        threads.append(threading.current_thread())
        return Parsed([], [], [])

    await service.append_events(app.services, 1, b"1" * size, read)
    assert (threads == [threading.current_thread()]) is on_the_loop


MANY = [{"eventType": "a", "messageId": "1"}, {"messageId": "2"}, {"eventType": "b", "messageId": "1"}]
LINES = b"\n".join(msgspec.json.encode(event) for event in MANY)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"events": MANY}).encode()),
        ("text/plain", json.dumps(MANY, indent=2).encode()),
        ("application/x-ndjson", LINES),
        ("application/x-www-form-urlencoded", LINES),
        ("", LINES + b"\n"),
    ],
)
async def test_a_batch_in_any_form(
    app: Application, client: httpx.AsyncClient, keys: Keys, kind: str, body: bytes
) -> None:
    for encoding, packed in (
        ("identity", body), ("gzip", gzip.compress(body)), ("zstd", zstandard.ZstdCompressor().compress(body)),
    ):  # fmt: skip
        headers = {**bearer(keys.ingest), "content-type": kind, "content-encoding": encoding}
        answer = await client.post("/v1/events/batch", content=packed, headers=headers)
        assert answer.status_code == 200, answer.text
        first = encoding == "identity"
        assert answer.json() == {
            "success": True,
            "accepted": 1 if first else 0,
            "duplicates": 1 if first else 2,
            "rejected": [
                {
                    "index": 1,
                    "messageId": "2",
                    "code": "VALIDATION_ERROR",
                    "message": "eventType is missing: say what happened, in up to 200 characters",
                }
            ],
        }
    assert [event.type for event in await stored(app)] == ["a"]


async def test_a_large_batch(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    events = [{"eventType": "a", "messageId": str(number), "data": {"text": "x" * 50}} for number in range(10_000)]
    answer = await check(client, keys, post("", "/v1/events/batch", 200, body={"events": events}))
    assert (answer["accepted"], answer["rejected"]) == (10_000, [])
    assert (await check(client, keys, post("", "/v1/events/batch", 200, body=events)))["duplicates"] == 10_000
    assert len(await stored(app)) == 10_000


async def test_ids_of_one_project_are_no_duplicates_of_anothers(client: httpx.AsyncClient, keys: Keys) -> None:
    """Not of the same ids, nor of others, which short ones were."""
    events = [{"eventType": "a", "messageId": f"{batch}-{number}"} for batch in range(30) for number in range(100)]
    for key in (keys.project, keys.other):
        answer = await client.post("/v1/events/batch", json=events, headers=bearer(key))
        assert (answer.json()["accepted"], answer.json()["duplicates"]) == (3000, 0)


@shared
async def test_an_empty_batch_is_fine(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for path, body in (("/v1/events/batch", []), ("/v1/batch", {"batch": []})):
        assert await check(shared_client, own_keys, post("", path, 200, body=body)) == {**ONE, "accepted": 0}


# Segment's calls, as clients were seen to send them

PYTHON = {
    "batch": [
        {
            "type": "track", "event": "Clicked", "userId": "u1", "anonymousId": None, "properties": {"x": 1},
            "timestamp": "2026-01-01T00:00:00.705+00:00", "messageId": "3389902f-1", "integrations": {},
            "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        }
    ],
    "sentAt": "2026-01-01T00:00:00.002881+00:00",
    "writeKey": "WK",
}  # fmt: skip
RUDDER_NODE = {
    "batch": [
        {
            "type": "identify", "userId": 17, "traits": {"plan": "pro"}, "channel": "server",
            "originalTimestamp": "2025-12-31T23:59:50.000Z", "sentAt": "2025-12-31T23:59:55.000Z",
            "messageId": "node-next-1763683200000-3389902f", "context": {"library": {"name": "rudder", "version": "3"}},
        }
    ],
    "sentAt": "2025-12-31T23:59:55.000Z",
}  # fmt: skip


async def test_segments_python_client(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    body = {**PYTHON, "writeKey": keys.ingest}
    basic = base64.b64encode(f"{keys.ingest}:".encode()).decode()
    for headers, wanted in (({"authorization": f"Basic {basic}"}, ONE), ({}, AGAIN)):
        answer = await client.post("/v1/batch", json=body, headers=headers)
        assert (answer.status_code, answer.json()) == (200, wanted)
    [event] = await stored(app)
    assert (event.type, event.user_id, event.anonymous_id, event.source) == ("Clicked", "u1", None, "analytics-python")
    assert event.data == {"x": 1}


async def test_rudderstacks_node_client(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """gzip, labelled as a form."""
    headers = {**bearer(keys.ingest), "content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"}
    answer = await client.post("/v1/batch", content=gzip.compress(json.dumps(RUDDER_NODE).encode()), headers=headers)
    assert (answer.status_code, answer.json()) == (200, ONE)
    [event] = await stored(app)
    assert (event.type, event.user_id, event.source) == ("identify", "17", "server")
    assert event.original_at == 1_767_225_590_000
    assert event.at - event.original_at == event.received_at - 1_767_225_595_000
    assert await profiles(app) == {"user 17": {"plan": "pro"}}


@pytest.mark.parametrize("call", SINGLE)
async def test_browsers_send_text(app: Application, client: httpx.AsyncClient, keys: Keys, call: str) -> None:
    body = {"type": call, "event": "e", "userId": "u", "writeKey": keys.ingest, "timestamp": NOW, "messageId": "1"}
    for path, wanted in ((f"/v1/{call[0]}", ONE), (f"/v1/{call}", AGAIN), (f"/api/v1/{call}", AGAIN)):
        answer = await client.post(path, content=json.dumps(body), headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.json()) == (200, wanted), answer.text
    assert [event.type for event in await stored(app)] == ["e" if call == "track" else call]


async def test_beacons_bring_their_key_in_the_query(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    body = json.dumps({"batch": [{"type": "page", "name": "Home", "anonymousId": "a"}]})
    for path in ("/beacon/v1/batch", "/v1/b"):
        answer = await client.post(f"{path}?writeKey={keys.ingest}", content=body)
        assert (answer.status_code, answer.json()) == (200, ONE)
    assert [(event.type, event.anonymous_id) for event in await stored(app)] == [("page", "a")] * 2


async def test_profiles_come_with_the_events(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    calls = [
        {"type": "identify", "userId": "u", "anonymousId": "a", "traits": {"name": "Ada"}, "messageId": "1"},
        {"type": "identify", "userId": "u", "traits": {"plan": "pro"}, "messageId": "2"},
        {"type": "group", "userId": "u", "groupId": "acme", "traits": {"seats": 3}},
        {"type": "identify", "userId": "u", "traits": {"name": "Eve"}, "messageId": "1"},
        {"type": "identify", "userId": [], "traits": {"name": "Eve"}},
        {"type": "alias", "userId": "u", "previousId": "old"},
    ]
    answer = await check(client, keys, post("", "/v1/batch", 200, body={"batch": calls}))
    assert (answer["accepted"], answer["duplicates"], len(answer["rejected"])) == (4, 1, 1)
    assert await profiles(app) == {"user u": {"name": "Ada", "plan": "pro"}, "group acme": {"seats": 3}}
    aliases = await app.services.db.read(
        lambda tx: tx.all(f"SELECT anonymous, name, person FROM person_link WHERE {OF_TEST} ORDER BY name, anonymous")
    )
    assert aliases == [(1, "a", "u"), (0, "old", "u"), (1, "old", "u")]


@shared
async def test_what_browsers_load_first(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    headers = {"host": "evil.example", "origin": "https://shop.example"}
    answer = await shared_client.get(f"/v1/projects/{own_keys.ingest}/settings", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["integrations"]["Segment.io"]["apiKey"] == own_keys.ingest
    assert "evil" not in answer.text


# CloudEvents

CLOUD = {
    "specversion": "1.0", "type": "com.example.order", "source": "/shop", "id": "A-1", "time": NOW,
    "subject": "orders/1", "datacontenttype": "application/json", "data": {"total": 5}, "userid": "u1",
}  # fmt: skip


async def test_cloud_events_in_three_modes(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """The same event each time, so it counts once."""
    auth = bearer(keys.ingest)
    binary = {f"ce-{name}": str(CLOUD[name]) for name in ("specversion", "type", "source", "id", "time", "subject")}
    answers = [
        await client.post(path, content=content, headers={**auth, **headers})
        for path in ("/v1/events", "/v1/events/batch")
        for content, headers in (
            (json.dumps(CLOUD), {"content-type": "Application/CloudEvents+JSON; charset=utf-8"}),
            (json.dumps([CLOUD]), {"content-type": "application/cloudevents-batch+json"}),
            (json.dumps(CLOUD["data"]), {**binary, "ce-userid": "u1", "content-type": "application/json"}),
        )
    ]
    assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
    assert [answer.json() for answer in answers] == [ONE, *[AGAIN] * 5]
    [event] = await stored(app)
    assert (event.type, event.source, event.message_id) == ("com.example.order", "/shop", "/shop A-1")
    assert (event.user_id, event.data) == ("u1", {"total": 5})
    assert event.metadata == {"subject": "orders/1"}


@shared
async def test_cloud_events_in_other_formats(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    headers = {**bearer(own_keys.ingest), "content-type": "application/cloudevents+protobuf"}
    assert (await shared_client.post("/v1/events", content=b"\x0a", headers=headers)).status_code == 415


# OpenTelemetry's logs

LOGS: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "my.library"},
                    "logRecords": [
                        {"timeUnixNano": "1767225600500000000", "severityNumber": 10, "severityText": "Information",
                         "body": {"stringValue": "hello"}, "eventName": "greeted",
                         "attributes": [{"key": "n", "value": {"intValue": 5}}], "unknown": {}},
                        {"severityNumber": 17, "body": {"stringValue": "failed"}},
                        {"timeUnixNano": "soon"},
                    ],
                }
            ],
        }
    ]
}  # fmt: skip


async def test_logs(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    answer = await check(client, keys, post("", "/v1/logs", 200, body=LOGS))
    assert answer["partialSuccess"]["rejectedLogRecords"] == "1"
    assert "timeUnixNano" in answer["partialSuccess"]["errorMessage"]
    first, second = await stored(app)
    assert (first.type, first.source, first.status, first.priority) == ("greeted", "shop", "Information", 20)
    assert first.data == {"body": "hello", "n": 5}
    assert (second.type, second.status, second.priority) == ("log", "error", 40)
    LOGS["resourceLogs"][0]["scopeLogs"][0]["logRecords"].pop()
    assert await check(client, keys, post("", "/v1/logs", 200, body=LOGS)) == {}


async def test_protobuf_logs(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """Sent again they count once; the answers are in protobuf too."""
    headers = {**bearer(keys.ingest), "content-type": "application/x-protobuf"}
    body = b"\x0a\x0a\x12\x08\x12\x06\x62\x04paid"  # a record with its event_name
    for content, more in ((body, {}), (body, {}), (gzip.compress(body), {"content-encoding": "gzip"})):
        answer = await client.post("/v1/logs", content=content, headers={**headers, **more})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "application/x-protobuf"
    assert [event.type for event in await stored(app)] == ["paid"]
    broken = await client.post("/v1/logs", content=b"\xff", headers=headers)
    assert (broken.status_code, broken.content[:2]) == (400, b"\x08\x03")
    refused = await client.post("/v1/logs", content=body, headers={"content-type": "application/x-protobuf"})
    assert (refused.status_code, refused.content[:2]) == (401, b"\x08\x10")


DAMAGED = (
    b'[{"eventType":"a","data":{"x":1.50}},{"eventType":"b","data":{"x":NaN}},'
    b'{"messageId":"m","eventType":"c",},{"eventType":"d"}]'
)
PACKED = {"identity": DAMAGED, "gzip": gzip.compress(DAMAGED), "zstd": zstandard.compress(DAMAGED)}


@pytest.mark.parametrize("encoding", PACKED)
async def test_one_that_cannot_be_read_costs_no_other(
    app: Application, client: httpx.AsyncClient, keys: Keys, encoding: str
) -> None:
    headers = {**bearer(keys.ingest), "content-encoding": encoding}
    answer = (await client.post("/v1/events/batch", content=PACKED[encoding], headers=headers)).json()
    assert [(one["index"], one["messageId"]) for one in answer["rejected"]] == [(2, "m")]
    assert [event.type for event in await stored(app)] == ["a", "b", "d"]


async def test_a_call_that_had_to_be_mended(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    body = rb'{"event":"cut","messageId":"m","properties":{"t":"hi \ud83d","n":NaN}}'
    answer = await client.post("/v1/track", content=body, headers=bearer(keys.ingest))
    assert answer.json() == ONE
    listed = (await client.get("/v1/events/raw", headers=bearer(keys.read))).json()["data"]
    assert [(event["data"], event["flags"]) for event in listed] == [({"t": "hi �", "n": None}, ["mended"])]


async def test_which_key_an_event_came_with_is_known(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """Of waiting events, of sealed ones, and of those that the stream brings; of another project's events too."""
    late = {"timestamp": "2025-12-31T23:00:00Z", "sentAt": "2025-12-31T23:30:00Z"}
    calls: list[tuple[str, str, Any]] = [
        ("/v1/events", keys.ingest, {"eventType": "native"}),
        ("/v1/track", keys.project, {"event": "segment", **late}),
        ("/v1/logs", keys.write, {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "log"}]}]}]}),
        ("/v1/events", keys.other, {"specversion": "1.0", "id": "1", "source": "s", "type": "cloud"}),
    ]
    for path, key, body in calls:
        kind = "application/cloudevents+json" if "specversion" in body else "application/json"
        sent = {**bearer(key), "content-type": kind}
        assert (await client.post(path, content=json.dumps(body), headers=sent)).status_code == 200
    wanted = {"native": keys.ingest, "segment": keys.project, "log": keys.write}
    wanted = {kind: key.split("_")[2] for kind, key in wanted.items()}

    async def listed(key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.get("/v1/events/raw", headers=bearer(key))).json()["data"]
        return found

    waiting = await listed(keys.read)
    assert {event["eventType"]: event["key"] for event in waiting} == wanted
    assert [event["flags"] for event in waiting if "flags" in event] == [["skewed"]]
    assert [event["key"] for event in await listed(keys.other)] == [keys.other.split("_")[2]]
    await app.services.event_maintenance.run_maintenance(seal=True)
    assert await listed(keys.read) == waiting
    await app.services.db.write(lambda tx: tx.run("UPDATE api_key SET public_id = 'gone' || id WHERE project = 2"))
    assert "gone" not in json.dumps(await listed(keys.read))


@shared
async def test_the_key_may_stand_in_a_body_that_is_damaged(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    body = b'{"batch":[{"type":"track","event":"a","properties":{"x":NaN}}],"writeKey":"%s"}' % own_keys.ingest.encode()
    assert (await shared_client.post("/v1/batch", content=body)).json() == ONE


NUMBERS = (
    '{"a":12345678901234567.89,"b":[1.10,1.0],"c":1E5,"d":-0,"e":1e-400,"f":1e400,'
    '"g":0.1234567890123456789012345678901234567890,'
    '"h":1234567890123456789012345678901234567890,"i":"1.10 \\" \\u00e9"}'
)


async def test_numbers_come_back_as_they_were_sent(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    """Waiting, sealed and merged; listed and exported."""
    body = f'{{"events":[{{"eventType":"a","data":{NUMBERS},"metadata":{NUMBERS},"timestamp":"{NOW}"}}]}}'
    await client.post("/v1/events/batch", content=body, headers=bearer(keys.ingest))
    for seal, compact in ((False, False), (True, False), (False, True)):
        await app.services.event_maintenance.run_maintenance(seal=seal, compact=compact)
        raw = (await client.get("/v1/events/raw", headers=bearer(keys.read))).text
        assert f'"data":{NUMBERS},"metadata":{NUMBERS}' in raw
        for kind in ("json", "ndjson"):
            file = await client.get(f"/v1/export/events?format={kind}", headers=bearer(keys.read))
            assert f'"data":{NUMBERS}' in file.text, kind
        table = await client.get("/v1/export/events?format=csv", headers=bearer(keys.read))
        assert NUMBERS in [row["data"] for row in csv.DictReader(io.StringIO(table.text))]


@shared
async def test_what_was_refused_is_counted_by_reason_and_key(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    large = {"type": "track", "event": "a", "properties": {"s": "x" * 40_000}}
    batch = {"batch": [large, large, {"type": "track"}, {"type": "track", "event": "a"}]}
    assert (await shared_client.post("/v1/batch", json=batch, headers=bearer(own_keys.ingest))).json()["accepted"] == 1
    assert (await shared_client.post("/v1/track", content=b"{", headers=bearer(own_keys.ingest))).status_code == 400
    assert (await shared_client.post("/v1/track", json={}, headers=bearer(own_keys.project))).status_code == 400
    shown = (await shared_client.get("/v1/events/stats", headers=bearer(own_keys.read))).json()["refused"]
    assert sorted((one["reason"], one["count"]) for one in shown) == [
        ("BAD_REQUEST", 1), ("PAYLOAD_TOO_LARGE", 2), ("VALIDATION_ERROR", 1), ("VALIDATION_ERROR", 1),
    ]  # fmt: skip
    assert len({one["key"] for one in shown}) == 2
    other = (await shared_client.get("/v1/events/stats", headers=bearer(own_keys.other))).json()
    assert other["refused"] == []
