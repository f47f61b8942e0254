"""One poll of one endpoint: the request, the document stored, the outcome on record, when it is polled next."""

import time
from typing import NamedTuple

import msgspec
import structlog

from delta_server.core import ids, times
from delta_server.core.errors import DeltaError, DoesNotFit, NotFound, QuotaExceeded
from delta_server.core.polling import outcome, schedule
from delta_server.core.polling.outcome import PollFailed, Source
from delta_server.core.polling.schedule import Verdict
from delta_server.core.polling.settings import PollingSettings
from delta_server.core.sealing import Unreadable
from delta_server.egress.steps import Steps
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.polling import service as polling
from delta_server.features.polling.service import Polled
from delta_server.features.polls import happenings, reading, store
from delta_server.features.polls.store import PollRow
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

SOURCE_NAME = "poll"
"""The `source` of snapshots that were polled."""
LOOKED_AT_AGAIN_MS = 3_600_000
"""After so long, where the project lies in the bin."""

log = structlog.get_logger("delta.polls")


class Ended(NamedTuple):
    """What is on record, and when the endpoint is polled next."""

    row: PollRow
    due_at: int | None


class _Found(msgspec.Struct, frozen=True):
    """What a request brought: the source as it is known from now on, and the id of the snapshot that was stored."""

    status: int
    received_bytes: int
    source: Source
    snapshot: bytes | None = None


async def poll(svc: Services, endpoint_id: int, *, asked_for: bool, jump_ms: int = 0) -> Ended | None:
    """By `jump_ms` the clock was set since the poll before. None where there is nothing to poll any more, or nobody
    `asked_for` it and it is not due any more. What goes wrong at the source is on record, not raised."""
    row = svc.db.peek(polling.find, endpoint_id)
    if row is None:
        return None
    if not asked_for and (row.due_at is None or row.due_at > svc.clock.now_ms()):
        return None  # while it waited, its host asked to be left alone, or it was switched off
    try:
        endpoint = svc.db.peek(endpoints.find, row.project, ids.text(row.uid))
        svc.db.peek(endpoints.confirm, endpoint)
    except NotFound:
        await svc.db.write(polling.postpone, endpoint_id, svc.clock.now_ms() + LOOKED_AT_AGAIN_MS)
        return None
    began_ms, began_s, steps = svc.clock.now_ms(), time.monotonic(), Steps()
    source = msgspec.json.decode(row.source, type=Source)
    found, failure = None, None
    try:
        found = await _ask(svc, endpoint, row, source, steps)
    except PollFailed as error:
        failure = error
    record = PollRow(
        at=began_ms,
        status=found.status if found else failure.status if failure else None,
        ms=round((time.monotonic() - began_s) * 1000),
        size_bytes=found.received_bytes if found else failure.received_bytes if failure else 0,
        changed=found is not None and found.snapshot is not None,
        error_class=None if failure is None else failure.error_class,
        snapshot=None if found is None else found.snapshot,
        steps=_steps(steps, jump_ms),
        detail=None if failure is None else failure.detail,
        excerpt=None if failure is None else failure.excerpt,
    )
    verdict = _verdict(row, record, failure)
    try:
        ended = await svc.db.write(_end, endpoint, row, record, verdict, found.source if found else source)
    except NotFound:  # deleted meanwhile
        return None
    if verdict.says is not None:
        svc.topics.wake("happenings", endpoint.project)
        log.info("polling", endpoint=endpoint.name, state=verdict.says, reason=record.error_class)
    return ended


def _steps(steps: Steps, jump_ms: int) -> str:
    jump = [(store.CLOCK, jump_ms)] if jump_ms else []
    return msgspec.json.encode([(step, round(ms, 1)) for step, ms in steps.ms.items()] + jump).decode()


async def _ask(svc: Services, endpoint: EndpointRef, row: Polled, source: Source, steps: Steps) -> _Found:
    """Raises PollFailed."""
    settings = _settings(svc, row)
    head = _head_hash(svc, endpoint)
    is_known = outcome.may_be_conditional(settings) and head is not None and source.hash == head.hex()
    conditions = outcome.conditions(source) if is_known else {}
    fetched = await reading.fetch(svc, settings, conditions, steps, large=source.large)
    status, received_bytes, read = fetched.answer.status, fetched.received_bytes, fetched.read
    if read is None:
        return _Found(status, received_bytes, source)
    now_known = outcome.validators(fetched.answer.headers, hash=read.hash, large=fetched.is_large)
    if read.hash == head:
        return _Found(status, received_bytes, now_known)
    new = NewSnapshot(endpoint, read.result, svc.clock.now_ms(), SOURCE_NAME, checked=True, is_latest=True)
    try:
        created = await snapshots.create_snapshots(svc, endpoint.project, [new], IdempotencyKey.none())
    except DoesNotFit as error:
        await enforcement.keep_aside(svc, endpoint, read.result, error)
        raise PollFailed("expect", f"{error.message}; it is kept aside", status=status) from None
    except DeltaError as error:
        raise _not_stored(error, status) from None
    finally:
        steps.mark("store")
    return _Found(status, received_bytes, now_known, ids.parse(created.ids[0]))


def _settings(svc: Services, row: Polled) -> PollingSettings:
    try:
        return polling.settings_of(row, svc.vault)
    except Unreadable:
        raise PollFailed(
            "auth",
            "delta.key is not the one that the secrets were sealed with: give them again",
        ) from None


def _head_hash(svc: Services, endpoint: EndpointRef) -> bytes | None:
    try:
        return snapshots.snapshot_at(svc, endpoint.project, endpoint, times.LATEST_MS).hash
    except NotFound:
        return None


def _not_stored(error: DeltaError, status: int) -> PollFailed:
    if isinstance(error, QuotaExceeded):
        wait_ms = None if error.retry_after_s is None else error.retry_after_s * 1000
        return PollFailed("quota", error.message, status=status, retry_after_ms=wait_ms)
    if error.status < 500:
        return PollFailed("decode", error.message, status=status)
    return PollFailed("storage", error.message, status=status)


def _verdict(row: Polled, record: PollRow, failure: PollFailed | None) -> Verdict:
    settings, standing, seed = polling.masked_settings(row), polling.standing_of(row), polling.seed_of(row.uid)
    if failure is None:
        verdict = schedule.after_success(settings, standing, record.at, seed)
    else:
        verdict = schedule.after_failure(settings, standing, record.at, seed, retry_after_ms=failure.retry_after_ms)
    return verdict if settings.enabled else msgspec.structs.replace(verdict, due_at=None)


def _end(tx: Tx, endpoint: EndpointRef, row: Polled, record: PollRow, verdict: Verdict, source: Source) -> Ended:
    """Raises NotFound when the endpoint or its project has been deleted meanwhile."""
    endpoints.confirm(tx, endpoint)
    kept = store.insert(tx, endpoint.id, record)
    standing = msgspec.json.encode(verdict.standing).decode()
    is_current = polling.end_poll(
        tx,
        endpoint.id,
        version=row.version,
        due_at=verdict.due_at,
        standing=standing,
        source=msgspec.json.encode(source).decode(),
    )
    if verdict.standing.waits_until is not None:
        polling.hold_host(tx, row.project, row.host, verdict.standing.waits_until)
    if not is_current:  # its settings were changed meanwhile, and it is due at once
        return Ended(kept, tx.now_ms)
    happenings.write(tx, endpoint, kept, verdict)
    return Ended(kept, verdict.due_at)
