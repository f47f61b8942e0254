"""What requests about snapshots are refused, and that the refused store nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config, Limits, Log
from delta_server.features.snapshots import service
from delta_server.storage.sqlite.options import Storage
from tests import event_loop
from tests.conftest import SHARED, Keys, client_of, make_keys, shared, shared_fixture, started
from tests.features.rows import Row, check
from tests.features.snapshots.shots import JSON, NOBODY, Shots, batch, envelope, rows
from tests.hostile.inputs import BROKEN_JSON, HALVES, ODD_JSON
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FAST, FakeClock

pytestmark = SHARED

ONE = "/v1/snapshots"
MANY = "/v1/snapshots/batch"
E1 = {"endpoint_id": "new", "data": 1}
DEEP_METADATA = '{"a":' + "[" * 3000 + "]" * 3000 + "}"


def raw(title: str, query: str, status: int = 400, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", f"{ONE}?{query}", status, raw=b"1", says=says, field=field)


def new(title: str, body: Any, status: int = 400, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", ONE, status, body=body, says=says, field=field)


def new_snapshots(title: str, body: Any, status: int = 400, *, says: str = "", field: str | None = None) -> Row:
    return Row(title, "POST", MANY, status, body=body, says=says, field=field)


REFUSED = [
    Row("store without a key", "POST", f"{ONE}?endpoint=new", 401, key=None, raw=b"1"),
    Row("store a batch without a key", "POST", MANY, 401, key=None, body={"snapshots": [E1]}),
    Row("list without a key", "GET", ONE, 401, key=None),
    Row("get without a key", "GET", f"{ONE}/<id>", 401, key=None),
    Row("get the bytes without a key", "GET", f"{ONE}/<id>/data", 401, key=None),
    Row("latest without a key", "GET", f"{ONE}/latest/prices", 401, key=None),
    Row("at a time without a key", "GET", f"{ONE}/at/prices?time=24h", 401, key=None),
    Row("delete without a key", "DELETE", f"{ONE}/<id>", 401, key=None),
    Row("store with a revoked key", "POST", f"{ONE}?endpoint=new", 401, key="revoked", raw=b"1", says="revoked"),
    Row("store with an expired key", "POST", f"{ONE}?endpoint=new", 401, key="expired", raw=b"1", says="expired"),
    Row("list with a revoked key", "GET", ONE, 401, key="revoked"),
    Row("store to another's endpoint", "POST", f"{ONE}?endpoint=<endpoint>", 404, key="other", raw=b"1"),
    Row(
        "store to another's in an envelope",
        "POST",
        ONE,
        404,
        key="other",
        body={"endpoint_id": "<endpoint>", "data": 1},
    ),
    Row("list another's endpoint", "GET", f"{ONE}?endpoint_id=<endpoint>", 404, key="other"),
    Row("list another's endpoint by name", "GET", f"{ONE}?endpoint_id=prices", 404, key="other"),
    Row("get another's", "GET", f"{ONE}/<id>", 404, key="other", says="no such snapshot in this project"),
    Row("get another's bytes", "GET", f"{ONE}/<id>/data", 404, key="other"),
    Row("another's latest", "GET", f"{ONE}/latest/<endpoint>", 404, key="other"),
    Row("another's at a time", "GET", f"{ONE}/at/<endpoint>?time=2026-01-02", 404, key="other"),
    Row("delete another's", "DELETE", f"{ONE}/<id>", 404, key="other"),
    Row("store with a read key", "POST", f"{ONE}?endpoint=prices", 403, key="read", raw=b"1"),
    Row("store a batch with a read key", "POST", MANY, 403, key="read", body={"snapshots": [E1]}),
    Row("delete with a read key", "DELETE", f"{ONE}/<id>", 403, key="read"),
    Row("store with an account's key", "POST", f"{ONE}?endpoint=new", 403, key="account", raw=b"1"),
    raw("an unknown id", f"endpoint={NOBODY}", 404, says="no such endpoint"),
    raw("an empty name", "endpoint=", says="is empty"),
    raw("a name of spaces", "endpoint=%20%20"),
    raw("an endless name", "endpoint=" + "n" * 5000, says="at most 200"),
    raw("a name with NUL", "endpoint=a%00b", says="U+0000"),
    raw("a name with a right-to-left mark", "endpoint=a%E2%80%AEb", says="U+202E"),
    raw("a name that is not UTF-8", "endpoint=a%FFb", says="UTF-8"),
    raw("a name with half a surrogate pair", "endpoint=a%ED%A0%80b", says="UTF-8"),
    raw("an unknown parameter", "endpoint=new&tag=a", field="tag"),
    raw("an unknown thing to include", "endpoint=new&include=all", field="include"),
    raw(
        "a day and a bit ahead",
        "endpoint=new&captured_at=2026-01-02T00:00:00.003Z",
        says="a day from now",
        field="captured_at",
    ),
    raw("before 1970", "endpoint=new&captured_at=1969-12-31T23:59:59.999Z", field="captured_at"),
    raw("the year 9999", "endpoint=new&captured_at=9999-12-31", field="captured_at"),
    raw("the year 1", "endpoint=new&captured_at=0001-01-01", field="captured_at"),
    raw("30 February", "endpoint=new&captured_at=2025-02-30", field="captured_at"),
    raw("no zone", "endpoint=new&captured_at=2025-02-01T00:00:00", says="no time zone", field="captured_at"),
    raw("an age", "endpoint=new&captured_at=24h", field="captured_at"),
    raw("seconds since 1970, a day ahead", "endpoint=new&captured_at=1767398400", field="captured_at"),
    raw("no time at all", "endpoint=new&captured_at=", field="captured_at"),
    raw("metadata that is an array", "endpoint=new&metadata=[]", says="JSON object", field="metadata"),
    raw("metadata that is no JSON", "endpoint=new&metadata={a:1}", says="not valid JSON", field="metadata"),
    raw("metadata that is empty", "endpoint=new&metadata=", field="metadata"),
    raw("metadata with something after", "endpoint=new&metadata={}{}", field="metadata"),
    raw("deep metadata", f"endpoint=new&metadata={DEEP_METADATA}", says="nested", field="metadata"),
    raw("an endless source", "endpoint=new&source=" + "s" * 201, says="more than 200", field="source"),
    raw("a source with NUL", "endpoint=new&source=a%00", says="U+0000", field="source"),
    raw("an endless URL", "endpoint=new&metadata=" + "m" * 8192, 414, says="longer than"),
    new("nothing in it", {}, field="endpoint_id"),
    new("no endpoint", {"data": 1}, says="endpoint_id is missing", field="endpoint_id"),
    new("no document", {"endpoint_id": "new"}, says="data is missing", field="data"),
    new("an array", [E1], says="must be an object"),
    new("a number for the endpoint", {"endpoint_id": 1, "data": 1}, field="endpoint_id"),
    new("null for the endpoint", {"endpoint_id": None, "data": 1}, field="endpoint_id"),
    new("a number far ahead", {**E1, "captured_at": 1e300}, field="captured_at"),
    new("a number below 0", {**E1, "captured_at": -5}, field="captured_at"),
    new("true for the time", {**E1, "captured_at": True}, field="captured_at"),
    new("a number for the source", {**E1, "source": 5}, field="source"),
    new("a number for the metadata", {**E1, "metadata": 5}, says="JSON object", field="metadata"),
    new("a text for the metadata", {**E1, "metadata": "{}"}, says="JSON object", field="metadata"),
    new("17 kB of metadata", {**E1, "metadata": {"a": "m" * 17_000}}, says="16384 bytes", field="metadata"),
    new("a source with NUL in an envelope", {**E1, "source": "a\0"}, field="source"),
    new("an unknown field", {**E1, "tags": []}, says="unknown field tags", field="tags"),
    new("its id chosen", {**E1, "id": NOBODY}, field="id"),
    new("its project chosen", {**E1, "project": 1}, field="project"),
    new("its hash chosen", {**E1, "content_hash": "00"}, field="content_hash"),
    new("an endless name in an envelope", {"endpoint_id": "n" * 1_000_000, "data": 1}, says="at most 200"),
    new("an unknown id in an envelope", {"endpoint_id": NOBODY, "data": 1}, 404),
    new("a time far ahead in an envelope", {**E1, "captured_at": "2126-01-01T00:00:00Z"}, field="captured_at"),
    Row("a name with half a pair", "POST", ONE, 400, raw=b'{"endpoint_id":"\\ud800","data":1}'),
    Row("a 5,000-digit time", "POST", ONE, 400, raw=envelope(b"1")[:-1] + b',"captured_at":' + b"9" * 5000 + b"}"),
    Row("1e400 for a source", "POST", ONE, 400, raw=envelope(b"1")[:-1] + b',"source":1e400}', field="source"),
    Row("time beside an envelope", "POST", f"{ONE}?captured_at=2026-01-01", 400, body=E1, field="captured_at"),
    Row("source beside an envelope", "POST", f"{ONE}?source=a", 400, body=E1, field="source"),
    Row("metadata beside an envelope", "POST", f"{ONE}?metadata={{}}", 400, body=E1, field="metadata"),
    new_snapshots("no list", E1, says="unknown field"),
    new_snapshots("an empty list", {"snapshots": []}, says="at least 1", field="snapshots"),
    new_snapshots("1,001 of them", {"snapshots": [E1] * 1001}, says="at most 1000", field="snapshots"),
    new_snapshots("null among them", {"snapshots": [E1, None]}, field="snapshots[1]"),
    new_snapshots("an unknown field in one", {"snapshots": [E1, {**E1, "x": 1}]}, field="snapshots[1].x"),
    new_snapshots(
        "an absurd time in one",
        {"snapshots": [E1, {**E1, "captured_at": "1900-01-01"}]},
        says="snapshot 1",
        field="snapshots[1].captured_at",
    ),
    new_snapshots(
        "no time in one",
        {"snapshots": [E1, {**E1, "captured_at": "now"}]},
        says="snapshot 1",
        field="snapshots[1].captured_at",
    ),
    new_snapshots(
        "bad metadata in one", {"snapshots": [E1, E1, {**E1, "metadata": []}]}, field="snapshots[2].metadata"
    ),
    new_snapshots(
        "an unknown id in one", {"snapshots": [E1, {"endpoint_id": NOBODY, "data": 1}]}, 404, says="snapshot 1"
    ),
    new_snapshots("a bad name in one", {"snapshots": [E1, {"endpoint_id": "a\nb", "data": 1}]}, says="snapshot 1"),
    Row(
        "a batch to a name in the query",
        "POST",
        f"{MANY}?endpoint=new",
        400,
        body={"snapshots": [E1]},
        field="endpoint",
    ),
    Row("what is not there", "GET", f"{ONE}/{NOBODY}", 404),
    Row("what is no id", "GET", f"{ONE}/1", 404, says="ids look like"),
    Row("latest of nothing", "GET", f"{ONE}/latest/nothing", 404),
    Row("at no time", "GET", f"{ONE}/at/prices", 400, field="time"),
    Row("at an absurd time", "GET", f"{ONE}/at/prices?time=soon", 400, field="time"),
    Row("before the first", "GET", f"{ONE}/at/prices?time=1980-01-01", 404, says="at or before 1980-01-01"),
    Row("delete what is not there", "DELETE", f"{ONE}/{NOBODY}", 404),
    Row("list of an unknown endpoint", "GET", f"{ONE}?endpoint_id=nothing", 404),
    Row("list of none", "GET", f"{ONE}?limit=0", 400, field="limit"),
    Row("list of too many", "GET", f"{ONE}?limit=1001", 400, field="limit"),
    Row("list of 5,000 digits", "GET", f"{ONE}?limit={'9' * 5000}", 400, field="limit"),
    Row("list in an unknown order", "GET", f"{ONE}?order=random", 400, field="order"),
    Row("list changed maybe", "GET", f"{ONE}?changed_only=maybe", 400, field="changed_only"),
    Row("list from later to earlier", "GET", f"{ONE}?from=2026-01-02&to=2026-01-01", 400, field="from"),
    Row("list from no time", "GET", f"{ONE}?from=yesterday", 400, field="from"),
    Row("list with a cursor of nothing", "GET", f"{ONE}?cursor=AAAA", 400, field="cursor", says="next_cursor"),
    Row("list with an endless cursor", "GET", f"{ONE}?cursor={'A' * 4000}", 400, field="cursor"),
    Row("list with an unknown parameter", "GET", f"{ONE}?page=2", 400, field="page"),
]


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


@pytest_asyncio.fixture(loop_scope="module")
async def prices(shots: Shots) -> dict[str, Any]:
    """The first tenant's snapshot of "prices"."""
    return await shots.put(b'{"EUR": 1.0834}', "prices", captured_at="2025-12-31T00:00:00Z")


@shared_fixture
async def shared_prices(shared_client: httpx.AsyncClient, shared_keys: Keys) -> dict[str, Any]:
    shots = Shots(shared_client, shared_keys)
    return await shots.put(b'{"EUR": 1.0834}', "prices", captured_at="2025-12-31T00:00:00Z")


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals_store_nothing(
    shared_app: Application,
    shared_client: httpx.AsyncClient,
    shared_keys: Keys,
    shared_prices: dict[str, Any],
    row: Row,
) -> None:
    before = await rows(shared_app)
    ids = {"<id>": shared_prices["id"], "<endpoint>": shared_prices["endpoint_id"]}
    path, body = row.path, row.body
    for name, id in ids.items():
        path = path.replace(name, id)
        if isinstance(body, dict) and body.get("endpoint_id") == name:
            body = {**body, "endpoint_id": id}
    await check(shared_client, shared_keys, msgspec.structs.replace(row, path=path, body=body))
    assert await rows(shared_app) == before


@pytest.mark.parametrize("name", sorted(BROKEN_JSON.keys() - HALVES))
async def test_broken_documents_are_refused_in_every_form(app: Application, shots: Shots, name: str) -> None:
    document = BROKEN_JSON[name]
    before = await rows(app)
    said = await shots.raw(document, status=400)
    assert said["message"].startswith("the document ")
    in_envelope = b"null" if document.isspace() or not document else document
    if in_envelope is document:
        await shots.send("POST", ONE, content=envelope(document), status=400)
        await shots.send("POST", MANY, content=batch(envelope(b"1"), envelope(document)), status=400)
    assert await rows(app) == before


@pytest.mark.parametrize("name", ODD_JSON)
async def test_odd_documents_are_kept_byte_for_byte_and_compared(app: Application, shots: Shots, name: str) -> None:
    """5,000-digit integers, 1e400, a name twice: legal JSON, so it is the caller's document."""
    document = ODD_JSON[name]
    first = await shots.raw(document)
    between = await shots.raw(b'{"between": true}', include="delta")
    in_envelope = await shots.send("POST", ONE, content=envelope(document), params={"include": "delta"}, status=201)
    [in_batch] = (await shots.send("POST", MANY, content=batch(envelope(document, "other")), status=201))["data"]
    for stored in (first, in_envelope, in_batch):
        assert await shots.data(stored["snapshot"]["id"]) == document
    for stored in (between, in_envelope):
        delta = await shots.get(f"/v1/deltas/{stored['snapshot']['id']}", format="changes")
        assert {**stored["delta"], "format": "changes", "diff": delta["diff"]} == delta


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "a"])
async def test_what_does_not_come_as_json_is_refused(app: Application, shots: Shots, kind: str) -> None:
    before = await rows(app)
    for query in ("", "?endpoint=new"):
        said = await shots.send("POST", ONE + query, content=b"{}", headers={"content-type": kind}, status=415)
        assert "application/json" in said["message"]
    assert await rows(app) == before


@pytest.mark.parametrize(
    "kind", ["application/json", "application/geo+json", "text/json", "application/JSON;charset=UTF-8"]
)
async def test_any_json_type_is_taken(shots: Shots, kind: str) -> None:
    await shots.send("POST", f"{ONE}?endpoint=new", content=b"{}", headers={"content-type": kind}, status=201)


LIMITS = Limits(document_bytes=2048, request_bytes=8192)


@pytest_asyncio.fixture(loop_scope="module")
async def small(
    tmp_path: Path, clock: FakeClock, loop_guard: event_loop.Guard
) -> AsyncIterator[tuple[Application, Shots]]:
    """A server that takes documents of 2 kB in requests of 8 kB."""
    config = Config(limits=LIMITS, storage=Storage(data_dir=tmp_path / "data"), log=Log(level="error"))
    application = delta_app.build(config, clock=clock, tuning=FAST)
    async with started(application), client_of(application) as client:
        loop_guard.too_long.clear()  # of the start
        yield application, Shots(client, await make_keys(application.services, clock))


async def test_documents_may_be_as_large_as_the_limit(small: tuple[Application, Shots]) -> None:
    app, shots = small
    fits, not_quite = (b'"' + b"a" * (size - 2) + b'"' for size in (2048, 2049))
    for wrapped in (envelope(fits, "one"), batch(*[envelope(fits, "many")] * 3)):
        await shots.send("POST", MANY if b"snapshots" in wrapped else ONE, content=wrapped, status=201)
    await shots.raw(fits)
    before = await rows(app)
    said = await shots.raw(not_quite, status=413)
    assert said["code"] == "PAYLOAD_TOO_LARGE"
    assert "limits.document_bytes = 2048" in said["message"]
    await shots.send("POST", ONE, content=envelope(not_quite), status=413)
    said = await shots.send("POST", MANY, content=batch(envelope(fits), envelope(not_quite)), status=413)
    assert "snapshot 1" in said["message"]
    assert await rows(app) == before


async def test_a_request_that_is_too_large_is_not_read(small: tuple[Application, Shots]) -> None:
    """Declared or not, encoded or not. (A GiB in 32 kB, and the memory that takes: tests/hostile/test_bombs.py)"""
    app, shots = small
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1000:
            sent += 1
            yield b" " * 4096

    before = await rows(app)
    await shots.send("POST", f"{ONE}?endpoint=e", content=b"1" * 8193, status=413)
    await shots.send("POST", f"{ONE}?endpoint=e", content=endless(), headers=JSON, status=413)
    assert sent < 10
    assert await rows(app) == before


async def test_a_large_document_in_its_snapshot_is_as_it_was_sent(app: Application, shots: Shots) -> None:
    document = b'["' + b"a" * (300 << 10) + b'", 1e400]'
    stored = await shots.put(document)
    for query in ("", "include=place", "include=place,delta"):
        answer = await shots.client.get(f"{ONE}/{stored['id']}?{query}", headers=shots.headers)
        assert b'"data":' + document in answer.content
        wanted = await shots.get(f"{ONE}/{stored['id']}?data=false&{query}")
        told = msgspec.json.decode(answer.content.replace(document, b"null"))
        assert told == {**wanted, "data": None}


async def test_an_answer_for_which_there_is_no_room_is_not_read(
    app: Application, shots: Shots, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = b'"' + b"a" * (80 << 10) + b'"'
    stored = await shots.put(document)
    monkeypatch.setattr(app.edge.budgets.answers, "limit_bytes", len(document) - 1)
    monkeypatch.setattr(service, "read_document", None)
    for path in (f"{ONE}/{stored['id']}", f"{ONE}/{stored['id']}/data", f"{ONE}/latest/e"):
        said = await shots.get(path, status=503)
        assert "in flight" in said["message"]
    assert app.edge.budgets.answers.used_bytes == 0
