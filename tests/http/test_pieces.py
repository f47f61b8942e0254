"""Large documents are answered in pieces: the same as small ones, whoever asks, and nobody's copy of the document."""

import json

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.features.snapshots import api, schemas
from delta_server.storage.contents import contents
from tests.conftest import Keys, bearer

DOCUMENT = {"text": "ü" * 200_000}


async def stored(client: httpx.AsyncClient, keys: Keys) -> None:
    sent = await client.post("/v1/snapshots?endpoint=large", json=DOCUMENT, headers=bearer(keys.project))
    assert sent.status_code == 201


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("include", ["", "place,delta"])
async def test_a_large_document_is_answered_as_a_small_one(
    client: httpx.AsyncClient, keys: Keys, encoding: str, include: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(client, keys)
    path = "/v1/snapshots/latest/large" + (f"?include={include}" if include else "")
    headers = bearer(keys.project) | {"accept-encoding": encoding}
    large = await client.get(path, headers=headers)
    monkeypatch.setattr(api, "_NOT_COPIED_BYTES", 1 << 30)
    small = await client.get(path, headers=headers)
    assert large.json() == small.json()
    assert large.json()["data"] == DOCUMENT
    assert set(large.json()) == {"snapshot", "data", *filter(None, include.split(","))}
    kept = ("content-type", "etag", "cache-control", "content-encoding", "vary")
    assert [large.headers.get(name) for name in kept] == [small.headers.get(name) for name in kept]
    if encoding == "identity":
        assert large.headers["content-length"] == str(len(large.content)) == small.headers["content-length"]


async def test_asking_again_and_for_the_head_cost_no_document(client: httpx.AsyncClient, keys: Keys) -> None:
    await stored(client, keys)
    path, headers = "/v1/snapshots/latest/large", bearer(keys.project)
    whole = await client.get(path, headers=headers)
    head = await client.head(path, headers=headers)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))
    again = await client.get(path, headers=headers | {"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_document_is_the_one_in_the_cache(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(client, keys)
    sent: list[bytes] = []
    with_document = schemas.with_document

    def watched(answer: schemas.SnapshotWithData, document: bytes) -> tuple[bytes, bytes, bytes]:
        pieces = with_document(answer, document)
        sent.extend(pieces)
        return pieces

    monkeypatch.setattr(schemas, "with_document", watched)
    await client.get("/v1/snapshots/latest/large", headers=bearer(keys.project))
    head = app.services.db.peek(contents.head, 1)
    assert head is not None
    assert sent[1] is contents.cached(app.services.contents, 1, head.id)
    assert msgspec.json.decode(b"".join(sent))["data"] == json.loads(json.dumps(DOCUMENT))
