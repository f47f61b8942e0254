"""Polls on the wire."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from delta_server.core import ids, times
from delta_server.core.noise import FieldNoise
from delta_server.core.paging import Paging
from delta_server.core.polling.outcome import ErrorClass, PollFailed
from delta_server.core.polling.schedule import State
from delta_server.core.polling.settings import PollingChange
from delta_server.core.polling.trial import SHOWN_BYTES, Conditional
from delta_server.features.polls.store import CLOCK, Bucket, PollRow

if TYPE_CHECKING:
    from delta_server.features.polls.previewing import Preview
    from delta_server.features.polls.service import Failing


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
    note: str | None
    excerpt: str | None
    snapshot_id: str | None
    steps: list[PollStep]
    clock_set_ms: int | None


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


class FailingEndpoint(msgspec.Struct, frozen=True):
    id: str
    name: str
    state: State
    failing_since: str


class FailingEndpoints(msgspec.Struct, frozen=True):
    data: list[FailingEndpoint]
    has_more: bool


def failing(found: "Sequence[Failing]", limit: int) -> FailingEndpoints:
    shown = [
        FailingEndpoint(ids.text(one.endpoint.uid), one.endpoint.name, one.state, times.format(one.since_ms))
        for one in found[:limit]
    ]
    return FailingEndpoints(shown, len(found) > limit)


def poll(row: PollRow) -> Poll:
    steps = msgspec.json.decode(row.steps, type=list[tuple[str, float]])
    return Poll(
        id=str(row.at),
        time=times.format(row.at),
        status=row.status,
        ms=row.ms,
        bytes=row.size_bytes,
        changed=row.changed,
        error_class=None if row.error_class is None else msgspec.convert(row.error_class, ErrorClass),
        detail=None if row.error_class is None else row.detail,
        note=row.detail if row.error_class is None else None,
        excerpt=row.excerpt,
        snapshot_id=None if row.snapshot is None else ids.text(row.snapshot),
        steps=[PollStep(*step) for step in steps if step[0] != CLOCK],
        clock_set_ms=next((round(ms) for step, ms in steps if step == CLOCK), None),
    )


def bucket(found: Bucket) -> PollBucket:
    return PollBucket(times.format(found.at), found.ok, found.failed, found.changed, found.ms)


class PollingTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`polling` as it would be sent to change an endpoint, without a schedule; `endpoint`, an id or a name, is the one
    whose secrets `***` in it stands for. With `reuse` what the source answered within the last ten minutes does, when
    all but `transform`, `expect` and the schedule is as it was: it is not asked again."""

    polling: PollingChange
    endpoint: str | None = None
    reuse: bool = False
    tries: Annotated[int, Meta(ge=1, le=3)] = 2


class TriedValue(msgspec.Struct, frozen=True):
    path: str
    before: msgspec.Raw


class TriedField(msgspec.Struct, frozen=True):
    """`differs` of its `of` values were others in the second answer."""

    pattern: str
    differs: int
    of: int
    bytes: int
    noise: bool
    same: bool
    first: TriedValue | None


class SuggestedEndpoint(msgspec.Struct, frozen=True):
    name: str
    interval: str
    paging: Paging | None


class PollingPreview(msgspec.Struct, frozen=True):
    """`source` is the answer as JSON, `result` what would be stored; null where they are larger than 2 MiB."""

    ok: Literal[True]
    steps: list[PollStep]
    status: int
    content_type: str
    read_as: str
    bytes: int
    pages: int
    note: str | None
    conditional: Conditional
    source: msgspec.Raw | None
    source_bytes: int
    result: msgspec.Raw | None
    result_bytes: int
    fields: list[TriedField]
    source_fields: list[TriedField] | None
    keys: dict[str, list[str]]
    suggested: SuggestedEndpoint
    tracked_by: str | None


class PollingPreviewFailed(msgspec.Struct, frozen=True, rename={"error_class": "class"}):
    ok: Literal[False]
    error_class: ErrorClass
    detail: str
    excerpt: str | None
    status: int | None
    steps: list[PollStep]


def steps_of(ms_by_step: Mapping[str, float]) -> list[PollStep]:
    return [PollStep(step, round(ms, 1)) for step, ms in ms_by_step.items()]


def preview(found: "Preview", steps: Mapping[str, float]) -> PollingPreview:
    tried, read = found.tried, found.read
    return PollingPreview(
        ok=True,
        steps=steps_of(steps),
        status=tried.status,
        content_type=tried.content_type,
        read_as=read.read_as,
        bytes=tried.received_bytes,
        pages=tried.pages,
        note=tried.note,
        conditional=tried.conditional,
        source=msgspec.Raw(read.source) if len(read.source) <= SHOWN_BYTES else None,
        source_bytes=len(read.source),
        result=msgspec.Raw(read.result) if len(read.result) <= SHOWN_BYTES else None,
        result_bytes=len(read.result),
        fields=_tried(found.judged.fields),
        source_fields=None if found.judged.source_fields is None else _tried(found.judged.source_fields),
        keys=found.judged.keys,
        suggested=SuggestedEndpoint(*msgspec.structs.astuple(tried.suggested)),
        tracked_by=found.tracked_by,
    )


def preview_failed(error: PollFailed, steps: Mapping[str, float]) -> PollingPreviewFailed:
    return PollingPreviewFailed(False, error.error_class, error.detail, error.excerpt, error.status, steps_of(steps))


def _tried(fields: Sequence[FieldNoise]) -> list[TriedField]:
    return [
        TriedField(
            field.pattern, field.differs, field.of, field.bytes, field.noise, field.same,
            None if field.first is None else TriedValue(field.first.path, field.first.before),
        )
        for field in fields
    ]  # fmt: skip


EXAMPLE: dict[str, Any] = {
    "id": "1777708800000",
    "time": "2026-05-02T08:00:00.000Z",
    "status": 200,
    "ms": 41,
    "bytes": 5120,
    "changed": True,
    "class": None,
    "detail": None,
    "note": None,
    "excerpt": None,
    "snapshot_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "steps": [{"step": "resolve", "ms": 1.2}, {"step": "connect", "ms": 12.0}, {"step": "wait", "ms": 25.4}],
    "clock_set_ms": None,
}
EXAMPLE_SUMMARY: dict[str, Any] = {
    "next": "2026-05-02T08:05:00.000Z",
    "state": "on",
    "classes": {"timeout": 6},
    "data": [{"time": "2026-05-02T08:00:00.000Z", "ok": 1, "failed": 0, "changed": 1, "ms": 41}],
}
EXAMPLE_FAILING: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "name": "prices",
    "state": "backing_off",
    "failing_since": "2026-05-02T08:00:00.000Z",
}
EXAMPLE_TRIAL: dict[str, Any] = {"polling": {"url": "https://api.example.com/prices"}, "tries": 2}
EXAMPLE_PREVIEW: dict[str, Any] = {
    "ok": True,
    "steps": [{"step": "resolve", "ms": 1.2}, {"step": "connect", "ms": 12.0}, {"step": "wait", "ms": 25.4}],
    "status": 200,
    "content_type": "application/json",
    "read_as": "json",
    "bytes": 61,
    "pages": 1,
    "note": None,
    "conditional": "etag",
    "source": {"at": 1777708801, "items": [{"sku": "A1", "price": 3}]},
    "source_bytes": 61,
    "result": {"at": 1777708801, "items": [{"sku": "A1", "price": 3}]},
    "result_bytes": 61,
    "fields": [
        {
            "pattern": "/at",
            "differs": 1,
            "of": 1,
            "bytes": 16,
            "noise": True,
            "same": False,
            "first": {"path": "/at", "before": 7},
        }
    ],
    "source_fields": None,
    "keys": {"/items": ["sku"]},
    "suggested": {"name": "api.example.com/prices", "interval": "5m", "paging": None},
    "tracked_by": None,
}

FIELDS = {
    "FailingEndpoint.id": "The endpoint's id",
    "FailingEndpoint.name": "Its name",
    "FailingEndpoint.state": "`backing_off`: its source is asked less and less often; `paused`: not any more,"
    " until `enabled` of its `polling` is set again, or a poll by hand succeeds",
    "FailingEndpoint.failing_since": "When the first of these polls failed",
    "FailingEndpoints.data": "Those that fail longest first",
    "FailingEndpoints.has_more": "Whether there are more",
    "Poll.id": "Its number among the endpoint's polls",
    "Poll.time": "When it began",
    "Poll.status": "The status of the answer; null where there was none",
    "Poll.ms": "How long it took, what was computed and stored included",
    "Poll.bytes": "The size of the answer's body as it came, compressed or not; 0 without one",
    "Poll.changed": "Whether a snapshot was stored: what is equal to the latest one is not stored again",
    "Poll.class": "What was wrong; null for nothing",
    "Poll.detail": "What was wrong, in words",
    "Poll.note": "What is doubtful where nothing was wrong: that there was one page, which does not say that it is"
    " the only one",
    "Poll.excerpt": "The begin of what was answered, where that was wrong; secrets in it are masked",
    "Poll.snapshot_id": "The snapshot that was stored",
    "Poll.steps": "What took how long: resolve, connect, wait, read, parse, store",
    "Poll.clock_set_ms": "By how much the server's clock was set since the poll before, back where it is negative; "
    "null where it went on, or the server did not run",
    "PollingPreview.ok": "Whether there is a document",
    "PollingPreview.steps": "What took how long in the first try; nothing where the source was not asked again",
    "PollingPreview.status": "The status of the answer",
    "PollingPreview.content_type": "The answer's header Content-Type",
    "PollingPreview.read_as": "The format it was in",
    "PollingPreview.bytes": "The size of its body as it came, of all pages",
    "PollingPreview.pages": "How many pages were gathered",
    "PollingPreview.note": "As of polls: what is doubtful of the pages",
    "PollingPreview.conditional": "What makes later requests conditional: an unchanged source then costs a 304",
    "PollingPreview.source": "The last answer as JSON; null where it is larger than 2 MiB",
    "PollingPreview.source_bytes": "Its size as JSON",
    "PollingPreview.result": "What would be stored: what `transform` makes of it; null where it is larger than 2 MiB",
    "PollingPreview.result_bytes": "Its size",
    "PollingPreview.fields": "Fields of the result, those that differ between tries first",
    "PollingPreview.source_fields": "As `fields`, of the whole answer; null without a `transform`",
    "PollingPreview.keys": "Fields that identify the elements of arrays of the result, by the array's pattern",
    "PollingPreview.suggested": "What could be chosen",
    "PollingPreview.tracked_by": "The endpoint that asks this address already; null for none",
    "TriedField.pattern": "The field pattern",
    "TriedField.differs": "How many of its values were others in the last answer than in the first",
    "TriedField.of": "How many values it has",
    "TriedField.bytes": "About what they take, with their names",
    "TriedField.noise": "Whether it is suggested to be ignored: it changes by itself",
    "TriedField.same": "Whether it has several values, and all are equal",
    "TriedField.first": "The first of its values that was another in the first answer; null where none was",
    "TriedValue.path": "Where it stands in the second answer, as a JSON Pointer",
    "TriedValue.before": "What stood there in the first; a long one is cut",
    "SuggestedEndpoint.name": "A name, made of the address",
    "SuggestedEndpoint.interval": "An interval, by how long the answer says it is fresh",
    "SuggestedEndpoint.paging": "How more pages of it are found; null where the answer names none",
    "PollingPreviewFailed.ok": "Whether there is a document",
    "PollingPreviewFailed.class": "What was wrong, as of polls",
    "PollingPreviewFailed.detail": "What was wrong, in words",
    "PollingPreviewFailed.excerpt": "The begin of what was answered; secrets in it are masked",
    "PollingPreviewFailed.status": "The status of the answer; null where there was none",
    "PollingPreviewFailed.steps": "What took how long until then",
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
