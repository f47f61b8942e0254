"""Large objects with few members: found by name, without memory for more than these."""

import json

import pytest

from delta_server.core.json import pieces, shapes
from delta_server.core.json.shapes import slice_of

FEW = [
    ("one array", {"rows": [1, 2, 3]}),
    ("several values", {"z": 1, "rows": [{"a": 1}, {"a": 2}], "a": {"b": [1]}, "n": None}),
    ("a name of other letters", {"r\u00f6ws": [1, 2]}),
]
NOT_FEW = [
    ("many members", {f"k{i}": i for i in range(40)}),
    ("a name with a quote", {'a"b': [1, 2]}),
    ("a name with a line break", {"a\nb": [1, 2]}),
    ("a name with a backtick and more", {"a` - at `$": 1, "b\\c": 2}),
    ("a very long name", {"n" * 1000: [1, 2]}),
]


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "STRETCH", 1)
    monkeypatch.setattr(shapes, "has_large_members", lambda document: True)


@pytest.mark.parametrize("value", [value for _, value in NOT_FEW], ids=[name for name, _ in NOT_FEW])
@pytest.mark.parametrize("most_elements", [0, 100])
def test_what_is_not_found_so(value: object, most_elements: int) -> None:
    assert shapes.few(json.dumps(value).encode(), most_elements=most_elements) is None


@pytest.mark.parametrize("value", [value for _, value in FEW], ids=lambda value: ",".join(value))
@pytest.mark.parametrize("most_elements", [0, 1, 100])
def test_the_members_are_those_of_the_object(value: object, most_elements: int) -> None:
    for _ in range(2):  # the second time with a guess
        found = shapes.few(json.dumps(value, ensure_ascii=False).encode(), most_elements=most_elements)
        assert found is not None
        assert {name: json.loads(slice_of(raw)) for name, raw in found.items()} == value
        lists = [raw for raw in found.values() if isinstance(raw, list)]
        assert sum(map(len, lists)) <= most_elements


def test_the_last_of_members_named_twice_counts() -> None:
    found = shapes.few(b'{"a":1,"b":[2],"a":3}', most_elements=9)
    assert found is not None
    assert {name: slice_of(raw) for name, raw in found.items()} == {"a": b"3", "b": b"[2]"}
