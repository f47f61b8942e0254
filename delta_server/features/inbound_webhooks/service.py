"""Inbound webhooks: their settings, the token that takes deliveries, the sender's secrets."""

import os
from typing import Any

import msgspec

from delta_server.core import ids, secret_addresses, times
from delta_server.core.errors import NotFound
from delta_server.core.inbound import deliveries, signatures
from delta_server.core.inbound.deliveries import Settings
from delta_server.core.inbound.signatures import Verification
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.inbound_webhooks import schemas, store
from delta_server.features.inbound_webhooks.receipts import Receipts
from delta_server.features.inbound_webhooks.schemas import InboundWebhook, InboundWebhookAnswer, SetInboundWebhook
from delta_server.features.inbound_webhooks.store import Webhook
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.vault import Vault

SECRET_OVERLAP_MS = times.DAY_MS
_NONE = "the endpoint has no inbound webhook: PUT /v1/endpoints/{endpoint}/inbound-webhook makes one"

_decode_settings = msgspec.json.Decoder(Settings).decode


class Secrets(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of the sender: `before` is taken until `until` (ms)."""

    now: str
    before: str | None = None
    until: int = 0

    def valid(self, now_ms: int) -> list[str]:
        return [self.now, *([self.before] if self.before is not None and self.until > now_ms else [])]


_decode_secrets = msgspec.json.Decoder(Secrets).decode


def settings_of(row: Webhook) -> Settings:
    return _decode_settings(row.settings)


def secrets_of(vault: Vault, row: Webhook, now_ms: int) -> list[str]:
    """Raises sealing.Unreadable, Unavailable."""
    if row.secrets is None:
        return []
    return _decode_secrets(vault.unseal(row.secrets, bound_to=_bound(row.endpoint))).valid(now_ms)


async def set_webhook(svc: Services, project: int, text: str, wanted: SetInboundWebhook) -> InboundWebhookAnswer:
    """Raises NotFound, Invalid."""
    token = _new_token()
    row, endpoint, is_new = await svc.db.write(_set, project, text, wanted, svc.vault, secret_addresses.digest(token))
    return _answer(svc, endpoint, row, token if is_new else None)


def get_webhook(svc: Services, project: int, text: str) -> InboundWebhookAnswer:
    """Raises NotFound."""
    endpoint = endpoints.resolve(svc, project, text)
    row = svc.db.peek(store.of_endpoint, endpoint.id)
    if row is None:
        raise NotFound(_NONE)
    return _answer(svc, endpoint, row, None)


async def list_webhooks(
    svc: Services, project: int, *, below: int, limit: int
) -> list[tuple[int, InboundWebhook | None]]:
    """With their endpoints' rows, the newest endpoint first; None for those whose endpoint lies in the bin."""
    found = await svc.db.read(_page, project, below, limit)
    return [(row.endpoint, None if endpoint is None else _shown(svc, endpoint, row)) for row, endpoint in found]


async def rotate(svc: Services, project: int, text: str, overlap: str) -> InboundWebhookAnswer:
    """A new token; the one before is taken for as long as `overlap`. Raises NotFound, Invalid."""
    overlap_ms = secret_addresses.overlap_ms(overlap)
    token = _new_token()
    row, endpoint = await svc.db.write(_rotate, project, text, secret_addresses.digest(token), overlap_ms)
    return _answer(svc, endpoint, row, token)


async def delete_webhook(svc: Services, project: int, text: str) -> None:
    """From now on its token is unknown. Raises NotFound."""
    endpoint = await svc.db.write(_delete, project, text)
    svc.state(Receipts).forget(endpoint)


def _page(tx: Tx, project: int, below: int, limit: int) -> list[tuple[Webhook, EndpointRef | None]]:
    rows = store.page(tx, project, below=below, limit=limit)
    return [(row, endpoints.by_row(tx, project, row.endpoint)) for row in rows]


def _set(
    tx: Tx, project: int, text: str, wanted: SetInboundWebhook, vault: Vault, token_hash: bytes
) -> tuple[Webhook, EndpointRef, bool]:
    accounts.check_project(tx, project)
    endpoint = endpoints.find(tx, project, text)
    before = store.of_endpoint(tx, endpoint.id)
    settings = Settings(_plain(wanted.verify), wanted.transform, wanted.event_type, wanted.enabled)
    secrets = _sealed(tx, before, endpoint, wanted, vault)
    deliveries.check(settings, has_secret=secrets is not None)
    written = msgspec.json.encode(settings).decode()
    if before is None:
        store.insert(tx, project, endpoint.id, token_hash=token_hash, settings=written, secrets=secrets)
    else:
        store.update(tx, endpoint.id, settings=written, secrets=secrets)
    action: audit.Action = "inbound_webhook.create" if before is None else "inbound_webhook.update"
    _record(tx, endpoint, action, scheme=settings.verify.scheme)
    row = store.of_endpoint(tx, endpoint.id)
    assert row is not None
    return row, endpoint, before is None


def _plain(verify: schemas.SetVerification) -> Verification:
    """Without the secret."""
    return Verification(**{name: getattr(verify, name) for name in Verification.__struct_fields__})


def _sealed(
    tx: Tx, before: Webhook | None, endpoint: EndpointRef, wanted: SetInboundWebhook, vault: Vault
) -> bytes | None:
    """A new secret with the one before, what was kept, or none where the scheme needs none."""
    scheme, secret = wanted.verify.scheme, wanted.verify.secret
    kept = None if before is None else before.secrets
    if scheme == "none":
        return None
    is_same_scheme = before is not None and settings_of(before).verify.scheme == scheme
    if secret is None:
        return kept if is_same_scheme else None
    signatures.check_secret(scheme, secret, field="verify.secret")
    old = None
    if kept is not None and is_same_scheme:
        old = _decode_secrets(vault.unseal(kept, bound_to=_bound(endpoint.id))).now
    secrets = Secrets(secret) if old in (None, secret) else Secrets(secret, old, tx.now_ms + SECRET_OVERLAP_MS)
    return vault.seal(msgspec.json.encode(secrets), bound_to=_bound(endpoint.id))


def _rotate(tx: Tx, project: int, text: str, token_hash: bytes, overlap_ms: int) -> tuple[Webhook, EndpointRef]:
    accounts.check_project(tx, project)
    endpoint = endpoints.find(tx, project, text)
    if not store.rotate(tx, endpoint.id, token_hash=token_hash, old_until=tx.now_ms + overlap_ms):
        raise NotFound(_NONE)
    _record(tx, endpoint, "inbound_webhook.rotate", overlap_ms=overlap_ms)
    row = store.of_endpoint(tx, endpoint.id)
    assert row is not None
    return row, endpoint


@frees_space
def _delete(tx: Tx, project: int, text: str) -> int:
    endpoint = endpoints.find(tx, project, text)
    if not store.delete(tx, endpoint.id):
        raise NotFound(_NONE)
    _record(tx, endpoint, "inbound_webhook.delete")
    return endpoint.id


def _record(tx: Tx, endpoint: EndpointRef, action: audit.Action, **detail: Any) -> None:
    target = f"endpoint {ids.text(endpoint.uid)}"
    audit.record_in(tx, endpoint.project, action, target=target, name=endpoint.name, detail=detail or None)


def _bound(endpoint: int) -> str:
    return f"inbound webhook of endpoint {endpoint}"


def _new_token() -> str:
    return secret_addresses.token("hook", os.urandom(secret_addresses.RANDOM_BYTES))


def _answer(svc: Services, endpoint: EndpointRef, row: Webhook, token: str | None) -> InboundWebhookAnswer:
    webhook = _shown(svc, endpoint, row)
    if token is None:
        return InboundWebhookAnswer(webhook)
    project = svc.db.peek(projects.by_row, endpoint.project)
    if project is None:
        raise NotFound("the project has been deleted")
    path = f"/v1/webhooks/{ids.text(project.uid)}/{webhook.endpoint_id}/{token}"
    return InboundWebhookAnswer(webhook, token, svc.config.server.public_url.rstrip("/") + path)


def _shown(svc: Services, endpoint: EndpointRef, row: Webhook) -> InboundWebhook:
    settings, receipt = settings_of(row), svc.state(Receipts).of(endpoint.id)
    return InboundWebhook(
        endpoint_id=ids.text(endpoint.uid),
        endpoint=endpoint.name,
        enabled=settings.enabled,
        verify=schemas.shown_verification(settings, has_secret=row.secrets is not None),
        transform=settings.transform,
        event_type=settings.event_type,
        old_token_until=schemas.old_token_until(row, svc.clock.now_ms()),
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
        received=receipt.received,
        refused=receipt.refused,
        last_received_at=_time(receipt.received_at),
        last_refused_at=_time(receipt.refused_at),
        last_refusal=receipt.refusal,
    )


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else times.format(time_ms)
