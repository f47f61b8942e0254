"""Uploads: parts that go on where they were, all visible at once or not at all."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config, Log, Sync
from delta_server.core import times
from delta_server.features.sync import committing, epochs, writing
from delta_server.features.sync.forgetting import deleting, expiring
from delta_server.features.sync.spaces import Known
from delta_server.features.sync.uploads import lines, receiving, staging, upload_schemas
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer, client_of, make_keys, shared, started_in
from tests.features.rows import Row, check
from tests.features.sync.test_push_pull import batch, change, everything, pull, push
from tests.storage.opened import FakeClock

UPLOAD = "/v1/sync/upload"
MINE = f"{UPLOAD}?device_id=phone&upload_id=u1"
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        storage=Storage(data_dir=tmp_path / "data"),
        log=Log(level="error"),
        sync=Sync(records=100, space_bytes=4000, types=3, record_bytes=500, pushes_per_minute=0, pulls_per_minute=0),
    )


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_OF_PART", 2)


def line(record: str, data: Any = None, data_type: str = "notes", **more: Any) -> dict[str, Any]:
    """A deletion without data."""
    what = {"operation": "delete"} if data is None else {"data": data}
    return {"data_type": data_type, "record_id": record, **what, **more}


class Phone:
    def __init__(self, client: httpx.AsyncClient, keys: Keys, upload_id: str = "u1", device_id: str = "phone") -> None:
        self._client, self._keys = client, keys
        self._params = {"device_id": device_id, "upload_id": upload_id}

    async def send(self, offset: int, *rows: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
        content = "".join(json.dumps(row) + "\n" for row in rows)
        params = {**self._params, "offset": offset, **more}
        headers = {**bearer(self._keys.write), **NDJSON}
        answer = await self._client.post(UPLOAD, content=content, params=params, headers=headers)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def complete(self, offset: int, *rows: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
        return await self.send(offset, *rows, status=status, complete=True, **more)

    async def seen(self, status: int = 200) -> dict[str, Any]:
        answer = await self._client.get(UPLOAD, params=self._params, headers=bearer(self._keys.read))
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def results(self, **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            params = {**self._params, **more, **cursor}
            answer = await self._client.get(f"{UPLOAD}/results", params=params, headers=bearer(self._keys.read))
            page = answer.json()
            found += page["data"]
            if not page["has_more"]:
                return found
            cursor = {"cursor": page["next_cursor"]}

    async def drop(self) -> int:
        answer = await self._client.delete(UPLOAD, params=self._params, headers=bearer(self._keys.write))
        return answer.status_code


@pytest.fixture
def phone(client: httpx.AsyncClient, keys: Keys) -> Phone:
    return Phone(client, keys)


ROWS = [
    Row("no key", "POST", MINE, 401, key=None),
    Row("without the scope", "POST", MINE, 403, key="read", says="sync:write"),
    Row("no device", "POST", f"{UPLOAD}?upload_id=u1", 400, field="device_id"),
    Row("no upload", "POST", f"{UPLOAD}?device_id=phone", 400, field="upload_id"),
    Row("as JSON", "POST", MINE, 415, body={}, says="application/x-ndjson"),
    Row("there is none", "GET", MINE, 404),
    Row("nor results", "GET", f"{UPLOAD}/results?device_id=phone&upload_id=u1", 404),
    Row("nothing to drop", "DELETE", MINE, 404),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_refused(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


GOOD = line("r0", 1)
LINES = [
    ("broken", b'{"data_type": "notes"', "not valid JSON"),
    ("empty", b"", "is empty"),
    ("no type", b'{"record_id":"r1","data":1}', "data_type is missing"),
    ("no such type", json.dumps(line("r1", 1, "types")).encode(), "name of a route"),
    ("half in an id", json.dumps(line("\ud83d", 1)).encode(), "surrogate"),
    ("half in a type", json.dumps(line("r1", 1, "\ud83d")).encode(), "surrogate"),
    ("unknown field", json.dumps(line("r1", 1, colour=2)).encode(), "unknown field"),
    ("a patch", json.dumps(line("r1", patch=[], operation="update")).encode(), "unknown field"),
    ("nothing", b'{"data_type":"notes","record_id":"r1"}', "give one of"),
    ("both", json.dumps(line("r1", 1, encrypted="aGk=")).encode(), "give one of"),
    ("a delete with data", json.dumps(line("r1", 1, operation="delete")).encode(), "a delete has no data"),
    ("another checksum", json.dumps(line("r1", 1, checksum="00")).encode(), "SHA-256"),
    ("too large", json.dumps(line("r1", "x" * 500)).encode(), "sync.record_bytes"),
]


@pytest.mark.parametrize(("title", "wrong", "says"), LINES, ids=[title for title, *_ in LINES])
async def test_a_part_with_a_wrong_line_leaves_what_was_there(
    client: httpx.AsyncClient, keys: Keys, phone: Phone, title: str, wrong: bytes, says: str
) -> None:
    await phone.send(0, GOOD)
    content = json.dumps(GOOD).encode() + b"\n" + wrong + b"\n" + json.dumps(GOOD).encode()
    headers = {**bearer(keys.write), **NDJSON}
    answer = await client.post(f"{MINE}&offset=1&complete=true", content=content, headers=headers)
    assert (answer.status_code, says in answer.json()["message"]) == (400, True), answer.text
    assert answer.json()["errors"][0]["field"] == "[2]"
    found = await phone.seen()
    assert (found["state"], found["lines"]) == ("open", 1)


async def test_lines_that_do_not_fit_their_schema_are_named(
    client: httpx.AsyncClient, keys: Keys, phone: Phone
) -> None:  # fmt: skip
    for data_type in ("notes", "tags"):
        sent = {"schema": {"type": "object"}}
        await client.put(f"/v1/sync/types/{data_type}", json=sent, headers=bearer(keys.project))
    await phone.send(0, line("r0", {}))
    wrong = [line("t1", 1, "tags"), line("r1", {}), line("r2", 1), line("t2", {}, "tags"), line("t3", 1, "tags")]
    refused = await phone.send(1, *wrong, status=400)
    assert [error["field"] for error in refused["errors"]] == ["[1]", "[3]", "[5]"]
    assert "line 1: the record does not fit its schema" in refused["message"]
    assert (await phone.seen())["lines"] == 1


async def test_too_much(phone: Phone, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    await push(client, keys, batch("tablet", 1, change(1, "r1", "x" * 400)))
    many = [line(f"r{number}", number) for number in range(90)]
    over = await phone.send(0, *many, status=402)
    assert over["quota"]["name"] == "sync.space_bytes"
    kept = (await phone.seen())["lines"]
    assert 0 < kept < 90, "parts before it are kept, and told"
    assert await phone.drop() == 204
    monkeypatch.setattr(upload_schemas, "MOST_LINES", 2)
    assert "at most 2 lines" in (await phone.send(0, *many[:3], status=413))["message"]
    monkeypatch.setattr(upload_schemas, "MOST_BYTES", 50)
    assert "at most 50 bytes" in (await phone.send(0, *many[:2], status=413))["message"]
    monkeypatch.setattr(receiving, "MOST_OPEN", 1)
    await phone.send(0)
    assert (await Phone(client, keys, "u2").send(0, status=402))["quota"]["name"] == "sync.uploads"


async def test_records_that_fit_no_schema(client: httpx.AsyncClient, keys: Keys, phone: Phone) -> None:
    await client.put("/v1/sync/types/notes", json={"schema": {"type": "object"}}, headers=bearer(keys.project))
    assert "does not fit its schema" in (await phone.send(0, line("r1", 1), status=400))["message"]


async def test_parts_become_visible_all_at_once(client: httpx.AsyncClient, keys: Keys, phone: Phone) -> None:
    await push(client, keys, batch("tablet", 1, change(1, "r1", 1), change(2, "r2", 2), change(3, "r3", 3)))
    assert (await phone.send(0, line("r1", 10), line("r2"), line("r3", 3)))["lines"] == 3
    for offset in (0, 2, 4):
        refused = await phone.send(offset, line("r4", 4), status=409)
        assert (refused["code"], refused["lines"]) == ("CONFLICT", 3)
    assert [record["version"] for record in (await pull(client, keys))["changes"]] == [1, 2, 3]
    last = [line("t1", "a", "tags"), line("r4", operation="insert", encrypted="aGk="), line("r1", 11)]
    done = await phone.complete(3, *last)
    assert (done["state"], done["lines"], done["version"]) == ("done", 6, 8)
    assert done["counts"] == {"applied": 5, "duplicate": 1, "conflict": 0, "rejected": 0}
    assert await phone.complete(3, *last) == done == await phone.complete(6) == await phone.seen(), "asked again"
    assert (await phone.complete(5, *last, status=409))["lines"] == 6
    found = {record["record_id"]: record for record in await everything(client, keys, 2)}
    assert {id: record["operation"] for id, record in found.items()} == {
        "r1": "upsert", "r2": "delete", "r3": "upsert", "r4": "upsert",
    }  # fmt: skip
    assert (found["r1"]["data"], found["r1"]["device_id"], found["r4"]["encrypted"]) == (11, "phone", "aGk=")
    results = await phone.results(limit=2)
    assert [(each["line"], each["record_id"], each["status"]) for each in results] == [
        (0, "r1", "applied"),
        (1, "r2", "applied"),
        (2, "r3", "duplicate"),
        (3, "t1", "applied"),
        (4, "r4", "applied"),
        (5, "r1", "applied"),
    ]
    assert results[0]["overwrote"] == 1
    await push(client, keys, batch("tablet", 2, change(4, "r1", 12, base_version=found["r1"]["version"])))
    status = (await client.get("/v1/sync/status", headers=bearer(keys.read))).json()
    counted = {each["data_type"]: (each["records"], each["tombstones"], each["bytes"]) for each in status["types"]}
    assert counted == {"notes": (3, 1, 5), "tags": (1, 0, 3)}
    bucket = await client.post("/v1/sync/digest", json={"data_type": "notes"}, headers=bearer(keys.read))
    assert bucket.json()["buckets"] == [status["types"][0]["digest"]], "sums are those of what is there"


@asynccontextmanager
async def all_staged(monkeypatch: pytest.MonkeyPatch, phone: Phone, offset: int) -> AsyncIterator[asyncio.Task[Any]]:
    """Within it everything is staged, and nothing is to be seen of it; then it becomes visible."""
    is_staged, may_go_on = asyncio.Event(), asyncio.Event()
    commit = committing.commit

    async def slow(*given: Any) -> Any:
        is_staged.set()
        await may_go_on.wait()
        return await commit(*given)

    monkeypatch.setattr(staging, "commit", slow)
    completing = asyncio.create_task(phone.complete(offset))
    await is_staged.wait()
    try:
        yield completing
    finally:
        may_go_on.set()
        await completing


async def everywhere(client: httpx.AsyncClient, keys: Keys, cursor: str) -> list[Any]:
    """What all routes that read records say."""
    asked: list[Callable[[], Awaitable[httpx.Response]]] = [
        *(
            lambda path=path: client.get(f"/v1/sync/{path}", headers=bearer(keys.read))
            for path in (
                "notes/delta", "notes/delta?limit=1", f"notes/delta?cursor={cursor}", "notes/deleted", "tags/delta",
                "notes/delta?since=2020-01-01T00:00:00Z&offset=1", "notes/records", "notes/records/r1",
                "notes/records/r1/history", "notes/records/r4", "status", "download", "conflicts",
                "notes/rxdb/pull", "spaces", "types", "stats",
            )
        ),
        lambda: client.post("/v1/sync/digest", json={"data_type": "notes"}, headers=bearer(keys.read)),
        lambda: client.post(
            "/v1/sync/watermelon/pull", json={"lastPulledAt": None, "tables": ["notes"]}, headers=bearer(keys.read)
        ),
    ]  # fmt: skip
    answers = [await ask() for ask in asked]
    return [(answer.status_code, answer.text.replace(answer.headers["x-request-id"], "")) for answer in answers]


def _without_ids(said: list[Any]) -> list[Any]:
    return [(status, "" if status >= 400 else text) for status, text in said]


async def test_nothing_is_seen_of_what_is_staged(
    client: httpx.AsyncClient, keys: Keys, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push(client, keys, batch("tablet", 1, *(change(number, f"r{number}", number) for number in range(1, 4))))
    cursor = (await pull(client, keys, "limit=1"))["next_cursor"]
    await push(client, keys, batch("tablet", 2, change(4, "r2"), change(5, "r3", 33)))
    sent = [line("r1", 10), line("r2", 20, base_version=4), line("r3"), line("r4", 4), line("r1", 11), line("r5", 5)]
    await phone.send(0, *sent, line("l1", 1, "lists"))
    before = _without_ids(await everywhere(client, keys, cursor))
    async with all_staged(monkeypatch, phone, 7):
        assert _without_ids(await everywhere(client, keys, cursor)) == before
        assert (await phone.seen())["state"] == "committing"
        late = await push(client, keys, batch("tablet", 3, change(6, "r9", 1)), 503)
        assert ("upload" in late["message"], late["code"]) == (True, "SPACE_BUSY")
        again = await push(client, keys, batch("tablet", 2, change(4, "r2"), change(5, "r3", 33)))
        assert again["counts"]["applied"] == 2, "what was answered is answered"
        rows = [{"newDocumentState": {"id": "r1", "_deleted": False}}]
        pushed = await client.post("/v1/sync/notes/rxdb/push", json=rows, headers=bearer(keys.write))
        assert pushed.status_code == 503
        assert await phone.drop() == 409
        assert (await phone.send(7, line("r6", 6), status=409))["lines"] == 7
    found = {record["record_id"]: record.get("data") for record in await everything(client, keys, 2)}
    assert found == {"r1": 11, "r2": 20, "r3": None, "r4": 4, "r5": 5}
    assert [record["version"] for record in (await pull(client, keys))["changes"]] == [7, 8, 9, 10, 11]
    await push(client, keys, batch("tablet", 3, change(6, "r9", 1)))


async def test_conflicts_show_nothing_of_what_is_staged(
    client: httpx.AsyncClient, keys: Keys, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.put("/v1/sync/types/notes", json={"conflicts": "manual"}, headers=bearer(keys.project))
    await push(client, keys, batch("tablet", 1, change(1, "r1", 1), change(2, "r2", 1)))
    late = change(1, "r1", 2), change(2, "r2", 2, base_version=3)
    await push(client, keys, batch("laptop", 1, *late, mode="per_record"))
    await phone.send(0, line("r1", 10, base_version=1), line("r2", 20, base_version=2), line("r1", 11, base_version=3))
    await phone.send(3, line("r2", 30, base_version=2))

    async def shown() -> list[Any]:
        answer = await client.get("/v1/sync/conflicts", headers=bearer(keys.read))
        return [(found["server"], found.get("base")) for found in answer.json()["data"]]

    before = await shown()
    async with all_staged(monkeypatch, phone, 4):
        assert await shown() == before
    assert [server["data"] for server, _ in await shown()] == [11, 20, 20], "one of them of the upload"


async def stored(app: Application) -> list[Any]:
    def rows(tx: Tx) -> list[Any]:
        found = [tx.all("SELECT * FROM sync_change ORDER BY seq"), tx.all("SELECT * FROM sync_grave ORDER BY seq")]
        return [*found, tx.all("SELECT * FROM sync_conflict"), tx.all("SELECT * FROM sync_space")]

    return await app.services.db.read(rows)


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_what_is_refused_is_undone(
    app: Application, client: httpx.AsyncClient, keys: Keys, phone: Phone, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(staging, "_ROWS_AT_ONCE", at_once)
    for data_type in ("notes", "tags", "lists"):
        policy = {"conflicts": "manual" if data_type == "tags" else "last_write"}
        await client.put(f"/v1/sync/types/{data_type}", json=policy, headers=bearer(keys.project))
    tags = batch("tablet", 9, change(9, "t1", 1))
    await client.post("/v1/sync/tags/delta", json=tags, headers=bearer(keys.write))
    await push(client, keys, batch("tablet", 1, change(1, "r1", 1), change(2, "r2", 2)))
    await push(client, keys, batch("tablet", 2, change(3, "r2")))
    await phone.send(0, line("r1", 10), line("r1", 11), line("t1", 2, "tags"), line("r2", 2, base_version=4))
    await phone.send(4, line("l1", 1, "lists"), line("x1", 1, "one too many"))
    before = await stored(app)
    refused = await phone.complete(6, status=402)
    assert refused["quota"]["name"] == "sync.types"
    assert await stored(app) == before
    seen = await phone.seen()
    assert (seen["state"], seen["reason"], seen["lines"]) == ("refused", "QUOTA_EXCEEDED", 6)
    assert (await phone.complete(6, status=402))["quota"]["name"] == "sync.types", "and again"
    assert await stored(app) == before
    await push(client, keys, batch("tablet", 3, change(4, "r9", 1)))


async def test_quotas_are_of_what_there_would_be(client: httpx.AsyncClient, keys: Keys, phone: Phone) -> None:
    await push(client, keys, batch("tablet", 1, *(change(number, f"a{number}", 1) for number in range(60))))
    await phone.send(0, *(line(f"b{number}", 1) for number in range(29)))
    assert (await phone.complete(29, line("b30", 1)))["state"] == "done"
    other = Phone(client, keys, "u2")
    await other.send(0, *(line(f"c{number}", 1) for number in range(11)))
    assert (await other.complete(11, status=402))["quota"]["name"] == "sync.records"
    assert len(await everything(client, keys, 100)) == 90
    assert (await other.complete(11, *(line(f"a{number}") for number in range(1))))["counts"]["applied"] == 12


async def uploads_of(client: httpx.AsyncClient, keys: Keys) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """As the list of devices has them."""
    found = (await client.get("/v1/devices", headers=bearer(keys.read))).json()["data"]
    names = ("upload_id", "state", "lines", "message")
    return [(each["device_id"], [tuple(one[name] for name in names) for one in each["uploads"]]) for each in found]


async def test_very_many_deletions_are_asked_for(client: httpx.AsyncClient, keys: Keys, phone: Phone) -> None:
    await push(client, keys, batch("tablet", 1, *(change(number, f"a{number}", 1) for number in range(60))))
    await phone.send(0, *(line(f"a{number}") for number in range(25)))
    await phone.send(25, *(line(f"a{number}") for number in range(25, 51)))
    assert await uploads_of(client, keys) == [("tablet", []), ("phone", [("u1", "open", 51, None)])]
    refused = await phone.complete(51, status=409)
    assert (refused["code"], refused["deletions"], refused["records_of_day"]) == ("MASS_DELETE", 51, 60)
    [_, (_, [(_, state, _, message)])] = await uploads_of(client, keys)
    assert (state, message) == ("refused", refused["detail"])
    assert (await phone.seen())["confirm"] == refused["confirm"]
    assert len((await pull(client, keys, "view=split"))["deleted"]) == 0
    assert (await phone.complete(51, confirm="other", status=409))["code"] == "MASS_DELETE"
    assert (await phone.complete(51, confirm=refused["confirm"]))["counts"]["applied"] == 51
    assert await uploads_of(client, keys) == [("tablet", []), ("phone", [])]
    assert len((await pull(client, keys, "view=split"))["deleted"]) == 51


@pytest.mark.parametrize(("policy", "kept"), [("last_write", 0), ("reject", 0), ("manual", 3)])
async def test_conflicts_are_told(
    client: httpx.AsyncClient, keys: Keys, phone: Phone, policy: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_PARTS_OF_PAGE", 1)
    await client.put("/v1/sync/types/notes", json={"conflicts": policy}, headers=bearer(keys.project))
    records = [f"r{number}" for number in range(3)]
    await push(client, keys, batch("tablet", 1, *(change(n, record, n) for n, record in enumerate(records))))
    await phone.send(0, line("new", 1), line("new2", 1), line("new3", 1))
    done = await phone.complete(3, *(line(record, 9) for record in records))
    conflicts = 0 if policy == "last_write" else 3
    assert done["counts"] == {"applied": 6 - conflicts, "duplicate": 0, "conflict": conflicts, "rejected": 0}
    told = done.get("conflicts", [])
    assert [each["line"] for each in told] == [3, 4, 5][:conflicts]
    assert told == await phone.results(conflicts_only=True, limit=1)
    waiting = (await client.get("/v1/sync/conflicts", headers=bearer(keys.read))).json()["data"]
    assert [each["id"] for each in waiting] == [each["conflict_id"] for each in told if "conflict_id" in each]
    assert len(waiting) == kept


async def test_two_uploads_at_once(client: httpx.AsyncClient, keys: Keys, phone: Phone) -> None:
    other = Phone(client, keys, device_id="tablet")
    for offset in range(0, 6, 3):
        await phone.send(offset, *(line(f"a{number}", 1) for number in range(offset, offset + 3)))
        await other.send(offset, *(line(f"b{number}", 1) for number in range(offset, offset + 3)))
    done = await asyncio.gather(phone.complete(6), other.complete(6))
    assert [each["state"] for each in done] == ["done"] * 2
    assert sorted(each["version"] for each in done) == [6, 12]
    found = await everything(client, keys, 4)
    assert sorted(record["record_id"] for record in found) == sorted(f"{a}{n}" for a in "ab" for n in range(6))
    for each in ({record["record_id"][0] for record in found[:6]}, {record["record_id"][0] for record in found[6:]}):
        assert len(each) == 1, "one after the other"


async def test_a_time_within_the_staging_brings_all_of_it(
    client: httpx.AsyncClient, keys: Keys, phone: Phone, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push(client, keys, batch("tablet", 1, change(1, "r1", 1)))
    clock.advance(60_000)
    await phone.send(0, *(line(f"a{number}", 1) for number in range(5)))
    async with all_staged(monkeypatch, phone, 5):
        clock.advance(60_000)
        since = times.format(clock.now_ms())
        assert (await pull(client, keys, f"since={since}"))["changes"] == []
        clock.advance(60_000)
    found = (await pull(client, keys, f"since={since}"))["changes"]
    assert [record["record_id"] for record in found] == [f"a{number}" for number in range(5)]


async def test_a_deleted_record_rises_for_who_knows_of_it(
    app: Application, client: httpx.AsyncClient, keys: Keys, phone: Phone, clock: FakeClock
) -> None:
    await push(client, keys, batch("tablet", 1, change(1, "r1", 1), change(2, "r2", 1)))
    await push(client, keys, batch("tablet", 2, change(3, "r1"), change(4, "r2")))
    clock.advance(91 * times.DAY_MS)
    await expiring.expire(app.services)
    done = await phone.complete(0, line("r1", 9), line("r2", 9, base_version=4), line("r2", 10))
    assert done["counts"] == {"applied": 2, "duplicate": 0, "conflict": 1, "rejected": 0}
    assert [(each["record_id"], each["data"]) for each in (await pull(client, keys))["changes"]] == [("r2", 10)]
    pushed = await push(client, keys, batch("tablet", 3, change(5, "r1", 1), mode="per_record"))
    assert pushed["results"][0]["status"] == "conflict"


async def test_what_nothing_comes_to_any_more_is_dropped(
    app: Application, client: httpx.AsyncClient, keys: Keys, phone: Phone, clock: FakeClock
) -> None:
    await phone.send(0, GOOD)
    done = Phone(client, keys, "u2")
    await done.complete(0, line("r1", 1))
    clock.advance(3 * times.DAY_MS)
    await expiring.expire_uploads(app.services)
    await phone.seen(404)
    assert (await phone.send(1, GOOD, status=404))["code"] == "NOT_FOUND"
    assert (await done.seen())["state"] == "done"
    clock.advance(30 * times.DAY_MS)
    await expiring.expire_uploads(app.services)
    await done.seen(404)


async def test_it_goes_with_its_project(app: Application, keys: Keys, phone: Phone, client: httpx.AsyncClient) -> None:
    await phone.send(0, GOOD, line("r1", 2), line("r3", 3))
    await Phone(client, keys, "u2").complete(0, line("r1", 1))

    def left(tx: Tx) -> int:
        while deleting.delete_of_project(tx, 1, 2):
            pass
        tables = ("sync_upload", "sync_upload_part", "sync_upload_sum", "sync_change", "sync_space")
        return sum((tx.one(f"SELECT count(*) FROM {table}") or (0,))[0] for table in tables)

    assert await app.services.db.write(left) == 0


@pytest.mark.parametrize("is_restored", [False, True])
async def test_a_server_that_ends_while_it_stages_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_restored: bool
) -> None:
    """After a restore numbers are skipped, and what was staged stays hidden until all of it is."""
    clock = FakeClock()
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        phone = Phone(client, keys)
        await push(client, keys, batch("tablet", 1, change(1, "a0", 0)))
        cursor = (await pull(client, keys))["next_cursor"]
        await phone.send(0, *(line(f"a{number}", 1) for number in range(7)))
        write, stages, is_enough = app.services.db.write, 0, asyncio.Event()

        async def some(fn: Any, *given: Any, **named: Any) -> Any:
            nonlocal stages
            stages += fn is staging._stage
            if stages > 2:
                is_enough.set()
                await asyncio.Event().wait()
            return await write(fn, *given, **named)

        with monkeypatch.context() as patched:
            patched.setattr(receiving, "WAIT_S", 0.05)
            patched.setattr(app.services.db, "write", some)
            assert (await phone.complete(7))["state"] == "committing"
            await is_enough.wait()
            if is_restored:
                await write(epochs.begin_another)
                app.services.state(Known).forget_all()
            await pull(client, keys, f"cursor={cursor}", 410 if is_restored else 200)
            assert [record["record_id"] for record in await everything(client, keys, 3)] == ["a0"]
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        phone = Phone(client, keys)
        done = await phone.complete(7)
        assert (done["state"], done["counts"]["applied"]) == ("done", 7)
        found = await everything(client, keys, 3)
        assert [record["record_id"] for record in found] == [f"a{number}" for number in range(7)]
        versions = [record["version"] for record in found]
        assert versions[:4] == [2, 3, 4, 5]
        assert (versions[4] > 1 << 20) == is_restored
        await push(client, keys, batch("tablet", 2, change(2, "b", 0)))


async def test_uploads_are_counted_as_pushes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        phone = Phone(client, await make_keys(app.services, clock))
        for number in range(20):
            await phone.send(number, GOOD)
        assert "sync.pushes_per_minute" in (await phone.send(20, GOOD, status=429))["message"]


async def test_conflicts_that_wait_have_a_limit(
    app: Application, client: httpx.AsyncClient, keys: Keys, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_WAITING", 2)
    await client.put("/v1/sync/types/notes", json={"conflicts": "manual"}, headers=bearer(keys.project))
    await push(client, keys, batch("tablet", 1, *(change(n, f"r{n}", n) for n in range(4))))
    before = await stored(app)
    refused = await phone.complete(0, *(line(f"r{n}", 9) for n in range(4)), status=402)
    assert refused["quota"]["name"] == "sync.conflicts"
    assert await stored(app) == before
