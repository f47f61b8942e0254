"""A delivery: whose it is, who sent it, and what it becomes."""

import asyncio
import hashlib
from typing import Literal

import msgspec

from delta_server.core import ids, secret_addresses
from delta_server.core.errors import DeltaError, Invalid, NotFound, TooCostly, Unavailable
from delta_server.core.events import native_event
from delta_server.core.formats import formats
from delta_server.core.inbound import deliveries
from delta_server.core.inbound.deliveries import Delivery, Settings
from delta_server.core.inbound.signatures import Headers
from delta_server.core.sealing import Unreadable
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.events import service as events
from delta_server.features.inbound_webhooks import service, store
from delta_server.features.inbound_webhooks.receipts import Receipts
from delta_server.features.inbound_webhooks.schemas import DeliveryReceived
from delta_server.features.inbound_webhooks.store import Webhook
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import APART_BYTES, Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.vault import Vault

SOURCE = "webhook"
READ_S = 20.0
EVENT_TYPE = "webhook"
"""Of events whose sender says none."""
_UNKNOWN = "there is no such webhook, or its token has been replaced: see the endpoint's settings"


class Target(msgspec.Struct, frozen=True):
    webhook: Webhook
    endpoint: EndpointRef


def find(svc: Services, project: str, endpoint: str, token: str) -> Target:
    """Raises NotFound, the same for a wrong token as for a wrong project: what is looked for is the token's hash."""
    return svc.db.peek(_find, secret_addresses.digest(token), project, endpoint)


def confirm(svc: Services, project: str, endpoint: str, token: str) -> None:
    """Raises NotFound where it was replaced or deleted meanwhile."""
    find(svc, project, endpoint, token)


def actor(target: Target) -> str:
    """As the audit log names it."""
    return f"webhook {ids.text(target.endpoint.uid)}"


def _find(tx: Tx, token_hash: bytes, project: str, endpoint: str) -> Target:
    row = store.by_token(tx, token_hash)
    if row is None or not service.settings_of(row).enabled:
        raise NotFound(_UNKNOWN)
    of = projects.by_row(tx, row.project)
    if of is None or not projects.is_named(of, project):
        raise NotFound(_UNKNOWN)
    try:
        found = endpoints.find(tx, row.project, endpoint)
    except NotFound:
        raise NotFound(_UNKNOWN) from None
    if found.id != row.endpoint:
        raise NotFound(_UNKNOWN)
    return Target(row, found)


async def receive(
    svc: Services, target: Target, headers: Headers, body: bytes, *, take_as: Literal["snapshot", "event"]
) -> DeliveryReceived | str:
    """A text is a challenge to send back. Raises Unauthorized, NotReadable, Invalid, what storing raises."""
    receipts = svc.state(Receipts)
    try:
        answer = await _receive(svc, target, headers, body, take_as)
    except DeltaError as error:
        receipts.refuse(target.endpoint.id, error.message, svc.clock.now_ms())
        raise
    receipts.receive(target.endpoint.id, svc.clock.now_ms())
    return answer


async def _receive(
    svc: Services, target: Target, headers: Headers, body: bytes, take_as: Literal["snapshot", "event"]
) -> DeliveryReceived | str:
    now_ms, limit, row = svc.clock.now_ms(), svc.config.limits.document_bytes, target.webhook
    settings, sent = service.settings_of(row), dict(headers)
    if len(body) < APART_BYTES and not formats.may_be_feed(body):
        delivery = await svc.cpu(_read, svc.vault, row, settings, sent, body, now_ms, limit)
    else:  # to read other formats may take long then, a transform too
        secrets = await svc.cpu(_secrets, svc.vault, row, now_ms)
        try:
            async with asyncio.timeout(READ_S):
                delivery = await svc.processes(deliveries.receive, settings, secrets, sent, body, now_ms, limit)
        except TimeoutError:
            raise TooCostly(
                f"the body was not read within {READ_S:g} s: send less, or make transform simpler"
            ) from None
    if delivery.challenge is not None:
        return delivery.challenge
    if delivery.is_ping:
        return DeliveryReceived("nothing")
    if take_as == "event":
        return await _store_event(svc, target, delivery)
    return await _store_snapshot(svc, target, delivery)


def _read(
    vault: Vault, row: Webhook, settings: Settings, headers: Headers, body: bytes, now_ms: int, limit: int
) -> Delivery:
    return deliveries.receive(settings, _secrets(vault, row, now_ms), headers, body, now_ms, limit)


def _secrets(vault: Vault, row: Webhook, now_ms: int) -> list[str]:
    try:
        return service.secrets_of(vault, row, now_ms)
    except Unreadable:
        raise Unavailable("the sender's secret was sealed with another key: set it again") from None


async def _store_snapshot(svc: Services, target: Target, delivery: Delivery) -> DeliveryReceived:
    endpoint = target.endpoint
    new = NewSnapshot(endpoint, delivery.document, svc.clock.now_ms(), SOURCE, checked=True, is_latest=True)
    created = await snapshots.create_snapshots(svc, endpoint.project, [new], _once(endpoint, delivery.id))
    return DeliveryReceived("snapshot", created.ids[0], created.replayed)


def _once(endpoint: EndpointRef, delivery_id: str | None) -> IdempotencyKey:
    """A delivery that is sent again is answered as it was: it counts once within a day."""
    if delivery_id is None:
        return IdempotencyKey.none()
    named = f"inbound webhook {endpoint.id} {delivery_id}".encode()
    return IdempotencyKey(hashlib.blake2b(named, digest_size=16).digest())


class _Event(msgspec.Struct, rename="camel", omit_defaults=True):
    event_type: str
    source: str
    data: msgspec.Raw
    message_id: str | None = None


async def _store_event(svc: Services, target: Target, delivery: Delivery) -> DeliveryReceived:
    is_object = delivery.document.lstrip().startswith(b"{")
    data = delivery.document if is_object else b'{"value":' + delivery.document + b"}"
    event = _Event(delivery.kind or EVENT_TYPE, target.endpoint.name, msgspec.Raw(data), delivery.id)
    body = msgspec.json.encode(event)
    taken = await events.append_events(svc, target.endpoint.project, body, native_event.parse_one, key=actor(target))
    if taken.rejected:
        raise Invalid(taken.rejected[0].message)
    return DeliveryReceived("event", delivery.id, taken.duplicates > 0)
