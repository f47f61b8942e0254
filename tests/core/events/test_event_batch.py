"""Batches that are read at once, and how that shows that none of their events is too large."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import DeltaError
from delta_server.core.events import event_batch, native_event
from delta_server.core.events.event import Event
from delta_server.core.events.event_time import Arrival

NOW = 1_795_176_000_000
MOST_BYTES = 1024
ARRIVAL = Arrival(NOW, MOST_BYTES, flags=3 << 8)
NAME = b'"eventType"'

_VALUES = {
    "userId": ['"u"', "7", "null", '""'],
    "source": ['"s"'],
    "duration": ["1.5", "2"],
    "priority": ["20", '"high"'],
    "tags": ['["x","x"]', "[]", "null", '"y"'],
    "data": ['{"a":1.0}', '{"b":1,"b":2}', "null", "{}", "3", '{"eventType":"b"}', '{"é":"\\u00e9\\"eventType\\""}'],
    "metadata": ['{"m":1}', "null", '{"m":1,"m":2}', "[]"],
    "timestamp": ['"2026-11-20T12:00:00.5Z"', "null", "0", '"2026-11-20T12:00:00"', '"2020-01-01T00:00:00Z"', "1e12"],
    "originalTimestamp": ['"2026-11-20T11:00:00Z"', "null"],
    "sentAt": [str(NOW - 5000), "null"],
    "messageId": ['"m"'],
    "eventType": ['"again"'],
    "\\u0065ventType": ['"again"'],
    "of its own": ["1"],
}  # fmt: skip
_MEMBERS_THERE = [(name, value) for name, values in _VALUES.items() for value in values]
_MEMBERS = st.sampled_from(_MEMBERS_THERE)
_USUAL = st.tuples(
    st.just("data"), st.sampled_from([300, 900, 960, 970, 980, 1100]).map(lambda n: f'{{"x":"{"y" * n}"}}')
)
_EVENTS = st.lists(st.lists(_MEMBERS | _USUAL, max_size=3), min_size=1, max_size=4)
_GAPS = st.sampled_from(["", " ", " " * 600, "\n"])


def text_of(members: list[tuple[str, str]], name: str = "eventType") -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in [(name, '"a"'), *members]) + "}"


def one_by_one(texts: list[str], arrival: Arrival) -> tuple[list[Event], list[str]]:
    events, refused = [], []
    for text in texts:
        try:
            events += native_event.parse_one(text.encode(), arrival).events
        except DeltaError as error:
            refused.append(error.message)
    return events, refused


def read_both_ways(texts: list[str], gap: str = "", arrival: Arrival = ARRIVAL) -> None:
    for form in ('{"events":[%s]}', "[%s]", '{"eventType":"other","events":[%s]}'):
        found = native_event.parse_many((form % f"{gap},{gap}".join(texts)).encode(), arrival)
        assert (found.events, [one.message for one in found.rejected]) == one_by_one(texts, arrival)


@given(_EVENTS, st.sampled_from(["eventType", "\\u0065ventType"]), _GAPS)
def test_a_batch_is_read_as_its_events_by_themselves(
    events: list[list[tuple[str, str]]], first_name: str, gap: str
) -> None:
    read_both_ways([text_of(members, "eventType" if at else first_name) for at, members in enumerate(events)], gap)


@pytest.mark.parametrize("member", _MEMBERS_THERE)
def test_one_odd_member_changes_nothing_of_the_others(member: tuple[str, str]) -> None:
    usual = text_of([("timestamp", '"2026-11-20T11:30:00Z"'), ("data", '{"x":1}')])
    odd = text_of([("timestamp", '"2026-11-20T11:30:00Z"'), member])
    read_both_ways([usual, odd, usual])
    read_both_ways([odd])


@pytest.mark.parametrize("received_at", [365 * 86_400_000, 366 * 86_400_000, NOW])
@pytest.mark.parametrize("timestamp", ["1970-12-31T23:59:59.999Z", "1971-01-01T00:00:00Z", "1971-01-02T01:00:00.001Z"])
def test_times_of_a_clock_that_was_never_set(received_at: int, timestamp: str) -> None:
    read_both_ways([text_of([("timestamp", f'"{timestamp}"')])] * 2, arrival=Arrival(received_at, MOST_BYTES))


def test_a_name_within_data_does_not_hide_how_large_an_event_is() -> None:
    many = ",".join(f'"{number}":"{"y" * 80}","eventType":{number}' for number in range(10))
    read_both_ways([text_of([("data", f'{{"a":{{{many}}}}}')]), text_of([])])


@pytest.mark.parametrize(("behind_ms", "wanted"), [(0, (NOW, None)), (5000, (NOW + 5000, NOW))])
@pytest.mark.parametrize("timestamp", ["2026-11-20T12:00:00Z", NOW])
def test_the_clock_of_a_batch_is_that_of_each_of_its_events(
    behind_ms: int, wanted: tuple[int, int | None], timestamp: Any
) -> None:
    events = [{"eventType": "a", "timestamp": timestamp}] * 3
    body = msgspec.json.encode({"sentAt": NOW - behind_ms, "events": events})
    assert [(event.at, event.original_at) for event in native_event.parse_many(body, ARRIVAL).events] == [wanted] * 3


def body_of(lengths: list[int]) -> bytes:
    """Events of so many bytes."""
    empty = len('{"eventType":"a","x":""}')
    return b"[" + b",".join(b'{"eventType":"a","x":"%s"}' % (b"y" * (n - empty)) for n in lengths) + b"]"


@given(st.lists(st.integers(30, 1200) | st.sampled_from([30, 255, 256, 500, 1024, 1025]), min_size=1, max_size=40))
def test_what_is_surely_small_is_small(lengths: list[int]) -> None:
    if event_batch.are_surely_small(body_of(lengths), MOST_BYTES, NAME):
        assert max(lengths) <= MOST_BYTES


def test_usual_events_are_surely_small() -> None:
    assert event_batch.are_surely_small(body_of([240] * 1000), MOST_BYTES, NAME)
    assert event_batch.are_surely_small(body_of([MOST_BYTES // 4 - 10]), MOST_BYTES, NAME)
    assert not event_batch.are_surely_small(body_of([240] * 500 + [600] + [240] * 500), MOST_BYTES, NAME)
    assert not event_batch.are_surely_small(body_of([240]).replace(b"y", b"\\u0065", 1), MOST_BYTES, NAME)


def test_too_many_are_refused_whatever_they_are() -> None:
    for text in ('{"eventType":"a"}', '{"\\u0065ventType":"a"}'):
        with pytest.raises(DeltaError, match="10001 events, more than 10000"):
            native_event.parse_many(f"[{','.join([text] * 10_001)}]".encode(), ARRIVAL)
