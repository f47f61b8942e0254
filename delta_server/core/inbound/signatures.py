"""Who sent an inbound webhook: signatures over the raw bytes, as the senders' documents have them.

    standard   webhook-id, webhook-timestamp, webhook-signature (Standard Webhooks 1.0; svix-* too); secret whsec_BASE64
    github     X-Hub-Signature-256: sha256=HEX of the body
    stripe     Stripe-Signature: t=SECONDS,v1=HEX of "t.body"; the secret is the whole text whsec_...
    slack      X-Slack-Signature: v0=HEX of "v0:timestamp:body", X-Slack-Request-Timestamp
    shopify    X-Shopify-Hmac-Sha256: BASE64 of the body
    hmac       a header of one's own, PREFIX and HEX or BASE64 of the body

What is signed with its time is refused when that is further from now than TOLERANCE_S. Which delivery it is, headers or
the body say: it is taken once (see `delivery_id`).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from delta_server.core.errors import Invalid, Unauthorized

Scheme = Literal["none", "standard", "github", "stripe", "slack", "shopify", "hmac"]
Headers = Mapping[str, str]
"""By their names in small letters."""

TOLERANCE_S = 300
MOST_SECRET = 500
_MOST_SIGNATURES = 10
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_PREFIX = "whsec_"

HeaderName = Annotated[str, Meta(max_length=100)]


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How deliveries prove who sent them. `header`, `algorithm`, `encoding` and `prefix` are of `hmac` alone;
    `id_header` names the header that tells deliveries apart, where the sender has another than its scheme's."""

    scheme: Scheme = "none"
    header: HeaderName = ""
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Meta(max_length=100)] = ""
    id_header: HeaderName = ""


def check(verification: Verification, *, has_secret: bool, field: str) -> None:
    """Raises Invalid."""
    if verification.scheme == "hmac" and not verification.header:
        raise Invalid(f"{field}.header must name the header that has the signature", field=f"{field}.header")
    for name in ("header", "id_header"):
        given = getattr(verification, name)
        if given and not _HEADER.fullmatch(given):
            raise Invalid(f"{field}.{name} is not the name of a header", field=f"{field}.{name}")
    if verification.scheme != "none" and not has_secret:
        raise Invalid(f"{field}.secret is missing: the sender shows or takes it", field=f"{field}.secret")


def check_secret(scheme: Scheme, secret: str, *, field: str) -> None:
    """Raises Invalid."""
    if not 1 <= len(secret) <= MOST_SECRET:
        raise Invalid(f"{field} must have 1 to {MOST_SECRET} characters", field=field)
    if scheme == "standard" and not _standard_key(secret):
        raise Invalid(f"{field} must be {_PREFIX} and base64, as the sender shows it", field=field)


def verify(verification: Verification, secrets: Sequence[str], headers: Headers, body: bytes, now_ms: int) -> None:
    """Raises Unauthorized unless one of `secrets` signed the body, and lately where that is signed too."""
    if verification.scheme == "none":
        return
    signed, sent = _read(verification, headers, body)
    for given in sent:
        for secret in secrets:
            if hmac.compare_digest(_mac(verification, secret, signed.content), given):
                _check_time(signed.time, now_ms)
                return
    raise Unauthorized(f"the signature is not that of the body ({verification.scheme}): compare the secrets")


class _Signed(msgspec.Struct, frozen=True):
    """What was signed, and when the sender says it was."""

    content: bytes
    time: str | None = None


def _read(verification: Verification, headers: Headers, body: bytes) -> tuple[_Signed, list[bytes]]:
    match verification.scheme:
        case "standard":
            return _standard(headers, body)
        case "stripe":
            return _stripe(headers, body)
        case "slack":
            time, sent = _wanted(headers, "x-slack-request-timestamp"), _wanted(headers, "x-slack-signature")
            return _Signed(b"v0:%s:%s" % (time.encode(), body), time), _hex([sent], "v0=")
        case "github":
            return _Signed(body), _hex([_wanted(headers, "x-hub-signature-256")], "sha256=")
        case "shopify":
            return _Signed(body), _base64([_wanted(headers, "x-shopify-hmac-sha256", "shopify-hmac-sha256")], "")
        case _:
            sent = _wanted(headers, verification.header.lower())
            decode = _hex if verification.encoding == "hex" else _base64
            return _Signed(body), decode([sent], verification.prefix)


def _standard(headers: Headers, body: bytes) -> tuple[_Signed, list[bytes]]:
    id = _wanted(headers, "webhook-id", "svix-id")
    time = _wanted(headers, "webhook-timestamp", "svix-timestamp")
    sent = _wanted(headers, "webhook-signature", "svix-signature")
    return _Signed(b"%s.%s.%s" % (id.encode(), time.encode(), body), time), _base64(sent.split(), "v1,")


def _stripe(headers: Headers, body: bytes) -> tuple[_Signed, list[bytes]]:
    pairs = [part.strip().partition("=") for part in _wanted(headers, "stripe-signature").split(",")]
    time = next((value for name, _, value in pairs if name == "t"), "")
    sent = [value for name, _, value in pairs if name == "v1"]
    return _Signed(b"%s.%s" % (time.encode(), body), time), _hex(sent, "")


def _mac(verification: Verification, secret: str, content: bytes) -> bytes:
    standard = verification.scheme == "standard"
    key = _standard_key(secret) if standard else secret.encode(errors="surrogatepass")
    return hmac.digest(key, content, verification.algorithm if verification.scheme == "hmac" else "sha256")


def _standard_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _wanted(headers: Headers, *names: str) -> str:
    found = next((headers[name] for name in names if name in headers), "").strip()
    if not found or not found.isascii():
        raise Unauthorized(f"the request has no header {names[0]}, which has the signature or a part of it")
    return found


def _hex(sent: Iterable[str], prefix: str) -> list[bytes]:
    return list(_decoded(sent, prefix, bytes.fromhex))


def _base64(sent: Iterable[str], prefix: str) -> list[bytes]:
    return list(_decoded(sent, prefix, lambda text: base64.b64decode(text, validate=True)))


def _decoded(sent: Iterable[str], prefix: str, decode: Callable[[str], bytes]) -> Iterator[bytes]:
    """Those that can be read; others are of other schemes."""
    for text in list(sent)[:_MOST_SIGNATURES]:
        if text.startswith(prefix):
            try:
                yield decode(text[len(prefix) :])
            except (ValueError, binascii.Error):
                continue


def _check_time(time: str | None, now_ms: int) -> None:
    if time is None:
        return
    if not _SECONDS.fullmatch(time) or abs(int(time) * 1000 - now_ms) > TOLERANCE_S * 1000:
        raise Unauthorized(
            f"the delivery was signed more than {TOLERANCE_S // 60} minutes from now: it was sent before, or a clock is"
            " wrong"
        )


_IDS: Mapping[Scheme, tuple[str, ...]] = {
    "standard": ("webhook-id", "svix-id"),
    "github": ("x-github-delivery",),
    "shopify": ("x-shopify-webhook-id", "shopify-webhook-id"),
}
_IN_BODY: Mapping[Scheme, str] = {"stripe": "id", "slack": "event_id"}
_KINDS: Mapping[Scheme, tuple[str, ...]] = {
    "github": ("x-github-event",),
    "shopify": ("x-shopify-topic", "shopify-topic"),
}
_MOST_ID = MOST_KIND = 200


def delivery_id(verification: Verification, headers: Headers, members: Mapping[str, object]) -> str | None:
    """What the sender calls this delivery, a repeated one too; None where it says nothing. `members` are the body's."""
    names = (verification.id_header.lower(),) if verification.id_header else _IDS.get(verification.scheme, ())
    found: object = next((headers[name] for name in names if headers.get(name)), None)
    if found is None and not verification.id_header:
        found = members.get(_IN_BODY.get(verification.scheme, ""))
    return found if isinstance(found, str) and 0 < len(found) <= _MOST_ID and found.isprintable() else None


def kind(verification: Verification, headers: Headers, members: Mapping[str, object]) -> str | None:
    """What the sender calls what happened: `push`, `invoice.paid`, `orders/create`."""
    names = _KINDS.get(verification.scheme, ())
    if found := next((headers[name] for name in names if headers.get(name)), None):
        return found[:_MOST_ID]
    inner = members.get("event")
    of = inner if verification.scheme == "slack" and isinstance(inner, dict) else members
    found_in = of.get("type")
    return found_in[:_MOST_ID] if isinstance(found_in, str) and found_in else None
