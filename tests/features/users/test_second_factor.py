"""Codes of an authenticator app: who wants one, which one, how often."""

import asyncio
from base64 import b32decode
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.users import second_factor, service
from delta_server.features.users.failures import FREE
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.users.people import PASSWORD, app_code, signed_in
from tests.storage.opened import FakeClock

ADA = {"email": "ada@example.com", "password": PASSWORD}
TOTP_PATH, CODE_LOGIN = "/v1/auth/totp", "/v1/auth/login/totp"
STEP_MS = 30_000


def code_of(secret: str, clock: FakeClock, steps: int = 0) -> str:
    return app_code(secret, clock.now_ms() + steps * STEP_MS)


class Ada:
    """Somebody with a second factor."""

    def __init__(self, client: httpx.AsyncClient, clock: FakeClock, token: str) -> None:
        self.client, self.clock, self.token = client, clock, token
        self.secret, self.recovery = "", list[str]()

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post(path, json=body, headers=bearer(self.token))

    async def enrol(self) -> None:
        begun = await self.post(TOTP_PATH, {"password": PASSWORD})
        assert begun.status_code == 200, begun.text
        self.secret = begun.json()["secret"]
        confirmed = await self.post(f"{TOTP_PATH}/confirm", {"code": self.code()})
        assert confirmed.status_code == 200, confirmed.text
        assert confirmed.headers["cache-control"] == begun.headers["cache-control"] == "no-store"
        self.recovery = confirmed.json()["recovery_codes"]
        self.clock.advance(STEP_MS)

    def code(self, steps: int = 0) -> str:
        return code_of(self.secret, self.clock, steps)

    def wrong(self) -> str:
        return next(f"{number:06}" for number in range(9) if f"{number:06}" not in map(self.code, (-2, -1, 0, 1, 2)))

    async def password(self) -> str:
        answer = await self.client.post("/v1/auth/login", json=ADA)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"mfa_token", "expires_in", "mfa_required"}
        assert answer.json()["mfa_required"] is True
        found: str = answer.json()["mfa_token"]
        return found

    async def login(self, code: str, token: str | None = None) -> httpx.Response:
        body = {"mfa_token": token or await self.password(), "code": code}
        return await self.client.post(CODE_LOGIN, json=body)

    async def me(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get("/v1/auth/me", headers=bearer(self.token))).json()
        return found


@pytest.fixture
async def pending(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> Ada:
    return Ada(client, clock, await signed_in(app, client, "ada@example.com"))


@pytest.fixture
async def ada(pending: Ada) -> Ada:
    await pending.enrol()
    return pending


REFUSED = [
    Row("enrol without a token", "POST", TOTP_PATH, 401, key=None, body={"password": PASSWORD}),
    Row("enrol with a key", "POST", TOTP_PATH, 403, body={"password": PASSWORD}),
    Row("a code without a login", "POST", CODE_LOGIN, 401, key=None, body={"mfa_token": "x", "code": "000000"}),
    Row("a guessed login", "POST", CODE_LOGIN, 401, key=None,
        body={"mfa_token": f"dm_{'0' * 32}_ffffffffffff_{'0' * 64}", "code": "000000"}),
    Row("no code", "POST", CODE_LOGIN, 400, key=None, body={"mfa_token": "x"}, field="code"),
    Row("a number", "POST", CODE_LOGIN, 400, key=None, body={"mfa_token": "x", "code": 123456}, field="code"),
    Row("more than asked", "POST", CODE_LOGIN, 400, key=None, body={"mfa_token": "x", "code": "1", "user": "x"}),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)


async def test_a_login_wants_a_code(ada: Ada) -> None:
    token = await ada.password()
    assert (await ada.client.get("/v1/auth/me", headers=bearer(token))).status_code == 401, "it is no access token"
    answer = await ada.login(ada.code(), token)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    me = await ada.client.get("/v1/auth/me", headers=bearer(answer.json()["access_token"]))
    assert (me.json()["second_factor"], me.json()["recovery_codes_left"]) == (True, 10)


async def test_the_cookie_comes_with_the_code(ada: Ada) -> None:
    first = await ada.client.post("/v1/auth/login", json=ADA | {"cookie": True})
    assert "set-cookie" not in first.headers
    body = {"mfa_token": first.json()["mfa_token"], "code": ada.code(), "cookie": True}
    assert (await ada.client.post(CODE_LOGIN, json=body, headers={"origin": "https://evil.example"})).status_code == 403
    answer = await ada.client.post(CODE_LOGIN, json=body)
    assert "delta_refresh=" in answer.headers["set-cookie"]
    assert "refresh_token" not in answer.json()


async def test_before_it_is_confirmed_it_counts_for_nothing(pending: Ada) -> None:
    assert (await pending.post(TOTP_PATH, {"password": "wrong"})).status_code == 400
    first = (await pending.post(TOTP_PATH, {"password": PASSWORD})).json()["secret"]
    second = (await pending.post(TOTP_PATH, {"password": PASSWORD})).json()["secret"]
    assert first != second
    assert "access_token" in (await pending.client.post("/v1/auth/login", json=ADA)).json()
    old = code_of(first, pending.clock)
    assert (await pending.post(f"{TOTP_PATH}/confirm", {"code": old})).status_code == 400
    assert not (await pending.me())["second_factor"]
    new = code_of(second, pending.clock)
    assert (await pending.post(f"{TOTP_PATH}/confirm", {"code": new})).status_code == 200
    assert (await pending.post(f"{TOTP_PATH}/confirm", {"code": new})).status_code == 409
    assert (await pending.post(TOTP_PATH, {"password": PASSWORD})).status_code == 409


async def test_a_code_is_used_once(ada: Ada) -> None:
    watched, next_one = ada.code(), ada.code(1)
    assert (await ada.login(watched)).status_code == 200
    assert (await ada.login(watched)).status_code == 401
    assert (await ada.login(next_one)).status_code == 200
    assert (await ada.login(watched)).status_code == 401, "an older one is worth nothing either"


async def test_the_code_of_the_confirmation_was_used(pending: Ada) -> None:
    await pending.enrol()
    assert (await pending.login(pending.code(-1))).status_code == 401


async def test_a_code_is_used_once_by_many_at_once(ada: Ada) -> None:
    token, code = await ada.password(), ada.code()
    answers = await asyncio.gather(*(ada.login(code, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_a_recovery_code_is_used_once(ada: Ada) -> None:
    assert len(set(ada.recovery)) == 10
    typed = f" {ada.recovery[0].upper().replace('-', ' ')} "
    token = await ada.password()
    answers = await asyncio.gather(*(ada.login(typed, token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    assert (await ada.login(ada.recovery[0])).status_code == 401
    assert (await ada.login(ada.recovery[1])).status_code == 200
    assert (await ada.me())["recovery_codes_left"] == 8


async def test_the_time_for_the_code_ends(ada: Ada) -> None:
    token = await ada.password()
    ada.clock.advance(second_factor.LOGIN_MS)
    assert (await ada.login(ada.code(), token)).status_code == 401
    for form in (
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token.replace("_", "_f", 1),
        token.upper(),
        token[:40],
    ):
        assert (await ada.login(ada.code(), form)).status_code == 401


async def test_another_password_ends_a_half_done_login(ada: Ada) -> None:
    token = await ada.password()
    change = {"current_password": PASSWORD, "new_password": "staple horse battery"}
    assert (await ada.post("/v1/auth/change-password", change)).status_code == 204
    assert (await ada.login(ada.code(), token)).status_code == 401


async def test_who_was_disabled_is_out(app: Application, ada: Ada) -> None:
    token = await ada.password()
    await app.services.db.write(lambda tx: service.disable(tx, service.named(tx, "ada@example.com")))
    assert (await ada.login(ada.code(), token)).status_code == 401


async def test_one_that_comes_during_a_login_is_asked_for(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password was compared, and no code wanted, before it was confirmed."""
    monkeypatch.setattr(second_factor, "wanted", lambda *_: None)
    answer = await ada.client.post("/v1/auth/login", json=ADA)
    assert (answer.status_code, answer.json()["message"]) == (
        401,
        "a second factor was added at the same time: sign in again",
    )


async def test_guesses_wait_and_a_right_password_makes_none_free(ada: Ada) -> None:
    token = await ada.password()
    answers = await asyncio.gather(*(ada.login(ada.wrong(), token) for _ in range(20)))
    assert [answer.status_code for answer in answers].count(401) == FREE
    ada.clock.advance(1000)
    token = await ada.password()
    assert (await ada.login(ada.wrong(), token)).status_code == 401
    refused = await ada.login(ada.code(), token)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    ada.clock.advance(60_000)
    assert (await ada.login(ada.code())).status_code == 200


@pytest.mark.parametrize("by", ["code", "recovery code"])
async def test_it_is_ended_by_password_and_code(ada: Ada, by: str) -> None:
    path, good = f"{TOTP_PATH}/disable", ada.code() if by == "code" else ada.recovery[3]
    for body, field in [
        ({"password": "wrong", "code": good}, "password"),
        ({"password": PASSWORD, "code": ada.wrong()}, "code"),
        ({"password": PASSWORD}, "code"),
    ]:
        refused = await ada.post(path, body)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == field
    assert (await ada.me())["second_factor"]
    assert (await ada.post(path, {"password": PASSWORD, "code": good})).status_code == 204
    assert await ada.me() | {"user": None} == {"user": None, "second_factor": False, "recovery_codes_left": 0}
    assert "access_token" in (await ada.client.post("/v1/auth/login", json=ADA)).json()


async def test_other_recovery_codes_take_the_place_of_the_old(ada: Ada) -> None:
    body = {"password": PASSWORD, "code": ada.code()}
    fresh = (await ada.post(f"{TOTP_PATH}/recovery-codes", body)).json()["recovery_codes"]
    assert (await ada.post(f"{TOTP_PATH}/recovery-codes", body)).status_code == 400, "the code was used"
    assert (await ada.login(ada.recovery[0])).status_code == 401
    assert (await ada.login(fresh[0])).status_code == 200


async def test_without_the_key_that_sealed_it_recovery_codes_work(app: Application, ada: Ada) -> None:
    app.services.vault._key = bytes(32)
    assert (await ada.login(ada.code())).status_code == 401
    assert (await ada.login(ada.recovery[0])).status_code == 200


async def test_it_is_taken_away_by_command(app: Application, ada: Ada) -> None:
    def remove() -> Any:
        return app.services.db.write(lambda tx: second_factor.remove(tx, service.named(tx, "ada@example.com")))

    assert await remove()
    assert "access_token" in (await ada.client.post("/v1/auth/login", json=ADA)).json()
    assert not await remove()


async def test_what_is_stored_tells_no_secret(app: Application, ada: Ada) -> None:
    stored = repr(app.services.db.peek(lambda tx: tx.all("SELECT * FROM second_factor")))
    stored += repr(app.services.db.peek(lambda tx: tx.all("SELECT * FROM recovery_code")))
    assert repr(b32decode(ada.secret))[2:-1] not in stored
    assert ada.secret not in stored
    assert not any(code in stored for code in ada.recovery)
