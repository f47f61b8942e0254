import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from delta_server.app import Application
from delta_server.core import passwords
from delta_server.features.users import service, tasks
from delta_server.features.users.failures import FREE
from delta_server.features.users.service import SETUP_MS
from delta_server.features.users.sessions import DAY_MS, GRACE_MS
from delta_server.services import Services
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.users.people import HASH, PASSWORD, add, login, signed_in
from tests.storage.opened import FakeClock

ADA = {"email": "Ada@Example.com", "password": PASSWORD}
ME = "/v1/auth/me"


def refused(title: str, path: str, body: Any, *, status: int = 400, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", path, status, key=None, body=body, says=says, field=field)


REFUSED = [
    refused("set up without a token", "/v1/setup", ADA),
    refused("set up by guessing", "/v1/setup", {**ADA, "token": "0" * 48}, status=403, says="setup-link"),
    refused("a short password", "/v1/setup", {**ADA, "token": "x", "password": "short"}, field="password"),
    refused("an endless password", "/v1/setup", {**ADA, "token": "x", "password": "x" * 257}, field="password"),
    refused("one letter", "/v1/setup", {**ADA, "token": "x", "password": "x" * 20}, field="password", says="different"),
    refused("the address", "/v1/setup", {**ADA, "token": "x", "password": "ADA@example.com"}, field="password"),
    refused("no address", "/v1/setup", {**ADA, "token": "x", "email": "ada"}, field="email"),
    refused("a role chosen", "/v1/setup", {**ADA, "token": "x", "role": "owner"}, field="role"),
    refused("login without a password", "/v1/auth/login", {"email": "a@b.example"}, field="password"),
    refused("login of nobody", "/v1/auth/login", {"email": "no@b.example", "password": "x"}, status=401),
    Row("half of a pair", "POST", "/v1/auth/login", 400, key=None, raw=b'{"email":"\\ud800","password":"x"}'),
    refused("refresh by guessing", "/v1/auth/refresh", {"refresh_token": "dr_" + "0" * 64}, status=401),
    refused("reset by guessing", "/v1/auth/reset-password", {"token": "0" * 48, "new_password": PASSWORD}, status=403),
    Row("me without a token", "GET", ME, 401, key=None),
    Row("me with a key", "GET", ME, 403, key="account", says="access token"),
    Row("sessions with a key", "GET", "/v1/auth/sessions", 403),
    Row("logout with a key", "POST", "/v1/auth/logout", 403),
    Row("change a password with a key", "POST", "/v1/auth/change-password", 403, body={}),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)
    assert (await shared_client.get("/v1/setup")).json() == {"needed": True}


async def test_the_first_owner_is_made_once(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> None:
    old = service.setup_token(app.services)
    token = service.setup_token(app.services)
    assert old is not None
    assert (await client.post("/v1/setup", json={**ADA, "token": old})).status_code == 403, "a newer one was made"
    made = await client.post("/v1/setup", json={**ADA, "token": token, "name": "Ada"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert made.json()["user"] | {"id": "", "created_at": ""} == {
        "id": "", "email": "ada@example.com", "name": "Ada", "role": "owner", "created_at": ""
    }  # fmt: skip
    assert (await client.get(ME, headers=bearer(made.json()["access_token"]))).json()["user"] == made.json()["user"]
    assert (await client.get("/v1/setup")).json() == {"needed": False}
    assert (await client.post("/v1/setup", json={**ADA, "token": token})).status_code == 409
    assert service.setup_token(app.services) is None


async def test_setup_tokens_end(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> None:
    assert await app.services.db.write(service.add_setup_link, "by command")
    for token in (service.setup_token(app.services), "by command"):
        clock.advance(SETUP_MS)
        assert (await client.post("/v1/setup", json={**ADA, "token": token})).status_code == 403
    assert await app.services.db.write(service.add_setup_link, "by command")
    assert (await client.post("/v1/setup", json={**ADA, "token": "by command"})).status_code == 201
    assert not await app.services.db.write(service.add_setup_link, "by command")


async def test_unknown_users_and_wrong_passwords_look_alike(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    await add(app, "gone@example.com")
    await app.services.db.write(lambda tx: service.disable(tx, service.named(tx, "gone@example.com")))
    answers = []
    for email, password in [("ada", "wrong"), ("nobody", "wrong"), ("gone", PASSWORD)]:
        body = {"email": f"{email}@example.com", "password": password}
        answer = await client.post("/v1/auth/login", json=body)
        assert answer.status_code == 401
        answers.append({**answer.json(), "request_id": "", "requestId": "", "timestamp": ""})
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(("email", "password"), [("ada", "wrong"), ("nobody", "wrong"), ("gone", PASSWORD)])
async def test_every_failed_login_hashes_once(
    app: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, email: str, password: str
) -> None:
    """Nobody learns by the time it takes whether there is such a user."""
    await add(app, "ada@example.com")
    await add(app, "gone@example.com")
    await app.services.db.write(lambda tx: service.disable(tx, service.named(tx, "gone@example.com")))
    hashed, matches = [], passwords.matches

    def counted(hash: str, password: str) -> bool:
        hashed.append(hash.split("$")[:4])  # the algorithm and what it costs
        return matches(hash, password)

    monkeypatch.setattr(passwords, "matches", counted)
    body = {"email": f"{email}@example.com", "password": password}
    assert (await client.post("/v1/auth/login", json=body)).status_code == 401
    assert hashed == [HASH.split("$")[:4]]


async def test_a_disabled_user_cannot_sign_in(app: Application, client: httpx.AsyncClient) -> None:
    token = await signed_in(app, client, "ada@example.com")
    await app.services.db.write(lambda tx: service.disable(tx, service.named(tx, "ada@example.com")))
    assert (await client.get(ME, headers=bearer(token))).status_code == 401


async def test_failures_wait_longer_each_time_and_never_past_a_minute(
    app: Application, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    await add(app, "ada@example.com")
    waits = []
    for _ in range(14):
        answer = await client.post("/v1/auth/login", json={"email": "ada@example.com", "password": "wrong"})
        if answer.status_code == 429:
            waits.append(int(answer.headers["retry-after"]))
            clock.advance(1000 * waits[-1])
    assert waits == [1, 2, 4, 8, 16]
    for _ in range(10):
        clock.advance(60_000)
        await client.post("/v1/auth/login", json={"email": "ada@example.com", "password": "wrong"})
    answer = await client.post("/v1/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) == 60
    clock.advance(60_000)
    await login(client, "ada@example.com")


async def test_a_refresh_token_is_good_once(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> None:
    await add(app, "ada@example.com")
    first = await login(client, "ada@example.com")
    second = await _refreshed(client, first)
    assert second["refresh_token"] != first["refresh_token"]
    clock.advance(GRACE_MS)
    lost = await _refreshed(client, first)  # as a client does whose answer was lost
    assert lost["refresh_token"] == second["refresh_token"], "a second line of tokens would never be noticed"
    third = await _refreshed(client, second)
    clock.advance(1)
    stolen = await client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert stolen.status_code == 401
    for tokens in (second, lost, third):
        over = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert over.status_code == 401
        assert (await client.get(ME, headers=bearer(tokens["access_token"]))).status_code == 401


async def test_a_refresh_token_whose_answer_was_used_was_copied(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    first = await login(client, "ada@example.com")
    third = await _refreshed(client, await _refreshed(client, first))
    stolen = await client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert stolen.status_code == 401
    assert (await client.get(ME, headers=bearer(third["access_token"]))).status_code == 401


async def test_two_refreshes_at_once_get_the_same_pair(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    first = await login(client, "ada@example.com")
    one, other = await asyncio.gather(_refreshed(client, first), _refreshed(client, first))
    assert one["refresh_token"] == other["refresh_token"]
    await _refreshed(client, one)


async def test_sessions_end(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> None:
    await add(app, "ada@example.com")
    tokens = await login(client, "ada@example.com")
    clock.advance(15 * 60_000 - 1)
    assert (await client.get(ME, headers=bearer(tokens["access_token"]))).status_code == 200
    clock.advance(1)
    answer = await client.get(ME, headers=bearer(tokens["access_token"]))
    assert answer.status_code == 401
    assert "/v1/auth/refresh" in answer.json()["message"]
    tokens = await _refreshed(client, tokens)
    clock.advance(app.services.config.auth.idle_days * DAY_MS)
    over = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert over.status_code == 401


async def test_sessions_end_however_much_they_are_used(
    app: Application, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    await add(app, "ada@example.com")
    tokens = await login(client, "ada@example.com")
    auth = app.services.config.auth
    for _ in range(auth.session_days - 1):
        clock.advance(DAY_MS)
        tokens = await _refreshed(client, tokens)
    clock.advance(DAY_MS - 1)
    tokens = await _refreshed(client, tokens)
    assert (await client.get(ME, headers=bearer(tokens["access_token"]))).status_code == 200
    clock.advance(1)
    assert (await client.get(ME, headers=bearer(tokens["access_token"]))).status_code == 401
    over = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert over.status_code == 401


async def test_sessions_are_listed_and_revoked(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    mine, phone, laptop = [await login(client, "ada@example.com") for _ in range(3)]
    stranger = await signed_in(app, client, "eve@example.com")
    headers = bearer(mine["access_token"])
    listed = (await client.get("/v1/auth/sessions", headers=headers)).json()["data"]
    assert [(session["current"], session["client"]) for session in listed] == [
        (False, "tests/1.0"), (False, "tests/1.0"), (True, "tests/1.0")
    ]  # fmt: skip
    of_laptop = f"/v1/auth/sessions/{listed[0]['id']}"
    assert (await client.delete(of_laptop, headers=bearer(stranger))).status_code == 404
    assert (await client.delete(of_laptop, headers=headers)).status_code == 204
    assert (await client.delete(of_laptop, headers=headers)).status_code == 404
    assert (await client.get(ME, headers=bearer(laptop["access_token"]))).status_code == 401
    assert (await client.delete("/v1/auth/sessions", headers=headers)).json() == {"revoked": 1}
    assert (await client.get(ME, headers=bearer(phone["access_token"]))).status_code == 401
    assert (await client.post("/v1/auth/logout", headers=headers)).status_code == 204
    assert (await client.get(ME, headers=headers)).status_code == 401
    assert (await client.get(ME, headers=bearer(stranger))).status_code == 200


async def test_a_new_password_ends_other_sessions(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    mine, other = [await login(client, "ada@example.com") for _ in range(2)]
    change = {"current_password": "wrong", "new_password": "staple horse battery"}
    headers = bearer(mine["access_token"])
    assert (await client.post("/v1/auth/change-password", json=change, headers=headers)).status_code == 400
    change["current_password"] = PASSWORD
    assert (await client.post("/v1/auth/change-password", json=change, headers=headers)).status_code == 204
    assert (await client.get(ME, headers=headers)).status_code == 200
    assert (await client.get(ME, headers=bearer(other["access_token"]))).status_code == 401
    assert (await client.post("/v1/auth/login", json=ADA)).status_code == 401
    await login(client, "ada@example.com", "staple horse battery")


async def test_a_reset_link_is_good_once(app: Application, client: httpx.AsyncClient) -> None:
    token = await signed_in(app, client, "ada@example.com")
    await app.services.db.write(lambda tx: service.add_reset_link(tx, service.named(tx, "ada@example.com"), "t" * 48))
    reset = {"token": "t" * 48, "new_password": "staple horse battery"}
    assert (await client.post("/v1/auth/reset-password", json=reset)).status_code == 204
    assert (await client.post("/v1/auth/reset-password", json=reset)).status_code == 403
    assert (await client.get(ME, headers=bearer(token))).status_code == 401
    await login(client, "ada@example.com", "staple horse battery")


async def test_a_link_is_used_once_by_many_at_once(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    await app.services.db.write(lambda tx: service.add_reset_link(tx, service.named(tx, "ada@example.com"), "t" * 48))
    resets = [{"token": "t" * 48, "new_password": f"staple horse battery {number}"} for number in range(4)]
    answers = await asyncio.gather(*(client.post("/v1/auth/reset-password", json=reset) for reset in resets))
    assert sorted(answer.status_code for answer in answers) == [204, 403, 403, 403]


async def test_the_first_owner_is_one_of_many_at_once(app: Application, client: httpx.AsyncClient) -> None:
    token = service.setup_token(app.services)
    owners = [{**ADA, "email": f"ada{number}@example.com", "token": token} for number in range(4)]
    answers = await asyncio.gather(*(client.post("/v1/setup", json=owner) for owner in owners))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_wrong_passwords_at_once_are_counted_before_they_are_compared(
    app: Application, client: httpx.AsyncClient
) -> None:
    await add(app, "ada@example.com")
    body = {"email": "ada@example.com", "password": "wrong"}
    answers = await asyncio.gather(*(client.post("/v1/auth/login", json=body) for _ in range(20)))
    compared = [answer.status_code for answer in answers].count(401)
    assert FREE <= compared <= FREE + 1
    assert {answer.status_code for answer in answers} == {401, 429}


async def test_right_passwords_at_once_all_sign_in(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    assert len(await asyncio.gather(*(login(client, "ada@example.com") for _ in range(12)))) == 12


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/setup", {**ADA, "token": "0" * 48}),
        ("/v1/auth/reset-password", {"token": "0" * 48, "new_password": PASSWORD}),
        ("/v1/auth/refresh", {"refresh_token": "dr_" + "0" * 64}),
    ],
)
async def test_guesses_cost_neither_a_hash_nor_a_write(
    app: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, str]
) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a guess got past the look-up")

    monkeypatch.setattr(service.Hashing, "hashed", refuse)
    monkeypatch.setattr(type(app.services.db), "write", refuse)
    assert (await client.post(path, json=body)).status_code in (401, 403)


async def test_a_reset_in_the_meantime_wins_over_a_change(
    app: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await signed_in(app, client, "ada@example.com")
    await app.services.db.write(lambda tx: service.add_reset_link(tx, service.named(tx, "ada@example.com"), "t" * 48))
    hashed = service.Hashing.hashed

    async def slowly(self: service.Hashing, svc: Services, password: str) -> str:
        if password == "of the thief":
            reset = {"token": "t" * 48, "new_password": "staple horse battery"}
            assert (await client.post("/v1/auth/reset-password", json=reset)).status_code == 204
        return await hashed(self, svc, password)

    monkeypatch.setattr(service.Hashing, "hashed", slowly)
    change = {"current_password": PASSWORD, "new_password": "of the thief"}
    answer = await client.post("/v1/auth/change-password", json=change, headers=bearer(token))
    assert answer.status_code == 401
    await login(client, "ada@example.com", "staple horse battery")


async def test_where_nobody_signs_in_the_library_of_tokens_is_not_loaded(
    app: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    monkeypatch.setattr("delta_server.core.access_tokens.import_library", lambda: loaded.append(1))
    await tasks.prepare(app.services)
    assert (await client.get(ME, headers=bearer("a.b.c"))).status_code == 401
    assert loaded == []
    token = service.setup_token(app.services)
    assert (await client.post("/v1/setup", json={**ADA, "token": token})).status_code == 201
    assert loaded == [1]


async def test_all_256_characters_of_a_password_count(app: Application, client: httpx.AsyncClient) -> None:
    token = service.setup_token(app.services)
    long = "äöü€" * 63 + "日本語x"
    assert (await client.post("/v1/setup", json={**ADA, "password": long, "token": token})).status_code == 201
    for wrong in (long[:-1], long[:-1] + "y", long[:64]):
        assert (await client.post("/v1/auth/login", json={**ADA, "password": wrong})).status_code == 401
    await login(client, "ada@example.com", long)


async def test_an_access_token_in_an_address_is_refused(app: Application, client: httpx.AsyncClient) -> None:
    token = await signed_in(app, client, "ada@example.com", "owner")
    answer = await client.post(f"/v1/events?writeKey={token}", json={"eventType": "bought"})
    assert answer.status_code == 403
    assert "ends up in logs" in answer.json()["message"]


async def test_idempotency_keys_are_a_persons_own(app: Application, client: httpx.AsyncClient) -> None:
    ada, bo = [await signed_in(app, client, f"{name}@example.com", "owner") for name in ("ada", "bo")]
    once = {"idempotency-key": "1"}
    made = await client.post("/v1/projects", json={"name": "hers"}, headers=bearer(ada) | once)
    other = await client.post("/v1/projects", json={"name": "his"}, headers=bearer(bo) | once)
    again = await client.post("/v1/projects", json={"name": "hers"}, headers=bearer(ada) | once)
    assert (made.status_code, other.status_code) == (201, 201)
    assert again.json() == made.json()


def _forged(app: Application, header: dict[str, Any], key: bytes | None = None, **claims: Any) -> str:
    good = {"sub": "x", "sid": "x", "iat": 0, "exp": 1 << 40, "aud": "delta", "iss": "delta"} | claims
    good = {name: value for name, value in good.items() if value is not None}
    return jwt.encode(header, good, OctKey.import_key(key or service.Signer.of(app.services).key), [header["alg"]])


HS = {"alg": "HS256"}
FORGED: dict[str, Any] = {
    "an unknown session": {},
    "another key": {"key": b"another key of thirty-two bytes!"},
    "a key of zeros": {"key": bytes(32)},
    "another audience": {"aud": "other"},
    "another issuer": {"iss": "other"},
    "no audience": {"aud": None},
    "no end": {"exp": None},
    "an end that is a text": {"exp": "9999999999"},
    "an end gone by": {"exp": 1},
    "a start to come": {"nbf": 1 << 40},
    "issued to be": {"iat": 1 << 40},
    "no session": {"sid": None},
    "a session that is a number": {"sid": 5},
}


@pytest.mark.parametrize("claims", FORGED.values(), ids=FORGED)
async def test_forged_claims(app: Application, client: httpx.AsyncClient, claims: dict[str, Any]) -> None:
    assert (await client.get(ME, headers=bearer(_forged(app, HS, **claims)))).status_code == 401


async def test_forged_forms(app: Application, client: httpx.AsyncClient) -> None:
    good = await signed_in(app, client, "ada@example.com")
    header, payload, signature = good.split(".")

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    forms = [
        f"{part({'alg': 'none'})}.{payload}.",
        f"{part({'alg': 'None'})}.{payload}.{signature}",
        f"{part({'alg': 'RS256'})}.{payload}.{signature}",
        f"{part({'alg': 'HS512'})}.{payload}.{signature}",
        f"{part({'alg': 'HS256', 'crit': ['b64'], 'b64': False})}.{payload}.{signature}",
        f"{part([])}.{payload}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-2]}",
        f"{header}.{payload[:-2]}.{signature}",
        f"{header}.{part([1])}.{signature}",
        f"{header}.{payload}",
        f"{good}.{signature}.x",
        "...",
        ".",
        f"{'x' * 5000}.{payload}.{signature}",
        _forged(app, {"alg": "HS512"}, sid="x"),
    ]
    for form in forms:
        answer = await client.get(ME, headers=bearer(form))
        assert answer.status_code == 401, form[:60]
        assert answer.json()["code"] == "UNAUTHORIZED"
    assert (await client.get(ME, headers=bearer(good))).status_code == 200


async def _refreshed(client: httpx.AsyncClient, tokens: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
