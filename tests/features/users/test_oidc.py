"""Single sign-on against a real provider on a socket (identity_provider.py), and what it must not get away with."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import msgspec
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, RSAKey

from delta_server.app import Application
from delta_server.config.sections import Config, Egress
from delta_server.config.sign_in import Oidc
from delta_server.egress.client import Bounds
from delta_server.egress.client import Client as EgressClient
from delta_server.features.users import service as users
from delta_server.features.users.sso import provider
from tests.conftest import bearer, built, client_of, config_in, shared, shared_fixture, started
from tests.features.users.identity_provider import ADA, CLIENT, SECRET, IdentityProvider, free_port, running
from tests.features.users.people import PASSWORD, add, login, signed_in
from tests.features.users.test_cookies import ME, OURS, REFRESH
from tests.features.users.test_trusted_header import logins
from tests.storage.opened import FakeClock

LOGIN, CALLBACK, LINK = "/v1/auth/oidc/login", "/v1/auth/oidc/callback", "/v1/auth/oidc/link"
METHODS = "/v1/auth/methods"
PORT = free_port()
OWNER = "owner@example.com"
OPTIONS = Oidc(issuer=f"http://127.0.0.1:{PORT}", client_id=CLIENT, client_secret=SECRET, auto_create=True)


def with_oidc(config: Config, **options: Any) -> Config:
    return msgspec.structs.replace(
        config,
        auth=msgspec.structs.replace(config.auth, oidc=msgspec.structs.replace(OPTIONS, **options)),
        server=msgspec.structs.replace(config.server, public_url="http://delta.test"),
        egress=Egress(("127.0.0.0/8",)),
    )


@pytest.fixture
def options() -> dict[str, Any]:
    return {}


@pytest.fixture
def config(config: Config, options: dict[str, Any]) -> Config:
    return with_oidc(config, **options)


@pytest.fixture
async def idp(clock: FakeClock) -> AsyncIterator[IdentityProvider]:
    async with provider_at(clock) as found:
        yield found


@asynccontextmanager
async def provider_at(clock: FakeClock) -> AsyncIterator[IdentityProvider]:
    found = IdentityProvider(PORT, clock)
    found.redirect_uri = f"http://delta.test{CALLBACK}"
    async with running(found):
        yield found


@pytest.fixture
async def owner(app: Application) -> str:
    """Somebody is there: before that nobody signs in so."""
    await add(app, OWNER, "owner")
    return OWNER


@shared_fixture
async def refusing_app(
    tmp_path_factory: pytest.TempPathFactory, shared_clock: FakeClock, secrets_of_module: None
) -> AsyncIterator[Application]:
    """With an owner, for logins that are refused: one server for all of them."""
    async with started(built(with_oidc(config_in(tmp_path_factory.mktemp("oidc"))), shared_clock)) as application:
        await add(application, OWNER, "owner")
        yield application


@pytest_asyncio.fixture(loop_scope="module")
async def refused_idp(refusing_app: Application, shared_clock: FakeClock) -> AsyncIterator[IdentityProvider]:
    """Of which nothing is known, a minute after the last: an address may fail so often in each."""
    shared_clock.advance(60_000)
    fresh = provider.Provider(refusing_app.services, EgressClient(refusing_app.services.config.egress))
    refusing_app.services._states[provider.Provider] = fresh
    async with provider_at(shared_clock) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def refused_browser(refusing_app: Application) -> AsyncIterator["Browser"]:
    async with client_of(refusing_app) as client:
        yield Browser(client)


class Browser:
    """Goes to the provider and comes back with what that says; each of its steps may be changed in between."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.cookie = ""
        self.location = ""

    async def begin(self, **query: str) -> httpx.Response:
        answer = await self.client.get(LOGIN, params=query)
        if answer.status_code == 302:
            self.keep(answer, answer.headers["location"])
        return answer

    def keep(self, answer: httpx.Response, location: str) -> None:
        morsel = cookies(answer)["delta_oidc"]
        self.cookie, self.location = f"{morsel.key}={morsel.value}", location
        self.client.cookies.clear()

    async def at_provider(self) -> dict[str, str]:
        """What the provider sends the browser back with."""
        async with httpx.AsyncClient(verify=False) as direct:
            answer = await direct.get(self.location)
        assert answer.status_code == 302
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    async def back(self, query: dict[str, str]) -> httpx.Response:
        answer = await self.client.get(CALLBACK, params=query, headers=[(b"cookie", self.cookie.encode("latin-1"))])
        self.client.cookies.clear()
        return answer

    async def whole(self, **query: str) -> httpx.Response:
        answer = await self.begin(**query)
        assert answer.status_code == 302, answer.text
        return await self.back(await self.at_provider())


@pytest.fixture
def browser(client: httpx.AsyncClient) -> Browser:
    return Browser(client)


def cookies(answer: httpx.Response) -> dict[str, Morsel[str]]:
    found: dict[str, Morsel[str]] = {}
    for header in answer.headers.get_list("set-cookie"):
        found |= SimpleCookie(header)
    return found


async def who(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """Of a login that went well: the user, by the refresh token in the cookie."""
    assert answer.status_code == 302, answer.text
    morsel = cookies(answer)["delta_refresh"]
    tokens = await client.post(REFRESH, headers=OURS | {"cookie": f"{morsel.key}={morsel.value}"})
    client.cookies.clear()
    assert tokens.status_code == 200, tokens.text
    me = await client.get(ME, headers=bearer(tokens.json()["access_token"]))
    user: dict[str, Any] = me.json()["user"]
    return user


class TestWithoutAProvider:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return msgspec.structs.replace(config, auth=msgspec.structs.replace(config.auth, oidc=Oidc()))

    async def test_there_is_none(self, app: Application, client: httpx.AsyncClient) -> None:
        token = await signed_in(app, client, "ada@example.com")
        answers = [
            await client.get(LOGIN),
            await client.get(CALLBACK),
            await client.post(LINK, json={"password": PASSWORD}, headers=bearer(token)),
            await client.delete(LINK, headers=bearer(token)),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert (await client.get(METHODS)).json()["oidc"] is None


async def test_the_page_learns_of_it(client: httpx.AsyncClient) -> None:
    assert (await client.get(METHODS)).json()["oidc"] == {"name": "single sign-on", "login": LOGIN}


async def test_a_stranger_becomes_a_member_and_comes_back_as_the_same(
    app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str, clock: FakeClock
) -> None:
    answer = await browser.whole(next="/docs?a=b")
    assert answer.headers["location"] == "/docs?a=b"
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    first = await who(client, answer)
    assert (first["email"], first["role"], first["name"]) == ("ada@example.com", "member", "Ada")
    idp.person |= {"email": "ada.married@example.com"}
    second = await who(client, await browser.whole())
    assert (second["id"], second["email"]) == (first["id"], "ada@example.com"), "the subject is who it is"
    assert [entry["detail"] for entry in await logins(app, client, clock)] == [
        {"method": "oidc", "issuer": OPTIONS.issuer}
    ] * 2


async def test_browsers_are_told_of_failures_by_a_page(browser: Browser, idp: IdentityProvider, owner: str) -> None:
    await browser.begin()
    query = await browser.at_provider() | {"state": "<img src=x>"}
    for accept, kind in (("text/html,*/*;q=0.8", "text/html"), ("*/*", "application/problem+json")):
        browser.client.headers["accept"] = accept
        answer = await browser.back(query)
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cache-control"] == "no-store"
        assert "<img" not in answer.text
    browser.client.headers["accept"] = "text/html"
    page = await browser.client.get(CALLBACK)
    assert 'href="../../../signin"' in page.text
    assert page.headers["x-request-id"] in page.text
    assert "script" not in page.headers["content-security-policy"]
    assert (await browser.client.get(METHODS, params={"x": "1"})).headers["content-type"] != "text/html"


async def test_the_cookies(browser: Browser, idp: IdentityProvider, owner: str) -> None:
    begun = cookies(await browser.begin())["delta_oidc"]
    assert (begun["httponly"], begun["samesite"], begun["path"]) == (True, "lax", "/v1/auth/oidc")
    assert begun["max-age"] == "600"
    answer = await browser.back(await browser.at_provider())
    assert cookies(answer)["delta_oidc"]["max-age"] == "0"
    refresh = cookies(answer)["delta_refresh"]
    assert (refresh["httponly"], refresh["samesite"], refresh["path"]) == (True, "strict", "/v1/auth")


NEXT = [
    "//evil.example",
    "/\\evil.example",
    "https:evil.example",
    "https://evil.example/",
    "\\evil",
    "evil",
    "",
    "/\t/evil",
]
NEXT += [
    "/\n/evil",
    "javascript:alert(1)",
    " /x",
    "/x\r\nset-cookie: a=b",
    "/x\\y",
    "///evil",
    "/\u00e4",
    "http:/x",
    "?x",
]


async def test_nobody_is_sent_on_to_another_server(browser: Browser, idp: IdentityProvider, owner: str) -> None:
    assert {then: (await browser.whole(next=then)).headers["location"] for then in NEXT} == dict.fromkeys(NEXT, "/")


async def test_before_there_is_an_owner_nobody_is_signed_in(
    client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider
) -> None:
    answer = await browser.whole()
    assert (answer.status_code, "/v1/setup" in answer.json()["message"]) == (403, True)
    assert (await client.get("/v1/setup")).json() == {"needed": True}


# What comes back


async def test_another_browser_gets_nowhere(browser: Browser, idp: IdentityProvider, owner: str) -> None:
    """CSRF and fixation: what an attacker brought back is no login of who is made to send it."""
    await browser.begin()
    theirs = await browser.at_provider()
    await browser.begin()
    mine = await browser.at_provider()
    answers = [await browser.back(theirs)]
    good = browser.cookie
    for cookie in ("", "delta_oidc=", "delta_oidc=x", "delta_oidc=\xe4", good[:-4], good[:20] + "AAAA" + good[24:]):
        browser.cookie = cookie.encode("latin-1").decode("latin-1")
        answers.append(await browser.back(mine))
    assert [answer.status_code for answer in answers] == [403] * 7
    assert not any("delta_refresh" in cookies(answer) for answer in answers)
    assert "/token" not in idp.asked
    browser.cookie = good
    assert (await browser.back(mine)).status_code == 302


async def test_a_login_comes_back_once(browser: Browser, idp: IdentityProvider, owner: str) -> None:
    await browser.begin()
    query = await browser.at_provider()
    assert (await browser.back(query)).status_code == 302
    assert (await browser.back(query)).status_code == 403


async def test_a_login_that_takes_too_long(
    browser: Browser, idp: IdentityProvider, owner: str, clock: FakeClock
) -> None:
    await browser.begin()
    query = await browser.at_provider()
    clock.advance(601_000)
    assert (await browser.back(query)).status_code == 403


CHANGES: list[tuple[dict[str, str | None], int]] = [
    ({"state": None}, 403),
    ({"state": ""}, 403),
    ({"state": "x"}, 403),
    ({"code": None}, 400),
    ({"code": ""}, 400),
    ({"code": "another"}, 401),
    ({"code": "x" * 5000}, 400),
    ({"iss": "https://evil.example"}, 401),
    ({"error": "access_denied"}, 401),
    ({"error": "<script>alert(1)</script>"}, 401),
]


@pytest.mark.parametrize(("change", "status"), CHANGES)
@shared
async def test_what_is_brought_back_is_looked_at(
    refused_browser: Browser, refused_idp: IdentityProvider, change: dict[str, str | None], status: int
) -> None:
    await refused_browser.begin()
    query = {**await refused_browser.at_provider(), **change}
    answer = await refused_browser.back({name: value for name, value in query.items() if value is not None})
    assert answer.status_code == status, answer.text
    assert "<script" not in answer.text
    assert "delta_refresh" not in cookies(answer)


async def test_nothing_may_come_twice(client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider) -> None:
    await browser.begin()
    query = await browser.at_provider()
    doubled = urlencode([*query.items(), ("code", "other")])
    assert (await client.get(f"{CALLBACK}?{doubled}", headers={"cookie": browser.cookie})).status_code == 400


async def test_a_provider_that_names_itself_always_does(browser: Browser, idp: IdentityProvider, owner: str) -> None:
    idp.document = {"authorization_response_iss_parameter_supported": True}
    await browser.begin()
    query = await browser.at_provider()
    del query["iss"]
    assert (await browser.back(query)).status_code == 401


# What the provider says


def put(**changed: Any) -> Callable[[IdentityProvider], None]:
    return lambda idp: setattr(idp, "change", lambda claims: claims.update(changed))


def drop(name: str) -> Callable[[IdentityProvider], None]:
    return lambda idp: setattr(idp, "change", lambda claims: claims.pop(name))


def sign(how: Callable[[IdentityProvider], Callable[[dict[str, Any]], str]]) -> Callable[[IdentityProvider], None]:
    return lambda idp: setattr(idp, "sign", how(idp))


def by(key: Any) -> Callable[[IdentityProvider], None]:
    """Signed by a key that is not published."""
    return lambda idp: setattr(idp, "key", key)


def publish(*keys: Any) -> Callable[[IdentityProvider], None]:
    return lambda idp: setattr(idp, "published", list(keys))


NOW_S = FakeClock().now_ms() // 1000


@cache
def other_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "first"})


BAD_TOKENS: dict[str, Callable[[IdentityProvider], None]] = {
    "another issuer": put(iss="https://evil.example"),
    "an issuer that begins alike": put(iss=OPTIONS.issuer + "/"),
    "no issuer": drop("iss"),
    "another audience": put(aud="other"),
    "no audience": drop("aud"),
    "an empty audience": put(aud=[]),
    "other audiences": put(aud=["other", "more"]),
    "two audiences and no party": put(aud=[CLIENT, "other"]),
    "another party": put(aud=[CLIENT, "other"], azp="other"),
    "one audience and another party": put(azp="other"),
    "an audience of another type": put(aud={CLIENT: 1}),
    "another nonce": put(nonce="x"),
    "no nonce": drop("nonce"),
    "a nonce of another type": put(nonce=7),
    "expired": put(exp=NOW_S - 61),
    "no expiry": drop("exp"),
    "an expiry as text": put(exp="9999999999"),
    "an expiry past all numbers": put(exp=float("nan")),
    "made tomorrow": put(iat=NOW_S + 86_400),
    "not made at any time": drop("iat"),
    "valid tomorrow": put(nbf=NOW_S + 86_400),
    "another access token": put(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "no subject": drop("sub"),
    "an empty subject": put(sub=""),
    "a long subject": put(sub="x" * 256),
    "a subject as number": put(sub=7),
    "a subject with half a sign": put(sub="\ud800"),
    "unsigned": sign(lambda idp: idp.unsigned),
    "signed with the client's secret": sign(lambda idp: idp.with_secret(SECRET.encode())),
    "signed with the client's id": sign(lambda idp: idp.with_secret(CLIENT.encode())),
    "signed with the public key": sign(lambda idp: idp.with_secret(idp.key.as_pem(private=False))),
    "signed by another key of that name": lambda idp: by(other_key())(idp),
    "signed by a key of another name": lambda idp: by(RSAKey.generate_key(2048, {"kid": "second"}))(idp),
    "a key for encryption": lambda idp: publish(other_key().as_dict(private=False) | {"use": "enc"})(idp),
    "a key for another algorithm": lambda idp: publish(other_key().as_dict(private=False) | {"alg": "PS256"})(idp),
    "no keys": publish(),
    "two keys of that name": lambda idp: publish(*idp.published, other_key().as_dict(private=False))(idp),
    "a short key": lambda idp: idp.rotate(RSAKey.generate_key(1024, {"kid": "first", "use": "sig"})),
    "no token": sign(lambda _: lambda claims: ""),
    "no JWT": sign(lambda _: lambda claims: "abc"),
    "parts too many": sign(lambda idp: lambda claims: idp._signed(claims) + ".x"),
    "cut off": sign(lambda idp: lambda claims: idp._signed(claims)[:-10]),
    "past ASCII": sign(lambda idp: lambda claims: "\u00e4." + idp._signed(claims)),
    "far too long": sign(lambda idp: lambda claims: idp._signed(claims | {"more": "x" * 100_000})),
    "critical headers": sign(lambda idp: lambda claims: "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsieCJdfQ.e30.AAAA"),
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("name", BAD_TOKENS)
@shared
async def test_id_tokens_that_are_not_accepted(
    refusing_app: Application, refused_browser: Browser, refused_idp: IdentityProvider, name: str
) -> None:
    BAD_TOKENS[name](refused_idp)
    answer = await refused_browser.whole()
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED"), answer.text
    assert "delta_refresh" not in cookies(answer)
    assert await refusing_app.services.db.read(lambda tx: tx.all("SELECT email FROM user")) == [(OWNER,)]


GOOD_TOKENS: dict[str, Callable[[IdentityProvider], None]] = {
    "our audience in a list": put(aud=[CLIENT]),
    "two audiences and our party": put(aud=[CLIENT, "other"], azp=CLIENT),
    "a clock that is a minute behind": put(exp=NOW_S - 59, iat=NOW_S - 400),
    "a clock that is a minute ahead": put(iat=NOW_S + 59),
    "no hash of the access token": drop("at_hash"),
    "an elliptic curve": lambda idp: idp.rotate(ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})),
    "one key without a name": lambda idp: idp.rotate(RSAKey.generate_key(2048, {"use": "sig"})),
    "keys of kinds that nobody knows yet": lambda idp: publish({"kty": "AKP", "kid": "x"}, *idp.published)(idp),
}


@pytest.mark.parametrize("name", GOOD_TOKENS)
async def test_id_tokens_that_are(
    client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str, name: str
) -> None:
    GOOD_TOKENS[name](idp)
    assert (await who(client, await browser.whole()))["email"] == "ada@example.com"


async def test_keys_are_kept_and_fetched_again_for_a_new_one(
    client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str, clock: FakeClock
) -> None:
    for _ in range(3):
        assert (await browser.whole()).status_code == 302
    assert idp.asked.count("/jwks") == idp.asked.count("/.well-known/openid-configuration") == 1
    idp.rotate(RSAKey.generate_key(2048, {"kid": "second", "use": "sig"}))
    assert (await browser.whole()).status_code == 401, "wrong keys do not make us ask at each"
    clock.advance(30_000)
    assert (await browser.whole()).status_code == 302
    assert idp.asked.count("/jwks") == 2


async def test_while_the_provider_is_away_its_keys_stay(
    browser: Browser, idp: IdentityProvider, owner: str, clock: FakeClock
) -> None:
    assert (await browser.whole()).status_code == 302
    clock.advance(3_600_000)
    idp.instead = {"/jwks": (500, {}, b""), "/.well-known/openid-configuration": (500, {}, b"")}
    assert (await browser.whole()).status_code == 302


WELL_KNOWN = "/.well-known/openid-configuration"
AWAY = [
    (WELL_KNOWN, (500, {}, b"")),
    (WELL_KNOWN, (404, {}, b"")),
    (WELL_KNOWN, (200, {}, b"<html>")),
    (WELL_KNOWN, (200, {}, b"\xff")),
    (WELL_KNOWN, (200, {}, b"[" * 100_000)),
    (WELL_KNOWN, (200, {}, b"{}")),
    (WELL_KNOWN, (200, {}, b"x" * (2 << 20))),
    (WELL_KNOWN, (302, {"location": "http://169.254.169.254/"}, b"")),
    (WELL_KNOWN, (302, {"location": "http://10.0.0.1/"}, b"")),
    (WELL_KNOWN, (302, {"location": WELL_KNOWN}, b"")),
    ("/token", (500, {}, b"")),
    ("/token", (302, {"location": "http://169.254.169.254/"}, b"")),
    ("/token", (200, {}, b"{}")),
    ("/token", (200, {}, b"[]")),
    ("/token", (200, {"content-encoding": "gzip"}, b"xx")),
    ("/jwks", (200, {}, b'{"keys": 7}')),
    ("/jwks", (200, {}, b'{"keys": [7]}')),
    ("/jwks", (200, {}, b"y" * (2 << 20))),
]


@pytest.mark.parametrize(("path", "instead"), AWAY)
@shared
async def test_a_provider_that_does_not_answer_as_it_should(
    refused_browser: Browser, refused_idp: IdentityProvider, path: str, instead: Any
) -> None:
    refused_idp.instead = {path: instead}
    answer = await refused_browser.begin()
    if path != WELL_KNOWN:
        answer = await refused_browser.back(await refused_browser.at_provider())
    assert (answer.status_code, answer.json()["code"]) == (502, "EXTERNAL_SERVICE_ERROR"), answer.text
    assert "169.254" not in answer.text
    assert "delta_refresh" not in cookies(answer)


DOCUMENTS = [
    {"issuer": "https://evil.example"},
    {"issuer": OPTIONS.issuer + "/"},
    {"token_endpoint": "http://idp.example/token"},
    {"token_endpoint": "ftp://idp.example/token"},
    {"jwks_uri": "file:///etc/passwd"},
    {"userinfo_endpoint": "https://user@idp.example/"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"token_endpoint": 7},
]


@pytest.mark.parametrize("document", DOCUMENTS)
@shared
async def test_a_document_that_is_not_taken(
    refused_browser: Browser, refused_idp: IdentityProvider, document: dict[str, Any]
) -> None:
    refused_idp.document = document
    assert (await refused_browser.begin()).status_code == 502


async def test_who_did_not_answer_is_not_asked_by_each(
    browser: Browser, idp: IdentityProvider, clock: FakeClock
) -> None:
    idp.instead = {WELL_KNOWN: (500, {}, b"")}
    assert [(await browser.begin()).status_code for _ in range(3)] == [502] * 3
    assert idp.asked == [WELL_KNOWN]
    idp.instead = {}
    clock.advance(5_000)
    assert (await browser.begin()).status_code == 302


async def test_a_provider_in_a_network_that_is_not_opened(
    app: Application, browser: Browser, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = provider.Provider(app.services, EgressClient(Egress()))
    app.services.state(provider.Provider, lambda: closed)
    answer = await browser.begin()
    assert (answer.status_code, "blocked" in answer.json()["message"]) == (502, True)
    assert idp.asked == []


@pytest.mark.parametrize("path", [WELL_KNOWN, "/token", "/jwks"])
async def test_a_provider_that_takes_its_time(
    app: Application, browser: Browser, idp: IdentityProvider, owner: str, path: str
) -> None:
    impatient = provider.Provider(app.services, EgressClient(app.services.config.egress, Bounds(seconds=0.3)))
    app.services.state(provider.Provider, lambda: impatient)
    idp.instead = {path: 1.0}
    answer = await browser.begin()
    if path != WELL_KNOWN:
        answer = await browser.back(await browser.at_provider())
    assert (answer.status_code, "timeout" in answer.json()["message"]) == (502, True)


# Whom it signs in


@pytest.mark.parametrize("verified", [True, False, None])
async def test_an_address_never_leads_to_a_user_who_is_there(
    app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str, verified: Any
) -> None:
    await add(app, "ada@example.com", "owner")
    idp.person |= {"email_verified": verified}
    answer = await browser.whole()
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
        {"email_verified": 1},
        {"email": None},
        {"email": "ada"},
        {"email": ["ada@example.com"]},
        {"email": "ada@example.com, bo@example.com"},
        {"email": "ada\ud800@example.com"},
    ],
)
@shared
async def test_who_has_no_verified_address_is_not_made(
    refused_browser: Browser, refused_idp: IdentityProvider, claims: dict[str, Any]
) -> None:
    refused_idp.person |= claims
    answer = await refused_browser.whole()
    assert answer.status_code == 403, answer.text


ADDRESS = "ada@example.com"


@pytest.mark.parametrize(
    ("token", "userinfo", "status"),
    [
        ({"email_verified": True}, {"email": ADDRESS, "email_verified": False}, 403),
        ({"email_verified": True}, {"email": ADDRESS}, 403),
        ({"email": ADDRESS}, {"email_verified": True}, 403),
        ({"email": ADDRESS}, {"email": ADDRESS, "email_verified": True}, 302),
        ({"email": "bo@example.com"}, {"email": ADDRESS, "email_verified": True}, 302),
        ({"email_verified": False}, {"email": ADDRESS, "email_verified": True}, 302),
    ],
)
async def test_an_address_goes_with_what_is_said_of_it_at_the_same_place(
    client: httpx.AsyncClient,
    browser: Browser,
    idp: IdentityProvider,
    owner: str,
    token: dict[str, Any],
    userinfo: dict[str, Any],
    status: int,
) -> None:
    idp.person, idp.userinfo = {"sub": "ada-1", **token}, {"sub": "ada-1", **userinfo}
    answer = await browser.whole()
    assert answer.status_code == status, answer.text
    if status == 302:
        assert (await who(client, answer))["email"] == ADDRESS


async def test_odd_names_and_groups_count_as_none(
    client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
) -> None:
    idp.person |= {"name": "\x00" * 1000, "groups": {"a": 1}}
    assert (await who(client, await browser.whole()))["name"] == ""


async def test_a_disabled_user_is_not_let_in(
    app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str, clock: FakeClock
) -> None:
    assert (await browser.whole()).status_code == 302
    await app.services.db.write(lambda tx: users.disable(tx, users.named(tx, "ada@example.com")))
    assert (await browser.whole()).status_code == 401
    assert [entry["outcome"] for entry in await logins(app, client, clock)] == ["failed", "ok"]


async def test_a_deleted_user_is_a_stranger_again(
    app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
) -> None:
    first = await who(client, await browser.whole())
    await app.services.db.write(lambda tx: users.delete(tx, users.named(tx, "ada@example.com"), force=False))
    assert (await who(client, await browser.whole()))["id"] != first["id"]


class TestWithoutNewUsers:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"auto_create": False}

    async def test_strangers_are_not_let_in(
        self, app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, clock: FakeClock
    ) -> None:
        await add(app, "ada@example.com")
        assert (await browser.whole()).status_code == 403
        assert [entry["target"] for entry in await logins(app, client, clock)] == ["unknown user"]

    async def test_who_has_a_password_links_the_two(
        self, app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider
    ) -> None:
        token = await signed_in(app, client, "someone@else.example")
        await linked(client, browser, token)
        answer = await browser.whole()
        assert (await who(client, answer))["email"] == "someone@else.example"
        assert (await client.delete(LINK, headers=bearer(token))).status_code == 204
        assert (await browser.whole()).status_code == 403

    async def test_linking_wants_the_password_and_the_session(
        self, app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider
    ) -> None:
        token = await signed_in(app, client, "someone@else.example")
        wrong = await client.post(LINK, json={"password": "wrong"}, headers=bearer(token))
        assert wrong.status_code == 400
        answer = await client.post(LINK, json={"password": PASSWORD, "next": "//evil"}, headers=bearer(token))
        browser.keep(answer, answer.json()["location"])
        await client.post("/v1/auth/logout", headers=bearer(token))
        assert (await browser.back(await browser.at_provider())).status_code == 401
        assert (await browser.whole()).status_code == 403

    async def test_nobody_is_two_users(
        self, app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider
    ) -> None:
        await linked(client, browser, await signed_in(app, client, "someone@else.example"))
        other = await signed_in(app, client, "other@else.example")
        answer = await client.post(LINK, json={"password": PASSWORD}, headers=bearer(other))
        browser.keep(answer, answer.json()["location"])
        assert (await browser.back(await browser.at_provider())).status_code == 409
        assert (await who(client, await browser.whole()))["email"] == "someone@else.example"


async def linked(client: httpx.AsyncClient, browser: Browser, token: str) -> None:
    answer = await client.post(LINK, json={"password": PASSWORD, "next": "/docs"}, headers=bearer(token))
    browser.keep(answer, answer.json()["location"])
    answer = await browser.back(await browser.at_provider())
    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")
    assert "delta_refresh" not in cookies(answer)


async def test_who_has_no_password_keeps_the_link(
    client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
) -> None:
    morsel = cookies(await browser.whole())["delta_refresh"]
    tokens = await client.post(REFRESH, headers=OURS | {"cookie": f"{morsel.key}={morsel.value}"})
    answer = await client.delete(LINK, headers=bearer(tokens.json()["access_token"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


async def test_the_second_factor_is_the_providers(
    app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider
) -> None:
    token = await signed_in(app, client, "someone@else.example")
    await linked(client, browser, token)
    secret = (await client.post("/v1/auth/totp", json={"password": PASSWORD}, headers=bearer(token))).json()["secret"]
    assert secret
    assert (await who(client, await browser.whole()))["email"] == "someone@else.example"


class TestDomains:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"allowed_domains": ("Example.com", "@other.example")}

    async def test_who_may_sign_in(self, browser: Browser, idp: IdentityProvider, owner: str) -> None:
        """Each a person of its own, whom the server has never seen."""
        for number, (email, verified, status) in enumerate(
            [
                ("ada@example.com", True, 302),
                ("bo@EXAMPLE.COM", True, 302),
                ("ada@other.example", True, 302),
                ("eve@example.com", False, 403),
                ("ada@sub.example.com", True, 403),
                ("ada@example.com.evil.example", True, 403),
                ("ada@evilexample.com", True, 403),
                ("example.com@evil.example", True, 403),
            ]
        ):
            idp.person |= {"sub": f"person {number}", "email": email, "email_verified": verified}
            assert (await browser.whole()).status_code == status, email

    async def test_it_counts_at_each_login(self, browser: Browser, idp: IdentityProvider, owner: str) -> None:
        assert (await browser.whole()).status_code == 302
        idp.person |= {"email": "ada@elsewhere.example"}
        assert (await browser.whole()).status_code == 403


class TestGroups:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"owner_groups": ("owners",), "admin_groups": ("/delta/admins",), "member_groups": ("staff", "guests")}

    async def test_they_give_the_role(
        self, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
    ) -> None:
        """Each a person of its own, whom the server has never seen."""
        given: list[tuple[Any, str | None]] = [
            (["staff"], "member"),
            ("guests", "member"),
            (["staff", "/delta/admins"], "admin"),
            (["owners", "/delta/admins", "staff"], "owner"),
            ([], None),
            (None, None),
            (["STAFF"], None),
            (["other"], None),
            ("staff,owners", None),
            ([["staff"], {"staff": 1}, 7], None),
        ]
        for number, (groups, role) in enumerate(given):
            idp.person |= {"sub": f"person {number}", "email": f"person{number}@example.com", "groups": groups}
            answer = await browser.whole()
            if role is None:
                assert answer.status_code == 403, groups
            else:
                assert (await who(client, answer))["role"] == role, groups

    async def test_they_give_it_at_each_login(
        self, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
    ) -> None:
        for groups, role in ((["/delta/admins"], "admin"), (["staff"], "member"), (["owners"], "owner")):
            idp.person |= {"groups": groups}
            assert (await who(client, await browser.whole()))["role"] == role
        idp.person |= {"groups": []}
        assert (await browser.whole()).status_code == 403

    async def test_the_last_owner_stays_one(
        self, app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
    ) -> None:
        idp.person |= {"groups": ["owners"]}
        assert (await browser.whole()).status_code == 302
        await app.services.db.write(lambda tx: users.disable(tx, users.named(tx, owner)))
        idp.person |= {"groups": ["staff"]}
        assert (await who(client, await browser.whole()))["role"] == "owner"

    async def test_they_may_stand_at_the_userinfo_endpoint(
        self, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
    ) -> None:
        """As with Authelia, which says the address there too."""
        idp.userinfo = {**ADA, "groups": ["/delta/admins"]}
        idp.person = {"sub": ADA["sub"]}
        assert (await who(client, await browser.whole()))["role"] == "admin"

    async def test_what_the_userinfo_endpoint_says_of_somebody_else(
        self, browser: Browser, idp: IdentityProvider, owner: str
    ) -> None:
        idp.userinfo = {"sub": "bo-1", "groups": ["owners"]}
        assert (await browser.whole()).status_code == 401


class TestNestedGroups:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"groups_claim": "realm_access.roles", "admin_groups": ("delta-admin",)}

    @pytest.mark.parametrize(
        ("claims", "role"),
        [
            ({"realm_access": {"roles": ["delta-admin"]}}, "admin"),
            ({"realm_access.roles": ["delta-admin"]}, "admin"),
            ({"realm_access": ["delta-admin"]}, "member"),
            ({}, "member"),
        ],
    )
    async def test_a_claim_within_claims(
        self,
        client: httpx.AsyncClient,
        browser: Browser,
        idp: IdentityProvider,
        owner: str,
        claims: dict[str, Any],
        role: str,
    ) -> None:
        idp.person |= claims
        assert (await who(client, await browser.whole()))["role"] == role


class TestOwnersWhomNoGroupMakes:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"admin_groups": ("admins",)}

    async def test_they_stay_owners(
        self, app: Application, client: httpx.AsyncClient, browser: Browser, idp: IdentityProvider, owner: str
    ) -> None:
        await linked(client, browser, (await login(client, owner))["access_token"])
        await add(app, "second@example.com", "owner")
        assert (await who(client, await browser.whole()))["role"] == "owner"


class TestProvidersThatDoNotSay:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"trust_email": True}

    @pytest.mark.parametrize(("said", "status"), [({}, 302), ({"email_verified": False}, 403)])
    async def test_their_addresses_may_be_trusted(
        self, browser: Browser, idp: IdentityProvider, owner: str, said: dict[str, Any], status: int
    ) -> None:
        idp.person = {"sub": "ada-1", "email": "ada@example.com"} | said
        assert (await browser.whole()).status_code == status
