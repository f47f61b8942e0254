"""How a key becomes a caller."""

import os
from collections.abc import Sequence

import pytest

from delta_server.core import secrets
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid, NotFound, Unauthorized, Unavailable
from delta_server.core.scopes import opened
from delta_server.core.secrets import Kind
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts import tasks
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.storage.opened import START_MS, FakeClock

DAY_MS = 86_400_000


def made(tx: Tx, project: str | None, scopes: Sequence[str] = ("write",), expires_at: int | None = None) -> str:
    """A key of the default account, or of its project of that name."""
    account = accounts.default_account(tx)
    owner = None if project is None else projects.ensure(tx, account, project).id
    randomness = os.urandom(secrets.RANDOM_BYTES)
    return accounts.add_key(tx, account, owner, randomness=randomness, scopes=scopes, expires_at=expires_at)


def id_of(key: str) -> str:
    return secrets.parse(key).public_id


@pytest.mark.parametrize(
    "key", ["", "x", "dk_proj_", "dk_proj_" + "0" * 61, "Bearer dk_user_x", "'; DROP TABLE api_key"]
)
async def test_what_never_was_a_key(services: Services, key: str) -> None:
    with pytest.raises(Unauthorized):
        accounts.authenticate(services, key)


async def test_unknown_keys_and_wrong_secrets_get_one_answer(services: Services) -> None:
    key = await services.db.write(made, "mine")
    unknown = secrets.make(Kind.PROJECT, os.urandom(secrets.RANDOM_BYTES))
    public_bytes = secrets.make(Kind.PROJECT, bytes(40))  # a well-formed key; its id is then put in place of another's
    wrong = with_checksum(key[: len("dk_proj_") + 11] + public_bytes[len("dk_proj_") + 11 : -6])
    other_kind = with_checksum("dk_user_" + key[len("dk_proj_") : -6])
    assert (id_of(wrong), id_of(other_kind)) == (id_of(key), id_of(key))
    said = set()
    for bad in (unknown, wrong, other_kind):
        with pytest.raises(Unauthorized) as caught:
            accounts.authenticate(services, bad)
        said.add(caught.value.message)
    assert len(said) == 1
    assert services.state(accounts.LastUses) == {}


def with_checksum(text: str) -> str:
    """The key that `text` without its checksum would be."""
    return text + secrets._checksum(text)


async def test_a_key_becomes_its_owner(services: Services) -> None:
    for project, scopes in (("mine", ["read"]), ("mine", ["admin", "read"]), (None, ["admin"])):
        key = await services.db.write(made, project, scopes)
        owner = await services.db.read(lambda tx: tx.one("SELECT id FROM project WHERE name = 'mine'"))
        wanted = owner[0] if project and owner else None
        assert accounts.authenticate(services, key) == Caller(1, wanted, opened(" ".join(scopes)), id_of(key))


async def test_a_write_key_becomes_its_owner(services: Services) -> None:
    def made_write(tx: Tx) -> str:
        account = accounts.default_account(tx)
        owner, randomness = projects.ensure(tx, account, "mine").id, os.urandom(secrets.RANDOM_BYTES)
        return accounts.add_write_key(tx, account, owner, randomness=randomness, sites=["https://a.example"])

    key = await services.db.write(made_write)
    caller = accounts.authenticate(services, key)
    assert caller == Caller(1, 1, opened("ingest"), id_of(key), ("https://a.example",))
    assert [caller.may(scope) for scope in ("ingest", "read", "write", "admin")] == [True, False, False, False]
    able = [
        scope
        for scope in accounts.SCOPES
        if accounts.authenticate(services, await services.db.write(made, "mine", [scope])).may("ingest")
    ]
    assert able == ["write", "admin", "events:write"]
    await services.db.write(accounts.revoke_key, 1, 1, id_of(key))
    with pytest.raises(Unauthorized, match="revoked"):
        accounts.authenticate(services, key)


async def test_the_key_itself_is_stored_nowhere(services: Services) -> None:
    key = await services.db.write(made, "mine")
    secret = key.removeprefix(f"dk_proj_{id_of(key)}_")[:43]
    for file in services.config.storage.data_dir.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


async def test_a_revoked_key_stops_working_at_once(services: Services) -> None:
    key, other = await services.db.write(made, "mine"), await services.db.write(made, "mine")
    assert accounts.authenticate(services, key)
    await services.db.write(accounts.revoke_key, 1, None, id_of(key))
    with pytest.raises(Unauthorized, match="revoked"):
        accounts.authenticate(services, key)
    assert accounts.authenticate(services, other)
    with pytest.raises(NotFound):
        await services.db.write(accounts.revoke_key, 1, None, id_of(key))


async def test_an_expired_key_stops_working_at_its_millisecond(services: Services, clock: FakeClock) -> None:
    key = await services.db.write(made, "mine", expires_at=START_MS + DAY_MS)
    clock.advance(DAY_MS - 1)
    assert accounts.authenticate(services, key)
    clock.advance(1)
    with pytest.raises(Unauthorized, match="expired"):
        accounts.authenticate(services, key)


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "root"], [""]])
async def test_wrong_scopes(services: Services, scopes: list[str]) -> None:
    with pytest.raises(Invalid, match="read, write, admin"):
        await services.db.write(made, "mine", scopes)


@pytest.mark.parametrize("expires_at", [0, START_MS, 1 << 60])
async def test_wrong_expiry(services: Services, expires_at: int) -> None:
    with pytest.raises(Invalid, match="in the future"):
        await services.db.write(made, "mine", expires_at=expires_at)


async def test_the_last_use_is_written_once_a_period(services: Services, clock: FakeClock) -> None:
    def last_uses(tx: Tx) -> list[tuple[int | None, ...]]:
        return tx.all("SELECT last_used_at FROM api_key ORDER BY id")

    first, _ = await services.db.write(made, "mine"), await services.db.write(made, "mine")
    for _ in range(3):
        clock.advance(10)
        accounts.authenticate(services, first)
    assert await services.db.read(last_uses) == [(None,), (None,)]
    await tasks.write_last_uses(services)
    assert await services.db.read(last_uses) == [(START_MS + 30,), (None,)]
    assert services.state(accounts.LastUses) == {}
    await tasks.write_last_uses(services)  # nothing to write


async def test_last_uses_wait_while_nothing_can_be_written(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    key, other = await services.db.write(made, "mine"), await services.db.write(made, "mine")
    accounts.authenticate(services, key)

    async def full(*_: object) -> None:
        accounts.authenticate(services, other)  # used while the write is on its way
        raise Unavailable("the disk is full")

    monkeypatch.setattr(type(services.db), "write", full)
    with pytest.raises(Unavailable):
        await tasks.write_last_uses(services)
    assert services.state(accounts.LastUses) == {1: START_MS, 2: START_MS}


async def test_there_is_one_default_account(services: Services) -> None:
    assert [await services.db.write(accounts.default_account) for _ in range(2)] == [1, 1]
