"""Documents held against a schema: refused, stored with a warning, kept aside when they were polled."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.features.enforcement import service as enforcement
from delta_server.features.enforcement import store
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer

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

    async def store(self, document: Any, status: int = 201) -> Any:
        return await self.ask("POST", "/v1/snapshots?endpoint=prices", document, status)

    async def enforce(self, mode: str, **more: Any) -> Any:
        return await self.ask("PUT", f"{PATH}/enforcement", {"mode": mode, **more})


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

    def read(tx: Tx) -> list[str]:
        return [each.body for each in outbox.read(tx, 0, 100) if each.kind == enforcement.VIOLATED]

    [said] = await app.services.db.read(read)
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
    svc = app.services
    from delta_server.core.errors import DoesNotFit, FieldError
    from delta_server.features.endpoints import service as endpoints

    project = (await caller.ask("GET", "/v1/projects"))["data"][0]["id"]
    assert project
    of = endpoints.resolve(svc, 1, "prices")
    error = DoesNotFit("no", errors=[FieldError("data/items", "no")])
    for body in (b"[1]", b"[2]", b"[2]", b"[3]"):
        await enforcement.keep_aside(svc, of, body, error)
    first = await caller.ask("GET", f"{PATH}/kept-aside?limit=1")
    [last] = first["data"]
    assert (last["size_bytes"], last["misfits"], first["has_more"]) == (3, [{"path": "/items", "reason": "no"}], True)
    [other] = (await caller.ask("GET", f"{PATH}/kept-aside?cursor={first['next_cursor']}"))["data"]
    assert await caller.ask("GET", f"{PATH}/kept-aside/{last['id']}") == [3]
    assert await caller.ask("GET", f"{PATH}/kept-aside/{other['id']}") == [2]
    await caller.ask("GET", f"{PATH}/kept-aside/01890a5d-ac96-774b-bcce-b302099a8057", None, 404)
