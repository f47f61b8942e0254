"""What people may do, by their role in the instance and in a project."""

import httpx
import pytest

from delta_server.app import Application
from tests.conftest import Keys, bearer
from tests.features.users.people import signed_in

SNAPSHOT = ("POST", "/v1/snapshots?endpoint=prices", {"price": 1})
READ = ("GET", "/v1/endpoints", None)
REMOVE = ("DELETE", "/v1/projects/mine/members/bo@example.com", None)
ALLOWED = {None: "", "viewer": "r", "editor": "rw", "admin": "rwa"}


async def _status(
    client: httpx.AsyncClient, token: str, what: tuple[str, str, object], project: str | None = "mine"
) -> int:
    method, path, body = what
    headers = bearer(token) | ({} if project is None else {"x-tenant-id": project})
    return (await client.request(method, path, json=body, headers=headers)).status_code


@pytest.mark.parametrize("role", ALLOWED, ids=str)
async def test_members_may_what_their_role_says(
    app: Application, client: httpx.AsyncClient, keys: Keys, role: str | None
) -> None:
    token = await signed_in(app, client, "ada@example.com")
    await signed_in(app, client, "bo@example.com")
    for email, given in (("ada@example.com", role), ("bo@example.com", "viewer")):
        if given is not None:
            path = f"/v1/projects/mine/members/{email}"
            answer = await client.put(path, json={"role": given}, headers=bearer(keys.account))
            assert answer.json()["member"]["role"] == given, answer.text
    may = ALLOWED[role]
    assert await _status(client, token, READ) == (200 if "r" in may else 403)
    assert await _status(client, token, SNAPSHOT) == (201 if "w" in may else 403)
    assert await _status(client, token, REMOVE, None) == (204 if "a" in may else 403)
    for what in (READ, SNAPSHOT):
        assert await _status(client, token, what, "other") == 403
        assert await _status(client, token, what, None) == 403
    assert (await client.get("/v1/projects/other", headers=bearer(token))).status_code == 404
    mine = await client.get("/v1/projects/mine", headers=bearer(token))
    assert mine.status_code == (200 if may else 404)
    told = [scope in mine.json().get("scopes", []) for scope in ("snapshots:read", "snapshots:write", "members:admin")]
    assert told == ["r" in may, "w" in may, "a" in may]
    listed = (await client.get("/v1/projects", headers=bearer(token))).json()["data"]
    assert [project["name"] for project in listed] == (["mine"] if may else [])
    assert await _status(client, token, ("POST", "/v1/projects", {"name": "new"}), None) == 403
    assert await _status(client, token, ("GET", "/metrics", None), None) == 403
    assert await _status(client, token, ("GET", "/v1/auth/api-keys", None), None) == 403


async def test_a_refusal_speaks_to_people_of_what_they_have(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    token = await signed_in(app, client, "ada@example.com", "owner")
    for key, without, another in (
        (token, "this is about a project: name one", "not one of yours"),
        (keys.account, "an account's key with the project's id", "not one of this key's"),
    ):
        answer = await client.get("/v1/endpoints", headers=bearer(key))
        assert (answer.status_code, without in answer.json()["message"]) == (403, True)
        answer = await client.get("/v1/endpoints", headers=bearer(key) | {"x-tenant-id": "nowhere"})
        assert (answer.status_code, another in answer.json()["message"]) == (403, True)


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_owners_and_admins_see_all_projects(
    app: Application, client: httpx.AsyncClient, keys: Keys, role: str
) -> None:
    token = await signed_in(app, client, "ada@example.com", role)
    for project in ("mine", "other"):
        assert await _status(client, token, SNAPSHOT, project) == 201
    assert await _status(client, token, READ, None) == 403
    assert await _status(client, token, ("POST", "/v1/projects", {"name": "new"}), None) == 201
    listed = (await client.get("/v1/projects", headers=bearer(token))).json()["data"]
    assert [project["name"] for project in listed] == ["mine", "new", "other"]


async def test_who_was_removed_is_out_at_once(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    token = await signed_in(app, client, "ada@example.com")
    path, headers = "/v1/projects/mine/members/ada@example.com", bearer(keys.project)
    assert (await client.put(path, json={"role": "admin"}, headers=headers)).status_code == 200
    [member] = (await client.get("/v1/projects/mine/members", headers=bearer(token))).json()["data"]
    assert (member["email"], member["role"]) == ("ada@example.com", "admin")
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.delete(path, headers=headers)).status_code == 404
    assert await _status(client, token, READ) == 403
    assert (await client.put(path, json={"role": "root"}, headers=headers)).status_code == 400
    nobody = "/v1/projects/mine/members/no@example.com"
    assert (await client.put(nobody, json={"role": "viewer"}, headers=headers)).status_code == 404
    theirs = "/v1/projects/other/members/ada@example.com"
    assert (await client.put(theirs, json={"role": "admin"}, headers=headers)).status_code == 404


async def test_nobody_gives_a_role_that_may_do_more(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await signed_in(app, client, "ada@example.com")
    body = {"scopes": ["members:admin", "read"]}
    answer = await client.post("/v1/auth/api-keys", json=body, headers=bearer(keys.project))
    key = answer.json()["key"]
    path = "/v1/projects/mine/members/ada@example.com"
    for role, status in (("admin", 403), ("editor", 403), ("viewer", 200)):
        answer = await client.put(path, json={"role": role}, headers=bearer(key))
        assert answer.status_code == status, answer.text
        if status == 403:
            wanted = {"admin": "admin", "editor": "write"}[role]
            assert f"takes the scope {wanted}, which an admin of the project has" in answer.json()["message"]
