"""From a request's body to the snapshots it wants stored. The documents stay the bytes they are."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from delta_server.core import json_text, times
from delta_server.core.errors import Invalid
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots.schemas import NewSnapshot, NewSnapshots
from delta_server.features.snapshots.service import New
from delta_server.http.validation import invalid
from delta_server.services import Services

T = TypeVar("T")


class Given(msgspec.Struct, frozen=True):
    """What the query string says of a body that is the document itself. Without `endpoint` the body is an envelope."""

    endpoint: str | None
    captured_at: str | None
    source: str | None
    metadata: str | None


async def one(svc: Services, project: int, body: bytes, given: Given) -> New:
    """Raises BadRequest, Invalid, NotFound."""
    if given.endpoint is not None:
        return New(
            endpoints.resolve_or_name(svc, project, given.endpoint),
            body,
            _captured_at(svc, given.captured_at),
            given.source,
            given.metadata,
        )
    for name in ("captured_at", "source", "metadata"):
        if getattr(given, name) is not None:
            raise Invalid(f"in the query, {name} goes with endpoint; an envelope has its own", field=name)
    item = await svc.cpu(_decode_one, body)
    return _new(svc, item, endpoints.resolve_or_name(svc, project, item.endpoint_id))


async def many(svc: Services, project: int, body: bytes) -> list[New]:
    """Raises BadRequest, Invalid, NotFound."""
    items = (await svc.cpu(_decode_many, body)).snapshots
    targets = {text: endpoints.resolve_or_name(svc, project, text) for text in {item.endpoint_id for item in items}}
    return [_new(svc, item, targets[item.endpoint_id]) for item in items]


def _new(svc: Services, item: NewSnapshot, endpoint: EndpointRef | str) -> New:
    return New(
        endpoint,
        bytes(item.data),
        _captured_at(svc, item.captured_at),
        item.source,
        None if item.metadata is None else bytes(item.metadata).decode(),
    )


def _captured_at(svc: Services, text: str | None) -> int:
    return svc.clock.now_ms() if text is None else times.parse(text, field="captured_at")


def _decode_one(body: bytes) -> NewSnapshot:
    return _decode(body, msgspec.json.Decoder(NewSnapshot).decode)


def _decode_many(body: bytes) -> NewSnapshots:
    return _decode(body, msgspec.json.Decoder(NewSnapshots).decode)


def _decode(body: bytes, decode: Callable[[bytes], T]) -> T:
    json_text.check(body, "the body")
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
