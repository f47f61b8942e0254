"""Polls on the wire."""

from typing import Any

import msgspec

from delta_server.core import ids, times
from delta_server.core.polling.outcome import ErrorClass
from delta_server.core.polling.schedule import State
from delta_server.features.polls.store import Bucket, PollRow


class PollStep(msgspec.Struct, frozen=True):
    step: str
    ms: float


class Poll(msgspec.Struct, frozen=True, rename={"error_class": "class"}):
    id: str
    time: str
    status: int | None
    ms: int
    bytes: int
    changed: bool
    error_class: ErrorClass | None
    detail: str | None
    snapshot_id: str | None
    steps: list[PollStep]


class PollAnswer(msgspec.Struct, frozen=True):
    """`poll` is null when it has not ended in time: it goes on, and will be on record."""

    poll: Poll | None
    state: State
    next_at: str | None


class PollBucket(msgspec.Struct, frozen=True):
    time: str
    ok: int
    failed: int
    changed: int
    ms: int


class PollsSummary(msgspec.Struct, frozen=True):
    """One row of `data` for each poll while there are no more than `buckets`, else for each of so many stretches."""

    next: str | None
    state: State
    classes: dict[str, int]
    data: list[PollBucket]


def poll(row: PollRow) -> Poll:
    return Poll(
        id=str(row.at),
        time=times.format(row.at),
        status=row.status,
        ms=row.ms,
        bytes=row.size_bytes,
        changed=row.changed,
        error_class=None if row.error_class is None else msgspec.convert(row.error_class, ErrorClass),
        detail=row.detail,
        snapshot_id=None if row.snapshot is None else ids.text(row.snapshot),
        steps=[PollStep(*step) for step in msgspec.json.decode(row.steps, type=list[tuple[str, float]])],
    )


def bucket(found: Bucket) -> PollBucket:
    return PollBucket(times.format(found.at), found.ok, found.failed, found.changed, found.ms)


EXAMPLE: dict[str, Any] = {
    "id": "1777708800000",
    "time": "2026-05-02T08:00:00.000Z",
    "status": 200,
    "ms": 41,
    "bytes": 5120,
    "changed": True,
    "class": None,
    "detail": None,
    "snapshot_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "steps": [{"step": "resolve", "ms": 1.2}, {"step": "connect", "ms": 12.0}, {"step": "wait", "ms": 25.4}],
}
EXAMPLE_SUMMARY: dict[str, Any] = {
    "next": "2026-05-02T08:05:00.000Z",
    "state": "on",
    "classes": {"timeout": 6},
    "data": [{"time": "2026-05-02T08:00:00.000Z", "ok": 1, "failed": 0, "changed": 1, "ms": 41}],
}

FIELDS = {
    "Poll.id": "Its number among the endpoint's polls",
    "Poll.time": "When it began",
    "Poll.status": "The status of the answer; null where there was none",
    "Poll.ms": "How long it took, what was computed and stored included",
    "Poll.bytes": "The size of the answer's body as it came, compressed or not; 0 for a failure",
    "Poll.changed": "Whether a snapshot was stored: what is equal to the latest one is not stored again",
    "Poll.class": "What was wrong; null for nothing",
    "Poll.detail": "What was wrong, in words",
    "Poll.snapshot_id": "The snapshot that was stored",
    "Poll.steps": "What took how long: resolve, connect, wait, read, parse, store",
    "PollStep.step": "Its name",
    "PollStep.ms": "Milliseconds",
    "PollAnswer.poll": "The poll; null when it has not ended in time, and goes on",
    "PollAnswer.state": "As of the endpoint's `polling`",
    "PollAnswer.next_at": "When it is polled next; null for never",
    "PollsSummary.next": "When it is polled next; null for never",
    "PollsSummary.state": "As of the endpoint's `polling`",
    "PollsSummary.classes": "How many polls of the time asked for failed, by what was wrong",
    "PollsSummary.data": "A poll or a stretch of time each, the earliest first; stretches without polls are left out",
    "PollBucket.time": "When it began",
    "PollBucket.ok": "Polls that found something, new or not",
    "PollBucket.failed": "Polls that failed",
    "PollBucket.changed": "Those after which a snapshot was stored",
    "PollBucket.ms": "The longest that one took",
}
