"""Erasures on the wire."""

import msgspec

from delta_server.core import ids, times
from delta_server.features.erasures.store import Erasure as Job


class Erasure(msgspec.Struct, frozen=True):
    """The record of an erasure names nobody. `state` is waiting, running, done or failed; one that failed, `error` says
    why, is retried within a minute. `events_erased` counts each event once, however often it was begun."""

    id: str
    state: str
    requested_at: str
    finished_at: str | None
    segments_done: int
    segments_total: int
    events_erased: int
    error: str | None


class ErasureAnswer(msgspec.Struct, frozen=True):
    erasure: Erasure


def erasure(job: Job) -> Erasure:
    return Erasure(
        id=ids.text(job.uid),
        state=job.state,
        requested_at=times.format(job.requested_at),
        finished_at=None if job.finished_at is None else times.format(job.finished_at),
        segments_done=job.segments_done,
        segments_total=job.segments_total,
        events_erased=job.events_erased,
        error=job.error,
    )


EXAMPLE_ERASURE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "state": "running",
    "requested_at": "2026-05-08T10:00:00.000Z",
    "finished_at": None,
    "segments_done": 3,
    "segments_total": 12,
    "events_erased": 0,
    "error": None,
}


FIELDS = {
    "Erasure.id": "Id of the erasure",
    "Erasure.state": "`waiting`, `running`, `done` or `failed`, which is retried within a minute",
    "requested_at": "When it was asked for",
    "finished_at": "When it ended",
    "segments_done": "Files of events that it has been through",
    "segments_total": "Files of events that it has to go through",
    "events_erased": "How many events it deleted",
    "Erasure.error": "Why it failed",
    "ErasureAnswer.erasure": "The record of the erasure",
}
