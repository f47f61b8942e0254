"""Envelopes in camelCase, and where what was made is found."""

import httpx
import pytest

from tests.conftest import SHARED, Keys
from tests.features.snapshots.shots import JSON, Shots
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys

pytestmark = SHARED

DOCUMENT = b'{"capturedAt" : 1.50, "endpointId":[ 1e400 ],  "x":"\\u00e9", "x":2}'
ENVELOPE = b'{"endpointId":"e", "capturedAt":"2020-01-01", "metadata":{"fromWhere":1.0}, "data":' + DOCUMENT + b"}"


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


@pytest.mark.parametrize(("path", "body"), [("", ENVELOPE), ("/batch", b'{"snapshots":[' + ENVELOPE + b"]}")])
async def test_camel_case_touches_no_byte_of_the_document(shots: Shots, path: str, body: bytes) -> None:
    answer = await shots.send("POST", f"/v1/snapshots{path}", content=body, status=201)
    [stored] = answer.get("data", [answer])
    snapshot = stored["snapshot"]
    assert (snapshot["captured_at"], snapshot["metadata"]) == ("2020-01-01T00:00:00.000Z", {"fromWhere": 1.0})
    assert await shots.data(snapshot["id"]) == DOCUMENT


@pytest.mark.parametrize("body", [b'{"endpointId":"e","endpoint_id":"e","data":1}', b'{"endpointID":"e","data":1}'])
async def test_what_no_name_is_meant_by(shots: Shots, body: bytes) -> None:
    refused = await shots.send("POST", "/v1/snapshots", content=body, status=400)
    assert "endpoint" in refused["message"]


async def test_the_new_one_is_at_its_location(shots: Shots) -> None:
    for path, body in (
        ("/v1/snapshots", ENVELOPE),
        ("/v1/endpoints", b'{"name": "GET /prices"}'),
    ):
        answer = await shots.client.post(path, content=body, headers={**JSON, **shots.headers})
        assert answer.status_code == 201
        [made] = [thing for thing in answer.json().values() if isinstance(thing, dict)]
        assert answer.headers["location"] == f"{path}/{made['id']}"
        await shots.get(answer.headers["location"])


@pytest.mark.parametrize("key", ["", " ", "   "])
async def test_a_blank_idempotency_key_is_none(shots: Shots, key: str) -> None:
    refused = await shots.send("POST", "/v1/snapshots", content=ENVELOPE, headers={"idempotency-key": key}, status=400)
    assert "Idempotency-Key" in refused["message"]
