"""Schemas of endpoints over HTTP: what was learned, as of when, and what others hear of it."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.errors import TooCostly
from delta_server.core.schemas.steps import Learnt, Lesson
from delta_server.features.schemas import learning, tasks
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer
from tests.storage.opened import START_MS, FakeClock


def at(minutes: int) -> str:
    return times.format(START_MS + minutes * 60_000)


class Endpoint:
    """`prices`, with a version each minute."""

    def __init__(self, app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
        self.app, self.client, self.keys, self.clock = app, client, keys, clock
        self.minute = 0

    async def store(self, *documents: Any) -> None:
        for document in documents:
            self.minute += 1
            self.clock.time_ms = START_MS + self.minute * 60_000
            answer = await self.client.post(
                "/v1/snapshots?endpoint=prices", json=document, headers=bearer(self.keys.project)
            )
            assert answer.status_code == 201, answer.text

    async def get(self, path: str = "", **query: str) -> httpx.Response:
        return await self.client.get(f"/v1/endpoints/prices/schema{path}", params=query, headers=bearer(self.keys.read))

    async def fields(self, **query: str) -> dict[str, dict[str, Any]]:
        answer = await self.get(**query)
        assert answer.status_code == 200, answer.text
        return {field["path"]: field for field in answer.json()["fields"]}

    async def said(self) -> Sequence[Any]:
        def read(tx: Tx) -> list[Any]:
            return [each.body for each in outbox.read(tx, 0, 500) if each.kind == "schema.changed"]

        return await self.app.services.db.read(read)


@pytest.fixture
def prices(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Endpoint:
    return Endpoint(app, client, keys, clock)


async def test_nothing_is_known_of_nothing(prices: Endpoint) -> None:
    assert (await prices.get()).status_code == 404
    await prices.store({"a": 1})
    assert (await prices.get(at="2020-01-01")).status_code == 404
    assert (await prices.get(at="soon")).status_code == 400
    assert (await prices.get(format="xml")).status_code == 400
    assert (await prices.get("/changes", cursor="x")).status_code == 400


async def test_a_schema_with_its_history(prices: Endpoint) -> None:
    await prices.store({"items": [{"sku": "a", "price": 1}]}, {"items": [{"sku": "b", "price": 2.5}]})
    await prices.store({"items": [{"sku": "c", "price": None, "name": "x"}]}, {"items": []})
    answer = (await prices.get()).json()
    assert (answer["versions"], answer["learned_until"], answer["changes"]) == (4, at(4), 3)
    assert not answer["is_behind"]
    fields = {field["path"]: field for field in answer["fields"]}
    assert list(fields) == ["", "/items", "/items/*", "/items/*/name", "/items/*/price", "/items/*/sku"]
    price = fields["/items/*/price"]
    assert (price["types"], price["nullable"], price["optional"]) == (["number"], True, False)
    assert (price["minimum"], price["maximum"], price["changed_at"]) == (1, 2.5, at(3))
    assert fields["/items/*/name"]["optional"]
    assert fields["/items/*/sku"]["examples"] == ["a", "b", "c"]

    then = await prices.fields(at=at(2))
    assert (then["/items/*/price"]["types"], then["/items/*/price"]["nullable"]) == (["number"], False)
    assert "/items/*/name" not in then
    first = await prices.fields(at=at(1))
    assert (first["/items/*/price"]["types"], first["/items/*/price"]["changed_at"]) == (["integer"], None)

    page = (await prices.get("/changes", limit="2")).json()
    assert [(each["captured_at"], each["level"], each["count"]) for each in page["data"]] == [
        (at(3), "breaking", 2),
        (at(2), "breaking", 1),
    ]
    [last] = (await prices.get("/changes", cursor=page["next_cursor"])).json()["data"]
    assert (last["captured_at"], last["level"], last["changes"]) == (at(1), None, [])
    assert len(await prices.said()) == 2


async def test_formats(prices: Endpoint) -> None:
    await prices.store({"a": 1})
    as_schema = await prices.get(format="json-schema")
    assert as_schema.headers["content-type"] == "application/schema+json"
    assert as_schema.json()["properties"] == {"a": {"type": "integer", "minimum": 1, "maximum": 1}}
    assert (await prices.get(format="typescript")).text == "export type Prices = {\n  a: number;\n};\n"
    assert "class Prices(msgspec.Struct, kw_only=True):\n    a: int\n" in (await prices.get(format="python")).text


async def test_the_loop_learns_by_itself(prices: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    svc = prices.app.services
    await prices.store({"a": 1}, {"a": 2}, {"a": "x"})
    while await tasks.learn_some(svc):
        pass
    monkeypatch.setattr(learning, "learn_parts", None)  # nothing is left to learn
    assert [field["types"] for field in (await prices.fields(at=at(3))).values()] == [["object"], ["integer", "string"]]
    assert len(await prices.said()) == 1


async def test_a_history_sent_in_late_is_no_news_and_learned_in_parts(
    prices: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PART_BYTES", 30)
    old = [
        {"endpoint": "prices", "captured_at": times.format(START_MS - (9 - n) * times.DAY_MS), "data": {f"a{n}": n}}
        for n in range(6)
    ]
    sent = [{"endpoint_id": each["endpoint"], "data": each["data"], "captured_at": each["captured_at"]} for each in old]
    answer = await prices.client.post(
        "/v1/snapshots/batch", json={"snapshots": sent}, headers=bearer(prices.keys.project)
    )
    assert answer.status_code == 201, answer.text
    while (await prices.get()).json()["is_behind"]:
        pass
    assert set(await prices.fields()) == {"", *(f"/a{n}" for n in range(6))}
    assert await prices.said() == []


async def test_what_no_process_survives_is_passed_over_and_keeps_no_other_waiting(
    prices: Endpoint, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop failed of it, and forgot all endpoints of that turn, of other projects too."""

    async def dying(fn: Callable[[Sequence[Lesson]], list[Learnt]], lessons: Sequence[Lesson]) -> list[Learnt]:
        if any(b"heavy" in document for lesson in lessons for document in lesson.documents):
            raise TooCostly("this takes more memory than it may")
        return fn(lessons)

    svc = msgspec.structs.replace(prices.app.services, processes=dying)
    monkeypatch.setattr(learning, "APART_BYTES", 1)
    monkeypatch.setattr(learning, "PART_BYTES", 1)  # one at a time
    await prices.store({"a": 1}, {"heavy": 1}, {"b": 1})
    answer = await prices.client.post("/v1/snapshots?endpoint=theirs", json={"c": 1}, headers=bearer(keys.other))
    assert answer.status_code == 201, answer.text
    while await tasks.learn_some(svc):
        pass
    assert set(await prices.fields()) == {"", "/a", "/b"}
    theirs = await prices.client.get("/v1/endpoints/theirs/schema", headers=bearer(keys.other))
    assert [field["path"] for field in theirs.json()["fields"]] == ["", "/c"]


async def test_goes_with_its_endpoint(prices: Endpoint) -> None:
    await prices.store({"a": 1}, {"b": 1})
    await prices.fields()
    answer = await prices.client.delete("/v1/endpoints/prices?purge=true", headers=bearer(prices.keys.project))
    assert answer.status_code == 204, answer.text
    from delta_server.features.endpoints import tasks as endpoint_tasks

    await endpoint_tasks.remove_deleted(prices.app.services)

    def left(tx: Tx) -> int:
        return sum(
            tx.all(f"SELECT count(*) FROM {table}")[0][0] for table in ("endpoint_schema", "endpoint_schema_change")
        )

    assert await prices.app.services.db.read(left) == 0
