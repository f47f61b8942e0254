"""Webhooks of a project: making, changing and turning them off. What is sent to them is in fanout.py and sending.py."""

import os
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, names, secret_addresses, times
from delta_server.core.caller import Caller
from delta_server.core.destinations import origin_of
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.core.webhooks import filters, formats, kinds, masking, settings, signing
from delta_server.core.webhooks.filters import Filter
from delta_server.core.webhooks.formats import Destination, Format
from delta_server.core.webhooks.schedule import RETRIES_S
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.usage import service as usage
from delta_server.features.webhooks import notifying, rights, schemas, store, subscriptions, targets
from delta_server.features.webhooks.schemas import (
    NewWebhook,
    RotatedSecret,
    SecretRotation,
    Settings,
    WebhookChange,
    WebhookCreated,
)
from delta_server.features.webhooks.store import Webhook
from delta_server.features.webhooks.targets import Secret, Target
from delta_server.services import Services
from delta_server.storage import jobs, outbox
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse
from delta_server.storage.vault import Vault

T = TypeVar("T")
V = TypeVar("V")

MOST_OF_PROJECT = 100
BY_REQUEST = "request"
TURNED_OFF_JOB = "webhook off mail"


class TurnedOff(msgspec.Struct, frozen=True):
    """Which row, and why."""

    webhook: int
    because: str


async def create_webhook(
    svc: Services, caller: Caller, project: int, new: NewWebhook, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises Invalid, QuotaExceeded, Conflict where the project has MOST_OF_PROJECT."""
    if new.format == "apprise":
        await notifying.check(svc, new.url)
    checked = _settings(svc, new)
    secret = new.secret and signing.check_secret(new.secret)
    secret = secret or signing.secret_text(os.urandom(signing.SECRET_BYTES))
    target = Target(new.url, settings.check_headers(new.headers), (Secret(secret),))
    _check_format(checked, target)
    vault = await targets.prepare(svc)

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        accounts.check_project(tx, project)
        rights.check_recipient(tx, checked)
        if len(store.of_project(tx, project)) >= MOST_OF_PROJECT:
            raise Conflict(f"the project has {MOST_OF_PROJECT} webhooks, which are as many as it may: delete one")
        usage.allowance(tx, svc.config.plans, project).take(usage.ONE_WEBHOOK)
        user, key = rights.owner_of(caller)
        uid = tx.new_id()
        store.insert(
            tx,
            project,
            uid,
            account=caller.account,
            settings=_text(checked),
            target=targets.seal(vault, uid, target),
            user=user,
            key=key,
            off_because=None if new.enabled else BY_REQUEST,
        )
        subscriptions.begin(tx)
        made = _found(tx, project, uid)
        _record(tx, made, "webhook.create", {"host": schemas.webhook(made).host, "events": checked.events})
        shown = WebhookCreated(schemas.webhook(made), None)
        return _answer(idempotency_key.record(tx, 201, msgspec.json.encode(shown)), shown, secret)

    async with usage.reporting_exceeded(svc, project):
        answer = await svc.db.write(write)
    subscriptions.changed(svc)
    return answer


async def list_webhooks(svc: Services, project: int) -> list[Webhook]:
    return await svc.db.read(store.of_project, project)


def get_webhook(svc: Services, project: int, text: str) -> Webhook:
    """Raises NotFound."""
    return svc.db.peek(find, project, text)


def find(tx: Tx, project: int, text: str) -> Webhook:
    """As `get_webhook`, within a transaction."""
    return _found(tx, project, ids.parse(text, "webhook"))


def ids_of(tx: Tx, project: int, texts: Sequence[str], *, field: str) -> tuple[str, ...]:
    """Of webhooks by id or name, each once. Raises Invalid for one that is not there, or whose name several have."""
    if not texts:
        return ()
    found = [(ids.text(row.uid), schemas.settings_of(row).name) for row in store.of_project(tx, project)]
    chosen: list[str] = []
    for at, text in enumerate(texts):
        meant = [uid for uid, name in found if text in (uid, name)]
        if len(meant) != 1:
            said = "several webhooks have the name: say which by its id" if meant else "there is no such webhook"
            raise Invalid(f"{said}; GET /v1/webhooks lists them", field=f"{field}[{at}]")
        chosen += meant
    return tuple(dict.fromkeys(chosen))


async def update_webhook(svc: Services, caller: Caller, project: int, text: str, change: WebhookChange) -> Webhook:
    """Whoever changes it answers for it from now on. Raises NotFound, Invalid, Unavailable where its target cannot be
    read and is not set anew."""
    vault = await targets.prepare(svc)
    await _check_apprise(svc, vault, project, text, change)

    def write(tx: Tx) -> Webhook:
        before = find(tx, project, text)
        checked, target = _changed(svc, before, targets.unseal(vault, before.uid, before.target), change)
        rights.check_recipient(tx, checked)
        user, key = rights.owner_of(caller)
        is_on = before.off_because is None if change.enabled is UNSET else change.enabled
        begins = is_on and before.off_because is not None
        store.update(
            tx,
            before.id,
            settings=_text(checked),
            target=targets.seal(vault, before.uid, target),
            user=user,
            key=key,
            off_because=None if is_on else before.off_because or BY_REQUEST,
            failing_since=None if begins else before.failing_since,
        )
        if begins:  # what happened while it was off is not kept for it
            store.move_event_seq(tx, before.id, store.event_seq(tx, before.id), None)
        after = _found(tx, project, before.uid)
        changed = [name for name in change.__struct_fields__ if getattr(change, name) is not UNSET]
        _record(tx, after, "webhook.update", {"changed": changed})
        return after

    after = await svc.db.write(write)
    subscriptions.changed(svc)
    return after


async def delete_webhook(svc: Services, project: int, text: str) -> None:
    """What waits for it is not sent any more. Raises NotFound."""

    def write(tx: Tx) -> None:
        found = find(tx, project, text)
        store.delete(tx, found.id)
        _record(tx, found, "webhook.delete", {})
        if not store.any_webhook(tx):
            subscriptions.end(tx)

    await svc.db.write(write)
    subscriptions.changed(svc)


async def rotate_secret(
    svc: Services, project: int, text: str, rotation: SecretRotation, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """The old secret signs beside the new one until the overlap ends. Raises NotFound, Invalid, Unavailable."""
    overlap_ms = secret_addresses.overlap_ms(rotation.overlap)
    secret = rotation.secret and signing.check_secret(rotation.secret)
    secret = secret or signing.secret_text(os.urandom(signing.SECRET_BYTES))
    vault = await targets.prepare(svc)

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        found = find(tx, project, text)
        target = targets.unseal(vault, found.uid, found.target)
        if target is None:
            raise targets.unreadable()
        until_ms = tx.now_ms + overlap_ms
        old = Secret(target.secrets[0].text, until_ms)  # of two rotations in one overlap only the last old one stays
        rotated = msgspec.structs.replace(target, secrets=(Secret(secret), old))
        store.set_target(tx, found.id, targets.seal(vault, found.uid, rotated))
        _record(tx, found, "webhook.rotate_secret", {"old_expires_at": times.format(until_ms)})
        shown = RotatedSecret(schemas.webhook(_found(tx, project, found.uid)), None, times.format(until_ms))
        return _answer(idempotency_key.record(tx, 201, msgspec.json.encode(shown)), shown, secret)

    answer = await svc.db.write(write)
    subscriptions.changed(svc)
    return answer


def turn_off(tx: Tx, webhook: Webhook, because: str) -> None:
    """By the server itself, and said so to who hears of it; `jobs` are to be woken, who mails it."""
    if store.turn_off(tx, webhook.id, because):
        arguments = msgspec.json.encode(TurnedOff(webhook.id, because)).decode()
        jobs.enqueue(tx, webhook.project, TURNED_OFF_JOB, arguments)
        _record(tx, webhook, "webhook.disable", {"reason": because})
        body = {"webhook": {"id": ids.text(webhook.uid), "name": schemas.settings_of(webhook).name, "reason": because}}
        outbox.write(tx, webhook.project, "webhook.disabled", msgspec.json.encode(body).decode())


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project; False when there are none."""
    found = store.of_project(tx, project)
    if not found:
        return False
    webhook = found[0].id
    if store.delete_up_to(tx, webhook, 1 << 62, limit) < limit:
        store.delete_counts(tx, webhook, 1 << 62)
        store.delete(tx, webhook)
        if not store.any_webhook(tx):
            subscriptions.end(tx)
    return True


def _found(tx: Tx, project: int, uid: bytes) -> Webhook:
    found = store.find(tx, project, uid)
    if found is None:
        raise NotFound("there is no such webhook: GET /v1/webhooks lists them")
    return found


def _settings(svc: Services, new: NewWebhook) -> Settings:
    return Settings(
        name=names.check(new.name),
        place=masking.place(_url(svc, new.url, new.format)),
        events=kinds.check(new.events),
        filter=filters.check(new.filter),
        format=new.format,
        to=new.to,
        template=new.template,
        headers=sorted(settings.check_headers(new.headers)),
        retries_s=RETRIES_S if new.retry_schedule is None else settings.retries_s(new.retry_schedule),
        timeout_s=settings.timeout_s(new.timeout),
    )


async def _check_apprise(svc: Services, vault: Vault, project: int, text: str, change: WebhookChange) -> None:
    """Raises NotFound, Invalid."""
    before = get_webhook(svc, project, text)
    format = schemas.settings_of(before).format if change.format is UNSET else change.format
    if format == "apprise" and not (change.format is UNSET and change.url is UNSET):
        target = targets.unseal(vault, before.uid, before.target)
        old = "" if target is None else target.url
        await notifying.check(svc, old if change.url is UNSET else change.url)


def _url(svc: Services, url: str, format: Format) -> str:
    if not url or format == "apprise":  # whether it needs one, its format says; what Apprise reads is checked by it
        return url
    return settings.check_url(url, [ip_network(text) for text in svc.config.egress.allow_cidrs])


def _changed(svc: Services, before: Webhook, target: Target | None, change: WebhookChange) -> tuple[Settings, Target]:
    old = schemas.settings_of(before)
    if target is None:
        if change.url is UNSET:
            raise targets.unreadable()
        target = Target("", {}, (Secret(signing.secret_text(os.urandom(signing.SECRET_BYTES))),))
    format = old.format if change.format is UNSET else change.format
    url = target.url if change.url is UNSET else change.url
    if change.url is not UNSET or change.format is not UNSET:
        _url(svc, url, format)
    if target.headers and change.headers is UNSET and origin_of(target.url) != origin_of(url):
        raise Invalid(
            "the address leads to another server, and what is kept in headers was not given for it: give headers again,"
            " {} for none",
            field="headers",
        )
    headers = _put(change.headers, target.headers, {}, settings.check_headers)
    checked = Settings(
        name=old.name if change.name is UNSET else names.check(change.name),
        place=masking.place(url),
        events=_put(change.events, old.events, old.events, kinds.check),
        filter=_put(change.filter, old.filter, Filter(), filters.check),
        format=format,
        to=old.to if change.to is UNSET else change.to,
        template=old.template if change.template is UNSET else change.template,
        headers=sorted(headers),
        retries_s=_put(change.retry_schedule, old.retries_s, RETRIES_S, settings.retries_s),
        timeout_s=_put(change.timeout, old.timeout_s, settings.TIMEOUT_S, settings.timeout_s),
    )
    target = msgspec.structs.replace(target, url=url, headers=headers)
    _check_format(checked, target)
    return checked, target


def _check_format(checked: Settings, target: Target) -> None:
    formats.check(Destination(checked.format, target.url, checked.to, checked.template), target.headers)


def _put(change: V | UnsetType | None, old: T, default: T, check: Callable[[V], T]) -> T:
    """What is absent stays, null is the default again."""
    if isinstance(change, UnsetType):
        return old
    return default if change is None else check(change)


def _record(tx: Tx, webhook: Webhook, action: audit.Action, detail: dict[str, object]) -> None:
    name = schemas.settings_of(webhook).name
    audit.record_in(tx, webhook.project, action, target=f"webhook {ids.text(webhook.uid)}", name=name, detail=detail)


def _text(checked: Settings) -> str:
    return msgspec.json.encode(checked).decode()


def _answer(kept: StoredResponse, shown: WebhookCreated | RotatedSecret, secret: str) -> StoredResponse:
    """What is kept for a repeated request has no secret in it."""
    body = msgspec.json.encode(msgspec.structs.replace(shown, secret=secret))
    return msgspec.structs.replace(kept, body=body)
