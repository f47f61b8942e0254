"""The people of an instance, as its owners and admins see and change them."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.users import people

PATH = "/v1/instance/users"


@pytest.fixture
async def tokens(app: Application, client: httpx.AsyncClient, keys: Keys) -> dict[str, str]:
    """Of an owner, an admin and a member, by their role; their addresses begin so."""
    return {
        role: await people.signed_in(app, client, f"{role}@example.org", role) for role in ("owner", "admin", "member")
    }


async def listed(client: httpx.AsyncClient, key: str, query: str = "") -> dict[str, Any]:
    answer = await client.get(PATH + query, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def change(client: httpx.AsyncClient, key: str, who: str, **body: Any) -> httpx.Response:
    return await client.patch(f"{PATH}/{who}@example.org", json=body, headers=bearer(key))


async def test_refusals(client: httpx.AsyncClient, keys: Keys, tokens: dict[str, str]) -> None:
    one = f"{PATH}/member@example.org"
    for row in [
        Row("no key", "GET", PATH, 401, key=None),
        Row("a project's key", "GET", PATH, 403),
        Row("no key", "PATCH", one, 401, key=None, body={"role": "admin"}),
        Row("a project's key", "PATCH", one, 403, body={"role": "admin"}),
        Row("a wrong cursor", "GET", f"{PATH}?cursor=x", 400, key="account", field="cursor"),
        Row("no such user", "PATCH", f"{PATH}/nobody@example.org", 404, key="account", body={"role": "admin"}),
        Row("no such role", "PATCH", one, 400, key="account", body={"role": "king"}, field="role"),
        Row("something else", "PATCH", one, 400, key="account", body={"email": "x"}, field="email"),
    ]:
        await check(client, keys, row)
    for method, path in (("GET", PATH), ("PATCH", one)):
        answer = await client.request(method, path, json={"role": "owner"}, headers=bearer(tokens["member"]))
        assert answer.status_code == 403


async def test_all_of_them_by_address(client: httpx.AsyncClient, tokens: dict[str, str]) -> None:
    found = await listed(client, tokens["admin"])
    assert [user["email"] for user in found["data"]] == ["admin@example.org", "member@example.org", "owner@example.org"]
    one = found["data"][1]
    assert (one["role"], one["state"], one["second_factor"]) == ("member", "active", False)
    assert one["last_seen_at"] >= one["created_at"]
    first = await listed(client, tokens["owner"], "?limit=2")
    rest = await listed(client, tokens["owner"], f"?limit=2&cursor={first['next_cursor']}")
    assert (len(first["data"]), [user["email"] for user in rest["data"]]) == (2, ["owner@example.org"])


async def test_a_role_is_given_and_taken(client: httpx.AsyncClient, keys: Keys, tokens: dict[str, str]) -> None:
    answer = await change(client, tokens["admin"], "member", role="admin")
    assert (answer.status_code, answer.json()["user"]["role"]) == (200, "admin")
    assert (await change(client, keys.account, "member", role="owner")).status_code == 200
    assert (await change(client, tokens["owner"], "member", role="member")).json()["user"]["role"] == "member"
    assert (await client.get(PATH, headers=bearer(tokens["member"]))).status_code == 403


async def test_who_is_disabled_is_signed_out(client: httpx.AsyncClient, tokens: dict[str, str]) -> None:
    answer = await change(client, tokens["admin"], "member", disabled=True)
    assert answer.json()["user"]["state"] == "disabled"
    assert (await client.get("/v1/auth/me", headers=bearer(tokens["member"]))).status_code == 401
    assert (await change(client, tokens["admin"], "member", disabled=False)).json()["user"]["state"] == "active"
    assert (await people.login(client, "member@example.org"))["access_token"]


@pytest.mark.parametrize(
    ("by", "who", "body", "status"),
    [
        ("admin", "owner", {"role": "member"}, 403),
        ("admin", "owner", {"disabled": True}, 403),
        ("admin", "admin", {"role": "owner"}, 403),
        ("admin", "admin", {"disabled": True}, 409),
        ("owner", "owner", {"role": "member"}, 409),
        ("owner", "owner", {"disabled": True}, 409),
        ("owner", "owner", {}, 200),
    ],
)
async def test_who_may_not(
    client: httpx.AsyncClient, tokens: dict[str, str], by: str, who: str, body: dict[str, Any], status: int
) -> None:
    assert (await change(client, tokens[by], who, **body)).status_code == status


async def test_a_key_that_only_looks_makes_no_owner(
    client: httpx.AsyncClient, keys: Keys, tokens: dict[str, str]
) -> None:
    made = await client.post(
        "/v1/auth/api-keys", json={"name": "look", "scopes": ["instance:admin"]}, headers=bearer(keys.account)
    )
    key = made.json()["key"]
    assert len((await listed(client, key))["data"]) == 3
    assert (await change(client, key, "member", role="owner")).status_code == 403
