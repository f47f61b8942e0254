"""A feature of its own for the tests of what all routes share."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Unavailable
from delta_server.core.json import json_text
from delta_server.http import body, conditional, idempotency, pagination
from delta_server.http.feature import Feature
from delta_server.http.guards import PUBLIC, READ, WRITE_DOCUMENT, Access
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

GUARDS: dict[tuple[str, str], Access] = {
    ("POST", "/v1/sample"): Access("write"),
    ("POST", "/v1/sample/document"): WRITE_DOCUMENT,
    ("POST", "/v1/sample/made"): Access("write"),
    ("GET", "/v1/sample/named/{}"): READ,
    ("GET", "/v1/sample/list"): READ,
    ("GET", "/v1/sample/caller"): READ,
    ("GET", "/v1/sample/text/{}"): PUBLIC,
    ("GET", "/v1/sample/stream"): PUBLIC,
    ("GET", "/v1/sample/live"): PUBLIC,
    ("GET", "/v1/sample/tagged"): PUBLIC,
    ("GET", "/v1/sample/broken"): PUBLIC,
    ("GET", "/v1/sample/half"): PUBLIC,
}

TAG = conditional.etag(bytes(16))


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    keep_days: int | None = None
    labels: list[str] = []


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    page_size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    inner: Inner | None = None
    many_inner: list[Inner] = []
    free_json: msgspec.Raw = msgspec.Raw(b"null")


class Item(msgspec.Struct):
    number: int


@post("/v1/sample")
async def typed(data: JSONBody[Sample]) -> Sample:
    return data


@post("/v1/sample/document")
async def document(request: Request[Any, Any, Any]) -> Response[bytes]:
    text = await body.document(request)
    json_text.check(text)
    return Response(text, media_type=MediaType.JSON)


@post("/v1/sample/made")
async def made(
    data: JSONBody[Sample], services: NamedDependency[Services], idempotency_key: NamedDependency[IdempotencyKey]
) -> Response[bytes]:
    return idempotency.respond(await services.db.write(_make, data.name, idempotency_key), "/v1/sample/made")


def _make(tx: Tx, name: str, idempotency_key: IdempotencyKey) -> StoredResponse:
    if answer := idempotency_key.replay(tx):
        return answer
    number = tx.insert("INSERT INTO account (uid, name, created_at) VALUES (?, ?, ?)", tx.new_id(), name, tx.now_ms)
    return idempotency_key.record(tx, 201, msgspec.json.encode({"made": {"id": number}}))


@get("/v1/sample/named/{name:str}")
async def named(
    name: FromPath[str],
    page_size: FromQuery[int] = 1,
    kinds: Annotated[list[str] | None, QueryParameter(name="kind")] = None,
    words: FromQuery[str] = "",
) -> dict[str, Any]:
    return {"name": name, "page_size": page_size, "kinds": kinds, "words": words}


@get("/v1/sample/list")
async def listed(
    request: Request[Any, Any, Any], limit: Limit = 100, cursor: CursorText = None
) -> Response[Page[Item]]:
    after = decode_cursor("sample", cursor, tuple[int])[0] if cursor else 0
    rows = range(after + 1, min(after + limit + 2, 251))
    found = pagination.page(rows, limit=limit, item=Item, cursor=lambda number: encode_cursor("sample", number))
    return pagination.respond(request, found)


@get("/v1/sample/caller")
async def caller_(caller: NamedDependency[Caller], project: NamedDependency[int]) -> dict[str, Any]:
    return {"project": project, "scopes": sorted(caller.scopes)}


@get("/v1/sample/text/{size:int}")
async def text(size: FromPath[int]) -> Response[bytes]:
    return Response(b"a" * size, media_type=MediaType.JSON, headers={"etag": '"x"'})


@get("/v1/sample/stream")
async def stream() -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b'{"a":1}\n' * 100

    return Stream(pieces(), media_type="application/x-ndjson")


@get("/v1/sample/live")
async def live() -> Stream:
    async def events() -> AsyncIterator[bytes]:
        yield b"data: " + b"x" * 2000 + b"\n\n"

    return Stream(events(), media_type="text/event-stream")


@get("/v1/sample/tagged")
async def tagged(request: Request[Any, Any, Any]) -> Response[Any]:
    if unchanged := conditional.not_modified(request, TAG):
        return unchanged
    return Response(b"[1]", media_type=MediaType.JSON, headers=conditional.headers(TAG))


@get("/v1/sample/broken")
async def broken() -> None:
    await asyncio.sleep(0)
    raise KeyError("secret detail")


@get("/v1/sample/half")
async def half(expected: Annotated[bool, QueryParameter()] = False) -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise Unavailable("try again later") if expected else KeyError("secret detail")

    return Stream(pieces(), media_type="application/octet-stream")


ROUTES = [typed, document, made, named, listed, caller_, text, stream, live, tagged, broken, half]
FEATURE = Feature(name="sample", family="endpoints", routes=ROUTES, guards=GUARDS)
