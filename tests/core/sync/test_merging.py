"""Two versions of a record brought together."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.sync.merging import Merge, merge
from tests.often import FUZZ

BASE = {"a": 1, "b": {"c": 1, "d": 2}, "l": [1, 2]}


def merged(base: Any, server: Any, device: Any) -> Merge:
    base, server, device = (json.dumps(each).encode() for each in (base, server, device))
    return merge(base, server, device)


@pytest.mark.parametrize(
    ("server", "device", "data", "places"),
    [
        pytest.param({}, {}, {}, [], id="nothing"),
        pytest.param({"a": 2}, {"l": [1]}, {"a": 2, "l": [1]}, [], id="different fields"),
        pytest.param({"a": 2}, {"a": 2}, {"a": 2}, [], id="the same change"),
        pytest.param({"a": 2}, {"a": 2.0}, {"a": 2}, [], id="the same number"),
        pytest.param({"a": 2}, {"a": 3}, {"a": 2}, ["/a"], id="one field, two values"),
        pytest.param({"b": {"c": 9, "d": 2}}, {"b": {"c": 1, "d": 9}}, {"b": {"c": 9, "d": 9}}, [], id="deeper"),
        pytest.param({"b": {"c": 9, "d": 2}}, {"b": {"c": 8, "d": 2}}, {"b": {"c": 9, "d": 2}}, ["/b/c"], id="open"),
        pytest.param({"l": [1, 2, 3]}, {"l": [0, 1, 2]}, {"l": [1, 2, 3]}, ["/l"], id="an array both changed"),
        pytest.param({"a": None}, {"x/y": 1}, {"a": None, "x/y": 1}, [], id="one added"),
        pytest.param({"x/y": 2}, {"x/y": 1}, {"x/y": 2}, ["/x~1y"], id="both added"),
        pytest.param({"b": 1}, {"b": {"c": 2, "d": 2}}, {"b": 1}, ["/b"], id="no object any more"),
    ],
)
def test_rows(server: dict[str, Any], device: dict[str, Any], data: dict[str, Any], places: list[str]) -> None:
    found = merged(*({**BASE, **change} for change in ({}, server, device)))
    assert (json.loads(found.data), list(found.open)) == ({**BASE, **data}, places)


def test_what_one_removed_goes_unless_the_other_changed_it() -> None:
    base = b'{"a": 1, "b": 2}'
    assert merge(base, b'{"a": 1}', b'{"a": 2, "b": 2}').data == b'{"a":2}'
    assert merge(base, b'{"a": 1}', b'{"a": 1, "b": 3}').open == ["/b"]
    assert merge(base, b'{"a": 1, "b": 3}', b'{"a": 1}').open == ["/b"]
    assert merge(base, b'{"a": 1}', b'{"a": 1}').data == b'{"a":1}'


def test_texts_of_numbers_and_halves_of_characters_stay() -> None:
    found = merge(b'{"a": 1}', b'{"a": 1, "n": 37.787619999999997}', b'{"a": 1, "t": "\\ud83d"}')
    assert found.data == b'{"a":1,"n":37.787619999999997,"t":"\\ud83d"}'
    assert merge(b"1", b"2", b"3").open == [""]
    assert merge(b"1", b" 1 ", b"3").data == b"3"


@pytest.mark.parametrize(
    ("base", "server", "device", "picks", "data"),
    [
        (b'{"a": 1}', b'{"a": 2}', b'{"a": 12345678901234567890}', {"/a": "device"}, b'{"a":12345678901234567890}'),
        (b'{"a": 1}', b'{"a": 2}', b'{"a": 3}', {"/a": "server"}, b'{"a":2}'),
        (b'{"a": 1, "b": 2}', b'{"a": 2, "b": 2}', b'{"b": 2}', {"/a": "device"}, b'{"b":2}'),
        (b'{"a": 1}', b"{}", b'{"a": 3}', {"/a": "device"}, b'{"a":3}'),
        (b'{"x": {"a/b": 0}}', b'{"x": {"a/b": 1}}', b'{"x": {"a/b": 2}}', {"/x/a~1b": "device"}, b'{"x":{"a/b":2}}'),
        (b'{"__proto__": 0}', b'{"__proto__": 1}', b'{"__proto__": 2}', {"/__proto__": "device"}, b'{"__proto__":2}'),
        (b"1", b"2", b"3", {"": "device"}, b"3"),
        (b'{"a": 1}', b'{"a": 2}', b'{"a": 1}', {"/a": "device", "/no": "device"}, b'{"a": 2}'),
    ],
)
def test_what_was_picked_is_taken(base: bytes, server: bytes, device: bytes, picks: Any, data: bytes) -> None:
    assert merge(base, server, device, picks).data == data


VALUES = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


@settings(max_examples=100 * FUZZ)
@given(base=VALUES, server=VALUES, device=VALUES)
def test_nothing_of_either_is_lost_silently(base: Any, server: Any, device: Any) -> None:
    found = merged(base, server, device)
    again = merged(base, device, server)
    assert sorted(found.open) == sorted(again.open)
    if not found.open:
        assert json.loads(found.data) == json.loads(again.data)
    if server == base:
        assert json.loads(found.data) == device
    if device == base:
        assert json.loads(found.data) == server


def test_every_place_that_differs_is_named_with_who_changed_it() -> None:
    base = b'{"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": 0, "g": 5}'
    server = b'{"a": 2, "b": {"c": 9, "d": 2}, "e": [1], "f": 7, "g": 5}'
    device = b'{"a": 3, "b": {"c": 1, "d": 8}, "e": [1, 2], "f": 7}'
    found = {
        field.path: (field.by, field.is_open, field.base, field.server, field.device)
        for field in merge(base, server, device).fields
    }
    assert found == {
        "/a": ("both", True, b"1", b"2", b"3"),
        "/b/c": ("server", False, b"1", b"9", b"1"),
        "/b/d": ("device", False, b"2", b"2", b"8"),
        "/e": ("device", False, b"[1]", b"[1]", b"[1,2]"),
        "/f": ("both", False, b"0", b"7", b"7"),
        "/g": ("device", False, b"5", b"5", None),
    }
