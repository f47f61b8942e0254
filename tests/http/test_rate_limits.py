"""Limits of requests a minute: each class at its edge, whom a request counts for, and what never counts."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from delta_server.app import Application
from delta_server.config.sections import Config, RateLimits
from delta_server.core.events import otlp_protobuf
from tests.conftest import Keys, bearer, built, client_of, config_in, make_keys, shared_fixture, started
from tests.features.users.people import signed_in
from tests.storage.opened import FakeClock

LIMIT = 3
PEER, OTHER_PEER, PROXY = "203.0.113.9", "203.0.113.10", "10.0.0.1"
EVENT = {"event": "seen", "userId": "u1"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


def limited(config: Config) -> Config:
    return msgspec.structs.replace(
        config,
        rate_limits=RateLimits(
            LIMIT, visits_per_minute=LIMIT, query_per_minute=LIMIT, auth_per_minute=LIMIT, unauthorized_per_minute=LIMIT
        ),
        server=msgspec.structs.replace(config.server, trusted_proxies=("10.0.0.0/8",)),
    )


@shared_fixture
async def shared_app(
    tmp_path_factory: pytest.TempPathFactory, shared_clock: FakeClock, secrets_of_module: None
) -> AsyncIterator[Application]:
    async with started(built(limited(config_in(tmp_path_factory.mktemp("shared"))), shared_clock)) as application:
        yield application


@pytest.fixture
def clock(shared_clock: FakeClock) -> FakeClock:
    """Later than all before: nothing counts any more."""
    shared_clock.advance(600_000)
    return shared_clock


@pytest.fixture
def app(shared_app: Application, clock: FakeClock) -> Application:
    return shared_app


@pytest.fixture
def keys(own_keys: Keys) -> Keys:
    return own_keys


@shared_fixture
async def unlimited_app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    off = RateLimits(0, query_per_minute=0, auth_per_minute=0, unauthorized_per_minute=0)
    config = msgspec.structs.replace(config_in(tmp_path_factory.mktemp("unlimited")), rate_limits=off)
    async with started(built(config, FakeClock())) as application:
        yield application


@pytest_asyncio.fixture(loop_scope="module")
async def new_app(config: Config) -> AsyncIterator[Application]:
    async with started(built(limited(config), FakeClock())) as application:
        yield application


def at(app: Application, address: str = PEER, key: str | None = None) -> httpx.AsyncClient:
    """A client at that address, with that key."""
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://delta.test", headers=bearer(key) if key else {})


class Call(msgspec.Struct, frozen=True):
    """A route of a class, and what sends a request it takes."""

    title: str
    method: str
    path: str
    json: Any = None
    key: str | None = "project"

    def __str__(self) -> str:
        return self.title

    async def send(self, app: Application, keys: Keys, address: str = PEER) -> httpx.Response:
        async with at(app, address, self.key and getattr(keys, self.key)) as client:
            body = self.json(keys) if callable(self.json) else self.json
            return await client.request(self.method, self.path, json=body)


CALLS = [
    Call("ingest: track", "POST", "/v1/track", EVENT),
    Call("ingest: track under another name", "POST", "/api/v1/track", EVENT),
    Call("ingest: a batch with a public key", "POST", "/v1/batch", {"batch": [{"type": "track", **EVENT}]}, "ingest"),
    Call("visits: a page", "POST", "/v1/visits", {"url": "https://shop.example/"}),
    Call("visits: a pixel", "GET", "/v1/pixel?url=https://shop.example/"),
    Call("ingest: the key in the body", "POST", "/v1/track", lambda keys: {**EVENT, "writeKey": keys.ingest}, None),
    Call("ingest: a snapshot", "POST", "/v1/snapshots?endpoint=one", {"a": 1}, "write"),
    Call("query: a list", "GET", "/v1/endpoints", key="read"),
    Call("query: the head of a list", "HEAD", "/v1/endpoints", key="read"),
    Call("query: a question", "POST", "/v1/query", {"metrics": ["count"], "range": "7d"}, "read"),
    Call("query: an account's key", "GET", "/v1/projects", key="account"),
    Call("query: what the key may not", "DELETE", "/v1/endpoints/one", key="read"),
    Call("query: what is not there", "GET", "/v1/snapshots/01890a5d-ac96-774b-bcce-b302099a8057"),
    Call("query: what is not valid", "GET", "/v1/endpoints?limit=x"),
    Call("auth: the first owner", "POST", "/v1/setup", {"email": "a@example.com"}, None),
    Call("auth: a link", "POST", "/v1/auth/reset-password", {"token": "x", "new_password": "long enough it is"}, None),
]


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_a_class_at_its_edge(app: Application, keys: Keys, clock: FakeClock, call: Call) -> None:
    first = [await call.send(app, keys) for _ in range(LIMIT)]
    assert 429 not in [answer.status_code for answer in first]
    assert [_left(answer) for answer in first] == [("3", "2", "20"), ("3", "1", "40"), ("3", "0", "60")]

    refused = await call.send(app, keys)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "20"
    assert _left(refused) == ("3", "0", "60")
    if call.method != "HEAD":
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["code"], refused.json()["statusCode"]) == ("RATE_LIMIT", 429)

    clock.advance(19_999)
    assert (await call.send(app, keys)).status_code == 429
    clock.advance(1)
    assert (await call.send(app, keys)).status_code == first[0].status_code
    assert (await call.send(app, keys)).status_code == 429
    clock.advance(60_000)
    assert _left(await call.send(app, keys)) == ("3", "2", "20")


def _left(answer: httpx.Response) -> tuple[str, ...]:
    return tuple(answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset"))


async def spent(app: Application, keys: Keys, call: Call, address: str = PEER) -> None:
    """All of it is taken."""
    while (await call.send(app, keys, address)).status_code != 429:
        pass


TRACK, LIST = CALLS[0], CALLS[7]


@pytest.mark.parametrize(
    ("other", "address"),
    [
        (Call("another tenant", "GET", "/v1/endpoints", key="other"), PEER),
        (Call("another address", "GET", "/v1/endpoints", key="read"), OTHER_PEER),
        (Call("another key", "GET", "/v1/endpoints", key="write"), PEER),
        (Call("another class", "POST", "/v1/track", EVENT, "write"), PEER),
        (Call("nobody yet", "POST", "/v1/setup", {}, None), PEER),
    ],
    ids=str,
)
async def test_others_are_not_affected(app: Application, keys: Keys, other: Call, address: str) -> None:
    await spent(app, keys, LIST)
    assert (await other.send(app, keys, address)).status_code != 429
    assert (await LIST.send(app, keys)).status_code == 429


async def test_an_account_key_has_a_limit_in_each_project_that_it_names(app: Application, keys: Keys) -> None:
    async with at(app, key=keys.account) as client:
        for project, status in [*[("mine", 200)] * LIMIT, ("mine", 429), ("other", 200)]:
            answer = await client.get("/v1/endpoints", headers={"x-tenant-id": project})
            assert answer.status_code == status


async def test_people_are_told_apart_by_who_they_are_not_by_their_session(new_app: Application) -> None:
    async with client_of(new_app) as client:
        ada = await signed_in(new_app, client, "ada@example.com", "owner")
        again = (await client.post("/v1/auth/login", json=_login("ada@example.com"))).json()["access_token"]
        eve = await signed_in(new_app, client, "eve@example.com", "admin")
        sent = [await client.get("/v1/auth/me", headers=bearer(token)) for token in [ada, again, ada, again, eve]]
    assert [answer.status_code for answer in sent] == [200, 200, 200, 429, 200]


def _login(email: str) -> dict[str, str]:
    return {"email": email, "password": "correct horse battery"}


async def test_guesses_at_the_password_of_a_session_count_as_signing_in(new_app: Application) -> None:
    async with client_of(new_app) as client:
        headers = bearer(await signed_in(new_app, client, "ada@example.com", "owner"))
        change = {"current_password": "not this one at all", "new_password": "staple horse battery"}
        answers = [
            await client.post("/v1/auth/change-password", json=change, headers=headers) for _ in range(LIMIT + 1)
        ]
        assert [answer.status_code for answer in answers] == [400] * LIMIT + [429]
        assert (await client.get("/v1/auth/me", headers=headers)).status_code == 200


async def test_a_refused_request_changes_nothing_and_is_not_read(app: Application, keys: Keys) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("body")
        yield b'{"event": "late", "userId": "u1"}'

    await spent(app, keys, TRACK)
    async with at(app, key=keys.project) as client:
        answer = await client.post("/v1/track", content=body(), headers={"content-type": "application/json"})
        stored = (await client.get("/v1/events/raw")).json()["data"]
    assert answer.status_code == 429
    assert read == []
    assert [event["eventType"] for event in stored] == ["seen"] * LIMIT


SPOOFED: list[Callable[[int], dict[str, str]]] = [
    lambda n: {"x-forwarded-for": f"198.51.100.{n}"},
    lambda n: {"x-forwarded-for": f"198.51.100.{n}, 10.0.0.1"},
    lambda n: {"x-real-ip": f"198.51.100.{n}"},
    lambda n: {"forwarded": f"for=198.51.100.{n}"},
    lambda n: {"forwarded": f'for="[2001:db8:{n}::1]:4711"'},
    lambda n: {"cf-connecting-ip": f"198.51.100.{n}", "true-client-ip": f"198.51.100.{n}"},
    lambda n: {"x-client-ip": f"198.51.100.{n}", "x-cluster-client-ip": f"198.51.100.{n}"},
]


@pytest.mark.parametrize("headers", SPOOFED, ids=lambda make: next(iter(make(0))))
@pytest.mark.parametrize("key", ["read", None], ids=["a key", "no key"])
async def test_what_an_untrusted_peer_says_of_its_address_changes_nothing(
    app: Application, keys: Keys, headers: Callable[[int], dict[str, str]], key: str | None
) -> None:
    async with at(app, key=key and getattr(keys, key)) as client:
        answers = [await client.get("/v1/endpoints", headers=headers(n)) for n in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers[-2:]] == [200 if key else 401, 429]


@pytest.mark.parametrize(
    ("told", "counts_as_another"),
    [
        ("198.51.100.7", True),
        ("198.51.100.7, 203.0.113.9", False),
        ("198.51.100.7, 203.0.113.9, 10.0.0.2", False),
        ("198.51.100.7, nonsense", True),  # the proxy's own
        ("2001:db8::1", True),
    ],
)
async def test_a_trusted_proxy_is_believed(app: Application, keys: Keys, told: str, counts_as_another: bool) -> None:
    async with at(app, PROXY, keys.read) as client:
        for _ in range(LIMIT):
            await client.get("/v1/endpoints", headers={"x-forwarded-for": PEER})
        answer = await client.get("/v1/endpoints", headers={"x-forwarded-for": told})
    assert answer.status_code == (200 if counts_as_another else 429)


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("2001:db8:0:1::2", 429),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", 429),
        ("2001:db8:0:2::1", 200),
        ("203.0.113.9", 200),
    ],
)
async def test_ipv6_counts_by_the_network_of_a_customer(app: Application, keys: Keys, peer: str, status: int) -> None:
    await spent(app, keys, LIST, "2001:db8:0:1::1")
    assert (await LIST.send(app, keys, peer)).status_code == status


UNLIMITED = [
    Call("health for load balancers", "GET", "/healthz", key=None),
    Call("health", "GET", "/v1/health", key=None),
    Call("health with a key", "GET", "/v1/health", key="account"),
    Call("details", "GET", "/healthz/details", key="account"),
    Call("metrics", "GET", "/metrics", key="account"),
    Call("documentation", "GET", "/docs", key=None),
    Call("a file of it", "GET", "/docs/swagger-ui.css", key=None),
    Call("the description", "GET", "/docs/openapi.json", key=None),
    Call("what is allowed", "OPTIONS", "/v1/endpoints", key=None),
    Call("a browser's question", "OPTIONS", "/v1/track", key=None),
]


@pytest.mark.parametrize("call", UNLIMITED, ids=str)
async def test_what_is_never_limited(app: Application, shared_keys: Keys, call: Call) -> None:
    for _ in range(2 * LIMIT):
        answer = await call.send(app, shared_keys)
        assert answer.status_code in (200, 204)
        assert [name for name in answer.headers if name.startswith("x-ratelimit")] == []


WRONG = "dk_proj_9mXk2VbTq0a_" + "0" * 49
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.eyJzdWIi"
GUESSES = [
    ("no key", "GET", "/v1/endpoints", {}, None),
    ("garbage", "GET", "/v1/endpoints", {"x-api-key": "garbage"}, None),
    ("an unknown key", "GET", "/v1/endpoints", bearer(WRONG), None),
    ("another way to send it", "GET", "/v1/endpoints", {"x-api-key": WRONG}, None),
    ("an access token", "GET", "/v1/auth/me", bearer(TOKEN), None),
    ("one for events", "POST", "/v1/track", {"x-write-key": WRONG}, EVENT),
    ("one in the body", "POST", "/v1/track", {}, {**EVENT, "writeKey": WRONG}),
    ("one in the path", "GET", f"/v1/projects/{WRONG.replace('proj', 'write')}/settings", {}, None),
    ("one for metrics", "GET", "/metrics", bearer(WRONG), None),
    ("one for health", "GET", "/v1/health", bearer(WRONG), None),
]


@pytest.mark.parametrize("guess", GUESSES, ids=[title for title, *_ in GUESSES])
async def test_guesses_at_keys_count_for_their_address(
    app: Application, keys: Keys, clock: FakeClock, guess: tuple[str, str, str, dict[str, str], Any]
) -> None:
    _, method, path, headers, json = guess
    async with at(app) as client, at(app, OTHER_PEER) as other:
        answers = [await client.request(method, path, headers=headers, json=json) for _ in range(LIMIT + 1)]
        assert [answer.status_code for answer in answers] == [401] * LIMIT + [429]
        assert answers[-1].headers["retry-after"] == "20"
        assert "www-authenticate" not in answers[-1].headers
        assert (await client.get("/v1/endpoints", headers=bearer(WRONG))).status_code == 429, "whatever the route"
        assert (await other.request(method, path, headers=headers, json=json)).status_code == 401
        assert (await client.get("/v1/endpoints", headers=bearer(keys.read))).status_code == 200, "a good key is let in"
        assert (await client.get("/healthz")).status_code == 200
        clock.advance(20_000)
        assert (await client.request(method, path, headers=headers, json=json)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "headers", "json"),
    [
        ("GET", "/v1/endpoints", {"x-tenant-id": "other"}, None),
        ("GET", "/v1/endpoints?project_id=nowhere", {}, None),
        ("POST", "/v1/track", {"x-tenant-id": "other"}, EVENT),
    ],
)
async def test_guesses_at_projects_of_others_end_too(
    app: Application, keys: Keys, method: str, path: str, headers: dict[str, str], json: Any
) -> None:
    async with at(app, key=keys.project) as client:
        answers = [await client.request(method, path, headers=headers, json=json) for _ in range(LIMIT + 1)]
        assert [answer.status_code for answer in answers] == [403] * LIMIT + [429]
        assert (await client.get("/v1/endpoints")).status_code == 200


async def test_guesses_at_links_end_too(app: Application) -> None:
    async with at(app) as client, at(app, OTHER_PEER) as other:
        body = {"token": "0" * 48, "new_password": "long enough it is"}
        answers = [await client.post("/v1/auth/reset-password", json=body) for _ in range(LIMIT + 1)]
        assert [answer.status_code for answer in answers] == [403] * LIMIT + [429]
        assert (await other.post("/v1/auth/reset-password", json=body)).status_code == 403


async def test_guesses_at_refresh_tokens_end_too(app: Application) -> None:
    async with at(app) as client:
        answers = [await client.post("/v1/auth/refresh", json={"refresh_token": "dr_0"}) for _ in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [401] * LIMIT + [429]


async def test_exporters_of_opentelemetry_wait_five_seconds_at_most(app: Application, keys: Keys) -> None:
    await spent(app, keys, TRACK)
    kind = next(iter(otlp_protobuf.MEDIA_TYPES))
    async with at(app, key=keys.project) as client:
        answer = await client.post("/v1/logs", content=b"", headers={"content-type": kind})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert answer.headers["content-type"] == kind


async def test_pages_of_other_sites_can_read_that_they_are_refused(app: Application, keys: Keys) -> None:
    call = Call("", "POST", "/v1/track", EVENT, "ingest")
    await spent(app, keys, call)
    async with at(app, key=keys.ingest) as client:
        answer = await client.post("/v1/track", json=EVENT, headers={"origin": "https://shop.example"})
    assert answer.status_code == 429
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "X-RateLimit-Reset" in answer.headers["access-control-expose-headers"]


async def test_refused_requests_are_counted_by_limit(app: Application, keys: Keys, shared_keys: Keys) -> None:
    query = '{limit="query"}'

    async def counted() -> dict[str, float]:
        lines = (await client.get("/metrics")).text.splitlines()
        found = [line.removeprefix("delta_http_rate_limited_total").split() for line in lines]
        return {line[0]: float(line[1]) for line in found if line and line[0].startswith("{limit=")}

    async with at(app, key=shared_keys.account) as client:
        before = await counted()
        await spent(app, keys, LIST)
        after = await counted()
    assert {limit: after[limit] - before[limit] for limit in after} == dict.fromkeys(after, 0.0) | {query: 1.0}
    assert '{limit="ingest"}' in after


@pytest.mark.parametrize("call", [TRACK, LIST, *CALLS[-2:], Call("no key", "GET", "/v1/endpoints", key=None)], ids=str)
async def test_each_limit_can_be_switched_off(unlimited_app: Application, call: Call) -> None:
    keys = await make_keys(unlimited_app.services, FakeClock(), account=f"of {call}")
    answers = [await call.send(unlimited_app, keys) for _ in range(2 * LIMIT)]
    assert 429 not in [answer.status_code for answer in answers]
    assert "x-ratelimit-limit" not in answers[-1].headers
