"""The first owner and the first key of a container, by the configuration's section `admin`."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.config.load import load, shown
from delta_server.config.sections import Admin, Config
from delta_server.core import secrets
from delta_server.features.accounts import service as accounts
from delta_server.features.users.first_access import BadAdmin
from tests.conftest import bearer, built, client_of, started
from tests.features.users.people import PASSWORD, add
from tests.storage.opened import FakeClock

EMAIL = "ada@example.com"
LOGIN = "/v1/auth/login"


def of(config: Config, **admin: Any) -> Config:
    return msgspec.structs.replace(config, admin=Admin(**admin))


def new_key(kind: secrets.Kind = secrets.Kind.ACCOUNT) -> str:
    return secrets.make(kind, os.urandom(secrets.RANDOM_BYTES))


async def logged_in(client: httpx.AsyncClient, email: str, password: str) -> int:
    return (await client.post(LOGIN, json={"email": email, "password": password})).status_code


async def created(client: httpx.AsyncClient, key: str, name: str) -> int:
    return (await client.post("/v1/projects", json={"name": name}, headers=bearer(key))).status_code


@pytest.mark.parametrize(
    ("admin", "says"),
    [
        ({"email": EMAIL}, "admin.password must have"),
        ({"password": PASSWORD}, "admin.email must be"),
        ({"email": "ada", "password": PASSWORD}, "admin.email must be"),
        ({"email": EMAIL, "password": "short"}, "admin.password must have"),
        ({"email": EMAIL, "password": EMAIL}, "admin.password must not be"),
    ],
)
async def test_a_bad_owner_stops_the_start(config: Config, clock: FakeClock, admin: dict[str, str], says: str) -> None:
    with pytest.raises(BaseExceptionGroup) as found:
        async with started(built(of(config, **admin), clock)):
            pass
    assert found.group_contains(BadAdmin, match=says)
    if len(secret := admin.get("password", "")) > 5 and secret != EMAIL:
        assert secret not in str(found.value)


async def test_the_owner_is_made_once(config: Config, clock: FakeClock) -> None:
    async with started(built(of(config, email="Ada@example.com", password=PASSWORD), clock)) as app:
        client = client_of(app)
        assert (await client.get("/v1/setup")).json() == {"needed": False}
        answer = await client.post(LOGIN, json={"email": EMAIL, "password": PASSWORD})
        assert answer.json()["user"]["role"] == "owner"
    async with started(built(of(config, email=EMAIL, password="another password"), clock)) as app:
        assert await logged_in(client_of(app), EMAIL, "another password") == 401
        assert await logged_in(client_of(app), EMAIL, PASSWORD) == 200
    async with started(built(of(config, email="eve@example.com", password=PASSWORD), clock)) as app:
        assert await logged_in(client_of(app), "eve@example.com", PASSWORD) == 401


async def test_where_there_are_users_nothing_counts(config: Config, clock: FakeClock, tmp_path: Path) -> None:
    async with started(built(config, clock)) as app:
        await add(app, "bo@example.com")
    path = tmp_path / "key"
    path.write_text(key := new_key())
    async with started(built(of(config, email="x", password="x", key_file=str(path)), clock)) as app:
        assert await created(client_of(app), key, "x") == 401


async def test_the_key_in_the_file_is_valid(config: Config, clock: FakeClock, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"\n  {(key := new_key())}\n")
    for name in ("one", "two"):
        async with started(built(of(config, key_file=str(path)), clock)) as app:
            assert await created(client_of(app), key, name) == 201
    path.write_text(other := new_key())
    async with started(built(of(config, key_file=str(path)), clock)) as app:
        assert await created(client_of(app), other, "three") == 201
        assert await created(client_of(app), key, "four") == 201, "whoever changes it revokes the old one"


async def test_a_key_that_was_revoked_stays_so(config: Config, clock: FakeClock, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(key := new_key())
    async with started(built(of(config, key_file=str(path)), clock)) as app:
        account = app.services.db.peek(accounts.find_default_account)
        assert account is not None
        await app.services.db.write(accounts.revoke_key, account, None, secrets.parse(key).public_id)
    async with started(built(of(config, key_file=str(path)), clock)) as app:
        assert await created(client_of(app), key, "x") == 401


@pytest.mark.parametrize("before", [None, "", "\n"])
async def test_a_key_is_written_where_there_is_none(
    config: Config, clock: FakeClock, tmp_path: Path, before: str | None
) -> None:
    path = tmp_path / "key"
    if before is not None:
        path.write_text(before)
    async with started(built(of(config, key_file=str(path)), clock)) as app:
        assert await created(client_of(app), path.read_text().strip(), "x") == 201
    if before is None:
        assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()  # kept elsewhere
    async with started(built(of(config, key_file=str(path)), clock)) as app:
        assert app.services is not None
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hunter2hunter2", "not a Delta API key"),
        (new_key()[:-1] + "~", "not a Delta API key"),
        (new_key(secrets.Kind.PROJECT), "dk_user_"),
        ("\u00e9", "not a text of one key"),
    ],
    ids=["something else", "mistyped", "a project's", "not ASCII"],
)
async def test_a_bad_key_stops_the_start(
    config: Config, clock: FakeClock, tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "key"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BaseExceptionGroup) as found:
        async with started(built(of(config, key_file=str(path)), clock)):
            pass
    assert found.group_contains(BadAdmin, match=says)
    assert content not in str(found.value)


async def test_a_file_that_cannot_be_written_stops_the_start(config: Config, clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as found:
        async with started(built(of(config, key_file=str(tmp_path / "no" / "key")), clock)):
            pass
    assert found.group_contains(BadAdmin, match="cannot write")


def test_the_environment_of_a_container(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    loaded = load(
        environ={
            "DELTA_ADMIN_EMAIL": EMAIL,
            "DELTA_ADMIN_PASSWORD_FILE": str(tmp_path / "password"),
            "DELTA_ADMIN_KEY_FILE": "/data/admin.key",
        }
    )
    assert loaded.config.admin == Admin(EMAIL, PASSWORD, "/data/admin.key")
    assert PASSWORD not in json.dumps(shown(loaded))
    assert ("admin.password", '"***"', "DELTA_ADMIN_PASSWORD_FILE") in shown(loaded)
