"""What other features use of endpoints."""

from typing import Any

import msgspec
import pytest

from delta_server.core import ids, times
from delta_server.core.caller import Caller
from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.errors import Invalid, NotFound
from delta_server.core.scopes import opened
from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.schemas import DiffChange, EndpointChange, NewEndpoint, Retention
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.transaction import SqliteTx

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
async def project(services: Services) -> int:
    return await services.db.write(lambda tx: projects.ensure(tx, accounts.default_account(tx), "mine").id)


@pytest.fixture
async def other(services: Services, project: int) -> int:
    return await services.db.write(lambda tx: projects.ensure(tx, accounts.default_account(tx), "other").id)


async def test_an_unknown_name_makes_an_endpoint_once(services: Services, project: int) -> None:
    made = [await services.db.write(endpoints.ensure, project, "GET /prices") for _ in range(2)]
    assert (
        made[0]
        == made[1]
        == EndpointRef(
            id=made[0].id,
            uid=made[0].uid,
            project=project,
            name="GET /prices",
            diff=DiffSettings(),
            diff_version=1,
            retention=Retention(),
        )
    )
    assert await services.db.write(endpoints.ensure, project, ids.text(made[0].uid)) == made[0]


async def test_a_name_typed_otherwise_is_the_same_endpoint(services: Services, project: int) -> None:
    made = await services.db.write(endpoints.ensure, project, "dépôt")
    for text in ("de\u0301po\u0302t", "dépôt"):
        assert endpoints.resolve(services, project, text) == made
        assert endpoints.resolve_or_name(services, project, text) == made
        assert await services.db.write(endpoints.ensure, project, text) == made


async def test_what_is_unknown(services: Services, project: int) -> None:
    with pytest.raises(NotFound):
        endpoints.resolve(services, project, "users")
    assert endpoints.resolve_or_name(services, project, "de\u0301po\u0302t") == "dépôt"
    for text, error in ((NOBODY, NotFound), (NOBODY.upper(), NotFound), ("a\0", Invalid), ("", Invalid)):
        with pytest.raises(NotFound):
            endpoints.resolve(services, project, text)
        with pytest.raises(error):
            endpoints.resolve_or_name(services, project, text)
        with pytest.raises(error):
            await services.db.write(endpoints.ensure, project, text)
    assert await services.db.read(lambda tx: tx.one("SELECT count(*) FROM endpoint")) == (0,)


async def test_another_tenants_endpoint_is_unknown(services: Services, project: int, other: int) -> None:
    theirs = await services.db.write(endpoints.ensure, other, "users")
    with pytest.raises(NotFound):
        endpoints.resolve(services, project, "users")
    with pytest.raises(NotFound):
        endpoints.resolve(services, project, ids.text(theirs.uid))
    with pytest.raises(NotFound):
        await services.db.write(endpoints.ensure, project, ids.text(theirs.uid))
    assert (await services.db.write(endpoints.ensure, project, "users")).id != theirs.id


async def test_a_deleted_endpoint_is_unknown(services: Services, project: int) -> None:
    gone = await services.db.write(endpoints.ensure, project, "users")
    await endpoints.delete_endpoint(services, project, "users")
    with pytest.raises(NotFound):
        endpoints.resolve(services, project, "users")
    with pytest.raises(NotFound):
        await services.db.write(endpoints.ensure, project, ids.text(gone.uid))
    assert (await services.db.write(endpoints.ensure, project, "users")).uid != gone.uid


async def test_other_diff_settings_queue_the_deltas_again(services: Services, project: int) -> None:
    def queued(tx: Tx) -> object:
        return tx.one("SELECT diff_version, recompute_before FROM endpoint")

    await services.db.write(endpoints.ensure, project, "users")
    await endpoints.update_endpoint(services, project, "users", EndpointChange(description="no other diff"))
    assert await services.db.read(queued) == (1, None)
    await endpoints.update_endpoint(services, project, "users", EndpointChange(diff=DiffChange(tolerance=0.1)))
    assert await services.db.read(queued) == (2, times.LATEST_MS + 1)
    assert endpoints.resolve(services, project, "users").diff == DiffSettings(tolerance=0.1)
    await services.db.write(lambda tx: tx.run("UPDATE endpoint SET recompute_before = NULL"))
    await endpoints.update_endpoint(services, project, "users", EndpointChange(diff=DiffChange(tolerance=0.1)))
    assert await services.db.read(queued) == (2, None)


async def test_what_was_resolved_before_its_deletion_is_not_written_to(services: Services, project: int) -> None:
    known = await services.db.write(endpoints.ensure, project, "users")
    await services.db.write(endpoints.confirm, known)
    await endpoints.delete_endpoint(services, project, "users")
    with pytest.raises(NotFound):
        await services.db.write(endpoints.confirm, known)
    new = snapshots.NewSnapshot(endpoint=known, body=b"1", captured_at=services.clock.now_ms())
    with pytest.raises(NotFound):
        await snapshots.create_snapshots(services, project, [new], IdempotencyKey.none())
    assert await services.db.read(lambda tx: tx.one("SELECT count(*) FROM snapshot")) == (0,)


async def test_nothing_is_made_in_a_project_deleted_meanwhile(services: Services, project: int) -> None:
    account = await services.db.write(accounts.default_account)
    owner = Caller(account=account, project=None, scopes=opened("admin"), key_id="")
    within = msgspec.structs.replace(owner, project=project)
    await projects.delete_project(services, owner, "mine")
    with pytest.raises(NotFound):
        await services.db.write(endpoints.ensure, project, "users")
    with pytest.raises(NotFound):
        await endpoints.create_endpoint(services, within, NewEndpoint(name="users"), IdempotencyKey.none())
    with pytest.raises(NotFound):
        await services.db.write(
            lambda tx: accounts.add_key(tx, account, project, randomness=bytes(40), scopes=["read"])
        )
    assert await services.db.read(lambda tx: tx.one("SELECT count(*) FROM endpoint")) == (0,)


async def test_the_row_of_a_deleted_endpoint_is_never_another_ones(services: Services, project: int) -> None:
    gone = await services.db.write(endpoints.ensure, project, "users")
    await services.db.write(lambda tx: tx.run("DELETE FROM endpoint"))
    assert (await services.db.write(endpoints.ensure, project, "users")).id > gone.id


async def test_snapshots_are_looked_at_for_answers_about_the_endpoint_only(
    services: Services, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly every request resolves an endpoint."""
    ran: list[str] = []
    execute = SqliteTx._execute

    def noting(tx: SqliteTx, sql: str, params: tuple[Any, ...]) -> Any:
        ran.append(sql)
        return execute(tx, sql, params)

    monkeypatch.setattr(SqliteTx, "_execute", noting)
    made = await services.db.write(endpoints.ensure, project, "e")
    assert endpoints.resolve(services, project, "e") == endpoints.resolve(services, project, ids.text(made.uid)) == made
    assert not [sql for sql in ran if "snapshot" in sql]
    endpoints.get_endpoint(services, project, "e")
    assert [sql for sql in ran if "snapshot" in sql]
