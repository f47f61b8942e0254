"""WatermelonDB's synchronize() as recorded from the real client, and what of it could lose a record."""

import json
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.sync import watermelon
from delta_server.core.sync.changes import MAX_CHANGES
from delta_server.features.sync import epochs
from delta_server.features.sync.forgetting import expiring
from delta_server.features.sync.spaces import Known, Whose
from delta_server.features.sync.states import reading
from delta_server.features.sync_clients import watermelon as service
from tests.conftest import SHARED, Keys, bearer, shared
from tests.features.rows import Row, check
from tests.one_server import alone
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

PULL, PUSH = "/v1/sync/watermelon/pull", "/v1/sync/watermelon/push"


def raw(record: str, text: str, changed: str = "text", **more: Any) -> dict[str, Any]:
    return {"id": record, "_status": "updated", "_changed": changed, "text": text, **more}


def table(*updated: Any, created: Any = (), deleted: Any = ()) -> dict[str, Any]:
    return {"created": list(created), "updated": list(updated), "deleted": list(deleted)}


REFUSED = [
    Row("no key", "GET", PULL, 401, key=None),
    Row("push without the scope", "POST", PUSH, 403, key="read", body={"changes": {}}, says="sync:write"),
    Row("no number", "GET", f"{PULL}?last_pulled_at=soon", 400),
    Row("less than nothing", "GET", f"{PULL}?lastPulledAt=-1", 400, field="last_pulled_at"),
    Row("a fraction", "POST", PULL, 400, body={"lastPulledAt": 1.5}, field="lastPulledAt"),
    Row("no table", "GET", f"{PULL}?tables={'x' * 101}", 400, field="data_type"),
    Row("too many tables", "POST", PULL, 400, body={"tables": [f"t{i}" for i in range(201)]}, field="tables"),
    Row("no changes", "POST", PUSH, 400, body={"lastPulledAt": 1}, field="changes"),
    Row("no id", "POST", PUSH, 400, body={"changes": {"notes": table({"text": "a"})}}, field="changes.notes.updated"),
    Row("a number for an id", "POST", PUSH, 400, body={"changes": {"notes": table({"id": 7})}}),
    Row("an id twice", "POST", PUSH, 400, body={"changes": {"notes": table(raw("a", "b"), deleted=["a"])}}),
    *(Row(f"half in {name}", "POST", PUSH, 400, raw=json.dumps({"changes": sent}).encode(), says="surrogate")
      for name, sent in {
          "an id": {"notes": table(raw("\ud83d", "b"))}, "a deleted id": {"notes": table(deleted=["\ud83d"])},
          "a table's name": {"\ud83d": table(raw("a", "b"))}}.items()),
    *(Row(f"a table {name!r}", "POST", PUSH, 400, body={"changes": {name: table(raw("a", "b"))}}, field="data_type")
      for name in ("types", "conflicts", "a\0b", "..")),
    Row("too large", "POST", PUSH, 400, body={"changes": {"notes": table(raw("a", "x" * (1 << 20)))}}, field="data"),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)
    assert (await Replica(shared_client, own_keys).pull())["changes"] == {}


class Replica:
    """What a client has of one table, and the timestamp it was given."""

    def __init__(self, client: httpx.AsyncClient, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self.at: int | None = None
        self.rows: dict[str, Any] = {}

    async def pull(self, **more: Any) -> dict[str, Any]:
        asked = {"lastPulledAt": self.at, "schemaVersion": 1, "migration": None, **more}
        answer = await self._client.post(PULL, json=asked, headers=bearer(self._keys.read))
        assert answer.status_code == 200, answer.text
        found = dict(answer.json())
        self.at = found["timestamp"]
        of = found["changes"].get("notes", table())
        assert of["created"] == []
        if "experimentalStrategy" in found:
            self.rows.clear()
        self.rows |= {row["id"]: row for row in of["updated"]}
        for record_id in of["deleted"]:
            self.rows.pop(record_id, None)
        return found

    async def push(self, *updated: Any, status: int = 200, **more: Any) -> dict[str, Any]:
        body = {"changes": {"notes": table(*updated, **more), "tags": table()}, "lastPulledAt": self.at}
        answer = await self._client.post(PUSH, json=body, headers=bearer(self._keys.write))
        assert answer.status_code == status, answer.text
        return dict(answer.json())


@pytest.fixture
def one(client: httpx.AsyncClient, keys: Keys) -> Replica:
    return Replica(client, keys)


@pytest.fixture
def two(client: httpx.AsyncClient, keys: Keys) -> Replica:
    return Replica(client, keys)


async def test_two_replicas(one: Replica, two: Replica) -> None:
    first = await one.pull()
    assert isinstance(first["timestamp"], int)
    assert 0 < first["timestamp"] < 1 << 53
    created = {"id": "b1", "_status": "created", "_changed": "text", "text": "two-b", "n": None, "flag": False}
    await one.push(created=[created])
    await two.pull()
    assert two.rows == {"b1": {"id": "b1", "text": "two-b", "n": None, "flag": False}}
    await two.push(raw("b1", "edit", "text,n", n=4, flag=False))
    await one.pull()
    assert one.rows["b1"] == {"id": "b1", "text": "edit", "n": 4, "flag": False}
    await one.push(deleted=["b1", "never"])
    assert (await two.pull())["changes"]["notes"]["deleted"] == ["b1"]
    again = await two.pull()
    assert again["changes"]["notes"] == table()


async def test_by_get(client: httpx.AsyncClient, keys: Keys, one: Replica) -> None:
    await one.push(raw("a", "b"))
    for query in ("", "?last_pulled_at=null&schema_version=1&migration=null", "?lastPulledAt=&tables=notes,tags"):
        answer = await client.get(PULL + query, headers=bearer(keys.read))
        assert answer.json()["changes"]["notes"] == table({"id": "a", "text": "b"})
        assert ("tags" in answer.json()["changes"]) == ("tags" in query)
    at = answer.json()["timestamp"]
    rest = await client.get(f"{PULL}?last_pulled_at={at}", headers=bearer(keys.read))
    assert rest.json() == {"changes": {"notes": table()}, "timestamp": at}


async def test_what_changed_since_is_refused_as_a_whole(one: Replica, two: Replica) -> None:
    await one.push(raw("a", "1"), raw("b", "1"))
    await one.pull()
    await two.pull()
    await two.push(raw("a", "2"))
    refused = await one.push(raw("a", "3"), raw("b", "3"), status=409)
    assert refused["changed"] == {"notes": ["a"]}
    assert (await one.push(raw("b", "1"), deleted=["a"], status=409))["changed"] == {"notes": ["a"]}
    await one.pull()
    assert {row["text"] for row in one.rows.values()} == {"1", "2"}
    await one.push(raw("a", "3"), raw("b", "3"))
    await two.pull()
    assert {row["text"] for row in two.rows.values()} == {"3"}


async def test_overlapping_syncs_and_lost_answers_push_the_same_rows_again(one: Replica, two: Replica) -> None:
    rows = [raw("a", "1"), raw("b", "1")]
    await one.push(*rows, created=[raw("c", "1", "")])
    before = await two.pull()
    await one.push(*rows, created=[raw("c", "1", "")])
    assert (await two.pull())["timestamp"] == before["timestamp"], "nothing was stored again"


async def test_only_edited_columns_are_taken(client: httpx.AsyncClient, keys: Keys, one: Replica) -> None:
    """A client's schema may lack columns, and it replaces what is not of a column's type."""
    data = {"text": "a", "new": 1, "tree": {"a": [1]}}
    change = {"change_id": "c", "record_id": "r", "operation": "insert", "data": data}
    body = {"device_id": "phone", "batch_id": "b", "changes": [change]}
    await client.post("/v1/sync/notes/delta", json=body, headers=bearer(keys.write))
    await one.pull()
    await one.push(raw("r", "b", "text", tree=""))
    await one.pull()
    assert one.rows["r"] == {"id": "r", "text": "b", "new": 1, "tree": {"a": [1]}}


async def test_rows_of_other_devices_are_rows(client: httpx.AsyncClient, keys: Keys, one: Replica) -> None:
    """With `_status` a client refuses the sync; an id that is no string becomes a new row at each pull."""
    kinds: list[dict[str, Any]] = [
        {"data": {"id": 7, "_status": "x", "_changed": "y"}},
        {"data": 5},
        {"encrypted": "AA=="},
    ]
    for number, what in enumerate(kinds):
        change = {"change_id": f"c{number}", "record_id": f"r{number}", "operation": "insert", **what}
        body = {"device_id": "phone", "batch_id": f"b{number}", "changes": [change]}
        assert (await client.post("/v1/sync/notes/delta", json=body, headers=bearer(keys.write))).status_code == 200
    await one.pull()
    assert list(one.rows.values()) == [{"id": "r0"}, {"id": "r1", "value": 5}, {"id": "r2", "encrypted": "AA=="}]


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "after the deletion was forgotten"])
@pytest.mark.parametrize("kind", ["created", "updated"])
async def test_the_deleted_does_not_rise_again_and_goes_everywhere(
    app: Application, one: Replica, two: Replica, clock: FakeClock, kind: str, *, forgotten: bool
) -> None:
    """A client that still has it pushes it: it is to hear of the deletion, which may be long past its timestamp."""
    await one.push(raw("a", "1"), raw("b", "1"))
    await one.pull()
    await one.push(deleted=["a"])
    if forgotten:
        clock.advance(91 * times.DAY_MS)
        await expiring.expire(app.services)
        app.services.state(Known).forget_all()
    two.rows = {"a": raw("a", "1")}
    await two.pull()
    two.rows |= {"a": raw("a", "1")}
    await (two.push(raw("a", "1")) if kind == "updated" else two.push(created=[raw("a", "1")]))
    await two.pull()
    await one.pull()
    assert set(two.rows) == set(one.rows) == {"b"}


async def test_behind_the_horizon_all_is_replaced(
    app: Application, one: Replica, two: Replica, clock: FakeClock
) -> None:
    await one.push(raw("a", "1"), raw("b", "1"))
    await two.pull()
    await one.pull()
    await one.push(deleted=["a"])
    clock.advance(91 * times.DAY_MS)
    await expiring.expire(app.services)
    assert (await two.pull(tables=["notes", "tags"]))["experimentalStrategy"] == "replacement"
    assert set(two.rows) == {"b"}
    assert "experimentalStrategy" not in await two.pull()


async def test_another_epoch_replaces_all_and_lists_tables_that_are_empty_now(
    app: Application, one: Replica, two: Replica
) -> None:
    await one.push(raw("a", "1"))
    await two.pull()
    two.rows["lost"] = {"id": "lost"}
    await app.services.db.write(epochs.begin_another)
    app.services.state(Known).forget_all()
    await two.push(raw("a", "2"), status=409)
    found = await two.pull(tables=["notes", "tags"])
    assert (found["experimentalStrategy"], found["changes"]["tags"]) == ("replacement", table())
    assert set(two.rows) == {"a"}
    await two.push(raw("a", "2"))


async def test_timestamps_of_another_space_replace_all(client: httpx.AsyncClient, keys: Keys, one: Replica) -> None:
    await one.push(raw("a", "1"))
    at = (await one.pull())["timestamp"]
    headers = {**bearer(keys.write), "x-sync-user": "ann"}
    body = {"changes": {"notes": table(raw("z", "1"))}, "lastPulledAt": None}
    await client.post(PUSH, json=body, headers=headers)
    answer = await client.get(f"{PULL}?last_pulled_at={at}", headers={**bearer(keys.read), "x-sync-user": "ann"})
    assert answer.json()["experimentalStrategy"] == "replacement"


async def test_after_an_upgrade_new_columns_come_for_all_rows(one: Replica) -> None:
    await one.push(raw("a", "1", "text,extra", extra=5))
    await one.pull()
    assert (await one.pull())["changes"]["notes"] == table()
    migration = {"from": 1, "tables": ["lists"], "columns": [{"table": "notes", "columns": ["extra"]}]}
    found = await one.pull(migration=migration, schemaVersion=2)
    assert found["changes"]["notes"] == table({"id": "a", "text": "1", "extra": 5})
    assert "experimentalStrategy" not in found


async def test_tables_are_stored_together_or_not_at_all(
    client: httpx.AsyncClient, keys: Keys, one: Replica, two: Replica
) -> None:
    await one.push(raw("a", "1"))
    body = {"changes": {"lists": table(raw("l", "1")), "notes": table(raw("a", "2"))}, "lastPulledAt": None}
    assert (await client.post(PUSH, json=body, headers=bearer(keys.write))).status_code == 409
    assert set((await two.pull())["changes"]) == {"notes"}


@pytest.mark.parametrize("rows", [1, 64, 1024])
@alone
async def test_all_of_many_rows_as_they_were(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """What changes while the answer is read comes with the next."""
    monkeypatch.setattr(reading, "_FIRST_ROWS", rows)
    monkeypatch.setattr(reading, "_PAGE_BYTES", 1)
    one = Replica(client, keys)
    await one.push(*[raw(f"r{i}", "old") for i in range(70)])
    begun = await service.begin(app.services, Whose(1, ""), service.AskedPull())
    await one.pull()
    await one.push(raw("r3", "new"), deleted=["r4"])
    answer = json.loads(b"".join([piece async for piece in service.pieces(app.services, begun)]))
    assert answer["changes"]["notes"] == table(*[{"id": f"r{i}", "text": "old"} for i in range(70)])
    one.at = answer["timestamp"]
    assert (await one.pull())["changes"]["notes"] == table({"id": "r3", "text": "new"}, deleted=["r4"])


async def test_very_many_deletions_want_a_confirmation(client: httpx.AsyncClient, keys: Keys, one: Replica) -> None:
    ids = [f"r{i}" for i in range(80)]
    await one.push(*[raw(record_id, "a") for record_id in ids])
    await one.pull()
    asked = await one.push(deleted=ids, status=409)
    assert asked["code"] == "MASS_DELETE"
    body = {"changes": {"notes": table(deleted=ids), "tags": table()}, "lastPulledAt": one.at}
    answer = await client.post(f"{PUSH}?confirm={asked['confirm']}", json=body, headers=bearer(keys.write))
    assert answer.json() == {"rows": 80}
    await one.pull()
    assert one.rows == {}


async def test_a_push_may_be_larger_than_a_batch(one: Replica) -> None:
    await one.push(created=[raw(f"r{i}", "a") for i in range(MAX_CHANGES + 1)])
    await one.pull()
    assert len(one.rows) == MAX_CHANGES + 1


async def test_a_timestamp_tells_its_space() -> None:
    number, other = watermelon.number_of(b"epoch", 1), watermelon.number_of(b"epoch", 2)
    assert number != other
    at = watermelon.timestamp(number, 7)
    assert (watermelon.seq_of(at, b"epoch", 1), watermelon.seq_of(at, b"epoch", 2)) == (7, None)
    of_nothing = watermelon.timestamp(watermelon.number_of(b"epoch", 0), 0)
    assert watermelon.seq_of(of_nothing, b"epoch", 1) == watermelon.seq_of(0, b"epoch", 1) == 0, "all there is is new"
    assert watermelon.seq_of(of_nothing, b"another", 1) is None, "what it pushed since may be lost"
    assert watermelon.timestamp((1 << 17) - 1, (1 << 36) - 1) == (1 << 53) - 1
