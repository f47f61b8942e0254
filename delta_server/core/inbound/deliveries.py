"""What an inbound webhook brings, as JSON: whatever format it comes in, and forms.

    application/x-www-form-urlencoded, payload={"action": ..}    the JSON in `payload` (GitHub, Slack)
    application/x-www-form-urlencoded, a=1&b=2&b=3               {"a": "1", "b": ["2", "3"]} (Slack's commands, Twilio)
    everything else                                              as core/formats reads it

Signatures are over the bytes as they came, so this is made after they were checked.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.expressions import expression
from delta_server.core.expressions.expression import Expression
from delta_server.core.formats import formats
from delta_server.core.formats.formats import NotReadable
from delta_server.core.inbound import signatures
from delta_server.core.inbound.signatures import Headers, Verification

FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1000
_members = msgspec.json.Decoder(dict[str, Any]).decode


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an endpoint takes deliveries. `transform` is an expression for what is stored of the body, `event_type` one
    for the type of an event; both are of the body as JSON."""

    verify: Verification = Verification()
    transform: str = ""
    event_type: str = ""
    enabled: bool = True


class Delivery(msgspec.Struct, frozen=True):
    """A delivery that was verified. `document` is what is stored; `challenge` what Slack wants to have back instead."""

    document: bytes
    id: str | None = None
    kind: str | None = None
    challenge: str | None = None
    is_ping: bool = False


def check(settings: Settings, *, has_secret: bool) -> None:
    """Raises Invalid."""
    signatures.check(settings.verify, has_secret=has_secret, field="verify")
    for field in ("transform", "event_type"):
        if text := getattr(settings, field):
            Expression(text, field=field)


def receive(
    settings: Settings, secrets: list[str], headers: Mapping[str, str], body: bytes, now_ms: int, max_bytes: int
) -> Delivery:
    """Raises Unauthorized, NotReadable, Invalid, EvaluationFailed."""
    verify = settings.verify
    signatures.verify(verify, secrets, headers, body, now_ms)
    document = as_json(body, headers.get("content-type", ""), max_bytes)
    members = _members_of(document)
    if verify.scheme == "slack" and members.get("type") == "url_verification":
        return Delivery(b"", challenge=str(members.get("challenge", ""))[:500])
    if verify.scheme == "github" and headers.get("x-github-event") == "ping":
        return Delivery(b"", is_ping=True)
    return Delivery(
        _transformed(settings.transform, document, max_bytes),
        signatures.delivery_id(verify, headers, members),
        _kind(settings, headers, document, members),
    )


def as_json(body: bytes, content_type: str, max_bytes: int) -> bytes:
    """Raises NotReadable."""
    if content_type.partition(";")[0].strip().lower() == FORM:
        return _form(body, max_bytes)
    return formats.convert(body, content_type, max_bytes=max_bytes).document


def _form(body: bytes, max_bytes: int) -> bytes:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise NotReadable(f"the form is not UTF-8, or has more than {_MOST_FIELDS:,} fields") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    if "payload" in fields:
        return formats.convert(fields["payload"][-1].encode(), read_as="json", max_bytes=max_bytes).document
    if not fields:
        raise NotReadable("the form is empty")
    return msgspec.json.encode({name: values if len(values) > 1 else values[0] for name, values in fields.items()})


def _members_of(document: bytes) -> Mapping[str, object]:
    try:
        return _members(document)
    except msgspec.DecodeError:  # no object, or one with half of a surrogate pair
        return {}


def _transformed(transform: str, document: bytes, max_bytes: int) -> bytes:
    if not transform:
        return document
    found = expression.transform(transform, document, max_bytes=max_bytes)
    if found == b"null":
        raise Invalid("the transform finds nothing in this body", field="transform")
    return found


def _kind(settings: Settings, headers: Headers, document: bytes, members: Mapping[str, object]) -> str | None:
    if not settings.event_type:
        return signatures.kind(settings.verify, headers, members)
    found = expression.transform(settings.event_type, document)
    if not found.startswith(b'"'):
        raise Invalid("event_type finds no string in this body", field="event_type")
    return msgspec.json.decode(found, type=str)[: signatures.MOST_KIND]
