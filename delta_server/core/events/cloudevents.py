"""CloudEvents 1.0 over HTTP: structured, in batches, and binary, where the attributes are headers.

https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md. An event's identity is its
source and id together. Of the attributes without a meaning here (subject, dataschema, extensions) metadata is made;
extensions named `userid`, `anonymousid`, `sessionid`, `duration`, `priority`, `status` are the fields of that name.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from delta_server.core.errors import BadRequest, Invalid, NotAcceptable
from delta_server.core.events import event_batch, validate
from delta_server.core.events.event import MENDED, Event
from delta_server.core.events.event_batch import Item, Parsed
from delta_server.core.events.event_time import Arrival, resolve
from delta_server.core.events.profile_update import ProfileUpdate
from delta_server.core.events.validate import MOST_ID, MOST_MESSAGE_ID, MOST_STATUS, NULL, members, text
from delta_server.core.json import salvage
from delta_server.core.json.salvage import Repaired

_PREFIX = b"ce-"
_REQUIRED = ("specversion", "type", "source", "id")
_OURS = ("userid", "anonymousid", "sessionid", "duration", "priority", "status")
_FIELDS = validate.KEY_NAMES.union(_REQUIRED, _OURS, ("time", "data", "data_base64"))
_SLACK = 1024
"""Bytes: a text that grows by half and more in JSON is none, each of its control characters takes six there. An event
must stay shorter than the lines that can be read back, whatever events.event_bytes is."""
_BATCH, _ONE = "application/cloudevents-batch", "application/cloudevents"


def mode(content_type: str, headers: Iterable[tuple[bytes, bytes]]) -> Literal["one", "batch", "binary"] | None:
    """How a request brings CloudEvents, None if it does not. Raises NotAcceptable for formats other than JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith(_ONE):
        if not kind.endswith("+json") and kind not in (_ONE, _BATCH):
            raise NotAcceptable("send CloudEvents as JSON: application/cloudevents+json or -batch+json")
        return "batch" if kind.startswith(_BATCH) else "one"
    names = {name for name, _ in headers if name.startswith(_PREFIX)}
    return "binary" if names and names.issuperset(b"ce-" + name.encode() for name in _REQUIRED) else None


def parse_one(body: bytes, arrival: Arrival) -> Parsed:
    """Structured mode. Raises BadRequest, Invalid, TooLarge."""
    return event_batch.read_one(body, partial(_structured, arrival))


def parse_many(body: bytes, arrival: Arrival) -> Parsed:
    """Batched mode. Raises BadRequest, Invalid, TooLarge for the request as a whole."""
    try:
        items, _ = event_batch.read_items(body, lambda text: (event_batch.decode_items(text), None))
    except msgspec.ValidationError:
        raise Invalid("a batch of CloudEvents is a JSON array") from None
    return event_batch.read_each(items, partial(_structured, arrival))


def parse_binary(headers: Iterable[tuple[bytes, bytes]], content_type: str, body: bytes, arrival: Arrival) -> Parsed:
    """Binary mode: `headers` in small letters. Raises BadRequest, Invalid, TooLarge."""
    attributes: dict[str, Any] = {
        name[len(_PREFIX) :].decode("latin-1"): _header_text(value)
        for name, value in headers
        if name.startswith(_PREFIX)
    }
    validate.size(body, arrival)
    kind = content_type.partition(";")[0].strip().lower()
    item = _json(kind, body)
    data, encoding = _body(body) if item is None else (validate.json_data(msgspec.Raw(item.strip())), None)
    if kind and not _is_json(kind):
        attributes["datacontenttype"] = kind
    attributes.setdefault("dataencoding", encoding)
    event = _event(arrival, attributes, data)
    if type(item) is Repaired:
        event.flags |= MENDED
    event_batch.drop_repeated_names([event])
    return Parsed([event], [], [])


def _structured(arrival: Arrival, item: Item, profile_updates: list[ProfileUpdate]) -> Event:
    validate.size(item, arrival)
    parts = members(item)
    data = validate.json_data(parts.pop("data", NULL))
    attributes = {name: _decode(value) for name, value in parts.items()}
    if attributes.get("datacontenttype") == "application/json":
        del attributes["datacontenttype"]
    encoded = attributes.get("data_base64")
    if encoded is not None:
        if data is not None:
            raise Invalid("data and data_base64 cannot both be there", field="data_base64")
        data, encoding = _unpacked(str(attributes.get("datacontenttype", "")).lower(), encoded)
        attributes["dataencoding"] = encoding
    return _event(arrival, attributes, data)


def _decode(value: msgspec.Raw) -> Any:
    """Attributes are texts, numbers and booleans: of anything else its JSON is kept as it is."""
    return value if bytes(value).startswith((b"{", b"[")) else msgspec.json.decode(value)


def _event(arrival: Arrival, attributes: dict[str, Any], data: msgspec.Raw | None) -> Event:
    for name in _REQUIRED:
        if not attributes.get(name):
            raise Invalid(f"{name} is missing: CloudEvents 1.0 need {', '.join(_REQUIRED)}", field=name)
    if attributes["specversion"] != "1.0":
        raise Invalid('specversion must be "1.0"', field="specversion")
    at, original_at, flags = resolve(arrival, attributes.get("time"))
    source, identity = text(attributes["source"], "source", MOST_ID), text(attributes["id"], "id", MOST_ID)
    return Event(
        at,
        arrival.received_at,
        validate.event_type(attributes["type"], "type"),
        source=source,
        user_id=text(attributes.get("userid"), "userid", MOST_ID),
        anonymous_id=text(attributes.get("anonymousid"), "anonymousid", MOST_ID),
        session_id=text(attributes.get("sessionid"), "sessionid", MOST_ID),
        duration=validate.duration(_number(attributes.get("duration"))),
        priority=validate.priority(_number(attributes.get("priority"))),
        status=text(attributes.get("status"), "status", MOST_STATUS),
        data=data,
        metadata=validate.joined({name: value for name, value in attributes.items() if name not in _FIELDS}),
        message_id=_message_id(source or "", identity or ""),
        original_at=original_at,
        flags=flags,
    )


def _message_id(source: str, identity: str) -> str:
    """Both, so that they can be read; a digest where they are too long, or could be split in two ways."""
    joined = f"{source} {identity}"
    if len(joined) <= MOST_MESSAGE_ID and " " not in source:
        return joined
    parts = f"{len(source)} {joined}".encode()
    return "ce-" + hashlib.blake2b(parts, digest_size=16).hexdigest()


def _number(value: Any) -> Any:
    """Headers, and extensions before 1.0, hold numbers as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value


def _header_text(value: bytes) -> str:
    """HTTP binding 3.1.3.2: percent-encoded UTF-8; older senders put it in quotes too. JavaScript's SDK encodes
    nothing and Node sends Latin-1."""
    if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
        value = value[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        pass
    try:
        return unquote(value.decode("latin-1"), errors="strict")
    except UnicodeDecodeError:
        return unquote_to_bytes(value).decode("latin-1")


def _json(kind: str, body: bytes) -> bytes | None:
    """The JSON of a body that should be some; None where it is none: the SDKs of JavaScript and Python leave out the
    quotes of a text."""
    if not _is_json(kind) and kind:
        return None
    try:
        return salvage.item(body, "the body")
    except BadRequest:
        return None


def _body(body: bytes) -> tuple[msgspec.Raw | None, str | None]:
    """The data that is not JSON, and its encoding where it had to be encoded."""
    if not body:
        return None, None
    try:
        text = msgspec.json.encode({"value": body.decode()})
    except UnicodeDecodeError:
        text = b""
    if text and 2 * len(text) <= 3 * len(body) + _SLACK:
        return msgspec.Raw(text), None
    return msgspec.Raw(msgspec.json.encode({"value": base64.b64encode(body).decode()})), "base64"


def _is_json(kind: str) -> bool:
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def _unpacked(kind: str, value: Any) -> tuple[msgspec.Raw | None, str | None]:
    """As `_body`, of data in base64: JSON and texts are unpacked, so that they can be queried."""
    try:
        if not isinstance(value, str):
            raise ValueError
        body = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("data_base64 must be base64", field="data_base64") from None
    kind = kind.partition(";")[0].strip()
    if (item := _json(kind, body)) is not None:
        return validate.json_data(msgspec.Raw(item.strip())), None
    if kind.startswith("text/"):
        return _body(body)
    return msgspec.Raw(msgspec.json.encode({"value": value})), "base64"
