import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core.caller import Caller
from delta_server.core.errors import DatabaseFailed
from delta_server.core.events.persons import PersonIds
from delta_server.core.events.profile_update import Alias
from delta_server.core.scopes import opened
from delta_server.features.accounts import service as accounts
from delta_server.features.erasures import service, tasks
from delta_server.features.profiles import service as profiles
from delta_server.features.profiles import tasks as profile_tasks
from delta_server.features.projects import service as projects
from delta_server.features.projects import tasks as project_tasks
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx
from delta_server.tasks.jobs import run_due
from tests.conftest import Keys, bearer, shared
from tests.features.profiles.test_users import get, sent
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

__all__ = ["sent"]

REFUSED = [
    Row("no key", "DELETE", "/v1/users/ann", 401, key=None),
    Row("a writer's key", "DELETE", "/v1/users/ann", 403, key="write"),
    Row("a reader's key", "DELETE", "/v1/users/ann", 403, key="read"),
    Row("no key for the list", "GET", "/v1/erasures", 401, key=None),
    Row("an account's key", "GET", "/v1/erasures", 403, key="account"),
    Row("no erasure", "GET", "/v1/erasures/01890a5d-ac96-774b-bcce-b302099a8057", 404),
    Row("no id of an erasure", "GET", "/v1/erasures/1", 404),
    Row("a bad cursor", "GET", "/v1/erasures?cursor=x", 400, field="cursor"),
]


@pytest.mark.usefixtures("sent")
class TestErasures:
    @pytest.mark.parametrize("row", REFUSED, ids=str)
    @shared
    async def test_refusals(self, shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
        await check(shared_client, own_keys, row)

    @shared
    async def test_another_project_s_erasure_is_not_found(
        self, shared_client: httpx.AsyncClient, own_keys: Keys
    ) -> None:
        asked = await shared_client.delete("/v1/users/ann", headers=bearer(own_keys.project))
        found = await shared_client.get(asked.headers["location"], headers=bearer(own_keys.other))
        assert found.status_code == 404
        assert (await shared_client.get("/v1/erasures", headers=bearer(own_keys.other))).json()["data"] == []

    async def test_what_was_read_before_an_erasure_makes_no_profile_after_it(
        self, client: httpx.AsyncClient, keys: Keys, app: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream, read, erased = app.services.event_reader.stream_query, asyncio.Event(), asyncio.Event()

        async def halting(project: int, plan: Any, *, has_caller: bool) -> AsyncIterator[Any]:
            async for batch in stream(project, plan, has_caller=has_caller):
                read.set()
                await erased.wait()
                yield batch

        monkeypatch.setattr(app.services.event_reader, "stream_query", halting)
        reading = asyncio.create_task(profile_tasks.read_events(app.services, {}))
        await read.wait()
        asked = await client.delete("/v1/users/bob", headers=bearer(keys.project))
        erasing = asyncio.create_task(run_due(app.services, tasks.JOB))
        while (await get(client, keys, asked.headers["location"])).json()["erasure"]["events_erased"] == 0:
            await asyncio.sleep(0)
        erased.set()
        await asyncio.gather(reading, erasing)
        assert (await get(client, keys, asked.headers["location"])).json()["erasure"]["state"] == "done"
        assert "bob" not in [user["id"] for user in (await get(client, keys, "/v1/users")).json()["data"]]

    @pytest.mark.parametrize("sealed", [False, True])
    async def test_erasing_leaves_nothing_but_its_record(
        self, client: httpx.AsyncClient, keys: Keys, app: Application, sealed: bool
    ) -> None:
        if sealed:
            await app.services.event_maintenance.run_maintenance(seal=True)
        asked = await client.delete("/v1/users/anon", headers=bearer(keys.project))
        assert asked.status_code == 202
        await run_due(app.services, tasks.JOB)
        record = (await get(client, keys, asked.headers["location"])).json()["erasure"]
        assert (record["state"], record["events_erased"]) == ("done", 5)
        assert [(await get(client, keys, f"/v1/users/{name}")).status_code for name in ("ann", "anon", "bob")] == [
            404,
            404,
            200,
        ]
        left = (await get(client, keys, "/v1/events/raw?startTime=2026-01-01")).json()["data"]
        assert [event["userId"] for event in left] == ["bob"]
        assert [e["id"] for e in (await get(client, keys, "/v1/erasures")).json()["data"]] == [record["id"]]
        assert b"ann" not in await app.services.db.read(
            lambda tx: str(tx.all("SELECT names, arguments FROM erasure JOIN job ON uid = job.id")).encode()
        )

    async def test_the_file_keeps_no_id_of_theirs(
        self, client: httpx.AsyncClient, keys: Keys, app: Application, config: Config
    ) -> None:
        call = {
            "userId": "Zq8vXw3kJ5pLm2Rt9YbN",
            "anonymousId": "anonKx93jdnQpw7Zz0LmV",
            "traits": {"a": "pw8sKq2Mz7Xv"},
        }
        assert (await client.post("/v1/identify", json=call, headers=bearer(keys.project))).status_code == 200
        await client.delete("/v1/users/Zq8vXw3kJ5pLm2Rt9YbN", headers=bearer(keys.project))
        await run_due(app.services, tasks.JOB)
        files = b"".join(path.read_bytes() for path in config.storage.data_dir.glob("delta.db*"))
        assert [
            text for text in (b"Zq8vXw3kJ5pLm2Rt9YbN", b"anonKx93jdnQpw7Zz0LmV", b"pw8sKq2Mz7Xv") if text in files
        ] == []

    async def test_asking_twice_is_one_erasure_and_new_events_are_new(
        self, client: httpx.AsyncClient, keys: Keys, app: Application
    ) -> None:
        first, second = [await client.delete("/v1/users/bob", headers=bearer(keys.project)) for _ in range(2)]
        await run_due(app.services, tasks.JOB)
        assert first.json()["erasure"]["id"] == second.json()["erasure"]["id"]
        event = {"eventType": "back", "userId": "bob"}
        assert (await client.post("/v1/events", json=event, headers=bearer(keys.project))).status_code == 200
        user = (await get(client, keys, "/v1/users/bob")).json()["user"]
        assert user["events"] == {"count": 1, "by_type": {"back": 1}}

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (DatabaseFailed("stored events cannot be read"), "stored events cannot be read"),
            (RuntimeError("a mistake"), "an error inside the server: its log has more"),
        ],
    )
    async def test_one_that_fails_says_so_and_does_not_hold_up_the_others(
        self,
        client: httpx.AsyncClient,
        keys: Keys,
        app: Application,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        reason: str,
    ) -> None:
        erase = app.services.event_maintenance.erase_person

        async def fail(project: int, ids: PersonIds, companion: object) -> int:
            if "ann" in ids.users:
                raise error
            return await erase(project, ids, companion)

        with monkeypatch.context() as broken:
            broken.setattr(app.services.event_maintenance, "erase_person", fail)
            ann, bob = [
                await client.delete(f"/v1/users/{name}", headers=bearer(keys.project)) for name in ("ann", "bob")
            ]
            await run_due(app.services, tasks.JOB)
        await self.assert_states(client, keys, {ann: ("failed", reason), bob: ("done", None)})
        clock.advance(60_000)
        await run_due(app.services, tasks.JOB)
        await self.assert_states(client, keys, {ann: ("done", None), bob: ("done", None)})

    async def assert_states(
        self, client: httpx.AsyncClient, keys: Keys, wanted: dict[httpx.Response, tuple[str, str | None]]
    ) -> None:
        for asked, state in wanted.items():
            job = (await get(client, keys, asked.headers["location"])).json()["erasure"]
            assert (job["state"], job["error"]) == state


async def test_asking_again_takes_the_ids_that_came_since_along(services: Services) -> None:
    def make(tx: Tx) -> int:
        return projects.ensure(tx, accounts.default_account(tx), "shop").id

    project = await services.db.write(make)
    caller = Caller(1, project, opened("admin"), "key")
    first = await services.db.write(service.request_erasure, project, caller, "ann")
    packed = profiles.pack_updates([(0, Alias("phone", "ann", 5))])
    await services.db.write(profiles.store_updates, project, packed, frozenset())
    again = await service.erase_person(services, project, caller, "ann")
    assert again.id == first.id
    job = await services.db.read(jobs.find, project, first.uid)
    assert job is not None
    assert service.ids_of(job) == PersonIds(("ann", "phone"), ("ann", "phone"))


async def test_a_project_that_is_deleted_takes_its_erasures_and_their_jobs_along(
    client: httpx.AsyncClient, keys: Keys, app: Application
) -> None:
    await client.delete("/v1/users/ann", headers=bearer(keys.project))
    await client.delete("/v1/users/bob", headers=bearer(keys.other))
    assert (await client.delete("/v1/projects/mine?purge=true", headers=bearer(keys.account))).status_code == 204
    await project_tasks.remove_deleted(app.services)
    counts = "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM erasure)"
    assert await app.services.db.read(lambda tx: tx.all(counts)) == [(1, 1)]
