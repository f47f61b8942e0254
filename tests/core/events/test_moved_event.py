"""Events of another server's file are held to the limits of those that are sent."""

import json
from typing import Any

import pytest

from delta_server.core.errors import Invalid
from delta_server.core.events import moved_event
from delta_server.core.events.event import Event, key_of, with_key
from delta_server.core.events.profile_update import TraitsUpdate

EVENT: dict[str, Any] = {"time_ms": 1_780_000_000_000, "received_at": 1_780_000_000_000, "event_type": "x"}
EVENT_BYTES = 32 << 10


def line(**more: Any) -> bytes:
    return json.dumps({**EVENT, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    "more",
    [
        {"priority": 10**30},
        {"priority": 10**18},
        {"flags": -1},
        {"flags": 1 << 31},
        {"event_type": ""},
        {"event_type": "t" * 100_000},
        {"event_type": "t\0"},
        {"user_id": "u\0"},
        {"message_id": "m" * 1_000_000},
        {"tags": ["t"] * 100_000},
        {"duration": -1e308},
        {"time_ms": 10**18},
        {"original_at": 10**18},
        {"data": "[1]"},
        {"data": "{"},
        {"data": '{"a":"' + "x" * 5_000_000 + '"}'},
        {"data": '{"a":' + "[" * 10_000 + "]" * 10_000 + "}"},
        {"metadata": '{"a":' * 200 + "1" + "}" * 200},
        {"unknown": [0]},
    ],
    ids=lambda more: f"{next(iter(more))}-{str(next(iter(more.values())))[:12]!r}",
)
def test_what_is_refused_is_told_by_its_line(more: dict[str, Any]) -> None:
    last = line(**more).replace(b"[0]", b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(Invalid, match="event 1002 of the file"):
        moved_event.decoded(line() + last, EVENT_BYTES, 1000)


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(Invalid, match="more than 10000 events"):
        moved_event.decoded(b"\n" * (moved_event.MOST_LINES + 1), EVENT_BYTES)


def test_what_ingest_takes_is_taken() -> None:
    more = {"priority": 40, "flags": 31, "tags": ["a", "b"], "data": '{"a":  1.10}', "original_at": 0, "duration": 1}
    [event] = moved_event.decoded(line(**more), EVENT_BYTES)
    assert (event.priority, event.flags, event.tags, event.original_at, event.duration) == (40, 31, ["a", "b"], 0, 1)
    assert bytes(event.data or b"") == b'{"a":  1.10}'


def test_a_key_stays_on_its_server() -> None:
    """Its number is another key's there."""
    event = Event(0, 0, "a", flags=with_key(7) | 4)
    names = Event.__struct_fields__
    row = {"time_ms": 0, "event_type": "a", **{name: getattr(event, name) for name in names}}
    for written in (moved_event.lines([event]), moved_event.encoded(list(row), [list(row.values())])):
        assert json.loads(written)["flags"] == 4
    [moved] = moved_event.decoded(line(flags=with_key(7) | 4), EVENT_BYTES)
    assert (moved.flags, key_of(event.flags), key_of(moved.flags)) == (4, 7, 0)


def test_a_group_that_ingest_would_refuse_has_no_profile() -> None:
    lines = [line(event_type="group", data=json.dumps({"groupId": name})) for name in ("g", "g\0")]
    updates = moved_event.profile_updates(moved_event.decoded(b"".join(lines), EVENT_BYTES))
    assert [update.name for _, update in updates if isinstance(update, TraitsUpdate)] == ["g"]
