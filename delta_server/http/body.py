"""Request bodies: documents as their bytes, management bodies as structs.

`JsonRequest` takes the place of Litestar's decoding, which answers 500 to deep JSON, accepts JSON sent as text/plain
and turns "5" into 5.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar, cast, get_args

import msgspec
from litestar import Request
from litestar.datastructures import URL, State
from litestar.types import Empty

from delta_server.config.sections import Config
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid, NotAcceptable, TooLarge
from delta_server.core.json import json_text
from delta_server.http import aliases
from delta_server.http.exchange import BodyLimit
from delta_server.http.guards import Body
from delta_server.http.validation import invalid
from delta_server.services import Services

T = TypeVar("T")

MAX_TYPED_BYTES = 1 << 20
"""Management bodies are small; documents and batches are not decoded here."""

_AWAY_FROM_LOOP = 16 << 10
"""Bodies from this size are decoded on a thread: 16 KiB of empty objects take 2 ms."""
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


class JsonRequest(Request[Caller, Any, State]):
    """What `data: JSONBody[SomeStruct]` in a handler is decoded by."""

    @property
    def url(self) -> URL:
        """The path alone: Litestar fails on a Host such as `a:99999`, and no answer may depend on Host anyway."""
        return URL.from_components(path=self.scope["path"])

    async def body(self) -> bytes:
        """As Litestar's, without the stream around it: the exchange counts what comes, and ends what does not."""
        if self._body is Empty:
            if self._connection_state.body is Empty:
                if not self.is_connected:
                    return await super().body()  # a stream was taken before: it says so
                self._connection_state.body = await self._whole()
                self.is_connected = False
            self._body = self._connection_state.body
        return self._body

    async def _whole(self) -> bytes:
        message: Any = await self.receive()
        if not message.get("more_body", False):
            return cast("bytes", message.get("body", b""))
        pieces = [message["body"]]
        while message.get("more_body", False):
            message = await self.receive()
            pieces.append(message.get("body", b""))
        return b"".join(pieces)

    async def json(self) -> Any:
        field = self.route_handler.parsed_data_field
        if field is None:
            raise TypeError("the handler declares no data")
        if NoneType in get_args(field.annotation) and not await self.body():
            return None
        require_json(self)
        body = await self.body()
        if len(body) < _AWAY_FROM_LOOP:
            return decode(body, field.annotation)
        services = cast("Services", self.app.state.services)
        async with services.fair_cpu.turn(_turn_of(self.scope.get("user")), kind="a body") as thread:
            return await thread(decode, body, field.annotation)


def _turn_of(caller: Caller | None) -> int:
    """A project's, an account's, or that of all who come without a key."""
    if caller is None:
        return 0
    return -caller.account if caller.project is None else caller.project


async def document(request: Request[Any, Any, Any]) -> bytes:
    """The request's body, unchecked but for its media type. Raises NotAcceptable, TooLarge."""
    require_json(request)
    return await request.body()


def require_json(request: Request[Any, Any, Any]) -> None:
    """Raise NotAcceptable unless the body comes as JSON: application/json, application/*+json or text/json in UTF-8."""
    kind, options = request.content_type
    if not is_json(kind.lower()):
        raise NotAcceptable("send the body as JSON, with Content-Type: application/json")
    if options.get("charset", "utf-8").strip('"').lower() not in _UTF8:
        raise NotAcceptable("JSON is UTF-8 (RFC 8259 8.1): send it in that character set")


def is_json(kind: str) -> bool:
    return kind in ("application/json", "text/json") or (kind.startswith("application/") and kind.endswith("+json"))


def decode(body: bytes, type_: type[T], what: str = "the body") -> T:
    """A struct from JSON. Raises BadRequest, Invalid (with the field's path), TooLarge."""
    if len(body) > MAX_TYPED_BYTES:
        raise TooLarge(f"{what} is larger than {MAX_TYPED_BYTES} bytes")
    json_text.check(body, what)
    found = _decoded(body, type_)
    _refuse_repeated_names(body)  # the dearest check by far, for those bodies only that nothing else is wrong with
    return found


def _decoded(body: bytes, type_: type[T]) -> T:
    decoder: msgspec.json.Decoder[T] = _decoder(type_)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        pass  # aliases are rare: look for them only now
    try:
        return decoder.decode(aliases.snake_body(body, type_))
    except msgspec.ValidationError as error:
        raise invalid(error, type_) from None


_decoder: Callable[[Any], msgspec.json.Decoder[Any]] = lru_cache(512)(msgspec.json.Decoder)


def _refuse_repeated_names(body: bytes) -> None:
    """Two parsers may read two values from an object with a name twice, so such a request is not read at all."""
    # Numbers are not converted: 5,000 digits take the interpreter's refusal, 1e400 is infinity.
    json.loads(body, object_pairs_hook=_object, parse_int=len, parse_float=len)


def _object(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Invalid(f"{name[:100]} is given twice", field=name[:100])
        seen.add(name)


def body_limits(config: Config) -> dict[Body, BodyLimit]:
    """How large the bodies of each kind of route may be."""
    document = BodyLimit(config.limits.request_bytes, "limits.request_bytes")
    return {
        "typed": BodyLimit(MAX_TYPED_BYTES) if document.size >= MAX_TYPED_BYTES else document,
        "document": document,
        "events": BodyLimit(config.events.request_bytes, "events.request_bytes"),
        "stream": BodyLimit(config.datasets.delivery_bytes, "datasets.delivery_bytes", is_streamed=True),
    }
