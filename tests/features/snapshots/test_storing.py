"""What is stored comes out as it went in: byte for byte, in order, once."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delta_server.app import Application
from tests.conftest import SHARED, Keys
from tests.features.snapshots.shots import JSON, Shots, batch, envelope, path_of, rows, second
from tests.often import FUZZ
from tests.one_server import alone
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

ONE = "/v1/snapshots"
MANY = "/v1/snapshots/batch"


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


# Byte for byte

_SPACE = st.text(" \t\n\r", max_size=3)
_NUMBER = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
_ESCAPES = [r"\"", r"\\", r"\/", r"\b", r"\n", r"\u0000", r"\u00e9", r"\u00E9", r"\uD83D\uDE00", r"\ud83d\ude00"]
_CHARACTER = st.characters(codec="utf-8", exclude_characters='"\\', min_codepoint=32)
_TEXT = st.lists(_CHARACTER | st.sampled_from(_ESCAPES), max_size=6).map(lambda parts: '"' + "".join(parts) + '"')
_SCALAR = _NUMBER | _TEXT | st.sampled_from(["true", "false", "null"])


def _container(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.tuples(_SPACE, inner, _SPACE).map("".join)
    member = st.tuples(_SPACE, _TEXT, _SPACE, st.just(":"), spaced).map("".join)  # names may come twice
    return st.lists(spaced, min_size=1, max_size=4).map(lambda items: f"[{','.join(items)}]") | st.lists(
        member, min_size=1, max_size=4
    ).map(lambda members: f"{{{','.join(members)}}}")


DOCUMENTS = st.recursive(_SCALAR | st.sampled_from(["[]", "{ }", "[\n]"]), _container, max_leaves=12).map(str.encode)


@settings(max_examples=30 * FUZZ, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENTS, before=_SPACE, after=_SPACE)
async def test_documents_come_out_as_they_went_in(shots: Shots, document: bytes, before: str, after: str) -> None:
    whole = before.encode() + document + after.encode()
    as_body = (await shots.raw(whole))["snapshot"]
    in_envelope = (await shots.send("POST", ONE, content=envelope(whole, "f"), status=201))["snapshot"]
    assert await shots.data(as_body["id"]) == whole
    assert await shots.data(in_envelope["id"]) == document  # in an envelope white space around it is the envelope's
    assert (as_body["size_bytes"], in_envelope["size_bytes"]) == (len(whole), len(document))
    answer = await shots.client.get(f"{ONE}/{in_envelope['id']}", headers=shots.headers)
    assert answer.content.endswith(b'"data":' + document + b"}")
    compared = await shots.get("/v1/deltas", since_snapshot=in_envelope["id"])
    assert compared["kind"] == "none"


async def test_numbers_and_escapes_stay_as_they_are_written(shots: Shots) -> None:
    document = b'{"a": 37.787619999999997, "b": 1.0E+2, "c": -0, "d": "\\u0041\\/", "a": 1, "e": ' + b"9" * 5000 + b"}"
    kept = await shots.put(document)
    assert await shots.data(kept["id"]) == document
    assert (await shots.client.get(f"{ONE}/{kept['id']}", headers=shots.headers)).content.endswith(document + b"}")


async def test_large_documents_and_long_histories_stay_as_they_are(shots: Shots) -> None:
    documents = [json.dumps({"n": n, "filler": ["x" * 100] * 3000}, indent=n % 3).encode() for n in range(6)]
    kept = [await shots.put(document) for document in documents]
    for snapshot, document in zip(kept, documents, strict=True):
        assert await shots.data(snapshot["id"]) == document


# What is answered


async def test_a_snapshot_and_all_that_is_told_of_it(shots: Shots, clock: FakeClock) -> None:
    stored = await shots.send(
        "POST",
        ONE,
        content=envelope(
            b' {"EUR": 1.0834}', "GET /prices", source="cron", captured_at=second(1), metadata={"b": 1, "a": "\0"}
        ),
        status=201,
    )
    snapshot = stored["snapshot"]
    assert stored == {"snapshot": snapshot, "delta": None, "endpoint_created": True}
    assert snapshot == {
        "id": snapshot["id"],
        "endpoint_id": snapshot["endpoint_id"],
        "endpoint": "GET /prices",
        "captured_at": "2020-01-01T00:00:01.000Z",
        "received_at": "2026-01-01T00:00:00.002Z",
        "size_bytes": 15,
        "content_hash": snapshot["content_hash"],
        "unchanged": False,
        "source": "cron",
        "metadata": {"b": 1, "a": "\0"},
    }
    shown = {"snapshot": snapshot, "data": {"EUR": 1.0834}}
    for path in (snapshot["id"], "latest/" + path_of("GET /prices"), f"latest/{snapshot['endpoint_id']}"):
        assert await shots.get(f"{ONE}/{path}") == shown
    assert (await shots.get("/v1/endpoints/" + path_of("GET /prices")))["endpoint"]["id"] == snapshot["endpoint_id"]
    again = await shots.put(b'{"EUR": 1.0834}', "GET /prices", captured_at=second(2))
    assert (again["unchanged"], again["content_hash"]) == (True, snapshot["content_hash"])


@pytest.mark.parametrize("name", ["GET /a/b?c=d#e", "/", "a//b", "100%", "מחירים", "👩‍🚀", "e\u0301", "n" * 200])
async def test_every_good_name_makes_its_endpoint(shots: Shots, name: str) -> None:
    first = await shots.put(b"1", name)
    [second_, third] = (
        await shots.send("POST", MANY, content=batch(envelope(b"2", name), envelope(b"3", name)), status=201)
    )["data"]
    latest = await shots.get(f"{ONE}/latest/{path_of(name)}")
    assert latest["data"] == 3
    assert len({stored["endpoint_id"] for stored in (first, second_["snapshot"], third["snapshot"])}) == 1


async def test_metadata_comes_in_all_forms(shots: Shots) -> None:
    text = '{ "n": 1e400, "a":1, "a":2, "\\u00e9": null }'
    by_query = await shots.client.post(
        ONE, params={"endpoint": "e", "metadata": text}, content=b"1", headers={**shots.headers, **JSON}
    )
    assert text.encode() in by_query.content
    largest = {"m": "x" * (16 * 1024 - 8)}
    for body in (envelope(b"1", metadata=largest), batch(envelope(b"1", metadata=largest))):
        answer = await shots.send("POST", MANY if b"snapshots" in body else ONE, content=body, status=201)
        assert answer.get("data", [answer])[0]["snapshot"]["metadata"] == largest
    nothing: list[dict[str, Any]] = [{}, {"metadata": None}, {"metadata": {}}]
    for fields in nothing:
        answer = await shots.send("POST", ONE, content=envelope(b"1", **fields), status=201)
        assert answer["snapshot"]["metadata"] == {}


async def test_of_a_name_given_twice_in_an_envelope_the_last_counts(shots: Shots) -> None:
    """As JSON parsers do, and as documents are compared."""
    body = b'{"endpoint_id": "a", "data": 1, "endpoint_id": "b", "data": [2]}'
    stored = (await shots.send("POST", ONE, content=body, status=201))["snapshot"]
    assert (stored["endpoint"], await shots.data(stored["id"])) == ("b", b"[2]")


# Conditional requests, encodings


async def test_etags(shots: Shots) -> None:
    document = json.dumps({"filler": list(range(1000))}).encode()
    [first, same, other] = await shots.at((1, document), (2, document), (3, b"[1]"))
    paths = [f"{ONE}/{one['id']}{part}" for one in (first, same, other) for part in ("", "/data")]
    answers = [await shots.client.get(path, headers=shots.headers) for path in paths]
    tags = [answer.headers["etag"].removeprefix("W/") for answer in answers]
    assert tags[1] == tags[3] != tags[5]  # the same bytes
    assert len(set(tags)) == 5
    for path, answer, tag in zip(paths, answers, tags, strict=True):
        for sent in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            unchanged = await shots.client.get(path, headers={**shots.headers, "if-none-match": sent})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"].removeprefix("W/") == tag
        changed = await shots.client.get(path, headers={**shots.headers, "if-none-match": '"x"'})
        assert (changed.status_code, changed.content) == (200, answer.content)
        head = await shots.client.head(path, headers=shots.headers)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"].removeprefix("W/") == tag


async def test_an_etag_changes_with_all_that_is_shown(shots: Shots) -> None:
    [kept] = await shots.at((5, b"[1]"))
    shown = [await shots.client.get(f"{ONE}/{kept['id']}", headers=shots.headers)]
    await shots.send("PATCH", "/v1/endpoints/e", json={"name": "renamed"})
    shown.append(await shots.client.get(f"{ONE}/{kept['id']}", headers=shots.headers))
    await shots.at((4, b"[1]"), endpoint="renamed")
    shown.append(await shots.client.get(f"{ONE}/{kept['id']}", headers=shots.headers))
    assert [one.json()["snapshot"]["unchanged"] for one in shown] == [False, False, True]
    assert len({one.headers["etag"] for one in shown}) == 3


Codec = Callable[[bytes], bytes]
CODECS: dict[str, tuple[Codec, Codec]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "zstd": (zstandard.compress, zstandard.decompress),
    "identity": (bytes, bytes),
}


@pytest.mark.parametrize("encoding", CODECS)
async def test_encodings_both_ways(shots: Shots, encoding: str) -> None:
    encode, decode = CODECS[encoding]
    document = json.dumps({"é": ["filler"] * 1000}, ensure_ascii=False).encode()
    headers = {"content-encoding": encoding}
    kept = await shots.send("POST", f"{ONE}?endpoint=e", content=encode(document), headers=headers, status=201)
    many = await shots.send("POST", MANY, content=encode(batch(envelope(document))), headers=headers, status=201)
    assert many["data"][0]["snapshot"]["unchanged"]
    path = f"{ONE}/{kept['snapshot']['id']}/data"
    async with shots.client.stream("GET", path, headers={**shots.headers, "accept-encoding": encoding}) as answer:
        wire = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert decode(wire) == document
    broken = await shots.send("POST", f"{ONE}?endpoint=e", content=encode(document)[:-9], headers=headers, status=400)
    assert broken["code"] == "BAD_REQUEST"


# Idempotency


async def idempotency_key(
    shots: Shots, content: bytes, *, key: str = "k", path: str = ONE, **query: str
) -> httpx.Response:
    headers = {**shots.headers, "idempotency-key": key, "content-type": "application/json"}
    return await shots.client.post(path, content=content, params=query, headers=headers)


@pytest.mark.parametrize(
    ("path", "body", "query"),
    [(ONE, b"[1]", {"endpoint": "e"}), (ONE, envelope(b"[1]"), {}), (MANY, batch(*[envelope(b"[1]")] * 3), {})],
    ids=["raw", "envelope", "batch"],
)
async def test_a_request_sent_again_stores_nothing(
    app: Application, shots: Shots, clock: FakeClock, path: str, body: bytes, query: dict[str, str]
) -> None:
    first = await idempotency_key(shots, body, path=path, **query)
    stored = await rows(app)
    clock.advance(60_000)
    again = await idempotency_key(shots, body, path=path, **query)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    other = await idempotency_key(shots, body.replace(b"[1]", b"[2]"), path=path, **query)
    assert (other.status_code, other.json()["code"]) == (422, "CONFLICT")
    assert await rows(app) == stored
    clock.advance(24 * 3_600_000)
    assert (await idempotency_key(shots, body, path=path, **query)).json() != first.json()


@alone
async def test_a_refused_request_does_not_use_up_its_key(app: Application, shots: Shots) -> None:
    assert (await idempotency_key(shots, b"[1", endpoint="e")).status_code == 400
    assert (await idempotency_key(shots, b"[1]", endpoint="e")).status_code == 201
    assert (await rows(app))["snapshot"] == 1


@alone
async def test_the_same_request_at_the_same_time_is_stored_once(app: Application, shots: Shots) -> None:
    answers = await asyncio.gather(*[idempotency_key(shots, b"[1]", endpoint="e") for _ in range(10)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert [("idempotency-replayed" in answer.headers) for answer in answers].count(False) == 1
    assert (await rows(app))["snapshot"] == 1


async def test_a_replay_is_the_same_answer_whatever_happened_since(shots: Shots) -> None:
    """A snapshot equal to it was stored before it, the endpoint has another name, and then it was deleted."""
    await shots.at((1, b"[0]"))
    first = await idempotency_key(shots, b"[1]", endpoint="e", captured_at=second(3))
    await shots.at((2, b"[1]"))
    await shots.send("PATCH", "/v1/endpoints/e", json={"name": "f"})
    again = await idempotency_key(shots, b"[1]", endpoint="e", captured_at=second(3))
    assert (again.status_code, again.content) == (201, first.content)
    await shots.send("DELETE", f"{ONE}/{first.json()['snapshot']['id']}", status=204)
    again = await idempotency_key(shots, b"[1]", endpoint="e", captured_at=second(3))
    assert (again.status_code, again.content) == (201, first.content)


# Batches, times


async def test_a_batch_is_stored_whole_and_answered_in_order(app: Application, shots: Shots) -> None:
    items = [(n * 37 % 50, f"e{n % 3}") for n in range(60)]
    body = batch(*[envelope(b"%d" % n, name, captured_at=second(at)) for n, (at, name) in enumerate(items)])
    answer = await shots.send("POST", MANY, content=body, params={"include": "delta"}, status=201)
    stored = [one["snapshot"] for one in answer["data"]]
    assert [one["endpoint"] for one in stored] == [name for _, name in items]
    assert [int(await shots.data(one["id"])) for one in stored] == list(range(60))
    for name in ("e0", "e1", "e2"):
        listed = await shots.walk(ONE, endpoint_id=name, order="asc")
        assert [one["captured_at"] for one in listed] == sorted(one["captured_at"] for one in listed)
        assert {one["id"] for one in listed} == {one["id"] for one in stored if one["endpoint"] == name}
        of = {one["snapshot"]["id"]: one["delta"] for one in answer["data"]}
        assert [of[one["id"]] and of[one["id"]]["from_snapshot_id"] for one in listed] == [
            None,
            *(one["id"] for one in listed[:-1]),
        ]
    before = await rows(app)
    spoilt = batch(*[envelope(b"0")] * 5, envelope(b"0", captured_at="9999-01-01"))
    await shots.send("POST", MANY, content=spoilt, status=400)
    assert await rows(app) == before


async def test_the_largest_batch(app: Application, shots: Shots) -> None:
    body = batch(*[envelope(b"[%d]" % (n % 9)) for n in range(1000)])
    answer = await shots.send("POST", MANY, content=body, status=201)
    times = [one["snapshot"]["captured_at"] for one in answer["data"]]
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == ("2026-01-01T00:00:00.002Z", "2026-01-01T00:00:01.001Z")


async def test_a_taken_time_gives_the_next_free_millisecond(shots: Shots) -> None:
    await shots.at((1, b"1"), (1.001, b"2"), (1.003, b"3"))
    [again] = await shots.at((1, b"4"))
    assert again["captured_at"] == "2020-01-01T00:00:01.002Z"
    [last] = await shots.at((1.002, b"5"))
    assert last["captured_at"] == "2020-01-01T00:00:01.004Z"


@alone
async def test_a_thousand_at_one_time_are_too_many(app: Application, shots: Shots) -> None:
    full = batch(*[envelope(b"1", captured_at=second(1))] * 1000)
    await shots.send("POST", MANY, content=full, status=201)
    before = await rows(app)
    said = await shots.raw(b"2", captured_at=second(1), status=409)
    assert "captured_at" in said["message"]
    assert await rows(app) == before


@alone
async def test_first_snapshots_of_a_new_endpoint_at_the_same_time(app: Application, shots: Shots) -> None:
    """All in one millisecond, some of them equal: one endpoint, and each gets a time of its own."""
    stored = await asyncio.gather(*[shots.put(b"[%d]" % (n % 3), "new") for n in range(12)])
    batches = [batch(envelope(b"[1]", "new"), envelope(b"[2]", f"new {n % 2}")) for n in range(6)]
    await asyncio.gather(*[shots.send("POST", MANY, content=body, status=201) for body in batches])
    listed = await shots.walk(ONE, endpoint_id="new")
    assert len({one["captured_at"] for one in listed}) == len(listed) == 18
    assert {one["id"] for one in stored} <= {one["id"] for one in listed}
    assert (await rows(app))["endpoint"] == 3


async def test_writers_of_one_endpoint_take_turns(app: Application, shots: Shots) -> None:
    batches = [batch(*[envelope(b"9", captured_at=second(n))] * 3) for n in range(8)]
    singly = [shots.put(b"[%d]" % (n % 4), captured_at=second(n * 17 % 20)) for n in range(40)]
    stored, _ = await asyncio.gather(
        asyncio.gather(*singly),
        asyncio.gather(*[shots.send("POST", MANY, content=body, status=201) for body in batches]),
    )
    assert len(await shots.walk(ONE, endpoint_id="e")) == 64
    for n, one in enumerate(stored):
        assert await shots.data(one["id"]) == b"[%d]" % (n % 4)


async def test_two_tenants_share_nothing(client: httpx.AsyncClient, keys: Keys, shots: Shots) -> None:
    theirs = Shots(client, keys, "other")
    mine: Any = await shots.put(b'{"mine": 1}', "same")
    assert await theirs.get(ONE) == {"data": [], "has_more": False, "next_cursor": None}
    other = await theirs.put(b'{"mine": 1}', "same")
    assert (other["unchanged"], other["endpoint_id"] == mine["endpoint_id"]) == (False, False)
    await theirs.get(f"{ONE}/{mine['id']}", status=404)
    assert [one["id"] for one in await shots.walk(ONE)] == [mine["id"]]
