"""DELETE /v1/auth/me: who leaves, what goes with them, what stays."""

import httpx

from delta_server.app import Application
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer
from tests.features.users.people import PASSWORD, login, signed_in

ME = "/v1/auth/me"
TABLES = ("member", "user", "session", "refresh_token", "login_link", "second_factor", "recovery_code")


async def leave(client: httpx.AsyncClient, token: str, query: str = "", password: str = PASSWORD) -> httpx.Response:
    return await client.request("DELETE", f"{ME}{query}", json={"password": password}, headers=bearer(token))


def _counts(tx: Tx) -> dict[str, int]:
    return {table: tx.all(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


async def test_refusals(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    token = await signed_in(app, client, "ada@example.com")
    before = await app.services.db.read(_counts)
    assert (await client.request("DELETE", ME, json={"password": PASSWORD})).status_code == 401
    assert (await leave(client, keys.account)).status_code == 403
    assert (await leave(client, token, password="wrong")).status_code == 400
    assert (await client.delete(ME, headers=bearer(token))).status_code == 400
    more = {"password": PASSWORD, "email": "bo@example.com"}
    assert (await client.request("DELETE", ME, json=more, headers=bearer(token))).status_code == 400
    assert await app.services.db.read(_counts) == before


async def test_all_of_theirs_goes_with_them(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await signed_in(app, client, "bo@example.com")
    before = await app.services.db.read(_counts)
    token = await signed_in(app, client, "ada@example.com")
    other = (await login(client, "ada@example.com"))["refresh_token"]
    member = "/v1/projects/mine/members/ada@example.com"
    assert (await client.put(member, json={"role": "admin"}, headers=bearer(keys.account))).status_code == 200
    await client.post("/v1/auth/totp", json={"password": PASSWORD}, headers=bearer(token))
    assert (await leave(client, token)).status_code == 204
    assert (await client.get(ME, headers=bearer(token))).status_code == 401
    assert (await client.post("/v1/auth/refresh", json={"refresh_token": other})).status_code == 401
    again = await client.post("/v1/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
    assert again.status_code == 401
    assert await app.services.db.read(_counts) == before
    new = await signed_in(app, client, "ada@example.com")
    assert (await client.get("/v1/projects", headers=bearer(new))).json()["data"] == []


async def test_the_last_owner_stays(app: Application, client: httpx.AsyncClient) -> None:
    first = await signed_in(app, client, "ada@example.com", "owner")
    assert (await leave(client, first)).status_code == 409
    await signed_in(app, client, "bo@example.com", "owner")
    assert (await leave(client, first)).status_code == 204


async def test_the_last_owner_leaves_when_that_is_said(app: Application, client: httpx.AsyncClient) -> None:
    first = await signed_in(app, client, "ada@example.com", "owner")
    await signed_in(app, client, "bo@example.com")
    assert "?force=true" in (await leave(client, first)).json()["message"]
    assert (await leave(client, first, "?force=true")).status_code == 204
    assert (await leave(client, first, "?force=true")).status_code == 401


async def test_who_owns_a_project_gives_it_away_first(app: Application, client: httpx.AsyncClient) -> None:
    token = await signed_in(app, client, "ada@example.com", "admin")
    await signed_in(app, client, "bo@example.com")
    assert (await client.post("/v1/projects", json={"name": "shop"}, headers=bearer(token))).status_code == 201
    refused = await leave(client, token)
    assert refused.status_code == 409
    assert "shop" in refused.json()["message"]
    given = await client.post("/v1/projects/shop/transfer", json={"owner": "bo@example.com"}, headers=bearer(token))
    assert given.status_code == 200
    assert (await leave(client, token)).status_code == 204


async def test_who_was_deleted_twice(app: Application, client: httpx.AsyncClient) -> None:
    token = await signed_in(app, client, "ada@example.com")
    assert (await leave(client, token)).status_code == 204
    assert (await leave(client, token)).status_code == 401
