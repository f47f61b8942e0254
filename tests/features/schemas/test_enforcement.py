"""Documents held against a schema: refused, stored with a warning, kept aside when they were polled."""

import asyncio
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.errors import DoesNotFit, FieldError
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.enforcement import store
from delta_server.features.schemas import accepting
from delta_server.features.usage import service as usage
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer
from tests.storage.opened import FakeClock

PATH = "/v1/endpoints/prices/schema"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}}},
}


class Caller:
    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client, self._key = client, key

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self._client.request(method, path, json=body, headers=bearer(self._key))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def gone(self, path: str) -> None:
        assert (await self._client.delete(path, headers=bearer(self._key))).status_code == 204

    async def store(self, document: Any, status: int = 201) -> Any:
        return await self.ask("POST", "/v1/snapshots?endpoint=prices", document, status)

    async def enforce(self, mode: str, **more: Any) -> Any:
        return await self.ask("PUT", f"{PATH}/enforcement", {"mode": mode, **more})


async def happened(app: Application, kind: str) -> list[str]:
    def read(tx: Tx) -> list[str]:
        return [each.body for each in outbox.read(tx, 0, 100) if each.kind == kind]

    return await app.services.db.read(read)


@pytest.fixture
def caller(client: httpx.AsyncClient, keys: Keys) -> Caller:
    return Caller(client, keys.project)


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "strict"},
        {"mode": "off", "schema": {}},
        {"mode": "reject", "schema": {"type": "text"}},
        {"mode": "reject", "schema": {"$ref": "https://example.com/"}},
        {"mode": "reject", "schema": {"$ref": "#"}},
        {"mode": "reject", "schema": {"allOf": [{"enum": ["x" * 70_000]}]}},
        {"mode": "reject", "more": 1},
    ],
)  # fmt: skip
async def test_refused_settings(caller: Caller, body: Any) -> None:
    await caller.store({"items": []})
    await caller.ask("PUT", f"{PATH}/enforcement", body, 400)
    assert (await caller.ask("GET", f"{PATH}/enforcement"))["mode"] == "off"


async def test_who_may_only_send_does_not_change_it(caller: Caller, client: httpx.AsyncClient, keys: Keys) -> None:
    await caller.store({})
    sent = await client.put(f"{PATH}/enforcement", json={"mode": "off"}, headers=bearer(keys.read))
    assert sent.status_code == 403


async def test_reject_says_every_place(caller: Caller) -> None:
    await caller.store({"items": []})
    shown = await caller.enforce("reject", schema=SCHEMA)
    assert (shown["mode"], shown["source"], shown["schema"]) == ("reject", "given", SCHEMA)
    bad = {"items": [{"price": "1"}, {"price": 2}, {"price": None}]}
    problem = await caller.store(bad, 422)
    assert (problem["code"], problem["title"]) == ("SCHEMA_MISMATCH", "Does not fit the schema")
    assert [error["field"] for error in problem["errors"]] == ["data/items/0/price", "data/items/2/price"]
    many = {"items": [{"price": "1"}] * 80}
    assert len((await caller.store(many, 422))["errors"]) == 50
    batch = {"snapshots": [{"endpoint_id": "prices", "data": {"items": []}}, {"endpoint_id": "prices", "data": bad}]}
    problem = await caller.ask("POST", "/v1/snapshots/batch", batch, 422)
    assert problem["errors"][0]["field"] == "snapshots[1].data/items/0/price"
    assert len((await caller.ask("GET", "/v1/snapshots?endpoint_id=prices"))["data"]) == 1
    await caller.ask("POST", "/v1/snapshots?endpoint=others", bad, 201)
    await caller.enforce("off")
    await caller.store(bad)


async def test_warn_stores_and_says_so(app: Application, caller: Caller) -> None:
    await caller.store({"items": []})
    await caller.enforce("warn", schema=SCHEMA)
    assert "misfits" not in await caller.store({"items": [{"price": 1}]})
    stored = await caller.store({"items": [{"price": "1"}]})
    assert [each["path"] for each in stored["misfits"]] == ["/items/0/price"]

    [said] = await happened(app, enforcement.VIOLATED)
    assert stored["snapshot"]["id"] in said


async def test_what_was_learned_is_frozen(caller: Caller) -> None:
    await caller.store({"at": "2026-05-01T10:00:00Z", "n": 5, "kind": "a"})
    shown = await caller.enforce("reject")
    assert shown["source"] == "inferred"
    await caller.store({"at": "2026-05-02T10:00:00Z", "n": 50, "kind": "b", "more": None})
    problem = await caller.store({"at": "tomorrow", "n": 1.5}, 422)
    assert sorted(error["field"] for error in problem["errors"]) == ["data", "data/at", "data/n"]


async def test_a_large_trial_runs_in_a_process_of_its_own(app: Application, caller: Caller) -> None:
    await caller.store([{}] * 3_000)
    trial = await caller.ask(
        "POST", f"{PATH}/try", {"schema": {"items": {"required": [f"k{n}" for n in range(6_000)]}}}
    )
    assert (trial["refused"], [each["path"] for each in trial["places"]]) == (1, ["/*"])


async def test_tried_on_the_last_documents(caller: Caller) -> None:
    await caller.ask("POST", f"{PATH}/try", {"schema": SCHEMA}, 404)
    last: list[Any] = [{"items": []}, {"items": [{"price": "1"}]}, {"items": [{"price": 1}, {"price": None}]}, []]
    for document in last:
        await caller.store(document)
    trial = await caller.ask("POST", f"{PATH}/try", {"schema": SCHEMA})
    assert (trial["tried"], trial["refused"], len(trial["snapshots"])) == (4, 3, 3)
    assert [(each["path"], each["documents"]) for each in trial["places"]] == [("", 1), ("/items/*/price", 2)][::-1]
    trial = await caller.ask("POST", f"{PATH}/try", {"schema": SCHEMA, "last": 1})
    assert (trial["tried"], trial["refused"]) == (1, 1)
    assert (await caller.ask("POST", f"{PATH}/try", {}))["refused"] == 0
    await caller.ask("POST", f"{PATH}/try", {"last": 0}, 400)


async def test_kept_aside(app: Application, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_KEPT", 2)
    await caller.store({"items": []})
    await kept_of(app, b"[1]", b"[2]", b"[2]", b"[3]")
    first = await caller.ask("GET", f"{PATH}/kept-aside?limit=1")
    [last] = first["data"]
    assert (last["size_bytes"], last["misfits"], first["has_more"]) == (3, [{"path": "/items", "reason": "no"}], True)
    [other] = (await caller.ask("GET", f"{PATH}/kept-aside?cursor={first['next_cursor']}"))["data"]
    assert await caller.ask("GET", f"{PATH}/kept-aside/{last['id']}") == [3]
    assert await caller.ask("GET", f"{PATH}/kept-aside/{other['id']}") == [2]
    await caller.ask("GET", f"{PATH}/kept-aside/01890a5d-ac96-774b-bcce-b302099a8057", None, 404)


async def kept_of(app: Application, *bodies: bytes) -> EndpointRef:
    of = endpoints.resolve(app.services, 1, "prices")
    for body in bodies:
        error = DoesNotFit("no", errors=[FieldError("data/items", "no")])
        await enforcement.keep_aside(app.services, of, body, error)
    return of


async def test_refused_accepting_and_discarding(
    app: Application, caller: Caller, client: httpx.AsyncClient, keys: Keys
) -> None:
    await caller.store({"items": []})
    await kept_of(app, b"[1]")
    [kept] = (await caller.ask("GET", f"{PATH}/kept-aside"))["data"]
    for method, path in (("POST", "/accept"), ("DELETE", ""), ("DELETE", f"/{kept['id']}")):
        asked = await client.request(method, f"{PATH}/kept-aside{path}", json={}, headers=bearer(keys.read))
        assert asked.status_code == 403
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    for ids, status in (([], 400), (["x"], 404), ([unknown], 404), ([kept["id"], unknown], 404)):
        await caller.ask("POST", f"{PATH}/kept-aside/accept", {"ids": ids}, status)
    await caller.ask("DELETE", f"{PATH}/kept-aside/{unknown}", None, 404)
    await caller.ask("POST", "/v1/endpoints/others/schema/kept-aside/accept", {}, 404)
    assert len((await caller.ask("GET", f"{PATH}/kept-aside"))["data"]) == 1


async def test_accepted_after_all(app: Application, caller: Caller, clock: FakeClock) -> None:
    """In order, at the times they were polled, before what came since; once, however often it is asked for."""
    await caller.store({"items": []})
    await caller.enforce("reject", schema=SCHEMA)
    for body in (b'{"items": 1}', b'{"items": 2}'):
        clock.advance(1_000)
        of = await kept_of(app, body)
    clock.advance(1_000)
    await caller.store({"items": [{"price": 3}]})
    listed = (await caller.ask("GET", f"{PATH}/kept-aside"))["data"][::-1]
    wanted = {"ids": [each["id"] for each in listed][::-1]}
    accepted = (await caller.ask("POST", f"{PATH}/kept-aside/accept", wanted))["data"]
    assert [each["id"] for each in accepted] == [each["id"] for each in listed]
    assert [each["code"] for each in accepted] == [None, None]
    rows = (await caller.ask("GET", "/v1/snapshots?endpoint_id=prices&order=asc"))["data"]
    assert [row["id"] for row in rows[1:3]] == [each["snapshot_id"] for each in accepted]
    assert [row["captured_at"] for row in rows[1:3]] == [each["captured_at"] for each in listed]
    assert {row["source"] for row in rows[1:3]} == {"poll"}
    assert await caller.ask("GET", f"/v1/snapshots/{rows[1]['id']}/data") == {"items": 1}
    assert (await caller.ask("GET", f"{PATH}/kept-aside"))["data"] == []
    await caller.ask("GET", f"{PATH}/kept-aside/{listed[0]['id']}", None, 404)
    assert (await caller.ask("POST", f"{PATH}/kept-aside/accept", wanted))["data"] == accepted
    assert (await caller.ask("POST", f"{PATH}/kept-aside/accept", {}))["data"] == []
    assert len((await caller.ask("GET", "/v1/snapshots?endpoint_id=prices"))["data"]) == 4
    said = [body for body in await happened(app, enforcement.VIOLATED) if accepted[0]["snapshot_id"] in body]
    assert len(said) == 1
    await kept_of(app, b'{"items": 2}')  # it is polled again, and was accepted, not kept, the last time
    [again] = await enforcement.list_kept(app.services, of, 1 << 62, 10)
    await caller.ask("DELETE", f"{PATH}/kept-aside/{listed[1]['id']}", None, 404)
    await caller.enforce("off")
    both = asyncio.gather(*(accepting.accept(app.services, of, [again.uid]) for _ in range(2)))
    [[one], [other]] = await both
    assert one == other
    assert one.snapshot_id is not None
    assert len((await caller.ask("GET", "/v1/snapshots?endpoint_id=prices"))["data"]) == 5
    assert len(await happened(app, enforcement.VIOLATED)) == 2


async def test_what_the_plan_has_no_room_for_stays_aside(app: Application, caller: Caller) -> None:
    await caller.store({"items": []})
    await kept_of(app, b"[1]", b"[2]")
    await app.services.db.write(lambda tx: tx.run("UPDATE project SET plan = 'free'"))
    await app.services.db.write(lambda tx: usage.add_snapshots(tx, 1, 98))
    first, second = (await caller.ask("POST", f"{PATH}/kept-aside/accept", {}))["data"]
    assert (first["code"], second["snapshot_id"], second["code"]) == (None, None, "QUOTA_EXCEEDED")
    [left] = (await caller.ask("GET", f"{PATH}/kept-aside"))["data"]
    assert left["id"] == second["id"]
    assert "begins again" in second["reason"]


async def test_discarded(app: Application, caller: Caller) -> None:
    await caller.store({"items": []})
    await kept_of(app, b"[1]", b"[2]", b"[3]")
    [last, *_] = (await caller.ask("GET", f"{PATH}/kept-aside"))["data"]
    await caller.gone(f"{PATH}/kept-aside/{last['id']}")
    assert len((await caller.ask("GET", f"{PATH}/kept-aside"))["data"]) == 2
    for _ in range(2):
        await caller.gone(f"{PATH}/kept-aside")
    assert (await caller.ask("GET", f"{PATH}/kept-aside"))["data"] == []
    await caller.ask("POST", f"{PATH}/kept-aside/accept", {"ids": [last["id"]]}, 404)
    assert len((await caller.ask("GET", "/v1/snapshots?endpoint_id=prices"))["data"]) == 1
