"""Whose project it is, and who may give it away."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.users import service as users
from tests.conftest import Keys, bearer
from tests.features.users.people import add, signed_in

ADA, BO = "ada@example.com", "bo@example.com"


async def transfer(client: httpx.AsyncClient, by: str, to: str, project: str = "mine") -> httpx.Response:
    return await client.post(f"/v1/projects/{project}/transfer", json={"owner": to}, headers=bearer(by))


async def members(client: httpx.AsyncClient, keys: Keys, project: str = "mine") -> tuple[str | None, dict[str, str]]:
    found: dict[str, Any] = (await client.get(f"/v1/projects/{project}/members", headers=bearer(keys.account))).json()
    owner = found["owner"] and found["owner"]["email"]
    return owner, {member["email"]: member["role"] for member in found["data"]}


async def test_a_project_is_whose_who_made_it(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    token = await signed_in(app, client, ADA, "owner")
    for key, name, owner in ((token, "hers", ADA), (keys.account, "nobodys", None)):
        await client.post("/v1/projects", json={"name": name}, headers=bearer(key))
        assert (await members(client, keys, name))[0] == owner


async def test_an_owner_gives_it_on_and_stays_a_member(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    ada, bo = await signed_in(app, client, ADA), await signed_in(app, client, BO)
    assert (await transfer(client, keys.account, ADA)).json()["owner"]["email"] == ADA
    assert await members(client, keys) == (ADA, {ADA: "admin"})
    assert (await transfer(client, bo, BO)).status_code in (403, 404)
    id = (await client.get("/v1/auth/me", headers=bearer(bo))).json()["user"]["id"]
    assert (await transfer(client, ada, id)).status_code == 200
    assert await members(client, keys) == (BO, {ADA: "admin", BO: "admin"})
    answer = await transfer(client, ada, ADA)
    assert (answer.status_code, "only the project's owner" in answer.json()["message"]) == (403, True)


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_owners_and_admins_of_the_instance_transfer_any(
    app: Application, client: httpx.AsyncClient, keys: Keys, role: str
) -> None:
    await add(app, BO)
    assert (await transfer(client, await signed_in(app, client, ADA, role), BO)).status_code == 200
    assert (await members(client, keys))[0] == BO


async def test_nobody_who_cannot_sign_in_becomes_an_owner(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await add(app, ADA)
    await app.services.db.write(lambda tx: users.disable(tx, users.named(tx, ADA)))
    assert (await transfer(client, keys.account, ADA)).status_code == 409
    assert await members(client, keys) == (None, {})


async def test_an_owner_is_not_put_out_of_the_project(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await add(app, ADA)
    await add(app, BO)
    await transfer(client, keys.account, ADA)
    path, headers = f"/v1/projects/mine/members/{ADA}", bearer(keys.project)
    for answer in (
        await client.delete(path, headers=headers),
        await client.put(path, json={"role": "viewer"}, headers=headers),
    ):
        assert (answer.status_code, "transfer it first" in answer.json()["message"]) == (409, True)
    assert await members(client, keys) == (ADA, {ADA: "admin"})
    await transfer(client, keys.account, BO)
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert await members(client, keys) == (BO, {BO: "admin"})


async def test_an_owner_keeps_the_project_without_a_role_in_the_instance(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await add(app, BO, "owner")
    token = await signed_in(app, client, ADA, "admin")
    await client.post("/v1/projects", json={"name": "hers"}, headers=bearer(token))
    await app.services.db.write(lambda tx: users.set_role(tx, users.named(tx, ADA), "member"))
    assert await members(client, keys, "hers") == (ADA, {ADA: "admin"})
    listed = (await client.get("/v1/projects", headers=bearer(token))).json()["data"]
    assert [project["name"] for project in listed] == ["hers"]
    assert (await transfer(client, token, BO, "hers")).status_code == 200
