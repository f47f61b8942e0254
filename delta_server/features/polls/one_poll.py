"""One poll of one endpoint: the request, the document stored, the outcome on record, when it is polled next."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

import msgspec
import structlog

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
from delta_server.features.polls.ends import End, Ended, Ends
from delta_server.features.polls.store import PollRow
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

LOOKED_AT_AGAIN_MS = 3_600_000
"""After so long, where the project lies in the bin."""

log = structlog.get_logger("delta.polls")


class _Found(msgspec.Struct, frozen=True):
    """What a request brought: the source as it is known from now on, the document where it is to be stored, and what
    is doubtful of it."""

    status: int
    received_bytes: int
    source: Source
    document: bytes | None = None
    note: str | None = None


class _Start(NamedTuple):
    """`endpoint` is None where it lies in the bin, `head` the hash of its last document."""

    row: Polled
    endpoint: EndpointRef | None
    head: bytes | None


class _Poll(msgspec.Struct, frozen=True):
    """One that runs. `settings` are without secrets."""

    row: Polled
    settings: PollingSettings
    endpoint: EndpointRef
    source: Source
    began_ms: int
    began_s: float
    steps: Steps
    jump_ms: int

    def record(self, found: _Found | None, failure: PollFailed | None, snapshot: bytes | None, ms: float) -> PollRow:
        return PollRow(
            at=self.began_ms,
            status=found.status if found else failure.status if failure else None,
            ms=round(ms),
            size_bytes=found.received_bytes if found else failure.received_bytes if failure else 0,
            changed=snapshot is not None,
            error_class=None if failure is None else failure.error_class,
            snapshot=snapshot,
            steps=_steps(self.steps, self.jump_ms),
            detail=failure.detail if failure else found.note if found else None,
            excerpt=None if failure is None else failure.excerpt,
        )


class Starts:
    """Of polls that begin at the same time: one look at the database."""

    def __init__(self, svc: Services, endpoints: Sequence[int]) -> None:
        self._svc = svc
        self._endpoints = endpoints
        self._found: dict[int, _Start] | None = None

    def of(self, endpoint: int) -> _Start | None:
        if self._found is None:
            self._found = self._svc.db.peek(_starts, self._endpoints)
        return self._found.get(endpoint)


async def poll(
    svc: Services,
    endpoint_id: int,
    starts: Starts,
    ends: Ends,
    *,
    answered: Callable[[], None],
    is_awaited: Callable[[], bool],
    asked_for: bool,
    jump_ms: int = 0,
) -> Ended | None:
    """`answered` is called when the source may be asked by others, `is_awaited` tells whether they wait for it. By
    `jump_ms` the clock was set since the poll before. None where there is nothing to poll any more, or nobody
    `asked_for` it and it is not due any more. What goes wrong at the source is on record, not raised."""
    start = starts.of(endpoint_id)
    if start is None:
        return None
    row, endpoint, head = start
    if not asked_for and (row.due_at is None or row.due_at > svc.clock.now_ms()):
        return None  # while it waited, its host asked to be left alone, or it was switched off
    if endpoint is None:
        await svc.db.write(polling.postpone, endpoint_id, svc.clock.now_ms() + LOOKED_AT_AGAIN_MS)
        return None
    source = msgspec.json.decode(row.source, type=Source)
    settings = polling.masked_settings(row)
    this = _Poll(row, settings, endpoint, source, svc.clock.now_ms(), time.monotonic(), Steps(), jump_ms)
    found, failure = None, None
    try:
        found = await _ask(svc, this, head)
    except PollFailed as error:
        failure = error
    is_urgent = asked_for
    if failure is None or failure.retry_after_ms is None:
        answered()
    else:  # others find on record that it wants to be left alone
        is_urgent = asked_for or is_awaited()
    try:
        return await _written(svc, this, ends, found, failure, at_once=is_urgent)
    except PollFailed as error:
        return await _written(svc, this, ends, None, error, at_once=is_urgent)


async def _written(
    svc: Services, this: _Poll, ends: Ends, found: _Found | None, failure: PollFailed | None, *, at_once: bool
) -> Ended | None:
    """The poll's end, in the transaction of the snapshot where there is a new one. None where the endpoint was deleted
    meanwhile. Raises PollFailed for a document that is not stored."""
    verdict, endpoint = _verdict(this, failure), this.endpoint
    took_ms = (time.monotonic() - this.began_s) * 1000

    def write(tx: Tx, snapshot: bytes | None) -> Ended:
        if snapshot is not None:
            this.steps.mark("store")
        stored_ms = 0 if snapshot is None else this.steps.ms["store"]
        record = this.record(found, failure, snapshot, took_ms + stored_ms)
        return _end(tx, this, record, verdict, found.source if found else this.source)

    end = End(write, this.steps.skip)
    if found is not None and found.document is not None:
        now_ms = svc.clock.now_ms()
        end.document = NewSnapshot(
            endpoint, found.document, now_ms, polling.SOURCE_NAME, checked=True, is_latest=True, companion=end.write
        )
    try:
        ended = await ends.write(end, endpoint.project, at_once=at_once)
    except DeltaError as error:
        if found is not None and found.document is not None:
            await _refused(svc, endpoint, found.document, found.status, error)
        if isinstance(error, NotFound):
            return None
        raise
    _tell(svc, this, verdict, ended.row)
    return ended


async def _refused(svc: Services, endpoint: EndpointRef, document: bytes, status: int, error: DeltaError) -> NoReturn:
    """Raises PollFailed."""
    if isinstance(error, DoesNotFit):
        await enforcement.keep_aside(svc, endpoint, document, error)
        raise PollFailed("expect", f"{error.message}; it is kept aside", status=status) from None
    raise _not_stored(error, status) from None


def _starts(tx: Tx, endpoints: Sequence[int]) -> dict[int, _Start]:
    projects: dict[int, bool] = {}
    found = ((endpoint, _start(tx, endpoint, projects)) for endpoint in endpoints)
    return {endpoint: start for endpoint, start in found if start is not None}


def _start(tx: Tx, endpoint_id: int, projects: dict[int, bool]) -> _Start | None:
    """`projects` tells of those that were looked up whether they are there."""
    row = polling.find(tx, endpoint_id)
    if row is None:
        return None
    endpoint = endpoints.by_row(tx, row.project, endpoint_id)
    if endpoint is not None and row.project not in projects:
        projects[row.project] = _is_there(tx, endpoint)
    if not projects.get(row.project):
        endpoint = None
    head = contents.head(tx, endpoint_id)
    return _Start(row, endpoint, None if head is None else head.hash)


def _is_there(tx: Tx, endpoint: EndpointRef) -> bool:
    try:
        endpoints.confirm(tx, endpoint)
    except NotFound:
        return False
    return True


def _steps(steps: Steps, jump_ms: int) -> str:
    jump = [(store.CLOCK, jump_ms)] if jump_ms else []
    return msgspec.json.encode([(step, round(ms, 1)) for step, ms in steps.ms.items()] + jump).decode()


async def _ask(svc: Services, this: _Poll, head: bytes | None) -> _Found:
    """Raises PollFailed."""
    settings, source = _settings(svc, this), this.source
    is_known = head is not None and source.hash == head.hex()
    fetched = await reading.fetch(svc, settings, source if is_known else None, this.steps, large=source.large)
    status, received_bytes, read = fetched.answer.status, fetched.received_bytes, fetched.read
    if read is None and fetched.body_hash is None:
        return _Found(status, received_bytes, source)
    hash, is_large = (source.hash, source.large) if read is None else (read.hash.hex(), fetched.is_large)
    now_known = outcome.validators(fetched.answer.headers, hash=hash, large=is_large, body=fetched.body_hash)
    is_new = read is not None and read.hash != head
    return _Found(status, received_bytes, now_known, read.result if read and is_new else None, fetched.note)


def _tell(svc: Services, this: _Poll, verdict: Verdict, record: PollRow) -> None:
    if verdict.says is not None:
        svc.topics.wake("happenings", this.endpoint.project)
        log.info("polling", endpoint=this.endpoint.name, state=verdict.says, reason=record.error_class)


def _settings(svc: Services, this: _Poll) -> PollingSettings:
    if this.row.secrets is None:
        return this.settings
    try:
        return polling.settings_of(this.row, svc.vault)
    except Unreadable:
        raise PollFailed(
            "auth",
            "delta.key is not the one that the secrets were sealed with: give them again",
        ) from None


def _not_stored(error: DeltaError, status: int) -> PollFailed:
    if isinstance(error, QuotaExceeded):
        wait_ms = None if error.retry_after_s is None else error.retry_after_s * 1000
        return PollFailed("quota", error.message, status=status, retry_after_ms=wait_ms)
    if error.status < 500:
        return PollFailed("decode", error.message, status=status)
    return PollFailed("storage", error.message, status=status)


def _verdict(this: _Poll, failure: PollFailed | None) -> Verdict:
    row, at, settings = this.row, this.began_ms, this.settings
    standing, seed = polling.standing_of(row), polling.seed_of(row.uid)
    if failure is None:
        verdict = schedule.after_success(settings, standing, at, seed)
    else:
        verdict = schedule.after_failure(settings, standing, at, seed, retry_after_ms=failure.retry_after_ms)
    return verdict if settings.enabled else msgspec.structs.replace(verdict, due_at=None)


def _end(tx: Tx, this: _Poll, record: PollRow, verdict: Verdict, source: Source) -> Ended:
    """Raises NotFound when the endpoint or its project has been deleted meanwhile."""
    endpoint, row = this.endpoint, this.row
    if record.snapshot is None:  # else its writer has confirmed it
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
