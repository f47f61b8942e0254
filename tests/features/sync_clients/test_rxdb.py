"""RxDB's pushes and pulls as recorded from the real client, and what of them could lose a record."""

import json
import threading
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync import pulling
from delta_server.features.sync.forgetting import expiring
from delta_server.features.sync_clients import rxdb as service
from tests.conftest import SHARED, Keys, bearer, shared
from tests.features.rows import Row, check
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

PULL, PUSH, STREAM = (f"/v1/sync/notes/rxdb/{what}" for what in ("pull", "push", "stream"))


def doc(record: str, text: str | None = None, **more: Any) -> dict[str, Any]:
    """Without text a deleted one."""
    return {"id": record, **({} if text is None else {"text": text}), "_deleted": text is None, **more}


def row(new: dict[str, Any], assumed: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"newDocumentState": new, **({} if assumed is None else {"assumedMasterState": assumed})}


REFUSED = [
    Row("no key", "GET", PULL, 401, key=None),
    Row("push without the scope", "POST", PUSH, 403, key="read", body=[], says="sync:write"),
    Row("no data type", "GET", f"/v1/sync/{'x' * 101}/rxdb/pull", 400, field="data_type"),
    Row("no cursor", "GET", f"{PULL}?cursor=x", 400, field="cursor"),
    Row("no rows", "POST", PUSH, 400, body={"changes": []}),
    Row("a row of nothing", "POST", PUSH, 400, body=[{}], field="[0].newDocumentState"),
    Row("no id", "POST", PUSH, 400, body=[row({"text": "a"})], field="[0].newDocumentState.id"),
    Row("a number for an id", "POST", PUSH, 400, body=[row({"id": 7})], field="[0].newDocumentState.id"),
    Row("half in an id", "POST", PUSH, 400, raw=json.dumps([row(doc("\ud83d", "a"))]).encode(), says="surrogate"),
    Row("another primary key", "POST", f"{PUSH}?primary=key", 400, body=[row(doc("a", "b"))]),
    Row("too many", "POST", PUSH, 400, body=[row(doc(f"r{i}", "")) for i in range(1001)]),
    Row("an id twice", "POST", PUSH, 400, body=[row(doc("a", "b")), row(doc("a", "c"))], field="id"),
    Row("too large", "POST", PUSH, 400, body=[row(doc("a", "x" * (1 << 20)))], field="data"),
    Row("no stream without a key", "GET", STREAM, 401, key=None),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
@shared
async def test_refusals(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)
    assert await pull(shared_client, own_keys) == []


async def push(client: httpx.AsyncClient, keys: Keys, *rows: dict[str, Any], query: str = "") -> list[Any]:
    answer = await client.post(PUSH + query, json=rows, headers=bearer(keys.write))
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def page(client: httpx.AsyncClient, keys: Keys, query: str = "") -> dict[str, Any]:
    answer = await client.get(f"{PULL}?{query}", headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def pull(client: httpx.AsyncClient, keys: Keys, query: str = "") -> list[Any]:
    return list((await page(client, keys, query))["documents"])


async def plain(client: httpx.AsyncClient, keys: Keys, number: int, record: str, **what: Any) -> None:
    """A device without RxDB changes a record."""
    change = {"change_id": f"c{number}", "record_id": record, "operation": "update", **what}
    body = {"device_id": "phone", "batch_id": f"b{number}", "changes": [change]}
    answer = await client.post("/v1/sync/notes/delta", json=body, headers=bearer(keys.write))
    assert answer.status_code == 200, answer.text


@shared
async def test_what_was_recorded_of_two_clients(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    hello, from_b, gone = doc("n1", "hello"), doc("n1", "fromB"), doc("n1", "fromB", _deleted=True)
    assert (
        await push(shared_client, own_keys, row({**hello, "_rev": "1-a", "_meta": {"lwt": 1}, "_attachments": {}}))
        == []
    )
    assert await pull(shared_client, own_keys) == [hello]
    assert await push(shared_client, own_keys, row(from_b, hello)) == []
    assert await push(shared_client, own_keys, row(doc("n1", "late"), hello)) == [from_b]
    assert await push(shared_client, own_keys, row(gone, {**from_b, "_rev": "2-b"})) == []
    assert await pull(shared_client, own_keys) == [doc("n1")]


@shared
async def test_pages_end_with_a_checkpoint_of_one_member(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, *[row(doc(f"n{i}", "a")) for i in range(5)])
    cursor = ""
    found: list[Any] = []
    sizes: list[int] = []
    while len(sizes) < 9 and (not sizes or sizes[-1] == 2):
        answer = await page(shared_client, own_keys, f"limit=2&cursor={cursor}")
        assert list(answer["checkpoint"]) == ["cursor"]
        found, cursor = found + answer["documents"], answer["checkpoint"]["cursor"]
        sizes.append(len(answer["documents"]))
    assert (sizes, [each["id"] for each in found]) == ([2, 2, 1], [f"n{i}" for i in range(5)])
    assert await pull(shared_client, own_keys, f"cursor={cursor}") == []


@shared
async def test_only_the_last_page_is_short(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    """RxDB 17.6 (replication-protocol/downstream.ts) ends its pull at a short page, and drops a RESYNC that came before
    it asked for that page: what was committed between two pages must be on the second."""
    await push(shared_client, own_keys, *[row(doc(f"n{i}", "a")) for i in range(4)])
    first = await page(shared_client, own_keys, "limit=3")
    await push(
        shared_client, own_keys, *[row(doc(f"n{i}", "a")) for i in range(4, 8)], row(doc("n0", "b"), doc("n0", "a"))
    )
    second = await page(shared_client, own_keys, f"limit=3&cursor={first['checkpoint']['cursor']}")
    third = await page(shared_client, own_keys, f"limit=3&cursor={second['checkpoint']['cursor']}")
    ids = [[each["id"] for each in found["documents"]] for found in (first, second, third)]
    assert ids == [["n0", "n1", "n2"], ["n3", "n4", "n5"], ["n6", "n7", "n0"]]
    assert await pull(shared_client, own_keys, f"limit=3&cursor={third['checkpoint']['cursor']}") == []


async def test_a_first_pull_that_goes_past_its_window_hears_of_deletions(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await push(client, keys, *[row(doc(f"n{i}", "a")) for i in range(4)])
    first = await page(client, keys, "limit=3")
    await push(client, keys, row(doc("n0"), doc("n0", "a")))
    clock.advance(91 * times.DAY_MS)
    await expiring.expire(app.services)
    answer = await client.get(f"{PULL}?limit=3&cursor={first['checkpoint']['cursor']}", headers=bearer(keys.read))
    assert (answer.status_code, answer.json()["code"]) == (410, "RESYNC_REQUIRED")


async def test_a_page_that_is_short_of_bytes_is_refused(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_BYTES", 1000)
    await push(client, keys, *[row(doc(f"n{i}", "x" * 400)) for i in range(4)])
    answer = await client.get(f"{PULL}?limit=3", headers=bearer(keys.read))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "limit")
    assert "batchSize to 2" in answer.text
    assert len(await pull(client, keys, "limit=2")) == 2


@pytest.mark.parametrize(
    ("there", "sent", "answer"),
    [
        pytest.param(None, row(doc("r")), [], id="deleted before it was ever pushed"),
        pytest.param(None, row(doc("r", "b"), doc("r", "a")), [], id="what the server lost with a backup comes back"),
        pytest.param("a", row(doc("r", "a")), [], id="a new replication pushes what is there"),
        pytest.param("a", row(doc("r", "b")), [doc("r", "a")], id="as new, but another text"),
        pytest.param("a", row(doc("r")), [doc("r", "a")], id="deleted without having known it"),
        pytest.param("a", row(doc("r", "b"), doc("r", "a")), [], id="on what is there"),
        pytest.param("a", row(doc("r", "b", n=1), doc("r", "a", n=1)), [doc("r", "a")], id="on something else"),
        pytest.param("a", row(doc("r", "b"), doc("r", "x")), [doc("r", "a")], id="on something older"),
        pytest.param("a", row(doc("r", "a"), doc("r", "x")), [], id="a lost answer, sent again"),
        pytest.param("", row(doc("r", "b")), [doc("r")], id="as new, though it was deleted"),
        pytest.param("", row(doc("r", "b"), doc("r", "a")), [doc("r")], id="an edit of what was deleted"),
        pytest.param("", row(doc("r"), doc("r", "a")), [], id="deleted twice"),
        pytest.param("", row(doc("r", "b"), doc("r")), [], id="made again by who knows that it was deleted"),
    ],
)
@pytest.mark.parametrize("forgotten", [False, True], ids=["", "after the deletion was forgotten"])
async def test_rows(
    app: Application,
    client: httpx.AsyncClient,
    keys: Keys,
    clock: FakeClock,
    there: str | None,
    sent: dict[str, Any],
    answer: list[Any],
    *,
    forgotten: bool,
) -> None:
    """`there` is the text of the record, empty for one that was deleted."""
    if there is not None:
        await push(client, keys, row(doc("r", there or "a")))
    if there == "":
        await push(client, keys, row(doc("r"), doc("r", "a")))
        if forgotten:
            clock.advance(91 * times.DAY_MS)
            await expiring.expire(app.services)
    assert await push(client, keys, sent) == answer
    now = [each for each in await pull(client, keys) if not each["_deleted"]]
    text = sent["newDocumentState"].get("text") if not answer else there
    assert [each["text"] for each in now] == ([text] if text else [])


@shared
async def test_on_off_and_on_again_is_three_changes(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    """The first and the last push are the same bytes: an answer kept by them would lose the last."""
    on, off = doc("r", "on"), doc("r", "off")
    await push(shared_client, own_keys, row(off))
    for new, old in ((on, off), (off, on), (on, off)):
        assert await push(shared_client, own_keys, row(new, old)) == []
        assert await pull(shared_client, own_keys) == [new]


@shared
async def test_numbers_as_javascript_writes_them(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    raw = b'[{"newDocumentState":{"id":"r","n":37.787619999999997,"big":12345678901234567890,"one":1.0,"h":"\\ud83d"}}]'
    headers = {**bearer(own_keys.write), "content-type": "application/json"}
    assert (await shared_client.post(PUSH, content=raw, headers=headers)).json() == []
    stored = (await shared_client.get(PULL, headers=bearer(own_keys.read))).content
    assert b'"n":37.787619999999997,"big":12345678901234567890,"one":1.0,"h":"\\ud83d"' in stored
    assumed = b'{"h":"\\ud83d","one":1,"big":12345678901234567000,"n":37.78762,"id":"r","_deleted":false}'
    edit = b'[{"newDocumentState":{"id":"r","n":1},"assumedMasterState":%b}]'
    wrong = edit % assumed.replace(b'"one":1,', b'"one":true,')
    assert len((await shared_client.post(PUSH, content=wrong, headers=headers)).json()) == 1, "true is not 1"
    assert (await shared_client.post(PUSH, content=edit % assumed, headers=headers)).json() == []


@shared
async def test_what_is_no_object_is_shown_as_one(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await plain(shared_client, own_keys, 1, "list", data=[1, 2])
    await plain(shared_client, own_keys, 2, "sealed", encrypted="AAEC")
    await plain(shared_client, own_keys, 3, "bare", data={"text": "a", "_rev": "x", "id": 7})
    shown = [
        {"id": "list", "value": [1, 2], "_deleted": False},
        {"id": "sealed", "encrypted": "AAEC", "_deleted": False},
        doc("bare", "a"),
    ]
    found = await pull(shared_client, own_keys)
    assert found == shown
    assert await push(shared_client, own_keys, *[row(each) for each in found]) == []
    assert len(await pull(shared_client, own_keys, "limit=100")) == 3
    assert await push(shared_client, own_keys, row(doc("bare", "b"), doc("bare", "a"))) == []


@shared
async def test_the_key_may_have_another_name(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, row({"key": "r", "id": 1, "_deleted": False}), query="?primary=key")
    assert await pull(shared_client, own_keys, "primary=key") == [{"key": "r", "id": 1, "_deleted": False}]


@shared
async def test_very_many_deletions_want_a_confirmation(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    notes = [doc(f"n{i}", "a") for i in range(80)]
    await push(shared_client, own_keys, *map(row, notes))
    gone = [row({**note, "_deleted": True}, note) for note in notes]
    answer = await shared_client.post(PUSH, json=gone, headers=bearer(own_keys.write))
    assert (answer.status_code, answer.json()["code"]) == (409, "MASS_DELETE")
    assert len(await pull(shared_client, own_keys)) == 80
    assert await push(shared_client, own_keys, *gone, query=f"?confirm={answer.json()['confirm']}") == []
    assert {each["_deleted"] for each in await pull(shared_client, own_keys)} == {True}


async def test_behind_the_horizon_it_is_an_error_and_no_empty_page(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    """RxDB drops the checkpoint of an empty page, and would never hear of a new one."""
    await push(client, keys, row(doc("a", "a")), row(doc("b", "b")))
    cursor = (await page(client, keys))["checkpoint"]["cursor"]
    await push(client, keys, row(doc("a"), doc("a", "a")))
    clock.advance(91 * times.DAY_MS)
    await expiring.expire(app.services)
    answer = await client.get(f"{PULL}?cursor={cursor}", headers=bearer(keys.read))
    assert (answer.status_code, answer.json()["code"]) == (410, "RESYNC_REQUIRED")
    assert await pull(client, keys) == [doc("b", "b")]


@shared
async def test_pushes_and_pulls_are_counted(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for number in range(20):
        await push(shared_client, own_keys, row(doc(f"r{number}", "a")))
    assert (await shared_client.post(PUSH, json=[], headers=bearer(own_keys.write))).status_code == 429
    for _ in range(30):
        await pull(shared_client, own_keys)
    assert (await shared_client.get(PULL, headers=bearer(own_keys.read))).status_code == 429


@shared
async def test_a_device_is_known_by_what_it_pushes(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, row(doc("r", "a")), query="?device_id=tab-1")
    found = (await shared_client.get("/v1/devices", headers=bearer(own_keys.read))).json()["data"]
    assert [json.dumps(each).count("tab-1") > 0 for each in found] == [True]


@shared
async def test_what_does_not_fit_the_schema_is_refused(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    settings = {"schema": {"type": "object", "properties": {"text": {"type": "string"}}}}
    answer = await shared_client.put("/v1/sync/types/notes", json=settings, headers=bearer(own_keys.project))
    assert answer.status_code == 200, answer.text
    wrong = [row(doc("a", "b")), row({"id": "c", "text": 1})]
    refused = await shared_client.post(PUSH, json=wrong, headers=bearer(own_keys.write))
    assert (refused.status_code, "does not fit" in refused.text) == (400, True)
    assert await pull(shared_client, own_keys) == []
    assert await push(shared_client, own_keys, wrong[0]) == []


@shared
async def test_large_documents_are_made_off_the_event_loop(
    shared_client: httpx.AsyncClient, own_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, threads = service._documents, list[int]()

    def noting(*given: Any) -> Any:
        threads.append(threading.get_ident())
        return make(*given)

    monkeypatch.setattr(service, "_documents", noting)
    await push(shared_client, own_keys, row(doc("small", "a")), row(doc("large", "x" * 300_000)))
    assert [each["id"] for each in await pull(shared_client, own_keys)] == ["small", "large"]
    await plain(shared_client, own_keys, 1, "large", data=1)
    assert len(await pull(shared_client, own_keys)) == 2
    assert [thread == threading.get_ident() for thread in threads] == [False, True]
