"""Users and groups on the wire."""

from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.events.trait_history import TraitChange, TraitsChanged
from delta_server.features.profiles.store import Profile as Row


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


class TraitsChange(msgspec.Struct, frozen=True):
    """What one identify call changed. `before` of a trait is absent where it was not set before, `after` where it was
    taken away."""

    at: str
    message_id: str
    changes: list[TraitChange]


def traits_change(found: TraitsChanged) -> TraitsChange:
    return TraitsChange(times.format(found.at), found.message_id, found.changes)


def profile(row: Row) -> Profile:
    """Raises DatabaseFailed."""
    row.require_traits()
    traits = msgspec.json.decode(row.traits)
    return Profile(row.name, traits, times.format(row.first_seen_at), times.format(row.last_seen_at))


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
EXAMPLE_TRAITS_CHANGE = {
    "at": "2026-05-04T10:00:00.000Z",
    "message_id": "9b2f1c34-5d1e-4a0b-8c1f-3a8d4f2e7b10",
    "changes": [{"trait": "plan", "before": "free", "after": "pro"}],
}
EXAMPLE_GROUP = {**EXAMPLE_USER, "id": "acme", "traits": {"name": "Acme", "employees": 12}}


FIELDS = {
    "Profile.id": "Id of the user or group",
    "UserWithEvents.id": "Id of the user",
    "traits": "What identify and group calls said of it",
    "first_seen": "When its first event came; the last minutes may be missing",
    "last_seen": "When its latest event came; the last minutes may be missing",
    "aliases": "Other ids of the user, up to 1,000",
    "aliases_ignored": "Calls that would have made more aliases",
    "UserWithEvents.events": "How many events are the user's",
    "EventCounts.count": "Of all types",
    "EventCounts.by_type": "By event type",
    "UserAnswer.user": "The user",
    "GroupAnswer.group": "The group",
    "TraitsChange.at": "When the call was made",
    "TraitsChange.message_id": "The call's message id",
    "TraitsChange.changes": "The traits it changed",
    "TraitChange.trait": "Its name",
    "TraitChange.before": "Its value until then; absent where it was not set",
    "TraitChange.after": "Its value from then on; absent where it was taken away",
}
