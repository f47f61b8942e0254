"""Deliveries on the wire."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from delta_server.core import ids, times
from delta_server.core.json_schema import documented
from delta_server.core.webhooks import messages
from delta_server.features.webhooks import attempts, requests, store
from delta_server.features.webhooks.deliveries import Found
from delta_server.features.webhooks.requests import OutgoingRequest

ListedState: TypeAlias = Literal["waiting", "failed", "delivered", "dead", "cancelled", "late"]


class Recovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`since` is a time, or an age as `3d`; with `dry_run` they are counted only."""

    since: Annotated[str, documented(maxLength=40)]
    dry_run: bool = False


class RecoveryAnswer(msgspec.Struct, frozen=True):
    deliveries: int
    dry_run: bool


class EditCounts(msgspec.Struct, frozen=True):
    added: int = 0
    removed: int = 0
    replaced: int = 0
    moved: int = 0


class Cause(msgspec.Struct, frozen=True):
    """What it is about, where that can be looked at."""

    delta_id: str | None
    snapshot_id: str | None
    counts: EditCounts | None


class DeliveryItem(msgspec.Struct, frozen=True):
    id: str
    webhook_id: str
    type: str
    endpoint: str | None
    time: str
    state: store.State
    attempts: str
    arrived_ms: int | None
    next_try: str | None
    test: bool
    cause: Cause | None


class AttemptItem(msgspec.Struct, frozen=True, rename={"failure": "class"}):
    time: str
    after_ms: int
    status: int | None
    failure: str | None
    ms: int
    excerpt: str
    retry_after: int | None


class RequestShown(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: dict[str, str]
    body: str


class DeliveryDetail(msgspec.Struct, frozen=True):
    """`request` is null where the webhook's target cannot be read."""

    id: str
    webhook_id: str
    type: str
    endpoint: str | None
    time: str
    state: store.State
    arrived_ms: int | None
    next_try: str | None
    test: bool
    cause: Cause | None
    attempts: list[AttemptItem]
    request: RequestShown | None


class DeliveryHour(msgspec.Struct, frozen=True):
    arrived: int
    failed: int


class DeliveryTimeline(msgspec.Struct, frozen=True, rename={"begin": "from"}):
    begin: str
    bucket_ms: int
    data: list[DeliveryHour]


class DeliveryAnswer(msgspec.Struct, frozen=True):
    delivery: DeliveryItem


class DeliveryDetailAnswer(msgspec.Struct, frozen=True):
    delivery: DeliveryDetail


class _Thing(msgspec.Struct, frozen=True):
    id: str


class _Counted(EditCounts, frozen=True, kw_only=True):
    id: str


class _Body(msgspec.Struct, frozen=True):
    endpoint: dict[str, str] | None = None
    delta: _Counted | None = None
    snapshot: _Thing | None = None


def item(found: Found) -> DeliveryItem:
    tried = "".join("o" if attempt.failure is None else "x" for attempt in attempts.of(found.delivery))
    return DeliveryItem(**_shared(found), attempts=tried)


def detail(found: Found, request: OutgoingRequest | None, place: str, own: list[str]) -> DeliveryDetail:
    shown = None
    if request is not None:
        headers = requests.shown(request, own)
        shown = RequestShown(request.method, place, headers, request.body.decode("utf-8", "replace"))
    return DeliveryDetail(**_shared(found), attempts=_attempts(found), request=shown)


def _shared(found: Found) -> dict[str, Any]:
    delivery = found.delivery
    about = msgspec.json.decode(delivery.body, type=_Body)
    last = attempts.of(delivery)[-1:]
    arrived = [max(0, attempt.at + attempt.took_ms - delivery.at) for attempt in last if attempt.failure is None]
    return {
        "id": messages.id_of(delivery.id, delivery.at),
        "webhook_id": ids.text(found.webhook.uid),
        "type": delivery.kind,
        "endpoint": None if about.endpoint is None else about.endpoint.get("name"),
        "time": times.format(delivery.at),
        "state": delivery.state,
        "arrived_ms": arrived[0] if arrived else None,
        "next_try": times.format(delivery.due_at) if delivery.ended_at is None else None,
        "test": delivery.is_test,
        "cause": _cause(about),
    }


def _cause(about: _Body) -> Cause | None:
    if about.delta is not None:
        of = about.delta
        return Cause(of.id, None, EditCounts(of.added, of.removed, of.replaced, of.moved))
    return None if about.snapshot is None else Cause(None, about.snapshot.id, None)


def _attempts(found: Found) -> list[AttemptItem]:
    shown = []
    before = found.delivery.at
    for attempt in attempts.of(found.delivery):
        shown.append(
            AttemptItem(
                time=times.format(attempt.at),
                after_ms=max(0, attempt.at - before),
                status=attempt.status,
                failure=attempt.failure,
                ms=attempt.took_ms,
                excerpt=attempt.excerpt,
                retry_after=attempt.retry_after_s,
            )
        )
        before = attempt.at + attempt.took_ms
    return shown


EXAMPLE: dict[str, Any] = {
    "id": "0190163d-8694-7000-8000-00000000002a",
    "webhook_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "type": "delta.created",
    "endpoint": "GET /prices",
    "time": "2026-05-01T12:00:00.000Z",
    "state": "delivered",
    "arrived_ms": 5204,
    "next_try": None,
    "test": False,
    "cause": {
        "delta_id": "01890a5d-ac96-774b-bcce-b302099a8058",
        "snapshot_id": None,
        "counts": {"added": 1, "removed": 0, "replaced": 11, "moved": 0},
    },
    "attempts": "xo",
}
EXAMPLE_DETAIL: dict[str, Any] = {
    **EXAMPLE,
    "attempts": [
        {
            "time": "2026-05-01T12:00:00.010Z",
            "after_ms": 10,
            "status": 503,
            "class": "status",
            "ms": 44,
            "excerpt": "upstream restarting",
            "retry_after": None,
        },
        {
            "time": "2026-05-01T12:00:05.160Z",
            "after_ms": 5106,
            "status": 204,
            "class": None,
            "ms": 44,
            "excerpt": "",
            "retry_after": None,
        },
    ],
    "request": {
        "method": "POST",
        "url": "https://ingest.example.net/delta",
        "headers": {"content-type": "application/json", "webhook-id": "0190163d-8694-7000-8000-00000000002a"},
        "body": '{"type":"delta.created","timestamp":"2026-05-01T12:00:00.000Z","data":{}}',
    },
}

_OF_BOTH = {
    "id": "Id of the delivery, sent as `webhook-id` with each attempt",
    "webhook_id": "Id of its webhook",
    "type": "What happened",
    "endpoint": "Name of the endpoint it is about, when it happened",
    "time": "When it happened",
    "state": "`waiting` for its first attempt, `failed` and tried again, `delivered`, `dead` after the last attempt, or"
    " `cancelled`",
    "arrived_ms": "How long after it happened it arrived; null while it has not",
    "next_try": "When it is tried next; null when it has ended",
    "test": "Whether POST /v1/webhooks/{webhook_id}/test made it",
    "cause": "What it is about, where that can be looked at",
}
EXAMPLE_TIMELINE = {
    "from": "2026-05-01T10:00:00.000Z",
    "bucket_ms": 3_600_000,
    "data": [{"arrived": 4, "failed": 0}, {"arrived": 6, "failed": 2}],
}

FIELDS = {
    "DeliveryTimeline.from": "When the first hour begins",
    "DeliveryTimeline.bucket_ms": "How long each stretch is: an hour",
    "DeliveryTimeline.data": "One for each hour; that of now is the last",
    "DeliveryHour.arrived": "How many deliveries arrived in it",
    "DeliveryHour.failed": "How many attempts failed in it",
    **{f"DeliveryItem.{name}": said for name, said in _OF_BOTH.items()},
    **{f"DeliveryDetail.{name}": said for name, said in _OF_BOTH.items()},
    "DeliveryItem.attempts": "One letter each, the first first: `x` failed, `o` arrived",
    "DeliveryDetail.attempts": "The last 30, the first first",
    "DeliveryDetail.request": "What is sent, as it would be sent now; null where the address cannot be read",
    "DeliveryAnswer.delivery": "The delivery",
    "DeliveryDetailAnswer.delivery": "The delivery",
    "Cause.delta_id": "The delta",
    "Cause.snapshot_id": "The snapshot",
    "Cause.counts": "The delta's edits",
    "EditCounts.added": "Values added",
    "EditCounts.removed": "Values removed",
    "EditCounts.replaced": "Values replaced",
    "EditCounts.moved": "Elements moved",
    "AttemptItem.time": "When it began",
    "AttemptItem.after_ms": "How long after the attempt before, or after it happened",
    "AttemptItem.status": "Status of the answer; null without one",
    "AttemptItem.class": "What went wrong, in a word; null when it arrived",
    "AttemptItem.ms": "How long it took",
    "AttemptItem.excerpt": "The begin of the answer, 1 kB at most, secrets masked",
    "AttemptItem.retry_after": "Seconds that the receiver asked for",
    "RequestShown.method": "Method",
    "RequestShown.url": "Where to, as far as it is shown",
    "RequestShown.headers": "Headers; signatures and the webhook's own values are masked",
    "RequestShown.body": "Body",
    "RecoveryAnswer.deliveries": "How many were sent again, or would be",
    "RecoveryAnswer.dry_run": "Whether they were counted only",
}
