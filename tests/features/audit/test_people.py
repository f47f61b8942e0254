"""What people do and what is done to them is on record, and nothing that they keep secret."""

from collections import Counter
from typing import Any

import httpx
import pytest

from delta_server.app import COMMANDS, Application
from delta_server.core.actor import COMMAND_LINE
from delta_server.features.audit import service as audit
from delta_server.features.users.commands import Disabling, Named, NewUser, RoleChange
from delta_server.storage.database import ACTING
from tests.conftest import Keys, bearer
from tests.features.audit.trail import entries, verified
from tests.features.users import people
from tests.features.users.people import PASSWORD
from tests.storage.opened import FakeClock

ADA = "ada@example.com"


async def newest(client: httpx.AsyncClient, keys: Keys) -> dict[str, Any]:
    return (await entries(client, keys.account, limit=1))[0]


async def test_a_login_and_its_end(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    token = await people.signed_in(app, client, ADA)
    began = await newest(client, keys)
    assert (began["action"], began["name"], began["address"], began["outcome"]) == ("login", ADA, "127.0.0.1", "ok")
    assert began["actor"] == began["target"]
    await client.post("/v1/auth/logout", headers=bearer(token))
    ended = await newest(client, keys)
    assert (ended["action"], ended["actor"], ended["target"]) == ("logout", began["actor"], began["target"])
    assert (await verified(app.services)).broken == []


@pytest.mark.parametrize("email", [ADA, "nobody@example.com", "a password in the wrong field"])
async def test_failed_logins(app: Application, client: httpx.AsyncClient, keys: Keys, email: str) -> None:
    """Alike for those who are there and those who are not, and once for many: later ones are counted."""
    await people.add(app, ADA)
    for _ in range(9):  # the last ones are refused before the password is compared
        answer = await client.post("/v1/auth/login", json={"email": email, "password": "wrong"})
        assert answer.status_code in (401, 429)
    [failed] = await entries(client, keys.account, action="login")
    assert (failed["outcome"], failed["actor"], failed["name"], failed["repeats"]) == ("failed", "nobody", "", 1)
    assert (failed["target"] == "unknown user") == (email != ADA)
    await audit.write_repeats(app.services)
    counted = await newest(client, keys)
    assert (counted["repeats"], counted["target"], counted["address"]) == (8, failed["target"], "127.0.0.1")
    table = await client.get("/v1/audit?format=ndjson", headers=bearer(keys.account))
    assert "wrong" not in table.text


async def test_a_flood_of_failed_logins_is_bounded(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delta_server.features.audit.repeats.MOST", 3)
    for n in range(8):
        await client.post("/v1/auth/login", json={"email": f"{n}@example.com", "password": "wrong"})
    await audit.write_repeats(app.services)
    rows = await entries(client, keys.account, action="login")
    assert [row["repeats"] for row in rows] == [5, 1, 1, 1]


async def test_passwords(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    token = await people.signed_in(app, client, ADA)
    change = {"current_password": "wrong", "new_password": "staple horse battery"}
    await client.post("/v1/auth/change-password", json=change, headers=bearer(token))
    assert ((await newest(client, keys))["action"], (await newest(client, keys))["outcome"]) == (
        "password.check",
        "failed",
    )
    change["current_password"] = PASSWORD
    answer = await client.post("/v1/auth/change-password", json=change, headers=bearer(token))
    assert answer.status_code == 204
    row = await newest(client, keys)
    assert (row["action"], row["outcome"], row["actor"]) == ("password.change", "ok", row["target"])


async def test_a_copied_refresh_token_ends_the_session(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await people.add(app, ADA)
    tokens = await people.login(client, ADA)
    for _ in range(2):
        await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        clock.advance(60_000)
    row = await newest(client, keys)
    assert (row["action"], row["actor"], row["name"]) == ("session.revoke", "nobody", ADA)


async def test_sessions_of_others(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    token = await people.signed_in(app, client, ADA)
    await people.login(client, ADA)
    await client.delete("/v1/auth/sessions", headers=bearer(token))
    assert (await newest(client, keys))["detail"] == {"sessions": 1}


async def test_commands_are_the_command_lines(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    ACTING.set(COMMAND_LINE)  # of this test's task, as a command's of its own
    for name, arguments in [
        ("user add", NewUser(ADA, "owner", "", PASSWORD)),
        ("user add", NewUser("bo@example.com", "member", "", PASSWORD)),
        ("user role", RoleChange("bo@example.com", "admin")),
        ("user disable", Disabling("bo@example.com")),
        ("user enable", Named("bo@example.com")),
        ("user reset-link", Named("bo@example.com")),
    ]:
        await COMMANDS[name].run(app.services, arguments, lambda done, of: None)
    rows = [row for row in await entries(client, keys.account) if row["action"].startswith("user.")]
    assert Counter(row["action"] for row in rows) == Counter(
        ["user.create", "user.create", "user.role", "user.disable", "user.enable", "user.reset_link"]
    )
    assert {(row["actor"], row["address"]) for row in rows} == {("command line", "")}
    assert {"role": "admin", "before": "member"} in [row["detail"] for row in rows]
