"""The refresh token in a cookie: what browsers keep, what they send along, and for whom."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from delta_server.app import Application
from delta_server.config.sections import Config
from tests.conftest import bearer, shared, shared_fixture
from tests.features.users.people import PASSWORD, add, login
from tests.storage.opened import FakeClock

OURS = {"origin": "http://delta.test", "sec-fetch-site": "same-origin"}
JSON = {"content-type": "application/json"}
LOGIN = {"email": "ada@example.com", "password": PASSWORD, "cookie": True}
ME, REFRESH, LOGOUT = "/v1/auth/me", "/v1/auth/refresh", "/v1/auth/logout"


@pytest.fixture
async def cookie(app: Application, client: httpx.AsyncClient) -> str:
    """Of somebody who signed in; the client itself keeps none."""
    await add(app, "ada@example.com")
    return sent_back(set_by(await signed_in(client)))


@shared_fixture
async def shared_ada(shared_app: Application) -> None:
    await add(shared_app, "ada@example.com")


@pytest_asyncio.fixture(loop_scope="module")
async def own_cookie(shared_client: httpx.AsyncClient, shared_ada: None, shared_clock: FakeClock) -> str:
    """As `cookie`, of a session that only this test has; a minute later, for she may sign in so often in each."""
    shared_clock.advance(60_000)
    return sent_back(set_by(await signed_in(shared_client)))


async def signed_in(client: httpx.AsyncClient, path: str = "/v1/auth/login", **headers: str) -> httpx.Response:
    answer = await client.post(path, json=LOGIN, headers=OURS | headers)
    assert answer.status_code == 200, answer.text
    assert "refresh_token" not in answer.json()
    client.cookies.clear()
    return answer


def set_by(answer: httpx.Response) -> Morsel[str]:
    [morsel] = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


def sent_back(morsel: Morsel[str]) -> str:
    return f"{morsel.key}={morsel.value}"


async def test_the_cookie_is_for_the_server_alone(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    answer = await signed_in(client)
    morsel = set_by(answer)
    assert morsel.key == "delta_refresh"
    assert (morsel["httponly"], morsel["samesite"], morsel["secure"]) == (True, "strict", "")
    assert (morsel["path"], morsel["domain"], morsel["max-age"]) == ("/v1/auth", "", str(30 * 86_400))
    assert answer.headers["cache-control"] == "no-store"
    assert morsel.value not in answer.text


@pytest.mark.parametrize("prefix", ["/v1", "/api", "/api/v1"])
async def test_its_path_is_the_one_it_was_asked_for_at(
    app: Application, client: httpx.AsyncClient, prefix: str
) -> None:
    await add(app, "ada@example.com")
    morsel = set_by(await signed_in(client, f"{prefix}/auth/login"))
    assert morsel["path"] == f"{prefix}/auth"
    headers = OURS | {"cookie": sent_back(morsel)}
    assert (await client.post(f"{prefix}/auth/refresh", headers=headers)).status_code == 200


async def test_a_refresh_changes_the_cookie_and_a_logout_takes_it(client: httpx.AsyncClient, cookie: str) -> None:
    answer = await client.post(REFRESH, headers=OURS | {"cookie": cookie})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    token = answer.json()["access_token"]
    assert (await client.get(ME, headers=bearer(token))).status_code == 200
    second = sent_back(set_by(answer))
    assert second != cookie
    answer = await client.post(LOGOUT, headers=OURS | {"cookie": second})
    assert answer.status_code == 204
    gone = set_by(answer)
    assert (gone.value, gone["max-age"], gone["path"]) == ("", "0", "/v1/auth")
    assert (await client.get(ME, headers=bearer(token))).status_code == 401
    assert (await client.post(REFRESH, headers=OURS | {"cookie": second})).status_code == 401


async def test_a_logout_by_the_access_token_takes_the_cookie_too(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    answer = await signed_in(client)
    headers = OURS | bearer(answer.json()["access_token"]) | {"cookie": sent_back(set_by(answer))}
    answer = await client.post(LOGOUT, headers=headers)
    assert (answer.status_code, set_by(answer).value) == (204, "")


OTHERS: list[tuple[str, dict[str, str], bytes]] = [
    ("no origin", JSON, b"{}"),
    ("no origin, no body", {}, b""),
    ("a foreign origin", {**OURS, "origin": "https://evil.example", **JSON}, b"{}"),
    ("a foreign origin alone", {"origin": "https://evil.example"}, b""),
    ("another port", {"origin": "http://delta.test:81"}, b""),
    ("a longer name", {"origin": "http://delta.test.evil.example"}, b""),
    ("a subdomain", {"origin": "http://x.delta.test"}, b""),
    ("a file or a sandbox", {"origin": "null"}, b""),
    ("an empty origin", {"origin": ""}, b""),
    ("no address at all", {"origin": "http://["}, b""),
    ("two origins", {"origin": "http://delta.test, https://evil.example"}, b""),
    ("another site's page", {**OURS, "sec-fetch-site": "cross-site"}, b""),
    ("a sister's page", {**OURS, "sec-fetch-site": "same-site"}, b""),
    ("nobody's page", {**OURS, "sec-fetch-site": "none"}, b""),
    ("text", {**OURS, "content-type": "text/plain"}, b"{}"),
    ("text without a body", {**OURS, "content-type": "text/plain"}, b""),
    ("a form", {**OURS, "content-type": "application/x-www-form-urlencoded"}, b"a=b"),
    ("a multipart form", {**OURS, "content-type": "multipart/form-data; boundary=x"}, b"--x--"),
]


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize(("title", "headers", "body"), OTHERS, ids=[title for title, _, _ in OTHERS])
@shared
async def test_others_pages_cannot_use_it(
    shared_client: httpx.AsyncClient, own_cookie: str, path: str, title: str, headers: dict[str, str], body: bytes
) -> None:
    answer = await shared_client.post(path, content=body, headers=headers | {"cookie": own_cookie})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert "set-cookie" not in answer.headers
    again = await shared_client.post(REFRESH, headers=OURS | {"cookie": own_cookie})
    assert again.status_code == 200, "the session is as it was"


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
    ids=["foreign origin", "cross-site", "sandbox"],
)
async def test_others_pages_sign_nobody_in(
    app: Application, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await add(app, "ada@example.com")
    answer = await client.post("/v1/auth/login", json=LOGIN, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_login_never_takes_over_what_the_browser_had(client: httpx.AsyncClient, cookie: str) -> None:
    """Session fixation: whoever planted a cookie is not signed in by the login of somebody else."""
    answer = await signed_in(client, cookie=cookie)
    assert sent_back(set_by(answer)) != cookie
    planted = await client.post("/v1/auth/login", json=LOGIN, headers=OURS | {"cookie": "delta_refresh=dr_planted"})
    assert set_by(planted).value != "dr_planted"
    assert (await client.post(REFRESH, headers=OURS | {"cookie": "delta_refresh=dr_planted"})).status_code == 401


@pytest.mark.parametrize("sent", ["", "delta_refresh=", "other=1", ";;=;", "delta_refresh=\xff", 'delta_refresh=""'])
@shared
async def test_no_cookie_to_speak_of(shared_client: httpx.AsyncClient, sent: str) -> None:
    headers = {name.encode(): value.encode("latin-1") for name, value in (OURS | {"cookie": sent}).items()}
    assert (await shared_client.post(REFRESH, headers=headers)).status_code == 401
    assert (await shared_client.post(LOGOUT, headers=headers)).status_code == (204 if "\xff" in sent else 401)


async def test_a_token_in_the_body_needs_no_page(app: Application, client: httpx.AsyncClient, cookie: str) -> None:
    """Programs send no Origin, whatever cookies they keep."""
    tokens: dict[str, Any] = await login(client, "ada@example.com")
    body = {"refresh_token": tokens["refresh_token"]}
    answer = await client.post(REFRESH, json=body, headers={"cookie": cookie})
    assert answer.status_code == 200
    assert answer.json()["refresh_token"]
    assert "set-cookie" not in answer.headers


class TestBehindAProxy:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        server = msgspec.structs.replace(config.server, trusted_proxies=("127.0.0.1",))
        return msgspec.structs.replace(config, server=server)

    async def test_by_tls_the_cookie_is_secure(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "ada@example.com")
        tls = {"x-forwarded-proto": "https", "origin": "https://delta.test"}
        morsel = set_by(await signed_in(client, **tls))
        assert (morsel.key, morsel["secure"]) == ("__Secure-delta_refresh", True)
        headers = OURS | tls | {"cookie": sent_back(morsel)}
        plain = headers | {"cookie": f"delta_refresh={morsel.value}"}
        assert (await client.post(REFRESH, headers=plain)).status_code == 401, "a plain one may be somebody else's"
        insecure = headers | {"origin": "http://delta.test"}
        assert (await client.post(REFRESH, headers=insecure)).status_code == 403
        assert (await client.post(REFRESH, headers=headers)).status_code == 200

    async def test_the_host_is_the_one_browsers_see(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "ada@example.com")
        seen = {"x-forwarded-host": "delta.example.com", "origin": "https://delta.example.com"}
        cookie = sent_back(set_by(await signed_in(client, **seen)))
        assert (await client.post(REFRESH, headers=OURS | seen | {"cookie": cookie})).status_code == 200
        assert (await client.post(REFRESH, headers=OURS | seen | {"cookie": cookie, **OURS})).status_code == 403


class TestWithoutTrustedProxies:
    async def test_nobody_says_who_we_are(self, client: httpx.AsyncClient, cookie: str) -> None:
        evil = {"x-forwarded-host": "evil.example", "origin": "http://evil.example", "x-forwarded-proto": "https"}
        assert (await client.post(REFRESH, headers=OURS | evil | {"cookie": cookie})).status_code == 403


class TestWithAPublicAddress:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        server = msgspec.structs.replace(config.server, public_url="https://Example.com:443/delta/")
        return msgspec.structs.replace(config, server=server)

    async def test_that_is_our_own(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "ada@example.com")
        ours = {"origin": "https://example.com"}
        morsel = set_by(await signed_in(client, **ours))
        assert (morsel.key, morsel["path"]) == ("__Secure-delta_refresh", "/delta/v1/auth")
        headers = OURS | ours | {"cookie": sent_back(morsel)}
        assert (await client.post(REFRESH, headers=headers | OURS)).status_code == 403, "the Host is the proxy's"
        assert (await client.post(REFRESH, headers=headers)).status_code == 200
