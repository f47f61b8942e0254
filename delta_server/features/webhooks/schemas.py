"""Webhooks on the wire."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.core.json_schema import documented
from delta_server.core.names import Name
from delta_server.core.webhooks import kinds, schedule, templates
from delta_server.core.webhooks.filters import Filter
from delta_server.core.webhooks.formats import Format
from delta_server.core.webhooks.settings import TIMEOUT_S, length_text
from delta_server.features.webhooks import store

State: TypeAlias = Literal["on", "failing", "off"]
Url: TypeAlias = Annotated[str, documented(maxLength=4000, format="uri")]
Length: TypeAlias = Annotated[str, documented(maxLength=20)]
Patterns: TypeAlias = Annotated[list[str], documented(minItems=1, maxItems=kinds.MOST_PATTERNS)]
Headers: TypeAlias = dict[str, str]
To: TypeAlias = Annotated[str, documented(maxLength=300)]
Template: TypeAlias = Annotated[str, documented(maxLength=templates.MAX_CHARS)]
Delays: TypeAlias = Annotated[list[Length], documented(maxItems=schedule.MOST_RETRIES)]


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`events` are types, or wildcards as `delta.*` and `*`. Without a `secret` one is made; without a
    `retry_schedule` it is the usual one, over three days. `to` is the chat id of telegram, the room of matrix, the
    address of email, which alone has no `url`; `template` the body of the format template."""

    name: Name
    events: Patterns
    url: Url = ""
    filter: Filter = Filter()
    format: Format = "delta"
    to: To | None = None
    template: Template | None = None
    headers: Headers = {}
    secret: Annotated[str, documented(maxLength=100)] | None = None
    retry_schedule: Delays | None = None
    timeout: Length = length_text(TIMEOUT_S)
    enabled: bool = True


class WebhookChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays. `headers` and `filter` are replaced as a whole; null is the default again."""

    name: Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    events: Patterns | UnsetType = UNSET
    filter: Filter | UnsetType | None = UNSET
    format: Format | UnsetType = UNSET
    to: To | UnsetType | None = UNSET
    template: Template | UnsetType | None = UNSET
    headers: Headers | UnsetType | None = UNSET
    retry_schedule: Delays | UnsetType | None = UNSET
    timeout: Length | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class SecretRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap` is how long the old one signs too; without a `secret` one is made."""

    secret: Annotated[str, documented(maxLength=100)] | None = None
    overlap: Length = "24h"


class NewTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`type` is what the message claims to be."""

    type: Annotated[str, documented(enum=[*kinds.KINDS, kinds.TEST])] = kinds.TEST


class Settings(msgspec.Struct, frozen=True):
    """What the database keeps readable."""

    name: str
    place: str
    events: list[str]
    filter: Filter
    format: Format
    headers: list[str]
    """Their names."""
    retries_s: tuple[int, ...]
    timeout_s: float
    to: str | None = None
    template: str | None = None


class Webhook(msgspec.Struct, frozen=True):
    id: str
    name: str
    url: str
    host: str
    events: list[str]
    filter: Filter
    format: Format
    to: str | None
    template: str | None
    headers: dict[str, str]
    retry_schedule: list[str]
    timeout: str
    enabled: bool
    state: State
    disabled_reason: str | None
    failing_since: str | None
    created_at: str
    updated_at: str
    next_try: str | UnsetType | None = UNSET
    waiting: int | UnsetType = UNSET
    share: float | UnsetType | None = UNSET
    spark: list[tuple[int, int]] | UnsetType = UNSET


class Health(msgspec.Struct, frozen=True):
    """How it goes: `spark` has (arrived, failed attempts) of each four hours."""

    waiting: int
    next_try: int | None
    spark: list[tuple[int, int]]


class WebhookAnswer(msgspec.Struct, frozen=True):
    webhook: Webhook


class WebhookCreated(msgspec.Struct, frozen=True):
    """`secret` is shown here and never again; null in a repeated answer."""

    webhook: Webhook
    secret: str | None


class RotatedSecret(msgspec.Struct, frozen=True):
    webhook: Webhook
    secret: str | None
    old_expires_at: str


def settings_of(row: store.Webhook) -> Settings:
    return msgspec.json.decode(row.settings, type=Settings)


def _host(settings: Settings) -> str:
    service, _, rest = settings.place.partition("://")
    return service if settings.format == "apprise" else rest.partition("/")[0]


def webhook(row: store.Webhook) -> Webhook:
    settings = settings_of(row)
    failing = None if row.failing_since is None else times.format(row.failing_since)
    return Webhook(
        id=ids.text(row.uid),
        name=settings.name,
        url=settings.place,
        host=_host(settings),
        events=settings.events,
        filter=settings.filter,
        format=settings.format,
        to=settings.to,
        template=settings.template,
        headers=dict.fromkeys(settings.headers, "***"),
        retry_schedule=[length_text(delay_s) for delay_s in settings.retries_s],
        timeout=length_text(settings.timeout_s),
        enabled=row.off_because is None,
        state="off" if row.off_because is not None else "on" if failing is None else "failing",
        disabled_reason=row.off_because,
        failing_since=failing,
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


def with_health(shown: Webhook, health: Health) -> Webhook:
    """As lists with `include=summary` have it."""
    arrived, failed = (sum(counts) for counts in zip(*health.spark, strict=True))
    return msgspec.structs.replace(
        shown,
        next_try=None if health.next_try is None else times.format(health.next_try),
        waiting=health.waiting,
        share=arrived / (arrived + failed) if arrived + failed else None,
        spark=health.spark,
    )


EXAMPLE_NEW: dict[str, Any] = {
    "name": "warehouse",
    "url": "https://ingest.example.net/delta",
    "events": ["delta.created", "endpoint.*"],
    "filter": {"endpoints": ["GET /prices"], "field": "/items/*/price"},
}
EXAMPLE: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    **EXAMPLE_NEW,
    "host": "ingest.example.net",
    "format": "delta",
    "to": None,
    "template": None,
    "headers": {},
    "retry_schedule": ["5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"],
    "timeout": "15s",
    "enabled": True,
    "state": "on",
    "disabled_reason": None,
    "failing_since": None,
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
}
SHOWN_ONCE = "whsec_..."

FIELDS = {
    "Webhook.id": "Id of the webhook",
    "Webhook.url": "Where it sends to, up to the first step of the path: the rest of an address may be a secret",
    "Webhook.host": "Host and port of it; with the format apprise the name of the service",
    "Webhook.events": "Types that it is sent: `delta.*` is all of a family, `*` all but those sent to who names them",
    "Webhook.filter": "Which of them",
    "Webhook.format": "In whose words",
    "Webhook.to": "The chat, room or mail address that it goes to, with the formats that have one",
    "Webhook.template": "The body, with the format template",
    "Webhook.headers": "Names of headers that are sent along; values are never shown",
    "Webhook.retry_schedule": "How long to wait after each failure, 20 % more or less",
    "Webhook.timeout": "How long an attempt may take",
    "Webhook.enabled": "Whether anything is sent",
    "Webhook.state": "`on`, `failing` since the last delivery that arrived, or `off`",
    "Webhook.disabled_reason": "Why it is off: `request` of a caller, `gone` (the receiver answered 410), `failing` for"
    " five days, or `rights`: who answers for it may not have it any more",
    "Webhook.failing_since": "No delivery has arrived since; null while they do",
    "Webhook.next_try": "When it is tried next; null where nothing waits",
    "Webhook.waiting": "How many deliveries have not arrived yet, 10,000 at most",
    "Webhook.share": "Of the attempts in `spark` that share arrived; null without any",
    "Webhook.spark": "Of each four hours, the last ones last, how many deliveries arrived and how many attempts failed",
    "WebhookAnswer.webhook": "The webhook",
    "WebhookCreated.webhook": "The webhook",
    "WebhookCreated.secret": "Verifies what it sends; shown this once, and null in a repeated answer",
    "RotatedSecret.webhook": "The webhook",
    "RotatedSecret.secret": "The new secret; shown this once, and null in a repeated answer",
    "RotatedSecret.old_expires_at": "Until when the old secret signs too",
    "Filter.endpoints": "Ids or names of endpoints; `*` at the end of a name stands for any end",
    "Filter.field": "A path or field pattern that must have changed; chooses among deltas",
    "Filter.min_changes": "The fewest edits; chooses among deltas",
    "Filter.condition": "JMESPath over the message that must be true, such as ``data.delta.added > `0` ``",
    "Filter.similarity_below": "The documents' similarity must be below; chooses among deltas",
}
