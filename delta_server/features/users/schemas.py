"""Users, groups and erasures on the wire."""

from typing import Any

import msgspec

from delta_server.core import ids, times
from delta_server.features.profiles.service import Profile as Row
from delta_server.features.users.store import Erasure as Job


class EventCounts(msgspec.Struct, frozen=True):
    count: int
    by_type: dict[str, int]


class Profile(msgspec.Struct, frozen=True):
    """A user or a group. What the last minutes' events tell of when it was seen may be missing."""

    id: str
    traits: dict[str, Any]
    first_seen: str
    last_seen: str


class UserWithEvents(Profile, frozen=True):
    """`events` are those kept that are theirs: that name the user, or no user and one of their anonymous ids. `aliases`
    are their other ids, up to 1,000; calls that would have made more of them were `aliases_ignored`."""

    aliases: list[str]
    aliases_ignored: int
    events: EventCounts


class UserAnswer(msgspec.Struct, frozen=True):
    user: UserWithEvents


class GroupAnswer(msgspec.Struct, frozen=True):
    group: Profile


class Erasure(msgspec.Struct, frozen=True):
    """The record of an erasure names nobody. `state` is waiting, running, done or failed; one that failed, `error` says
    why, is tried again every minute. `events_erased` counts each event once, however often it was begun."""

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


def profile(row: Row) -> Profile:
    traits = msgspec.json.decode(row.traits)
    return Profile(row.name, traits, times.format(row.first_seen_at), times.format(row.last_seen_at))


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


EXAMPLE_USER = {
    "id": "user-42",
    "traits": {"email": "ann@example.com", "plan": "pro"},
    "first_seen": "2026-05-01T12:00:00.000Z",
    "last_seen": "2026-05-08T09:30:00.000Z",
}
EXAMPLE_USER_WITH_EVENTS = {
    **EXAMPLE_USER,
    "aliases": ["anonymous-7"],
    "aliases_ignored": 0,
    "events": {"count": 19, "by_type": {"page_view": 18, "signup": 1}},
}
EXAMPLE_GROUP = {**EXAMPLE_USER, "id": "acme", "traits": {"name": "Acme", "employees": 12}}
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
