"""Whoever an authenticating proxy names: from trusted proxies only, off by default, and for our own pages only."""

from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.config.sign_in import TrustedHeader
from tests.conftest import bearer, client_of, make_keys
from tests.features.users.people import PASSWORD, add
from tests.features.users.test_cookies import ME, OURS, REFRESH, sent_back, set_by
from tests.storage.opened import FakeClock

LOGIN, METHODS = "/v1/auth/login/header", "/v1/auth/methods"
ADA = {"remote-email": "ada@example.com"}


def with_header(
    config: Config, *, auto_create: bool = False, trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
) -> Config:
    header = TrustedHeader("Remote-Email", auto_create)
    return msgspec.structs.replace(
        config,
        auth=msgspec.structs.replace(config.auth, trusted_header=header),
        server=msgspec.structs.replace(config.server, trusted_proxies=trusted_proxies),
    )


class TestWhenItIsOff:
    async def test_nobody_is_named(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "ada@example.com")
        for headers in (ADA, {}, {"x-forwarded-email": "ada@example.com"}):
            answer = await client.post(LOGIN, headers=OURS | headers)
            assert answer.status_code == 403
        assert (await client.get(METHODS)).json()["header"] is False


class TestWithATrustedProxy:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return with_header(config)

    @pytest.mark.parametrize(
        "values",
        [
            [],
            [""],
            ["  "],
            ["ada@example.com", "ada@example.com"],
            ["ada@example.com", "bo@example.com"],
            ["", "ada@example.com"],
            ["ada@example.com, bo@example.com"],
            ["ada"],
            ["(null)"],
            ["ada@example.com\x00"],
            ["\xff@example.com\udcff"],
            ["a" * 300 + "@example.com"],
        ],
    )
    async def test_one_address_is_wanted(self, app: Application, client: httpx.AsyncClient, values: list[str]) -> None:
        await add(app, "ada@example.com")
        given = [(b"remote-email", value.encode("utf-8", "surrogateescape")) for value in values]
        ours = [(name.encode(), value.encode()) for name, value in OURS.items()]
        answer = await client.post(LOGIN, headers=[*ours, *given])
        assert answer.status_code == 401, answer.text
        assert answer.json()["code"] == "UNAUTHORIZED"

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, None),
            ({"sec-fetch-site": "same-origin"}, None),
            ({"origin": "https://evil.example"}, None),
            ({"origin": "null"}, None),
            (OURS | {"sec-fetch-site": "cross-site"}, None),
            (OURS | {"sec-fetch-site": "same-site"}, None),
            (OURS | {"content-type": "text/plain"}, b'{"cookie": true}'),
            (OURS | {"content-type": "application/x-www-form-urlencoded"}, b"cookie=true"),
            (OURS | {"content-type": "multipart/form-data; boundary=x"}, b"--x--"),
        ],
    )
    async def test_pages_of_others_sign_nobody_in(
        self, app: Application, client: httpx.AsyncClient, headers: dict[str, str], body: bytes | None
    ) -> None:
        await add(app, "ada@example.com")
        answer = await client.post(LOGIN, headers=ADA | headers, content=body)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    async def test_before_there_is_an_owner_nobody_is_signed_in(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(LOGIN, headers=OURS | ADA)
        assert (answer.status_code, "/v1/setup" in answer.json()["message"]) == (403, True)

    async def test_strangers_are_not_let_in(
        self, app: Application, client: httpx.AsyncClient, clock: FakeClock
    ) -> None:
        await add(app, "bo@example.com")
        answer = await client.post(LOGIN, headers=OURS | ADA)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert [entry["target"] for entry in await logins(app, client, clock)] == ["unknown user"]

    async def test_disabled_users_are_not_let_in(
        self, app: Application, client: httpx.AsyncClient, clock: FakeClock
    ) -> None:
        from delta_server.features.users import service as users

        await add(app, "ada@example.com")
        await app.services.db.write(lambda tx: users.disable(tx, users.named(tx, "ada@example.com")))
        assert (await client.post(LOGIN, headers=OURS | ADA)).status_code == 401
        assert [entry["outcome"] for entry in await logins(app, client, clock)] == ["failed"]

    async def test_whom_the_proxy_names_is_signed_in(
        self, app: Application, client: httpx.AsyncClient, clock: FakeClock
    ) -> None:
        await add(app, "ada@example.com")
        answer = await client.post(LOGIN, headers=OURS | {"Remote-Email": " Ada@Example.com "})
        assert answer.status_code == 200
        tokens: dict[str, Any] = answer.json()
        me = await client.get(ME, headers=bearer(tokens["access_token"]))
        assert me.json()["user"]["email"] == "ada@example.com"
        assert (await client.post(REFRESH, json={"refresh_token": tokens["refresh_token"]})).status_code == 200
        [entry] = await logins(app, client, clock)
        assert (entry["outcome"], entry["detail"]) == ("ok", {"method": "header"})

    async def test_the_refresh_token_comes_in_a_cookie_when_asked_for(
        self, app: Application, client: httpx.AsyncClient
    ) -> None:
        await add(app, "ada@example.com")
        answer = await client.post(LOGIN, headers=OURS | ADA, json={"cookie": True})
        assert "refresh_token" not in answer.json()
        headers = OURS | {"cookie": sent_back(set_by(answer))}
        client.cookies.clear()
        assert (await client.post(REFRESH, headers=headers)).status_code == 200

    async def test_unknown_fields_are_refused(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "ada@example.com")
        bodies: list[Any] = [{"email": "bo@example.com"}, {"cookie": "yes"}, {"cookie": None}, []]
        for body in bodies:
            assert (await client.post(LOGIN, headers=OURS | ADA, json=body)).status_code == 400

    async def test_the_header_counts_at_the_login_only(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "ada@example.com", "owner")
        for path in (ME, "/v1/projects", "/v1/audit"):
            assert (await client.get(path, headers=OURS | ADA)).status_code == 401

    async def test_the_page_learns_of_it(self, client: httpx.AsyncClient) -> None:
        assert (await client.get(METHODS)).json()["header"] is True

    async def test_requests_of_other_peers_are_refused_whatever_they_forward(
        self, app: Application, clock: FakeClock
    ) -> None:
        await add(app, "ada@example.com")
        async with from_peer(app, "203.0.113.9") as client:
            forged = {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1", "x-real-ip": "127.0.0.1"}
            assert (await client.post(LOGIN, headers=OURS | ADA | forged)).status_code == 403
            assert (await client.get(METHODS, headers=forged)).json()["header"] is False
            password = {"email": "ada@example.com", "password": PASSWORD}
            assert (await client.post("/v1/auth/login", headers=ADA, json=password)).status_code == 200


class TestWhoMakesUsers:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return with_header(config, auto_create=True)

    async def test_strangers_become_members(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "owner@example.com", "owner")
        first, second = [await client.post(LOGIN, headers=OURS | ADA) for _ in range(2)]
        assert first.json()["user"]["role"] == "member"
        assert first.json()["user"]["id"] == second.json()["user"]["id"]

    async def test_nobody_becomes_the_first_user(self, app: Application, client: httpx.AsyncClient) -> None:
        assert (await client.post(LOGIN, headers=OURS | ADA)).status_code == 403
        assert (await client.get("/v1/setup")).json() == {"needed": True}

    async def test_they_have_no_password(self, app: Application, client: httpx.AsyncClient) -> None:
        await add(app, "owner@example.com", "owner")
        await client.post(LOGIN, headers=OURS | ADA)
        for password in ("", PASSWORD):
            answer = await client.post("/v1/auth/login", json={"email": "ada@example.com", "password": password})
            assert answer.status_code == 401


def from_peer(app: Application, address: str) -> httpx.AsyncClient:
    """A client at another address than the proxy's."""
    client = client_of(app)
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.client = (address, 4711)
    return client


async def logins(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> list[dict[str, Any]]:
    keys = await make_keys(app.services, clock)
    answer = await client.get("/v1/audit?action=login", headers=bearer(keys.account))
    found: list[dict[str, Any]] = answer.json()["data"]
    return found
