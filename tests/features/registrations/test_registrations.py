"""POST /v1/auth/register, as `auth.registration` says."""

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Auth, Config
from delta_server.features.projects import owners
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.users.people import PASSWORD, add, login

REGISTER = "/v1/auth/register"
BO = {"email": "Bo@Example.com", "password": PASSWORD, "name": "Bo"}


@pytest.fixture
def registration() -> str:
    return "open"


@pytest.fixture
def config(config: Config, registration: str) -> Config:
    return msgspec.structs.replace(
        config, auth=Auth(registration=msgspec.convert(registration, Auth.__annotations__["registration"]))
    )


@pytest.mark.parametrize(("registration", "says"), [("closed", "closed"), ("invite", "by invitation")])
async def test_it_is_refused_unless_open(app: Application, client: httpx.AsyncClient, says: str) -> None:
    await add(app, "ada@example.com", "owner")
    answer = await client.post(REGISTER, json=BO)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert says in answer.json()["message"]
    assert (
        await client.post("/v1/auth/login", json={"email": "bo@example.com", "password": PASSWORD})
    ).status_code == 401


REFUSED = [
    Row("no address", "POST", REGISTER, 400, key=None, body={**BO, "email": "bo"}, field="email"),
    Row("an address with a line break", "POST", REGISTER, 400, key=None, body={**BO, "email": "bo@example.com\nx"}),
    Row("no password", "POST", REGISTER, 400, key=None, body={"email": "bo@example.com"}, field="password"),
    Row("a short password", "POST", REGISTER, 400, key=None, body={**BO, "password": "short"}, field="password"),
    Row("a name with NUL", "POST", REGISTER, 400, key=None, body={**BO, "name": "a\0"}, field="name"),
    Row("a role chosen", "POST", REGISTER, 400, key=None, body={**BO, "role": "owner"}, field="role"),
    Row("an account chosen", "POST", REGISTER, 400, key=None, body={**BO, "account": 2}, field="account"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
async def test_refusals_make_nobody(app: Application, client: httpx.AsyncClient, keys: Keys, row: Row) -> None:
    await add(app, "ada@example.com", "owner")
    await check(client, keys, row)
    assert (
        await client.post("/v1/auth/login", json={"email": "bo@example.com", "password": PASSWORD})
    ).status_code == 401


async def test_nobody_registers_before_the_owner(client: httpx.AsyncClient) -> None:
    answer = await client.post(REGISTER, json=BO)
    assert answer.status_code == 409
    assert (await client.get("/v1/setup")).json() == {"needed": True}


@pytest.mark.parametrize("path", [REGISTER, "/api/v1/auth/register", "/api/auth/register"])
async def test_open_registration_makes_a_member(
    app: Application, client: httpx.AsyncClient, keys: Keys, path: str
) -> None:
    await add(app, "ada@example.com", "owner")
    answer = await client.post(path, json=BO)
    assert (answer.status_code, answer.json()) == (202, {"email": "bo@example.com", "confirmation": False})
    session = await login(client, "bo@example.com")
    assert (session["user"]["name"], session["user"]["role"]) == ("Bo", "member")
    listed = await client.get("/v1/projects", headers=bearer(session["access_token"]))
    assert listed.json()["data"] == []


async def test_members_have_projects_of_their_own(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(app, "ada@example.com", "owner")
    await client.post(REGISTER, json=BO)
    headers = bearer((await login(client, "bo@example.com"))["access_token"])
    monkeypatch.setattr(owners, "MOST_OWNED", 2)
    for name in ("one", "two"):
        answer = await client.post("/v1/projects", json={"name": name}, headers=headers)
        assert answer.status_code == 201, answer.text
        assert answer.json()["project"]["plan"] == "free"
    answer = await client.post("/v1/projects", json={"name": "three"}, headers=headers)
    assert (answer.status_code, "at most 2" in answer.json()["message"]) == (409, True)
    listed = (await client.get("/v1/projects", headers=headers)).json()["data"]
    assert [project["name"] for project in listed] == ["one", "two"]
    body = {"endpoint": "prices", "data": {"n": 1}}
    for name, status in (("one", 201), ("mine", 403)):
        answer = await client.post("/v1/snapshots", json=body, headers=headers | {"x-tenant-id": name})
        assert answer.status_code == status, answer.text
    assert (await client.get("/v1/projects/mine", headers=headers)).status_code == 404
    for method, path in (("GET", "/v1/invitations"), ("GET", "/metrics"), ("GET", "/v1/backup")):
        assert (await client.request(method, path, headers=headers)).status_code == 403
    deleted = await client.delete("/v1/projects/two?purge=true", headers=headers)
    assert deleted.status_code == 204
    assert (await client.post("/v1/projects", json={"name": "three"}, headers=headers)).status_code == 201


async def test_an_address_that_is_taken_is_answered_alike_and_stays_whose_it_was(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await add(app, "ada@example.com", "owner")
    for email in ("ada@example.com", "ADA@EXAMPLE.COM "):
        answer = await client.post(REGISTER, json={"email": email, "password": "staple horse battery", "name": "Eve"})
        assert (answer.status_code, answer.json()) == (202, {"email": "ada@example.com", "confirmation": False})
    user = (await login(client, "ada@example.com"))["user"]
    assert (user["name"], user["role"]) == ("", "owner")
    rows = (await client.get("/v1/audit?action=user.register_again", headers=bearer(keys.account))).json()["data"]
    assert len(rows) == 2
