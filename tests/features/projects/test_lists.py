"""Lists of members, and of the projects of a member: page by page, however many there are."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.projects import service as projects
from delta_server.features.projects import store
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, shared
from tests.features.users.people import add, signed_in
from tests.storage.opened import FakeClock

PEOPLE = [f"{name}@example.com" for name in ("eve", "bo", "dan", "ada", "cy")]


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=0", 400), ("limit=1001", 400), ("cursor=x", 400), ("page=1", 400), ("limit=1000", 200)],
)
@shared
async def test_what_lists_of_members_take(
    shared_client: httpx.AsyncClient, own_keys: Keys, query: str, status: int
) -> None:
    answer = await shared_client.get(f"/v1/projects/mine/members?{query}", headers=bearer(own_keys.project))
    assert answer.status_code == status, answer.text


async def test_members_come_in_pages_in_the_order_they_came(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    for email in sorted(PEOPLE):
        await add(app, email)
    for email in PEOPLE:
        path = f"/v1/projects/mine/members/{email}"
        await client.put(path, json={"role": "viewer"}, headers=bearer(keys.project))
        clock.advance(1)
    await client.post("/v1/projects/mine/transfer", json={"owner": "dan@example.com"}, headers=bearer(keys.account))
    for limit in (1, 2, 3, 5, 6):
        pages = [page async for page in pages_of(client, f"/v1/projects/mine/members?limit={limit}", keys.project)]
        assert [member["email"] for page in pages for member in page["data"]] == PEOPLE
        assert {page["owner"]["email"] for page in pages} == {"dan@example.com"}
        assert [len(page["data"]) for page in pages[:-1]] == [limit] * (len(pages) - 1)


async def pages_of(client: httpx.AsyncClient, path: str, key: str) -> Any:
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"{path}{cursor}", headers=bearer(key))).json()
        yield page
        cursor = f"&cursor={page['next_cursor']}" if page["has_more"] else None


@pytest.mark.parametrize("few", [0, 3, 1000])
async def test_a_member_sees_their_projects_by_name_however_many_they_are(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(store, "_FEW", few)
    bo = await signed_in(app, client, "bo@example.com")

    def fill(tx: Tx) -> None:
        account = tx.all("SELECT id FROM account")[0][0]
        user = tx.all("SELECT id FROM user")[0][0]
        for n in range(10):
            made = projects.ensure(tx, account, f"p{n}")
            if n % 2:
                store.set_role(tx, made.id, user, "viewer")

    await app.services.db.write(fill)
    await client.delete("/v1/projects/p3", headers=bearer(keys.account))
    for query, wanted in (("limit=2", ["p1", "p5", "p7", "p9"]), ("limit=9&name_prefix=p7", ["p7"])):
        found = [page async for page in pages_of(client, f"/v1/projects?{query}", bo)]
        assert [project["name"] for page in found for project in page["data"]] == wanted
