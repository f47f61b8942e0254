"""Deliveries come and go whole; the one before stays until the next is there."""

import asyncio
import base64
import gzip
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from delta_server.app import Application
from delta_server.core.datasets.manifest import Manifest
from delta_server.features.datasets import deliveries, store
from delta_server.services import Services
from delta_server.storage.blobs.blobs import Blob, Blobs, BlobStoreFailed, Changed
from delta_server.storage.blobs.local import DRAFTS, LocalBlobs
from tests.conftest import Keys, bearer, client_of, make_keys, started_in
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

SHOP = "/v1/datasets/products/shop"
CURRENT, PREVIOUS = f"{SHOP}/current", f"{SHOP}/previous"
ROWS = b'{"id":1}\n{"id":2}\n'

REFUSED = [
    Row("no key", "GET", SHOP, 401, key=None),
    Row("a key that reads", "PUT", CURRENT, 403, key="read", says="datasets:write"),
    Row("settings without admin", "PATCH", "/v1/datasets/products", 403, key="write", body={}, says="datasets:admin"),
    Row("a body that is no delivery", "PUT", CURRENT, 415, body={}, says="application/x-ndjson"),
    Row("no dataset", "GET", "/v1/datasets/none", 404, says="its first delivery"),
    Row("no client", "GET", SHOP, 404),
    Row("no dataset to delete", "DELETE", "/v1/datasets/none", 404),
    Row("nothing to promote", "POST", f"{SHOP}/promote", 404),
    Row("no pattern", "PATCH", "/v1/datasets/products", 400, body={"ignore": ["a"]}, field="ignore[0]"),
    Row(
        "too many fields", "PATCH", "/v1/datasets/products", 400, body={"key_fields": list("abcd")}, field="key_fields"
    ),
    Row("a long name", "PATCH", "/v1/datasets/products", 400, body={"trusted_hash": "x" * 201}, field="trusted_hash"),
    Row("a key that is ignored", "PATCH", "/v1/datasets/products", 400, body={"key_fields": ["a"], "ignore": ["/a"]}),
    Row("a tolerance", "PATCH", "/v1/datasets/products", 400, body={"tolerance": -1}, field="tolerance"),
    Row("a guard", "PATCH", "/v1/datasets/products", 400, body={"guard_percent": 101}, field="guard_percent"),
    Row("a guard of rows", "PATCH", "/v1/datasets/products", 400, body={"guard_rows": -1}, field="guard_rows"),
    Row("an unknown setting", "PATCH", "/v1/datasets/products", 400, body={"colour": 1}),
    Row("a cursor", "GET", "/v1/datasets?cursor=x", 400, field="cursor"),
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
async def test_refused(shared_client: httpx.AsyncClient, shared_keys: Keys, row: Row) -> None:
    await check(shared_client, shared_keys, row)
    listed = await shared_client.get("/v1/datasets", headers=bearer(shared_keys.read))
    assert listed.json()["data"] == []


async def put(
    client: httpx.AsyncClient, keys: Keys, body: Any = ROWS, path: str = CURRENT, status: int = 200, **headers: str
) -> Any:
    sent = {"content-type": "application/x-ndjson", **{name.replace("_", "-"): of for name, of in headers.items()}}
    answer = await client.put(path, content=body, headers=bearer(keys.write) | sent)
    assert answer.status_code == status, answer.text
    return answer.json()


async def get(client: httpx.AsyncClient, keys: Keys, path: str = CURRENT, status: int = 200, **headers: str) -> bytes:
    sent = {name.replace("_", "-"): of for name, of in headers.items()}
    answer = await client.get(path, headers=bearer(keys.read) | sent)
    assert answer.status_code == status, answer.text
    return answer.content


async def post(client: httpx.AsyncClient, keys: Keys, path: str, status: int = 200) -> Any:
    answer = await client.post(path, headers=bearer(keys.write))
    assert answer.status_code == status, answer.text
    return answer.json()


async def delete(client: httpx.AsyncClient, keys: Keys, path: str) -> None:
    answer = await client.delete(path, headers=bearer(keys.project))
    assert answer.status_code == 204, answer.text


def digest(body: bytes) -> str:
    return f"md5=:AAAA:, sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("body", "headers", "query", "status", "says"),
    [
        (b"{", {}, "", 400, "the delivery, line 1: it is not valid JSON"),
        (ROWS, {"content_digest": digest(b"")}, "", 400, "Content-Digest tells"),
        (ROWS, {"content_digest": "sha-256=:AAAA:"}, "", 400, "RFC 9530"),
        (ROWS, {"content_digest": "md5=:AAAA:"}, "", 400, "RFC 9530"),
        (ROWS, {"content_encoding": "br"}, "", 415, "Content-Encoding"),
        (gzip.compress(ROWS, mtime=0)[:-3], {"content_encoding": "gzip"}, "", 400, "ends too early"),
        (ROWS, {}, "?trailer=true", 400, "no trailer"),
        (b"id\n1\n", {"content_type": "text/csv"}, "?trailer=true", 400, "NDJSON only"),
        (ROWS, {"content_type": "text/html"}, "", 415, "Content-Type"),
        (ROWS, {"content_type": "application/vnd.apache.parquet"}, "", 400, "no Parquet"),
    ],
)
async def test_a_refused_delivery_leaves_the_one_before(
    client: httpx.AsyncClient, keys: Keys, body: bytes, headers: dict[str, str], query: str, status: int, says: str
) -> None:
    await put(client, keys, b"1\n")
    refused = await put(client, keys, body, CURRENT + query, status, **headers)
    assert says in refused["message"]
    assert await get(client, keys) == b"1\n"
    assert len(await resources(client, keys)) == 2


async def resources(client: httpx.AsyncClient, keys: Keys) -> list[str]:
    app: Any = client
    blobs = deliveries.blobs_of(app.services)
    return [blob.key async for blob in blobs.list("")]


@pytest.fixture
async def client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        opened.services = app.services  # type: ignore[attr-defined]  # tests look behind the client
        yield opened


async def test_send_compare_promote(client: httpx.AsyncClient, keys: Keys) -> None:
    first = await put(client, keys)
    assert first["client"] == "shop"
    assert first["previous"] is None
    shown = first["current"]
    assert (shown["format"], shown["rows"], shown["bytes"]) == ("ndjson", 2, len(ROWS))
    assert shown["sha256"] == sha256(ROWS).hexdigest()
    await get(client, keys, PREVIOUS, 404)
    promoted = await post(client, keys, f"{SHOP}/promote")
    assert promoted == {"client": "shop", "current": None, "previous": shown}
    await get(client, keys, CURRENT, 404)
    assert await get(client, keys, PREVIOUS) == ROWS
    second = await put(client, keys, b"3\n")
    assert second["previous"] == shown
    assert (await client.get(SHOP, headers=bearer(keys.read))).json() == second
    await delete(client, keys, CURRENT)
    assert await get(client, keys, PREVIOUS) == ROWS
    await delete(client, keys, PREVIOUS)
    await get(client, keys, PREVIOUS, 404)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (
            gzip.compress(ROWS, mtime=0),
            {"content_encoding": "gzip", "content_digest": digest(gzip.compress(ROWS, mtime=0))},
        ),
        (zstandard.compress(ROWS), {"content_encoding": "zstd"}),
        (ROWS, {"content_digest": digest(ROWS), "content_type": "application/jsonl; charset=utf-8"}),
    ],
)
async def test_encodings(
    shared_client: httpx.AsyncClient, own_keys: Keys, body: bytes, headers: dict[str, Any]
) -> None:
    await put(shared_client, own_keys, body, **headers)
    assert await get(shared_client, own_keys, accept_encoding="identity") == ROWS
    assert await get(shared_client, own_keys, accept_encoding="gzip") == ROWS
    assert await get(shared_client, own_keys, accept_encoding="zstd") == ROWS


async def test_a_large_delivery_in_pieces(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    row = b'{"id":1234567,"name":"%b"}\n' % (b"x" * 100)
    many = row * 8000
    sent = await put(shared_client, own_keys, pieces(*[row * 80] * 300))
    assert (sent["current"]["rows"], sent["current"]["bytes"]) == (24_000, 3 * len(many))
    assert await get(shared_client, own_keys, accept_encoding="identity") == many * 3


@pytest.mark.parametrize(
    ("kind", "body"), [("text/csv", b"id,p\r\n1,2\r\n"), ("application/vnd.apache.parquet", b"PAR1xyz!PAR1")]
)
async def test_other_formats(shared_client: httpx.AsyncClient, own_keys: Keys, kind: str, body: bytes) -> None:
    sent = await put(shared_client, own_keys, body, content_type=kind)
    assert sent["current"]["rows"] is None
    answer = await shared_client.get(CURRENT, headers=bearer(own_keys.read))
    assert answer.content == body
    assert answer.headers["content-type"].startswith(kind)


async def test_who_has_it_is_told_so(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys)
    tag = f'"{sha256(ROWS).hexdigest()}"'
    assert await get(shared_client, own_keys, CURRENT, 304, if_none_match=tag) == b""
    assert await get(shared_client, own_keys, CURRENT, 200, if_none_match='"other"') == ROWS


async def test_settings_and_lists(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    change = {"key_fields": ["id"], "ignore": ["/at"], "tolerance": 0.5, "guard_rows": 7}
    answer = await shared_client.patch("/v1/datasets/products", json=change, headers=bearer(own_keys.project))
    assert answer.status_code == 200, answer.text
    assert (await shared_client.patch("/v1/datasets/products", json={}, headers=bearer(own_keys.project))).is_success
    for name in ("b", "a", "c"):
        await put(shared_client, own_keys, path=f"/v1/datasets/products/{name}/current")
    await put(shared_client, own_keys, path="/v1/datasets/others/a/current")
    read = bearer(own_keys.read)
    listed = (await shared_client.get("/v1/datasets?limit=1", headers=read)).json()
    assert [each["name"] for each in listed["data"]] == ["others"]
    rest = (await shared_client.get(f"/v1/datasets?cursor={listed['next_cursor']}", headers=read)).json()
    [products] = rest["data"]
    assert products == {**products, **change, "clients": 3, "guard_percent": 50.0}
    page = (await shared_client.get("/v1/datasets/products?limit=2", headers=read)).json()
    assert page["dataset"] == products
    assert [each["client"] for each in page["data"]] == ["a", "b"]
    assert page["data"][0]["current"]["rows"] == 2
    page = (await shared_client.get(f"/v1/datasets/products?cursor={page['next_cursor']}", headers=read)).json()
    assert [each["client"] for each in page["data"]] == ["c"]


async def test_deletions_leave_nothing(client: httpx.AsyncClient, keys: Keys) -> None:
    for name in ("a", "b"):
        await put(client, keys, path=f"/v1/datasets/products/{name}/current")
    await delete(client, keys, "/v1/datasets/products/a")
    assert len(await resources(client, keys)) == 2
    await delete(client, keys, "/v1/datasets/products")
    assert await resources(client, keys) == []
    await get(client, keys, "/v1/datasets/products", 404)


async def test_a_refused_first_delivery_leaves_nothing(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys, b"{", status=400)
    await get(shared_client, own_keys, "/v1/datasets/products", 404)
    await shared_client.patch("/v1/datasets/products", json={}, headers=bearer(own_keys.project))
    await put(shared_client, own_keys, b"{", status=400)
    await get(shared_client, own_keys, SHOP, 404)
    await get(shared_client, own_keys, "/v1/datasets/products")
    await put(shared_client, own_keys)
    await delete(shared_client, own_keys, CURRENT)
    await put(shared_client, own_keys, b"{", status=400)
    await get(shared_client, own_keys, SHOP)


async def test_a_delivery_that_comes_while_its_client_is_deleted(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with it."""
    await put(client, keys)
    listed = LocalBlobs.list

    async def then_put(self: LocalBlobs, prefix: str) -> AsyncIterator[Blob]:
        found = [blob async for blob in listed(self, prefix)]
        monkeypatch.undo()
        await put(client, keys, b"2\n")
        for blob in found:
            yield blob

    monkeypatch.setattr(LocalBlobs, "list", then_put)
    await delete(client, keys, SHOP)
    await get(client, keys, SHOP, 404)
    assert await resources(client, keys) == []


async def test_deliveries_that_come_while_their_dataset_is_deleted(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    async def sent(number: int) -> int:
        path = f"/v1/datasets/products/c{number}/current"
        headers = bearer(keys.write) | {"content-type": "application/x-ndjson"}
        return (await client.put(path, content=ROWS, headers=headers)).status_code

    async def deleted() -> int:
        return (await client.delete("/v1/datasets/products", headers=bearer(keys.project))).status_code

    found = await asyncio.gather(*[act for number in range(4) for act in (sent(number), deleted())])
    assert set(found) <= {200, 204, 404, 409}
    await put(client, keys)
    await delete(client, keys, "/v1/datasets/products")
    assert await resources(client, keys) == []


async def test_where_the_store_does_not_delete_the_client_stays(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(client, keys)
    monkeypatch.setattr(LocalBlobs, "delete_resource", fail)
    for path in (SHOP, "/v1/datasets/products"):
        answer = await client.delete(path, headers=bearer(keys.project))
        assert answer.status_code == 503
    assert await get(client, keys) == ROWS


async def test_a_sweep_takes_all_and_what_nobody_writes(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await put(client, keys, path=f"/v1/datasets/products/c{number // 2}/current")
    draft = app.services.config.storage.data_dir / "blobs" / DRAFTS / "abandoned"
    draft.write_bytes(b"x")
    os.utime(draft, (1, 1))
    clock.advance(deliveries.READABLE_MS + 1)
    monkeypatch.setattr(deliveries, "_CLIENTS_AT_ONCE", 1)
    await deliveries.sweep(app.services)
    assert len(await resources(client, keys)) == 6
    assert not draft.exists()


async def test_what_was_replaced_stays_for_its_readers(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    await put(client, keys)
    await put(client, keys, b"2\n")
    await deliveries.sweep(app.services)
    assert len(await resources(client, keys)) == 3
    clock.advance(deliveries.READABLE_MS + 1)
    await deliveries.sweep(app.services)
    assert len(await resources(client, keys)) == 2
    assert await get(client, keys) == b"2\n"


async def test_what_a_dead_server_was_writing_goes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        await put(client, keys)
        found = await shop(app.services)
        for id in ("dead", found.manifest.ids.pop()):
            resource = deliveries.resource_of(found, id, "ndjson")
            await app.services.db.write(store.begin_upload, 1, found.id, resource)
        async with deliveries.blobs_of(app.services).create_write_stream(
            deliveries.resource_of(found, "dead", "ndjson")
        ) as stream:
            await stream.write(b"x")
    async with started_in(tmp_path, clock) as app, client_of(app) as client:
        keys_left = [blob.key async for blob in deliveries.blobs_of(app.services).list("")]
        assert len(keys_left) == 2
        assert await get(client, keys) == ROWS
        assert await app.services.db.read(store.unfinished) == []


async def shop(services: Services) -> store.Client:
    found = await services.db.read(store.clients_of_project, 1, 1)
    return found[0]


class _Losing:
    """A blob store whose answer to the first replacement gets lost."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blobs, name)

    async def put_if(self, key: str, content: bytes, tag: str | None) -> str:
        new = await self.blobs.put_if(key, content, tag)
        self.lost += 1
        if self.lost == 1:
            raise Changed
        return new


async def test_an_answer_that_got_lost_is_no_conflict(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(client, keys)
    losing = _Losing(deliveries.blobs_of(app.services))
    monkeypatch.setattr(deliveries, "blobs_of", lambda _: losing)
    promoted = await post(client, keys, f"{SHOP}/promote")
    assert promoted["previous"]["rows"] == 2, "promoted once"
    assert losing.lost == 1


async def test_deliveries_of_one_client_at_once_are_all_whole(client: httpx.AsyncClient, keys: Keys) -> None:
    await asyncio.gather(*[put(client, keys, b"%d\n" % number) for number in range(4)])
    found = (await client.get(SHOP, headers=bearer(keys.read))).json()
    assert await get(client, keys) in {b"0\n", b"1\n", b"2\n", b"3\n"}
    assert found["current"]["rows"] == 1
    assert len(await resources(client, keys)) == 5, "one counts, the others stay for their readers"


async def test_a_client_that_is_deleted_while_its_delivery_comes_stays_deleted(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    await put(client, keys)

    async def body() -> AsyncIterator[bytes]:
        yield ROWS
        await delete(client, keys, SHOP)
        yield ROWS

    refused = await put(client, keys, body(), status=409)
    assert "deleted while its delivery came" in refused["message"]
    assert await resources(client, keys) == []


def test_a_manifest_begins_empty() -> None:
    assert Manifest().ids == set()


async def fail(*_: object) -> str:
    raise BlobStoreFailed("it does not answer")
