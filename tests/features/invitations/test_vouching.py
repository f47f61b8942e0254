"""Beside an identity provider nobody makes an account for an address by an invitation that a member made."""

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Auth, Config
from delta_server.config.sign_in import Oidc, TrustedHeader
from tests.conftest import Keys, bearer
from tests.features.users.people import PASSWORD, add, login

BO = "bo@example.com"
HERE, EVERYWHERE, ACCEPT = "/v1/projects/mine/invitations", "/v1/invitations", "/v1/invitations/accept"
WAYS = {
    "trusted header": Auth(trusted_header=TrustedHeader(header="x-user")),
    "oidc": Auth(oidc=Oidc(issuer="https://id.example.com", client_id="delta")),
}


@pytest.fixture(params=WAYS)
def config(config: Config, request: pytest.FixtureRequest) -> Config:
    return msgspec.structs.replace(config, auth=WAYS[request.param])


async def invited(client: httpx.AsyncClient, key: str, path: str = HERE) -> str:
    answer = await client.post(path, json={"email": BO}, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.fixture
async def member(app: Application, client: httpx.AsyncClient, keys: Keys) -> str:
    """Eve, an admin of the project and a mere member of the instance: her access token."""
    await add(app, "ada@example.com", "owner")
    await add(app, "eve@example.com")
    path = "/v1/projects/mine/members/eve@example.com"
    await client.put(path, json={"role": "admin"}, headers=bearer(keys.account))
    return str((await login(client, "eve@example.com"))["access_token"])


@pytest.mark.parametrize("by", ["member", "key"])
@pytest.mark.parametrize("known", [False, True])
async def test_a_members_invitation_makes_no_account_and_tells_of_none(
    app: Application, client: httpx.AsyncClient, keys: Keys, member: str, known: bool, by: str
) -> None:
    if known:
        await add(app, BO)
    token = await invited(client, member if by == "member" else keys.project)
    refused = await client.post(ACCEPT, json={"token": token, "password": "staple horse battery"})
    assert (refused.status_code, "sign in first" in refused.json()["message"]) == (403, True)
    if known:
        signed_in = bearer((await login(client, BO))["access_token"])
        assert (await client.post(ACCEPT, json={"token": token}, headers=signed_in)).status_code == 200


@pytest.mark.parametrize("path", [HERE, EVERYWHERE])
async def test_an_owner_or_an_account_key_vouches_for_the_address(
    client: httpx.AsyncClient, keys: Keys, member: str, path: str
) -> None:
    owner = (await login(client, "ada@example.com"))["access_token"]
    for key in (keys.account, owner):
        token = await invited(client, key, path)
        answer = await client.post(ACCEPT, json={"token": token, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
