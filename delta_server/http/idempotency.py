"""`Idempotency-Key`: a POST sent again, because its answer was lost, has one effect and gets the same answer."""

import asyncio
import hashlib
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from delta_server.core.caller import Caller
from delta_server.core.errors import BadRequest
from delta_server.services import Services
from delta_server.storage import idempotency as records
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

_AWAY_FROM_LOOP = 128 << 10
"""Bodies from this size are hashed on a thread: 128 KiB take half a millisecond."""
HEADER = "Idempotency-Key"
_LONGEST_KEY = 255
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_SWEPT_AT_ONCE = 5000


async def key_of(request: Request[Any, Any, Any], caller: Caller) -> IdempotencyKey:
    """What the request's key stands for. Raises BadRequest for an unusable key."""
    key = request.headers.get(HEADER)
    if key is None:
        return IdempotencyKey.none()
    if not key.strip() or len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise BadRequest(f"{HEADER} must be 1 to {_LONGEST_KEY} printable ASCII characters, a UUID for example")
    route = f"{request.method} {request.scope['path_template']}"
    # Keys of one project share theirs, so that one may take another's place; people's are their own.
    person = () if caller.user is None else (f"user {caller.user}",)
    scope = _digest(str(caller.account), str(caller.project), route, key, *person)
    target = request.scope["path"].encode(errors="surrogatepass"), request.scope["query_string"]
    body = await request.body()
    if len(body) < _AWAY_FROM_LOOP:
        return IdempotencyKey(scope, _digest(*target, body))
    return IdempotencyKey(scope, await asyncio.to_thread(_digest, *target, body))


def respond(answer: StoredResponse, under: str) -> Response[bytes]:
    """The answer about the one thing made, which is from now on at `under`/id."""
    [made] = (thing for thing in _decode(answer.body).values() if isinstance(thing, dict))
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=MediaType.JSON,
        headers={**headers(replayed=answer.replayed), "location": f"{under}/{made['id']}"},
    )


def headers(*, replayed: bool) -> dict[str, str]:
    """Of the answer to a request that may have been sent before."""
    return {"idempotency-replayed": "true"} if replayed else {}


async def forget(services: Services) -> None:
    """Periodic: drop the records of the day before."""
    while await services.db.write(records.sweep, _SWEPT_AT_ONCE) == _SWEPT_AT_ONCE:
        pass


def _digest(*parts: str | bytes) -> bytes:
    """16 bytes; each part's length goes in, so that no two lists of parts run together the same way."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8))
        digest.update(raw)
    return digest.digest()
