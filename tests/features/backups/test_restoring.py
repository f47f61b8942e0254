"""A kept backup in the place of the database, asked for over HTTP: what is refused, what comes back, who stays out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application, build
from delta_server.config.sections import Backups, Config
from delta_server.core import secrets
from delta_server.features.accounts import service as accounts
from delta_server.features.backups import keeper
from delta_server.features.backups.keeper import Keeper
from delta_server.features.users import service as users
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.storage.staged_restore import STAGED_NAME
from delta_server.tasks.restart import Restart
from tests.conftest import bearer, client_of, make_keys, started
from tests.features.rows import Row, check
from tests.features.users import people
from tests.server_process import create_key, serving
from tests.storage.opened import FAST, FakeClock

LIST = "/v1/backups"
GONE = "delta-20190101T000000Z.db.zst"
OWNER = {"email": "ada@example.com", "password": "correct horse battery"}


@pytest.fixture
def backed_up(config: Config, tmp_path: Path) -> Config:
    return msgspec.structs.replace(config, backups=Backups(schedule="6h", directory=str(tmp_path / "kept")))


@pytest.fixture
async def served(backed_up: Config, clock: FakeClock) -> AsyncIterator[Application]:
    async with started(build(backed_up, clock=clock, tuning=FAST)) as app:
        await settled(app, lambda state: state.verified)
        yield app


@pytest.fixture
async def asked(served: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(served) as client:
        yield client


async def settled(app: Application, until: Callable[[Keeper], object]) -> None:
    state = app.services.state(Keeper)
    async with asyncio.timeout(30):
        while state.doing or state.wanted or not until(state):
            await asyncio.sleep(0.01)


async def newest(app: Application) -> str:
    return (await keeper.stored(app.services))[0].name


async def test_refusals(served: Application, asked: httpx.AsyncClient, clock: FakeClock) -> None:
    known, name = await make_keys(served.services, clock), await newest(served)
    path = f"{LIST}/{name}/restore"
    rows = [
        Row("no key", "POST", path, 401, key=None, body={"confirm": name}),
        Row("a project's", "POST", path, 403, key="project", body={"confirm": name}),
        Row("revoked", "POST", path, 401, key="revoked", body={"confirm": name}),
        Row("another name", "POST", path, 400, key="account", body={"confirm": GONE}),
        Row("nothing typed", "POST", path, 400, key="account", body={}),
        Row("one that is gone", "POST", f"{LIST}/{GONE}/restore", 404, key="account", body={"confirm": GONE}),
        Row("a way out", "POST", f"{LIST}/..%2Fdelta.db/restore", 404, key="account", body={"confirm": "../delta.db"}),
    ]
    for row in rows:
        await check(asked, known, row)
    assert not served.services.state(Restart).is_wanted


async def signed_in(client: httpx.AsyncClient, **who: str) -> dict[str, str]:
    answer = await client.post("/v1/auth/login", json=who)
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def test_an_admin_of_the_instance_does_not(served: Application, asked: httpx.AsyncClient) -> None:
    admin, name = await people.signed_in(served, asked, "bo@example.com", "admin"), await newest(served)
    refused = await asked.post(f"{LIST}/{name}/restore", json={"confirm": name}, headers=bearer(admin))
    assert (refused.status_code, "owner" in refused.json()["message"]) == (403, True)


async def test_a_damaged_one_changes_nothing_and_says_so(
    served: Application, asked: httpx.AsyncClient, clock: FakeClock, backed_up: Config
) -> None:
    known, name = await make_keys(served.services, clock), await newest(served)
    file = Path(backed_up.backups.directory) / name
    file.write_bytes(file.read_bytes()[:-20])
    answer = await asked.post(f"{LIST}/{name}/restore", json={"confirm": name}, headers=bearer(known.account))
    assert answer.status_code == 202
    await settled(served, lambda state: state.restored)
    told = (await asked.get(f"{LIST}/state", headers=bearer(known.account))).json()["restored"]
    assert (told["backup"], told["finished_at"], told["kept"]) == (name, None, None)
    assert "too early" in told["fault"] or "damaged" in told["fault"]
    assert not served.services.state(Restart).is_wanted
    assert not (backed_up.storage.data_dir / STAGED_NAME).exists()


async def test_the_next_start_is_of_the_backup(backed_up: Config, clock: FakeClock) -> None:
    async with started(build(backed_up, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        token = users.setup_token(app.services)
        made = (await client.post("/v1/setup", json={"token": token, **OWNER})).json()
        refresh, owner = made["refresh_token"], bearer(made["access_token"])
        await settled(app, lambda state: state.verified)
        clock.advance(60_000)
        await client.post(LIST, json={}, headers=owner)
        await settled(app, lambda state: len(state.verified) == 2)
        name = await newest(app)
        later = (await client.post("/v1/projects", json={"name": "later"}, headers=owner)).status_code
        answer = await client.post(f"{LIST}/{name}/restore", json={"confirm": name}, headers=owner)
        assert (later, answer.status_code) == (201, 202)
        again = await client.post(f"{LIST}/{name}/restore", json={"confirm": name}, headers=owner)
        assert again.status_code == 409
        await settled(app, lambda state: state.restored)
        assert app.services.state(Restart).is_wanted
    async with started(build(backed_up, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        assert (await client.get("/v1/auth/me", headers=owner)).status_code == 401
        assert (await client.post("/v1/auth/refresh", json={"refresh_token": refresh})).status_code == 401
        owner = await signed_in(client, **OWNER)
        assert (await client.get("/v1/projects", headers=owner)).json()["data"] == []
        told = (await client.get(f"{LIST}/state", headers=owner)).json()["restored"]
        assert (told["backup"], told["fault"]) == (name, None)
        assert told["finished_at"]
        assert app.services.db.peek(outbox.trimmed) >= clock.now_ms(), "streams of before hear of a gap"
        kept = [path.name for path in backed_up.storage.data_dir.glob("replaced-*")]
        assert kept == [told["kept"]], "no log that has nothing in it"
        found = (await client.get("/v1/audit?action=backup.restore", headers=owner)).json()["data"]
        assert [(entry["target"], entry["actor"].split()[0]) for entry in found] == [(name, "user")]
    async with started(build(backed_up, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        assert (await client.get("/v1/auth/me", headers=owner)).status_code == 200, "it is finished once"


def shut_out(tx: Tx, key: str) -> None:
    account = accounts.find_default_account(tx)
    assert account is not None
    accounts.revoke_key(tx, account, None, secrets.parse(key).public_id)
    users.disable(tx, users.named(tx, "disabled@example.com"))
    users.delete(tx, users.named(tx, "deleted@example.com"), force=False)
    users.set_role(tx, users.named(tx, "demoted@example.com"), "member")


MINE = "/v1/projects/mine"


async def as_before(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    """Members of the project, and its owner, who gives it away later."""
    for who, role in {"removed": "editor", "lowered": "admin", "back": "editor", "raised": "viewer"}.items():
        await client.put(f"{MINE}/members/{who}@example.com", json={"role": role}, headers=owner)
    await client.post(f"{MINE}/transfer", json={"owner": "giver@example.com"}, headers=owner)


async def change_members(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    await client.post(f"{MINE}/transfer", json={"owner": "heir@example.com"}, headers=owner)
    for who in ("removed", "back", "giver"):
        gone = await client.delete(f"{MINE}/members/{who}@example.com", headers=owner)
        assert gone.status_code == 204, who
    for who, role in {"lowered": "viewer", "back": "editor", "raised": "admin", "new": "admin"}.items():
        set_now = await client.put(f"{MINE}/members/{who}@example.com", json={"role": role}, headers=owner)
        assert set_now.status_code == 200, who


async def check_members(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    found = (await client.get(f"{MINE}/members", headers=owner)).json()
    roles = {member["email"].partition("@")[0]: member["role"] for member in found["data"]}
    assert roles == {"lowered": "viewer", "back": "editor", "raised": "viewer", "heir": "admin"}
    assert found["owner"]["email"] == "heir@example.com"


async def test_who_was_shut_out_since_the_backup_stays_so(backed_up: Config, clock: FakeClock) -> None:
    """Keys that were revoked, users who were disabled or deleted, or lost a role or a project; and nobody else."""
    names = ("stays", "disabled", "deleted")
    in_projects = ("removed", "lowered", "back", "raised", "new", "giver", "heir")
    async with started(build(backed_up, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        owner = bearer(await people.signed_in(app, client, "ada@example.com", "owner"))
        for who in (*names, *in_projects):
            await people.add(app, f"{who}@example.com")
        await people.add(app, "demoted@example.com", "admin")
        known = await make_keys(app.services, clock)
        await as_before(client, owner)
        await settled(app, lambda state: state.verified)
        clock.advance(60_000)
        await client.post(LIST, json={}, headers=owner)
        await settled(app, lambda state: len(state.verified) == 2)
        name = await newest(app)
        await app.services.db.write(shut_out, known.project)
        await change_members(client, owner)
        await client.post(f"{LIST}/{name}/restore", json={"confirm": name}, headers=owner)
        await settled(app, lambda state: state.restored)
    async with started(build(backed_up, clock=clock, tuning=FAST)) as app, client_of(app) as client:
        assert (await client.get("/v1/endpoints", headers=bearer(known.project))).status_code == 401
        assert (await client.get("/v1/projects", headers=bearer(known.account))).status_code == 200
        for who, status in zip(names, (200, 401, 401), strict=True):
            body = {"email": f"{who}@example.com", "password": people.PASSWORD}
            assert (await client.post("/v1/auth/login", json=body)).status_code == status, who
        await check_members(client, bearer(known.account))
        demoted = (await people.login(client, "demoted@example.com"))["user"]["role"]
        [entry] = (await client.get("/v1/audit?action=backup.restore", headers=bearer(known.account))).json()["data"]
        counted = [entry["detail"][name] for name in ("keys", "users", "roles", "members")]
        assert (demoted, counted) == ("member", [1, 2, 1, 3])


async def test_metrics_tell_how_old_the_newest_is(
    served: Application, asked: httpx.AsyncClient, clock: FakeClock
) -> None:
    known = await make_keys(served.services, clock)
    clock.advance(3_600_000)
    text = (await asked.get("/metrics", headers=bearer(known.account))).text
    told = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.startswith("delta_backup")}
    assert told["delta_backup_failing"] == 0
    assert 3_600 <= told["delta_backup_age_seconds"] < 3_602
    served.services.state(Keeper).newest_ms = None
    assert "delta_backup_age_seconds " not in (await asked.get("/metrics", headers=bearer(known.account))).text


def test_a_server_starts_itself_again_with_its_number_and_its_address(tmp_path: Path) -> None:
    """Whoever connects meanwhile waits: the listener stays open. What it had open it closes."""
    headers = bearer(create_key(tmp_path, None))
    with serving(tmp_path) as server, httpx.Client(base_url=server.url, timeout=60, headers=headers) as client:
        client.post(LIST, json={}).raise_for_status()

        def state() -> dict[str, Any]:
            try:
                found: dict[str, Any] = client.get(f"{LIST}/state").json()
            except (httpx.ReadError, httpx.RemoteProtocolError):
                return state()
            return found

        while state()["doing"] or not (found := client.get(LIST).json()["data"]):
            pass
        name = found[0]["name"]
        client.post("/v1/projects", json={"name": "later"}).raise_for_status()
        client.post(f"{LIST}/{name}/restore", json={"confirm": name}).raise_for_status()
        while not (told := state()["restored"]) or not told["finished_at"]:
            assert told is None or told["fault"] is None
        assert server.process.poll() is None
        assert [project["name"] for project in client.get("/v1/projects").json()["data"]] == []
        log = server.stop()
    assert log.count('"event":"started"') == 2
