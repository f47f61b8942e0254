r"""Documents with halves of surrogate pairs are kept byte for byte and compared by how the halves are written."""

import httpx
import pytest

from tests.conftest import Keys
from tests.features.snapshots.shots import JSON, Shots

FIRST = rb'{"t": "hi \ud83d", "l": [{"id": "\udc00", "n": 1}], "b\ud83d": 1}'
SECOND = rb'{"t": "hi \uD83E", "l": [{"id": "\udc00", "n": 2}], "b\ud83d": 1}'


@pytest.fixture
def shots(client: httpx.AsyncClient, keys: Keys) -> Shots:
    return Shots(client, keys)


async def _both(shots: Shots) -> list[str]:
    return [(await shots.put(document, endpoint="halves", include="delta"))["id"] for document in (FIRST, SECOND)]


async def test_they_come_out_as_they_went_in(shots: Shots) -> None:
    for id, document in zip(await _both(shots), (FIRST, SECOND), strict=True):
        assert await shots.data(id) == document
        answer = await shots.client.get(f"/v1/snapshots/{id}", headers=shots.headers)
        assert document in answer.content


async def test_in_an_envelope_too(shots: Shots) -> None:
    body = b'{"endpoint_id": "halves", "data": %b}' % FIRST
    answer = await shots.client.post("/v1/snapshots", content=body, headers=shots.headers | JSON)
    assert answer.status_code == 201
    assert await shots.data(answer.json()["snapshot"]["id"]) == FIRST
    many = b'{"snapshots": [%b, %b]}' % (body, body.replace(FIRST, SECOND))
    answer = await shots.client.post("/v1/snapshots/batch", content=many, headers=shots.headers | JSON)
    assert answer.status_code == 201


@pytest.mark.parametrize("field", ["endpoint_id", "source", "metadata"])
async def test_beside_the_document_they_are_refused(shots: Shots, field: str) -> None:
    parts = {"endpoint_id": b'"e"', "data": b"1", "source": b'"s"', "metadata": b"{}"}
    parts[field] = rb'{"a": "\ud83d"}' if field == "metadata" else rb'"\ud83d"'
    body = b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in parts.items()) + b"}"
    answer = await shots.client.post("/v1/snapshots", content=body, headers=shots.headers | JSON)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


async def test_what_changed_is_answered(shots: Shots) -> None:
    _, second = await _both(shots)
    for format, half in (("json-patch", rb"\uD83E"), ("merge-patch", rb"\uD83E"), ("changes", rb"\uD83E")):
        answer = await shots.client.get(f"/v1/deltas/{second}?format={format}", headers=shots.headers)
        assert answer.status_code == 200
        assert (answer.json()["kind"], answer.json()["replaced"]) == ("content", 2)
        assert half in answer.content
    history = await shots.client.get("/v1/endpoints/halves/history?path=/t", headers=shots.headers)
    assert [row["value"] for row in history.json()["data"]] == ["hi \ud83d", "hi \ud83e"]
    for path in (
        "/v1/endpoints/halves/blame?path=",
        "/v1/endpoints/halves/blame?path=/t",
        "/v1/endpoints/halves/fields",
    ):
        answer = await shots.client.get(path, headers=shots.headers)
        assert answer.status_code == 200
    found = await shots.client.get("/v1/deltas?endpoint_id=halves&path=/t", headers=shots.headers)
    assert [row["id"] for row in found.json()["data"]] == [second]
