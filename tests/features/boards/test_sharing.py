"""Links to boards, by who means ill: what is revoked, over, of another board or changed is answered with nothing."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.features.boards import visiting
from delta_server.features.sql import service as sql
from delta_server.services import Services
from tests.conftest import Keys, bearer, shared
from tests.features.boards.test_boards import NOBODY, PATH, saved
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock

PASSWORD = "correct horse battery"
SECRET = "select 'secret of the project' as text"


class Shared(msgspec.Struct):
    client: httpx.AsyncClient
    board: str
    share: str
    token: str
    query: str
    address: str = ""

    async def open(self, **changes: Any) -> httpx.Response:
        return await self.client.post(f"/v1/shared-boards/{self.share}/open", json={"token": self.token, **changes})

    async def ticket(self, **changes: Any) -> str:
        answer = await self.open(**changes)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["ticket"]
        return found

    async def tile(self, ticket: str, tile: str = "a", share: str = "", **more: Any) -> httpx.Response:
        path = f"/v1/shared-boards/{share or self.share}/tiles/{tile}"
        return await self.client.post(path, json={"ticket": ticket, **more})


async def share(client: httpx.AsyncClient, keys: Keys, sql: str = "select 1 as one", **asked: Any) -> Shared:
    query = await saved(client, keys, sql=sql)
    body = {"name": "Wall", "tiles": [{"id": "a", "query_id": query, "title": "One"}]}
    board = (await client.post(PATH, json=body, headers=bearer(keys.write))).json()["board"]["id"]
    answer = await client.post(f"{PATH}/{board}/shares", json=asked, headers=bearer(keys.project))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    SWEEP.use(made["token"])
    address = made["url"].removesuffix(f"#{made['token']}")
    assert address.partition("?")[0].endswith(f"/shared/{made['share']['id']}")
    return Shared(client, board, made["share"]["id"], made["token"], query, address)


@shared
async def test_a_link_shows_its_tiles_to_who_has_no_key(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    link = await share(shared_client, own_keys)
    opened = (await link.open()).json()
    assert (opened["name"], opened["hidden_tiles"], [one["title"] for one in opened["tiles"]]) == ("Wall", 0, ["One"])
    assert "spec" not in str(opened)
    assert "view" not in str(opened)
    assert "select" not in str(opened)
    for _ in range(2):  # the second time from the cache
        answer = (await link.tile(opened["ticket"])).json()
        assert (answer["kind"], answer["rows"], answer["columns"][0]["name"]) == ("sql", [{"one": 1}], "one")
    listed = (await shared_client.get(f"{PATH}/{link.board}/shares", headers=bearer(own_keys.read))).json()["data"]
    assert [(one["id"], one["has_password"], one["outdated_tiles"]) for one in listed] == [(link.share, False, 0)]
    assert link.token not in str(listed)


@shared
async def test_each_kind_is_answered(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    specs: dict[str, dict[str, Any]] = {
        "explorer": {"metrics": ["count"], "groupBy": ["time:1d"], "fill": "zero"},
        "funnel": {"steps": ["a", "b"]},
        "retention": {"every": "1d"},
        "paths": {"depth": 1},
    }
    tiles = [
        {"id": kind, "query_id": await saved(shared_client, own_keys, kind, **spec)} for kind, spec in specs.items()
    ]
    board = (
        await shared_client.post(PATH, json={"name": "All", "tiles": tiles}, headers=bearer(own_keys.write))
    ).json()["board"]
    made = (await shared_client.post(f"{PATH}/{board['id']}/shares", json={}, headers=bearer(own_keys.project))).json()
    link = Shared(shared_client, board["id"], made["share"]["id"], made["token"], "")
    ticket = await link.ticket()
    rows = {kind: (await link.tile(ticket, kind)).json()["rows"] for kind in specs}
    assert (len(rows["explorer"]) >= 7, len(rows["funnel"]), rows["retention"], rows["paths"]) == (True, 2, [], [])


FAILING = "select cast('ann@private.example' as integer) as n"


async def test_why_a_tile_cannot_be_answered_is_for_members_and_it_is_not_tried_again_at_once(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, statements = sql.run_unrecorded, list[str]()

    async def counted(svc: Services, project: int, statement: sql.Statement) -> sql.Found:
        statements.append(statement.sql)
        return await run(svc, project, statement)

    monkeypatch.setattr(sql, "run_unrecorded", counted)
    link = await share(client, keys, FAILING)
    ticket = await link.ticket()
    clock.advance(visiting.FRESH_MS - clock.time_ms % visiting.FRESH_MS)
    answers = await asyncio.gather(*(link.tile(ticket) for _ in range(3)))
    for answer in [*answers, await link.tile(ticket)]:
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
        assert "private" not in answer.text
    assert len(statements) == 1
    clock.advance(visiting.FRESH_MS)
    await link.tile(ticket)
    assert len(statements) == 2
    noted = (await client.get("/v1/audit", headers=bearer(keys.project))).text
    assert "board.share" in noted
    assert "sql.run" not in noted


@shared
async def test_guesses_and_other_links(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    one, other = await share(shared_client, own_keys), await share(shared_client, own_keys, SECRET)
    ticket, others = await one.ticket(), await other.ticket()
    gone = [
        await one.open(token=""),
        await one.open(token=other.token),
        await one.open(token=one.token[:-1]),
        await shared_client.post(f"/v1/shared-boards/{NOBODY}/open", json={"token": one.token}),
        await shared_client.post("/v1/shared-boards/x/open", json={"token": one.token}),
        await shared_client.post(f"/v1/shared-boards/{one.board}/open", json={"token": one.token}),
        await one.tile(ticket, "b"),
        await one.tile(ticket, one.query),
        await one.tile(ticket, share=NOBODY),
    ]
    assert [answer.status_code for answer in gone] == [404] * len(gone)
    flipped = ("0" if ticket[0] != "0" else "1") + ticket[1:]
    forged = (flipped, ticket[:-2], ticket + "00", "", ".", "zz", "ü", "00" * 40, "9" * 400, one.token)
    wrong = [await one.tile(others), await one.tile(ticket, share=other.share)]
    wrong += [await one.tile(text) for text in forged]
    assert [answer.status_code for answer in wrong] == [401] * len(wrong)
    assert not any("secret" in answer.text for answer in gone + wrong)
    odd = [await one.tile(ticket, spec={"sql": SECRET}), await one.open(tiles=[]), await one.tile(ticket, sql=SECRET)]
    assert [answer.status_code for answer in odd] == [400] * 3


@shared
async def test_a_ticket_and_a_token_open_nothing_else(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    link = await share(shared_client, own_keys)
    ticket = await link.ticket()
    for secret in (ticket, link.token):
        for method, path in (("GET", PATH), ("GET", f"{PATH}/{link.board}"), ("GET", "/v1/events/raw"),
                             ("POST", "/v1/sql"), ("GET", "/v1/saved-queries"), ("GET", "/v1/projects")):  # fmt: skip
            body = {"sql": SECRET} if method == "POST" else None
            answer = await shared_client.request(method, path, json=body, headers=bearer(secret))
            assert answer.status_code == 401, (path, answer.text)


async def test_what_is_revoked_over_or_deleted(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    revoked, over, deleted = (
        await share(client, keys),
        await share(client, keys, expires_in="1h"),
        await share(client, keys),
    )
    tickets = {link.share: await link.ticket() for link in (revoked, over, deleted)}
    for link in (revoked, over, deleted):
        assert (await link.tile(tickets[link.share])).status_code == 200
    path = f"{PATH}/{revoked.board}/shares/{revoked.share}"
    stranger = await client.delete(f"{PATH}/{over.board}/shares/{revoked.share}", headers=bearer(keys.project))
    assert stranger.status_code == 404
    assert (await client.delete(path, headers=bearer(keys.project))).status_code == 204
    assert (await client.delete(f"{PATH}/{deleted.board}", headers=bearer(keys.project))).status_code == 204
    clock.advance(3_600_000)
    answers = [(await link.open(), await link.tile(tickets[link.share])) for link in (revoked, over, deleted)]
    assert [one.status_code for pair in answers for one in pair] == [404] * 6
    assert len({one.json()["message"] for pair in answers for one in pair}) == 1


async def test_a_ticket_ends(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    link = await share(client, keys)
    ticket = await link.ticket()
    clock.advance(12 * 3_600_000)
    assert (await link.tile(ticket)).status_code == 401
    assert (await link.tile(await link.ticket())).status_code == 200


async def test_a_deleted_project_shows_nothing(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    link = await share(client, keys)
    ticket = await link.ticket()
    [project] = (await client.get("/v1/projects", headers=bearer(keys.project))).json()["data"]
    assert (await client.delete(f"/v1/projects/{project['id']}", headers=bearer(keys.project))).is_success
    assert [(await link.open()).status_code, (await link.tile(ticket)).status_code] == [404, 404]


@shared
async def test_what_is_changed_is_hidden_until_it_is_approved(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    link = await share(shared_client, own_keys)
    ticket = await link.ticket()
    changed = {"spec": {"sql": SECRET}}
    path = f"/v1/saved-queries/{link.query}"
    assert (await shared_client.patch(path, json=changed, headers=bearer(own_keys.write))).status_code == 200
    answer = await link.tile(ticket)
    assert (answer.status_code, "secret" in answer.text) == (404, False)
    tiles = [
        {"id": "a", "query_id": link.query},
        {"id": "b", "query_id": await saved(shared_client, own_keys, sql=SECRET)},
    ]
    board = f"{PATH}/{link.board}"
    assert (await shared_client.patch(board, json={"tiles": tiles}, headers=bearer(own_keys.write))).status_code == 200
    assert [(await link.tile(ticket, tile)).status_code for tile in "ab"] == [404, 404]
    opened = (await link.open()).json()
    assert (opened["tiles"], opened["hidden_tiles"]) == ([], 2)
    [shown] = (await shared_client.get(f"{board}/shares", headers=bearer(own_keys.read))).json()["data"]
    assert shown["outdated_tiles"] == 2
    swapped = [{"id": "a", "query_id": tiles[1]["query_id"]}]  # another question under a known id
    await shared_client.patch(board, json={"tiles": swapped}, headers=bearer(own_keys.write))
    assert (await link.tile(ticket)).status_code == 404
    approve = f"{board}/shares/{link.share}/approve"
    assert (await shared_client.post(approve, headers=bearer(own_keys.project))).status_code == 400
    seen = (await shared_client.get(board, headers=bearer(own_keys.read))).json()["board"]["digest"]
    moved = [{**swapped[0], "width": 2, "title": "Wide"}]
    await shared_client.patch(board, json={"tiles": moved}, headers=bearer(own_keys.write))
    assert (await shared_client.get(board, headers=bearer(own_keys.read))).json()["board"]["digest"] == seen, (
        "it asks the same"
    )
    path = f"/v1/saved-queries/{tiles[1]['query_id']}"
    for spec, status in (({"sql": "SELECT 1 AS other"}, 409), ({"sql": SECRET}, 200)):
        await shared_client.patch(path, json={"spec": spec}, headers=bearer(own_keys.write))
        approved = await shared_client.post(approve, json={"digest": seen}, headers=bearer(own_keys.project))
        made = await shared_client.post(f"{board}/shares", json={"digest": seen}, headers=bearer(own_keys.project))
        assert (approved.status_code, made.status_code) == (status, 201 if status == 200 else status)
    assert approved.json()["outdated_tiles"] == 0
    assert (await link.tile(ticket)).json()["rows"] == [{"text": "secret of the project"}]
    await shared_client.delete(f"/v1/saved-queries/{tiles[1]['query_id']}", headers=bearer(own_keys.project))
    assert (await link.tile(ticket)).status_code == 404


async def test_a_password_is_asked_for_and_not_guessed(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    SWEEP.use(PASSWORD)
    link = await share(client, keys, password=PASSWORD)
    without, wrong = await link.open(), await link.open(password="wrong horse battery")
    assert (without.status_code, wrong.status_code) == (401, 401)
    assert "password" in without.json()["message"]
    assert "name" not in without.json()
    for _ in range(5):
        clock.advance(70_000)
        await link.open(password="wrong horse battery")
    assert (await link.open(password=PASSWORD)).status_code == 429
    clock.advance(16 * 60_000)
    ticket = await link.ticket(password=PASSWORD)
    assert (await link.tile(ticket)).status_code == 200


@pytest.mark.parametrize(("sites", "allowed"), [([], "'none'"), (["https://Intranet.example.com:8443/"], "")])
@shared
async def test_the_page_is_embedded_where_it_may(
    shared_client: httpx.AsyncClient, own_keys: Keys, sites: list[str], allowed: str
) -> None:
    link = await share(shared_client, own_keys, frame_ancestors=sites)
    page = await shared_client.get(link.address)
    policy = page.headers["content-security-policy"]
    wanted = allowed or "https://intranet.example.com:8443"
    assert f"frame-ancestors {wanted};" in policy
    assert ("x-frame-options" in page.headers) == (not sites)
    assert "script-src" not in policy
    assert link.token not in page.text
    frame = link.address.partition("?")[2]
    stranger = await shared_client.get(f"/shared/{link.share}")
    unknown = await shared_client.get(f"/shared/{NOBODY}")
    assert [(page.status_code, page.content) for page in (stranger, unknown)] == [(200, page.content)] * 2
    ours = ("x-request-id", "x-ratelimit-remaining")
    told = [{name: one.headers[name] for name in one.headers if name not in ours} for one in (stranger, unknown)]
    assert told[0] == told[1]
    cut = f"/shared/{link.share}?frame=0"
    for other in (f"/shared/{NOBODY}", f"/shared/{NOBODY}?{frame}", cut, "/shared/x", "/p/mine"):
        answer = await shared_client.get(other)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], other
        assert answer.headers["x-frame-options"] == "DENY"
