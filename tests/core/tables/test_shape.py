"""Columns and their types: those of all records, in whatever order they came."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import Invalid
from delta_server.core.tables import shape
from delta_server.core.tables.shape import Shape

CASES: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("nothing", [], []),
    ("kinds", ['{"b": true, "i": 1, "d": 1.5, "t": "x", "l": [1]}'],
     [("b", "boolean"), ("d", "double"), ("i", "integer"), ("l", "json"), ("t", "text")]),
    ("whole numbers and others", ['{"a": 1}', '{"a": 1e3}'], [("a", "double")]),
    ("mixed", ['{"a": 1}', '{"a": "x"}'], [("a", "text")]),
    ("never there", ['{"a": null}'], [("a", "text")]),
    ("sometimes there", ['{"a": null, "b": 1}', '{"a": true}'], [("a", "boolean"), ("b", "integer")]),
    ("more than 64 bits", ['{"a": 9223372036854775808}'], [("a", "text")]),
    ("more than a double", ['{"a": 1e999}'], [("a", "text")]),
    ("thousands of digits", [f'{{"a": 1{"0" * 5000}, "b": 2}}'], [("a", "text"), ("b", "integer")]),
    ("nested", ['{"g": {"t": "P", "c": {"x": 1}}}'], [("g.c.x", "integer"), ("g.t", "text")]),
    ("nested at times", ['{"g": {"t": 1}}', '{"g": 5}'], [("g", "text")]),
    ("lists and objects", ['{"g": {"t": 1}}', '{"g": [5]}'], [("g", "json")]),
    ("empty objects", ['{"g": {}}'], [("g", "json")]),
    ("a map", [json.dumps({"m": {f"k{n}": 1 for n in range(65)}})], [("m", "json")]),
    ("deep", ['{"a": {"b": {"c": {"d": {"e": 1}}}}}'], [("a.b.c.d", "json")]),
    ("no objects", ["1", "2"], [("value", "integer")]),
    ("objects and others", ["1", '{"a": 1}'], [("value", "text")]),
    ("names that differ by case", ['{"a": 1, "A": 2}'], [("A", "integer"), ("a_2", "integer")]),
    ("names that are taken", ['{"Key": 1}'], [("Key_2", "integer")]),
    ("the name of another", ['{"a": {"b": 1}, "a.b": 2}'], [("a.b", "integer"), ("a.b_2", "integer")]),
]  # fmt: skip


@pytest.mark.parametrize(("records", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_columns(records: list[str], wanted: list[Any]) -> None:
    for order in range(3):
        random.Random(order).shuffle(records)
        learned = Shape()
        for record in records:
            learned.learn(record.encode())
        assert [(each.name, each.type) for each in learned.columns(["key"])] == wanted


nested = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 1) | st.just([1]), max_size=3)
objects = st.dictionaries(
    st.sampled_from("abcd"), st.sampled_from([None, True, 1, 1.5, "x", 1 << 63]) | nested, max_size=4
)


@given(st.lists(objects, min_size=1, max_size=5))
def test_members_that_changed_teach_what_the_record_does(history: list[dict[str, Any]]) -> None:
    whole, learned = Shape(), Shape()
    for number, record in enumerate(history):
        text = msgspec.json.encode(record)
        whole.learn(text)
        before = history[number - 1] if number else {}
        changed = {name: value for name, value in record.items() if name not in before or before[name] != value}
        parts = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changed.items()}
        learned.learn(text, parts if number else None)
    assert learned.columns([]) == whole.columns([])


def test_named_fields_keep_their_order() -> None:
    learned = Shape()
    learned.learn(b'{"0": 1, "2": {"x": 1}}')
    found = learned.named([("2", "b"), ("1", "a"), ("0", "key")], ["key"])
    assert [(each.name, each.path, each.type) for each in found] == [
        ("b", ("2",), "json"), ("a", ("1",), "text"), ("key_2", ("0",), "integer"),
    ]  # fmt: skip


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "MOST_COLUMNS", 5)
    learned = Shape()
    learned.learn(b'{"a": {"x": 1, "y": 2, "z": 3}, "b": {"x": 1, "y": 2, "z": 3}}')
    assert [each.name for each in learned.columns([])] == ["a", "b"]
    with pytest.raises(Invalid):
        learned.learn(msgspec.json.encode({f"m{n}": n for n in range(6)}))


records = st.lists(
    st.dictionaries(
        st.sampled_from("abc"),
        st.recursive(
            st.none() | st.booleans() | st.sampled_from([1, 1 << 70, 1.5, "x"]),
            lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("xy"), below, max_size=2),
        ),
    )
    | st.integers(0, 1),
    max_size=8,
)


@given(records)
def test_records_of_types_seen_before(some: list[Any]) -> None:
    learned, opened = Shape(), Shape()
    for record in map(msgspec.json.encode, some):
        learned.learn(record)
        opened._open.clear()
        opened.learn(record)
    assert learned.columns([]) == opened.columns([])
