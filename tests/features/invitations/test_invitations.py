"""Invitations over HTTP: who may make which, and what accepts them."""

import asyncio
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import secrets, times
from delta_server.features.accounts import service as accounts
from delta_server.features.invitations import service, tasks
from delta_server.features.invitations.schemas import NewInstanceInvitation
from delta_server.features.users import service as users
from delta_server.services import Services
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.features.users.people import PASSWORD, add, login, signed_in
from tests.storage.opened import FakeClock

HERE, EVERYWHERE, ACCEPT = "/v1/projects/mine/invitations", "/v1/invitations", "/v1/invitations/accept"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
BO = "bo@example.com"
NEW = {"email": BO, "role": "editor"}
OTHER_PASSWORD = "staple horse battery"

REFUSED = [
    Row("invite without a key", "POST", HERE, 401, key=None, body=NEW),
    Row("list without a key", "GET", HERE, 401, key=None),
    Row("invite into another's project", "POST", HERE, 404, key="other", body=NEW),
    Row("list another's", "GET", HERE, 404, key="other"),
    Row("revoke another's", "DELETE", f"{HERE}/{NOBODY}", 404, key="other"),
    Row("invite with a write key", "POST", HERE, 403, key="write", body=NEW, says="members:admin"),
    Row("list with a read key", "GET", HERE, 403, key="read", says="members:admin"),
    Row("the instance with a project's key", "POST", EVERYWHERE, 403, body={"email": BO}, says="account key"),
    Row("list the instance's with a project's key", "GET", EVERYWHERE, 403),
    Row("an owner by a key", "POST", EVERYWHERE, 403, key="account", body={"email": BO, "role": "owner"}, says="owner"),
    Row("no address", "POST", HERE, 400, body={}, field="email"),
    Row("not an address", "POST", HERE, 400, body={"email": "bo"}, field="email"),
    Row("a header in the address", "POST", HERE, 400, body={"email": "bo@example.com\r\nBcc: eve@b.example"}),
    Row("two addresses", "POST", HERE, 400, body={"email": "bo@example.com,eve@b.example"}, field="email"),
    Row("an unknown role", "POST", HERE, 400, body={"email": BO, "role": "root"}, field="role"),
    Row("the instance's role in a project", "POST", HERE, 400, body={"email": BO, "role": "owner"}, field="role"),
    Row("a project's role in the instance", "POST", EVERYWHERE, 400, key="account", body=NEW, field="role"),
    Row("no length of time", "POST", HERE, 400, body={**NEW, "expires_in": "soon"}, field="expires_in"),
    Row("no time at all", "POST", HERE, 400, body={**NEW, "expires_in": "0d"}, field="expires_in"),
    Row("for ever", "POST", HERE, 400, body={**NEW, "expires_in": "91d"}, field="expires_in", says="at most 90d"),
    Row("its state chosen", "POST", HERE, 400, body={**NEW, "state": "accepted"}, field="state"),
    Row("revoke what is not there", "DELETE", f"{HERE}/{NOBODY}", 404),
    Row("revoke no id", "DELETE", f"{EVERYWHERE}/one", 404, key="account"),
    Row("a broken cursor", "GET", f"{HERE}?cursor=x", 400),
    Row("accept without a token", "POST", ACCEPT, 400, key=None, body={"password": PASSWORD}, field="token"),
    Row("accept by guessing", "POST", ACCEPT, 403, key=None, body={"token": "di_" + "0" * 64, "password": PASSWORD}),
    Row("accept a half of a pair", "POST", ACCEPT, 400, key=None, raw=b'{"token":"\\ud800"}'),
    Row("accept with a key", "POST", ACCEPT, 403, body={"token": "di_" + "0" * 64}, says="access token"),
    Row("accept with a role", "POST", ACCEPT, 400, key=None, body={"token": "x", "role": "owner"}, field="role"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_change_nothing(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)
    for path in (HERE, EVERYWHERE):
        assert (await shared_client.get(path, headers=bearer(shared_keys.account))).json()["data"] == []


async def invited(client: httpx.AsyncClient, key: str, path: str = HERE, **new: Any) -> dict[str, Any]:
    answer = await client.post(path, json={**(NEW if path == HERE else {"email": BO}), **new}, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def accept(
    client: httpx.AsyncClient, token: str, *, by: str | None = None, status: int = 200, **given: Any
) -> Any:
    headers = {} if by is None else bearer(by)
    body = {"token": token, **({"password": PASSWORD} if by is None and not given else given)}
    answer = await client.post(ACCEPT, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_new_person_joins_a_project_once(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await add(app, "ada@example.com", "owner")
    made = await invited(client, keys.project)
    shown = made["invitation"]
    assert (shown["email"], shown["role"], shown["project"], shown["state"]) == (BO, "editor", "mine", "pending")
    assert shown["invited_by"] == secrets.parse(keys.project).public_id
    assert re.fullmatch("di_[0-9a-f]{64}", made["token"])
    assert made["link"] is None, "the server does not know its address, and believes no Host"
    accepted = await accept(client, made["token"], password=PASSWORD, name="Bo")
    assert (accepted["email"], accepted["project"], accepted["role"]) == (BO, "mine", "editor")
    session = await login(client, BO)
    assert (session["user"]["name"], session["user"]["role"]) == ("Bo", "member")
    headers = bearer(session["access_token"]) | {"x-tenant-id": "mine"}
    assert (await client.post("/v1/snapshots?endpoint=prices", json={"n": 1}, headers=headers)).status_code == 201
    refused = await accept(client, made["token"], status=403)
    assert "was used" in refused["message"]
    [listed] = (await client.get(HERE, headers=bearer(keys.project))).json()["data"]
    assert (listed["state"], "token" in listed) == ("accepted", False)
    actions = await _actions(client, keys)
    assert actions.count(("invitation.accept", "user")) == 1
    assert ("user.create", "user") in actions
    assert ("member.set", "user") in actions


async def _actions(client: httpx.AsyncClient, keys: Keys) -> list[tuple[str, str]]:
    rows = (await client.get("/v1/audit?limit=1000", headers=bearer(keys.account))).json()["data"]
    return [(row["action"], row["actor"].split(" ")[0]) for row in rows]


async def test_who_is_signed_in_accepts_as_themselves(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    bo, eve = await signed_in(app, client, BO), await signed_in(app, client, "eve@example.com")
    token = (await invited(client, keys.project, role="viewer"))["token"]
    refused = await accept(client, token, by=eve, status=403)
    assert "another address" in refused["message"]
    assert (await accept(client, token, by=bo))["role"] == "viewer"
    listed = (await client.get("/v1/projects", headers=bearer(bo))).json()["data"]
    assert [project["name"] for project in listed] == ["mine"]


async def test_whether_there_is_an_account_shows_nowhere(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """Neither where somebody is invited, nor where a stranger has the link but not the password."""
    await add(app, BO)
    answers = []
    for email in (BO, "new@example.com"):
        made = await invited(client, keys.project, email=email)
        unsigned = await accept(client, made["token"], status=400, name="B")
        weak = await accept(client, made["token"], status=400, password="short")
        answers.append(
            [
                {**made["invitation"], "id": "", "email": ""},
                *({**one, "request_id": "", "requestId": ""} for one in (unsigned, weak)),
            ]
        )
    assert answers[0] == answers[1]


async def test_who_has_an_account_needs_its_password(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await add(app, BO)
    token = (await invited(client, keys.project))["token"]
    refused = await accept(client, token, status=401, password=OTHER_PASSWORD, name="Not Bo")
    assert "the password is wrong" in refused["message"]
    for _ in range(4):
        await accept(client, token, status=401, password=OTHER_PASSWORD)
    waits = await client.post(ACCEPT, json={"token": token, "password": OTHER_PASSWORD})
    assert waits.status_code == 429, "guesses by invitation are guesses at a login"
    app.services.clock.advance(60_000)  # type: ignore[attr-defined]  # the tests' own clock
    assert (await accept(client, token))["email"] == BO
    user = (await login(client, BO))["user"]
    assert user["name"] == ""


async def test_invitations_end(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    await add(app, "ada@example.com", "owner")
    first = await invited(client, keys.project, expires_in="1h")
    second = await invited(client, keys.project, expires_in="1h")
    await accept(client, first["token"], status=403)  # the second took its place
    clock.advance(3_600_000)
    await accept(client, second["token"], status=403)
    third = await invited(client, keys.project)
    path = f"{HERE}/{third['invitation']['id']}"
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 404
    await accept(client, third["token"], status=403)
    listed = (await client.get(HERE, headers=bearer(keys.project))).json()["data"]
    assert [row["state"] for row in listed] == ["revoked", "expired", "revoked"]
    clock.advance(90 * times.DAY_MS + service.KEPT_MS)
    await tasks.sweep(app.services)
    assert (await client.get(HERE, headers=bearer(keys.project))).json()["data"] == []


async def test_a_project_that_is_deleted_takes_its_invitations_along(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    await add(app, "ada@example.com", "owner")
    token = (await invited(client, keys.project))["token"]
    await client.delete("/v1/projects/mine", headers=bearer(keys.account))
    await accept(client, token, status=403)


VOIDED = {
    "disabled": lambda tx, user: users.disable(tx, user),
    "made a member": lambda tx, user: users.set_role(tx, user, "member"),
}


@pytest.mark.parametrize("change", VOIDED, ids=str)
@pytest.mark.parametrize("path", [HERE, EVERYWHERE])
async def test_who_loses_the_right_loses_the_invitations(
    app: Application, client: httpx.AsyncClient, keys: Keys, path: str, change: str
) -> None:
    await add(app, "owner@example.com", "owner")
    admin = await signed_in(app, client, "ada@example.com", "admin")
    made = await invited(client, admin, path)
    assert made["invitation"]["invited_by"] == "ada@example.com"
    await app.services.db.write(lambda tx: VOIDED[change](tx, users.named(tx, "ada@example.com")))
    refused = await accept(client, made["token"], status=403)
    assert "may not invite any more" in refused["message"]


async def test_a_members_invitation_ends_with_the_membership_or_role(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    ada = await signed_in(app, client, "ada@example.com")
    member, headers = "/v1/projects/mine/members/ada@example.com", bearer(keys.account)
    await client.put(member, json={"role": "admin"}, headers=headers)
    token = (await invited(client, ada))["token"]
    await client.put(member, json={"role": "editor"}, headers=headers)
    await accept(client, token, status=403)
    await client.put(member, json={"role": "admin"}, headers=headers)
    await accept(client, token)
    token = (await invited(client, ada, email="eve@example.com"))["token"]
    await client.delete(member, headers=headers)
    await accept(client, token, status=403)


@pytest.mark.parametrize("how", ["revoked", "expired", "rotated"])
async def test_a_keys_invitation_ends_with_it_and_outlives_its_rotation(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, how: str
) -> None:
    await add(app, "ada@example.com", "owner")
    body = {"scopes": ["admin"], "expires_in": "2d"}
    made = (await client.post("/v1/auth/api-keys", json=body, headers=bearer(keys.project))).json()
    token = (await invited(client, made["key"]))["token"]
    path = f"/v1/auth/api-keys/{made['api_key']['id']}"
    if how == "revoked":
        await client.delete(path, headers=bearer(keys.project))
    elif how == "rotated":
        await client.post(f"{path}/rotate", json={"overlap": "1h", "expires_in": "30d"}, headers=bearer(keys.project))
    if how != "revoked":
        clock.advance(3 * times.DAY_MS)
    await accept(client, token, status=200 if how == "rotated" else 403)


ROLES = [
    ("owner", "owner", 201), ("owner", "admin", 201), ("admin", "admin", 201), ("admin", "member", 201),
    ("admin", "owner", 403), ("member", "member", 403),
]  # fmt: skip


@pytest.mark.parametrize(("own", "given", "status"), ROLES)
async def test_the_instances_roles_are_at_most_ones_own(
    app: Application, client: httpx.AsyncClient, own: str, given: str, status: int
) -> None:
    await add(app, "owner@example.com", "owner")
    token = await signed_in(app, client, "ada@example.com", own)
    answer = await client.post(EVERYWHERE, json={"email": BO, "role": given}, headers=bearer(token))
    assert answer.status_code == status, answer.text
    if status == 201:
        assert (await accept(client, answer.json()["token"]))["role"] == given
        assert (await login(client, BO))["user"]["role"] == given


async def test_nobody_is_made_less_by_accepting(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await add(app, "owner@example.com", "owner")
    bo = await signed_in(app, client, BO, "admin")
    await client.put(f"/v1/projects/mine/members/{BO}", json={"role": "admin"}, headers=bearer(keys.account))
    token = (await invited(client, keys.project, role="viewer"))["token"]
    assert (await accept(client, token, by=bo))["role"] == "admin"
    token = (await invited(client, keys.account, EVERYWHERE, role="member"))["token"]
    assert (await accept(client, token, by=bo))["role"] == "admin"


@shared
async def test_a_key_with_less_invites_to_less(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    body = {"scopes": ["members:admin", "read"]}
    key = (await shared_client.post("/v1/auth/api-keys", json=body, headers=bearer(own_keys.project))).json()["key"]
    for role, status in (("admin", 403), ("editor", 403), ("viewer", 201)):
        answer = await shared_client.post(HERE, json={**NEW, "role": role}, headers=bearer(key))
        assert answer.status_code == status, answer.text


async def test_the_first_owner_is_nobody_who_was_invited(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    token = (await invited(client, keys.account, EVERYWHERE, role="admin"))["token"]
    refused = await accept(client, token, status=409)
    assert "no owner yet" in refused["message"]
    assert (await client.get("/v1/setup")).json() == {"needed": True}
    await add(app, "ada@example.com", "owner")
    assert (await accept(client, token))["role"] == "admin"


async def test_of_two_who_accept_at_once_one_does(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await add(app, "ada@example.com", "owner")
    token = (await invited(client, keys.project))["token"]
    both = await asyncio.gather(
        *(client.post(ACCEPT, json={"token": token, "password": word}) for word in (PASSWORD, OTHER_PASSWORD))
    )
    assert sorted(answer.status_code for answer in both) == [200, 403]


async def test_a_second_factor_is_not_gone_around(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(app, BO)
    token = (await invited(client, keys.project))["token"]
    monkeypatch.setattr("delta_server.features.users.second_factor.is_on", lambda *_: True)
    refused = await accept(client, token, status=401)
    assert "sign in first" in refused["message"]


@shared
async def test_a_repeated_request_makes_one_invitation_and_shows_the_token_once(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    headers = bearer(own_keys.project) | {"idempotency-key": "one"}
    first, again = [(await shared_client.post(HERE, json=NEW, headers=headers)) for _ in range(2)]
    assert first.headers["location"] == f"{HERE}/{first.json()['invitation']['id']}"
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**first.json(), "token": None, "link": None}
    assert len((await shared_client.get(HERE, headers=bearer(own_keys.project))).json()["data"]) == 1


@pytest.mark.parametrize("name", ["\N{SPOUTING WHALE}", "a/b", "prices \u00e4"])
@shared
async def test_projects_are_named_in_any_script(shared_client: httpx.AsyncClient, own_keys: Keys, name: str) -> None:
    await shared_client.patch("/v1/projects/mine", json={"name": name}, headers=bearer(own_keys.account))
    path = f"/v1/projects/{quote(name, safe='')}/invitations"
    answer = await shared_client.post(path, json=NEW, headers=bearer(own_keys.project))
    assert answer.status_code == 201, answer.text
    made = answer.headers["location"]
    assert made == f"{path}/{answer.json()['invitation']['id']}"
    assert (await shared_client.delete(made, headers=bearer(own_keys.project))).status_code == 204


@shared
async def test_lists_have_pages(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for number in range(3):
        await invited(shared_client, own_keys.project, email=f"bo{number}@example.com")
    path, found = f"{HERE}?limit=2", []
    while path:
        page = (await shared_client.get(path, headers=bearer(own_keys.project))).json()
        found += [row["email"] for row in page["data"]]
        path = f"{HERE}?limit=2&cursor={page['next_cursor']}" if page["has_more"] else ""
    assert found == [f"bo{number}@example.com" for number in (2, 1, 0)]


async def test_open_invitations_are_bounded(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_OPEN", 2)
    for number in range(2):
        await invited(client, keys.project, email=f"bo{number}@example.com")
    await invited(client, keys.project, email="bo1@example.com")  # in the place of an open one
    answer = await client.post(HERE, json=NEW, headers=bearer(keys.project))
    assert answer.status_code == 409
    await invited(client, keys.other, "/v1/projects/other/invitations", role="viewer")


async def test_the_token_is_in_no_table(services: Services) -> None:
    def tables(tx: Any) -> str:
        names = [row[0] for row in tx.all("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return str([tx.all(f"SELECT * FROM {name}") for name in names])

    new = NewInstanceInvitation(BO)
    await services.db.write(accounts.default_account)
    token = (await service.invite_by_command(services, None, new)).token
    assert token is not None
    assert token not in await services.db.read(tables)
