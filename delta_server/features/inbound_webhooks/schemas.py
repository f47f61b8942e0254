"""Inbound webhooks on the wire."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.expressions.expression import MAX_CHARS
from delta_server.core.inbound.deliveries import Settings
from delta_server.core.inbound.signatures import MOST_SECRET, Scheme, Verification
from delta_server.core.json_schema import documented
from delta_server.core.secret_addresses import DEFAULT_OVERLAP
from delta_server.features.inbound_webhooks import store

Text = Annotated[str, documented(maxLength=MAX_CHARS)]


class SetVerification(Verification, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`secret` is the sender's. Absent it stays; where it changes, the one before is taken for another day."""

    secret: Annotated[str, documented(maxLength=MOST_SECRET)] | None = None


class SetInboundWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings: what is absent is its default, but for the secret."""

    verify: SetVerification = SetVerification()
    transform: Text = ""
    event_type: Text = ""
    enabled: bool = True


class TokenRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap` is for how long the token before is taken, `0m` for not at all, 30d at most."""

    overlap: Annotated[str, documented(maxLength=20)] = DEFAULT_OVERLAP


class VerificationShown(msgspec.Struct, frozen=True):
    scheme: Scheme
    header: str
    algorithm: str
    encoding: str
    prefix: str
    id_header: str
    has_secret: bool


class InboundWebhook(msgspec.Struct, frozen=True):
    """Counts are since the server started."""

    endpoint_id: str
    endpoint: str
    enabled: bool
    verify: VerificationShown
    transform: str
    event_type: str
    old_token_until: str | None
    created_at: str
    updated_at: str
    received: int
    refused: int
    last_received_at: str | None
    last_refused_at: str | None
    last_refusal: str | None


class InboundWebhookAnswer(msgspec.Struct, frozen=True):
    """`token` and `url` only where the token is new: nobody can read it again."""

    webhook: InboundWebhook
    token: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class DeliveryReceived(msgspec.Struct, frozen=True):
    """What became of a delivery. `id` is the snapshot's, or the event's message id where the sender gave one."""

    stored: Literal["snapshot", "event", "nothing"]
    id: str | None = None
    duplicate: bool = False


def shown_verification(settings: Settings, *, has_secret: bool) -> VerificationShown:
    verify = settings.verify
    return VerificationShown(
        scheme=verify.scheme,
        header=verify.header,
        algorithm=verify.algorithm,
        encoding=verify.encoding,
        prefix=verify.prefix,
        id_header=verify.id_header,
        has_secret=has_secret,
    )


def old_token_until(row: store.Webhook, now_ms: int) -> str | None:
    return times.format(row.old_until) if row.old_until is not None and row.old_until > now_ms else None


EXAMPLE_SET = {"verify": {"scheme": "github", "secret": "a-long-random-secret"}, "transform": "repository"}
EXAMPLE = {
    "endpoint_id": "01890a5d-ac96-774b-bcce-b302099a8060",
    "endpoint": "repo",
    "enabled": True,
    "verify": {
        "scheme": "github",
        "header": "",
        "algorithm": "sha256",
        "encoding": "hex",
        "prefix": "",
        "id_header": "",
        "has_secret": True,
    },
    "transform": "repository",
    "event_type": "",
    "old_token_until": None,
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
    "received": 0,
    "refused": 0,
    "last_received_at": None,
    "last_refused_at": None,
    "last_refusal": None,
}
EXAMPLE_NEW = {
    "webhook": EXAMPLE,
    "token": "dk_hook_3f9a1c...",
    "url": "https://delta.example.com/v1/webhooks/01890a5d-ac96-774b-bcce-b302099a8057/01890a5d-.../dk_hook_3f9a1c...",
}

FIELDS = {
    "VerificationShown.scheme": "Whose way of signing",
    "VerificationShown.header": "Of `hmac`: the header with the signature",
    "VerificationShown.algorithm": "Of `hmac`: the hash",
    "VerificationShown.encoding": "Of `hmac`: how the signature is written",
    "VerificationShown.prefix": "Of `hmac`: what stands before the signature, such as `sha256=`",
    "VerificationShown.id_header": "The header that tells deliveries apart; empty for the scheme's own",
    "VerificationShown.has_secret": "Whether the sender's secret is kept; it is never shown",
    "InboundWebhook.endpoint_id": "The endpoint whose snapshots the deliveries become",
    "InboundWebhook.endpoint": "Its name",
    "InboundWebhook.enabled": "Whether deliveries are taken; all are answered 404 where not",
    "InboundWebhook.verify": "How deliveries prove who sent them",
    "InboundWebhook.transform": "JMESPath: what of the body is stored; empty for the whole body",
    "InboundWebhook.event_type": "JMESPath: the type of an event in the body; empty for what the sender's scheme says",
    "InboundWebhook.old_token_until": "Until when the token before is taken; null where there is none",
    "InboundWebhook.received": "Deliveries that were taken since the server started",
    "InboundWebhook.refused": "Deliveries that were refused since then, with the right token",
    "InboundWebhook.last_received_at": "When the last one was taken; null for none since the start",
    "InboundWebhook.last_refused_at": "When the last one was refused; null for none since the start",
    "InboundWebhook.last_refusal": "Why it was refused",
    "InboundWebhookAnswer.webhook": "The inbound webhook",
    "InboundWebhookAnswer.token": "The new token, shown this once",
    "InboundWebhookAnswer.url": "Where the sender is to POST; only the path where the server does not know its address"
    " (server.public_url)",
    "DeliveryReceived.stored": "What the delivery became: a snapshot, an event, or nothing (a ping of the sender)",
    "DeliveryReceived.id": "The snapshot's id, or the event's message id",
    "DeliveryReceived.duplicate": "Whether it had been delivered before: it counts once",
}
"""What the API's description says of the fields of answers."""
