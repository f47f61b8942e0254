"""What is true of every request, over the whole application."""

import asyncio
import gzip
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core import secrets
from delta_server.core.errors import Unavailable
from delta_server.http.edge import MAX_TARGET_BYTES, Edge
from delta_server.http.exchange import FREE_BYTES
from delta_server.http.inflight import MemoryBudget, Reservation
from delta_server.http.metrics import Metrics
from delta_server.http.server import ABORT
from tests.conftest import Keys, bearer, client_of, shared
from tests.storage.opened import FakeClock


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("abc-1.2:3_4", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("a b", False),
        ("<script>", False),
        ("\x1b[31m", False),
        ("", False),
    ],
)
@shared
async def test_request_ids(shared_client: httpx.AsyncClient, sent: str, kept: bool) -> None:
    answer = await shared_client.get("/nowhere", headers={"x-request-id": sent})
    assert (answer.headers["x-request-id"] == sent) == kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/endpoints", 200),
        ("/api/v1/endpoints", 200),
        ("/api/endpoints", 200),
        ("/v1/endpoints/", 200),
        ("/api/v2/endpoints", 404),
        ("/v1/api/endpoints", 404),
        ("/apiv1/endpoints", 404),
        ("/api/healthz", 404),
        ("/endpoints", 404),
    ],
)
@shared
async def test_the_other_names_of_v1(shared_client: httpx.AsyncClient, own_keys: Keys, path: str, status: int) -> None:
    assert (await shared_client.get(path, headers=bearer(own_keys.project))).status_code == status


@shared
async def test_a_path_without_a_route_is_logged_and_no_query(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    with capture_logs() as logs:
        await shared_client.get("/no/where?token=hunter2")
        await shared_client.get("/" + "x" * 5000)
        await shared_client.get("/v1/endpoints", headers=bearer(own_keys.project))
    nowhere, long, listed = logs
    assert (nowhere["route"], nowhere["path"]) == ("(none)", "/no/where")
    assert len(long["path"]) == 100
    assert "path" not in listed
    assert "hunter2" not in str(logs)


@shared
async def test_head_is_get_without_the_body(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for path in ("/healthz", "/v1/endpoints", "/docs/openapi.json"):
        got = await shared_client.get(path, headers={**bearer(own_keys.project), "accept-encoding": "identity"})
        head = await shared_client.head(path, headers={**bearer(own_keys.project), "accept-encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content)) == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    assert (await shared_client.head("/v1/endpoints")).status_code == 401
    assert (await shared_client.head("/nowhere")).status_code == 404


@shared
async def test_options_tells_what_a_405_allows(shared_client: httpx.AsyncClient) -> None:
    for path in ("/v1/snapshots", "/v1/projects/x", "/v1/deltas/compare", "/healthz", "/v1/endpoints/GET%20%2Fx"):
        told = await shared_client.options(path)
        assert (told.status_code, told.content) == (204, b"")
        assert told.headers["allow"] == (await shared_client.put(path)).headers["allow"]
    assert (await shared_client.options("/v1/snapshots")).headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_every_answer_has_the_safety_headers(sample_client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/docs", "/nowhere", "/v1/sample/stream", "/v1/sample/broken", "/v1/endpoints"):
        headers = (await sample_client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


@shared
async def test_methods_that_are_not_there(shared_client: httpx.AsyncClient) -> None:
    answer = await shared_client.put("/v1/endpoints")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.json()["code"] == "BAD_REQUEST"
    options = await shared_client.options("/v1/endpoints")
    assert (options.status_code, options.content) == (204, b"")


@shared
async def test_long_urls(shared_client: httpx.AsyncClient) -> None:
    answer = await shared_client.get("/v1/endpoints/" + "a" * MAX_TARGET_BYTES)
    assert (answer.status_code, answer.json()["code"]) == (414, "BAD_REQUEST")
    answer = await shared_client.get("/v1/endpoints?cursor=" + "a" * MAX_TARGET_BYTES)
    assert answer.status_code == 414


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("GET%20%2Fprices", "GET /prices"),
        ("50%25", "50%"),
        ("a%252Fb", "a%2Fb"),
        ("%F0%9F%90%8B", "\N{WHALE}"),
        ("a+b", "a+b"),
        ("..%2F..%2Fetc", "../../etc"),
        ("a%00b", "a\0b"),
    ],
)
async def test_names_in_paths(sample_client: httpx.AsyncClient, path: str, name: str) -> None:
    for _ in range(2):  # the router remembers paths
        answer = await sample_client.get(f"/v1/sample/named/{path}")
        assert answer.json()["name"] == name


@pytest.mark.parametrize(
    "query",
    [
        "page_size=2&kind=a&kind=b&words=%F0%9F%90%8B",
        "pageSize=2&kind=a&kind=b&words=\N{WHALE}",
    ],
)
async def test_query_parameters(sample_app: Application, sample_keys: Keys, query: str) -> None:
    answer = await _get_raw(sample_app, "/v1/sample/named/x", query.encode(), sample_keys.project)
    assert answer == b'{"name":"x","page_size":2,"kinds":["a","b"],"words":"\xf0\x9f\x90\x8b"}'


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("nope=1", "nope", "VALIDATION_ERROR"),
        ("page_size=1&page_size=2", "page_size", "VALIDATION_ERROR"),
        ("page_size=1&pageSize=2", "page_size", "VALIDATION_ERROR"),
        ("page_size=x", "page_size", "VALIDATION_ERROR"),
        ("page_size=", "page_size", "VALIDATION_ERROR"),
        ("page_size=" + "9" * 5000, "page_size", "VALIDATION_ERROR"),
        ("words=%FF", None, "BAD_REQUEST"),
        ("%FF=1", None, "BAD_REQUEST"),
        ("&".join(["kind=a"] * 101), None, "BAD_REQUEST"),
        ("words=%ED%A0%80", None, "BAD_REQUEST"),
    ],
)
async def test_query_parameters_that_are_refused(
    sample_client: httpx.AsyncClient, query: str, field: str | None, code: str
) -> None:
    answer = await sample_client.get(f"/v1/sample/named/x?{query}")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, code), problem
    assert [error["field"] for error in problem["errors"]] == ([field] if field else [])


async def test_the_access_log(sample_app: Application, sample_keys: Keys) -> None:
    async with client_of(sample_app) as client:
        with capture_logs() as logs:
            await client.get(
                "/v1/sample/named/%1b%5b31m%0d%0aname?words=secret",
                headers={
                    **bearer(sample_keys.project),
                    "x-forwarded-for": "6.6.6.6, 203.0.113.9",
                    "x-request-id": "r1",
                },
            )
    (line,) = [entry for entry in logs if entry["event"] == "request"]
    assert line.pop("ms") >= 0
    assert line.pop("bytes") > 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/v1/sample/named/{name}",
        "project": 1,
        "key_id": secrets.parse(sample_keys.project).public_id,
        "status": 200,
        "request_id": "r1",
        "client": "203.0.113.9",
    }


LOGGED = [
    # method, path, key, what the line tells beside the route, what it does not
    ("GET", "/v1/endpoints/none", "project", {"status": 404, "code": "NOT_FOUND", "endpoint": "none"}, ()),
    ("GET", "/v1/endpoints/a%2Fb", "project", {"code": "NOT_FOUND", "endpoint": "a/b"}, ()),
    ("POST", "/v1/snapshots?endpoint=a+b%21", "project", {"status": 415, "endpoint": "a b!"}, ()),
    ("GET", "/v1/deltas?endpointId=x&limit=0", "project", {"code": "VALIDATION_ERROR", "endpoint": "x"}, ()),
    ("GET", "/v1/deltas?path=/endpoint=x", "project", {"status": 200}, ("endpoint", "code")),
    ("GET", "/v1/deltas?endpoint=dk_proj_abc_def", "project", {"endpoint": "***"}, ()),
    ("GET", "/v1/deltas?endpoint=%FF%00" + "x" * 500, "project", {}, ()),
    ("GET", "/v1/projects", "account", {"status": 200}, ("project", "code")),
    ("GET", "/v1/deltas", "revoked", {"status": 401, "code": "UNAUTHORIZED"}, ("project", "key_id")),
    ("POST", "/v1/events", "project", {"status": 400, "code": "BAD_REQUEST", "project": 1}, ()),
    ("GET", "/nowhere", None, {"status": 404, "code": "NOT_FOUND", "path": "/nowhere"}, ("key_id",)),
    ("GET", "/healthz", None, {"status": 200}, ("code", "key_id", "endpoint")),
]


@pytest.mark.parametrize(("method", "path", "key", "told", "untold"), LOGGED, ids=[row[1][:40] for row in LOGGED])
async def test_the_access_log_says_who_and_why(
    client: httpx.AsyncClient, keys: Keys, method: str, path: str, key: str | None, told: Any, untold: Any
) -> None:
    headers = {} if key is None else bearer(getattr(keys, key))
    with capture_logs() as logs:
        await client.request(method, path, headers=headers)
    (line,) = [entry for entry in logs if entry["event"] == "request"]
    assert told.items() <= line.items()
    assert not line.keys() & set(untold)
    if key is not None and key != "revoked":
        assert line["key_id"] == secrets.parse(getattr(keys, key)).public_id
    assert len(line.get("endpoint", "")) <= 100


@shared
async def test_odd_methods_and_paths_make_no_new_series(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await shared_client.request("BREW", "/nowhere/1")
    await shared_client.get("/nowhere/2")
    text = (await shared_client.get("/metrics", headers=bearer(own_keys.account))).text
    assert 'delta_http_requests_total{method="OTHER",route="(none)",status="404"} 1.0' in text
    assert "nowhere" not in text
    assert "BREW" not in text


async def test_websockets_are_refused(app: Application) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await app({"type": "websocket", "path": "/v1/endpoints", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_a_body_that_never_ends_times_out(sample_app: Application, sample_keys: Keys, monkeypatch: Any) -> None:
    monkeypatch.setattr(asyncio, "timeout_at", lambda _: asyncio.timeout(0))

    async def receive() -> Any:
        await asyncio.Event().wait()

    messages = await _exchange(sample_app, "POST", "/v1/sample/document", sample_keys.project, receive)
    assert messages[0]["status"] == 408


async def test_a_client_that_goes_away(sample_app: Application, sample_keys: Keys) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    messages = await _exchange(sample_app, "POST", "/v1/sample/document", sample_keys.project, receive)
    assert messages[0]["status"] == 400


async def test_a_body_is_not_read_without_a_key(sample_app: Application) -> None:
    async def receive() -> Any:
        pytest.fail("the body was asked for")

    messages = await _exchange(sample_app, "POST", "/v1/sample/document", "dk_proj_no", receive)
    assert messages[0]["status"] == 401


async def _get_raw(app: Application, path: str, query: bytes, key: str) -> bytes:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    return b"".join(m["body"] for m in (await _exchange(app, "GET", path, key, receive, query))[1:])


async def _exchange(app: Application, method: str, path: str, key: str, receive: Any, query: bytes = b"") -> list[Any]:
    """The messages an ASGI server is sent; for what no HTTP client would send."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"d"), (b"content-type", b"application/json"), (b"authorization", b"Bearer " + key.encode())]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query}
    connection = {"client": ("192.0.2.1", 1), "root_path": "", "scheme": "http", "http_version": "1.1"}
    await app({**scope, **connection, "headers": headers}, receive, send)
    return sent


def piece(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"1" * size, "more_body": more}


async def test_bodies_in_flight_share_a_budget(sample_app: Application, sample_keys: Keys) -> None:
    """The first has brought all there is and hangs: the next is refused until the first has ended."""
    bodies = sample_app.edge.budgets.bodies
    bodies.limit_bytes = (8 << 20) - FREE_BYTES
    rest = asyncio.Event()
    brought: list[dict[str, Any]] = [piece(4 << 20), piece(4 << 20)]

    async def slowly() -> Any:
        if brought:
            return brought.pop()
        await rest.wait()
        return piece(0, more=False)

    async def one_byte() -> Any:
        return piece(1, more=False)

    async def more_than_is_free() -> Any:
        return piece(FREE_BYTES + 1, more=False)

    first = asyncio.create_task(_exchange(sample_app, "POST", "/v1/sample/document", sample_keys.project, slowly))
    while bodies.used_bytes < bodies.limit_bytes:
        await asyncio.sleep(0)
    small = await _exchange(sample_app, "POST", "/v1/sample/document", sample_keys.project, one_byte)
    assert small[0]["status"] == 201
    refused = await _exchange(sample_app, "POST", "/v1/sample/document", sample_keys.project, more_than_is_free)
    assert refused[0]["status"] == 503
    assert dict(refused[0]["headers"])[b"retry-after"] == b"2"
    assert bodies.used_bytes == bodies.limit_bytes
    rest.set()
    assert (await first)[0]["status"] == 201
    assert bodies.used_bytes == 0
    taken = await _exchange(sample_app, "POST", "/v1/sample/document", sample_keys.project, more_than_is_free)
    assert taken[0]["status"] == 201


async def test_encoded_bodies_count_as_what_they_decode_to(
    sample_app: Application, sample_client: httpx.AsyncClient
) -> None:
    bodies = sample_app.edge.budgets.bodies
    bodies.limit_bytes = 1 << 20
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    small, large = gzip.compress(b" " * 500_000 + b"1"), gzip.compress(b" " * (2 << 20) + b"1")
    assert (await sample_client.post("/v1/sample/document", content=small, headers=headers)).status_code == 201
    assert (await sample_client.post("/v1/sample/document", content=large, headers=headers)).status_code == 503
    assert bodies.used_bytes == 0


async def test_a_body_decoded_for_nobody_is_not_counted() -> None:
    bodies = MemoryBudget(100, owner_bytes=100)
    share = Reservation(bodies, "a")
    share.take(60)
    share.end()
    with pytest.raises(Unavailable):
        share.take(1)
    assert bodies.used_bytes == 0


def test_one_owner_leaves_some_of_a_budget_to_others() -> None:
    budget = MemoryBudget(100, owner_bytes=60)
    first, second, other = Reservation(budget, "a"), Reservation(budget, "a", free_bytes=10), Reservation(budget, "b")
    first.take(40)
    second.take(30)  # of which 10 are free
    with pytest.raises(Unavailable, match="your own"):
        second.take(1)
    other.take(40)
    with pytest.raises(Unavailable, match="request data"):
        other.take(1)
    second.give_back(25)
    other.take(15)
    for share in (first, second, other):
        share.end()
    assert (budget.used_bytes, dict(budget.of_owner)) == (0, {})


@pytest.mark.parametrize("begun", [False, True])
async def test_a_request_that_ends_with_the_server(config: Config, clock: FakeClock, begun: bool) -> None:
    """uvicorn cancels what is not answered in time."""
    waits = asyncio.Event()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        waits.set()
        await asyncio.Event().wait()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    edge = Edge(answer, config=config, clock=clock, metrics=Metrics())
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/healthz",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"d")],
        "state": {ABORT: lambda: sent.append("closed")},
    }
    asked = asyncio.create_task(edge(scope, receive, send))
    await waits.wait()
    asked.cancel()
    await asked
    if begun:
        assert sent[-1] == "closed"
    else:
        assert (sent[0]["status"], b'"the server is shutting down"' in sent[1]["body"]) == (503, True)
