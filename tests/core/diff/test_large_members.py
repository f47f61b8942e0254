"""Large objects with few members: followed member by member, both at once, they have what two whole splits find."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff import large_members
from delta_server.core.diff.compare import diff
from delta_server.core.diff.json_patch import json_patch
from delta_server.core.json import pieces, slices
from delta_server.core.json.shapes import slice_of
from tests.core import documents
from tests.often import FUZZ

ROWS = [{"id": i, "in": [{"id": i, "x": "},{"}, {"y": [1]}], "s": "a,]", 'o"dd': "],"} for i in range(60)]
CHANGED = [*ROWS[:30], {"id": -1}, *ROWS[31:]]
PAIRS: list[tuple[str, Any, Any]] = [
    ("one array", {"rows": ROWS}, {"rows": CHANGED}),
    ("changed at the head", {"rows": ROWS}, {"rows": [{"id": -1}, *ROWS[1:]]}),
    ("changed at the end", {"rows": ROWS}, {"rows": [*ROWS[:-1], 1]}),
    ("a row less", {"n": 60, "rows": ROWS, "z": 1}, {"n": 59, "rows": ROWS[1:], "z": 1}),
    ("to nothing", {"rows": ROWS, "z": 1}, {"rows": [], "z": 1}),
    ("from nothing", {"rows": [], "z": 1}, {"rows": ROWS, "z": 1}),
    ("to another kind", {"rows": ROWS, "z": 1}, {"rows": {"a": ROWS}, "z": 1}),
    ("a longer number before", {"n": 9, "rows": ROWS, "z": 1}, {"n": 10, "rows": CHANGED, "z": 1}),
    ("changed before and behind", {"n": 9, "rows": ROWS, "z": [1]}, {"n": 10, "rows": CHANGED, "z": [2, 3]}),
    ("odd names", {'a"b\\': ROWS, "c\nd": ROWS, "": 1}, {'a"b\\': CHANGED, "c\nd": ROWS, "": 1}),
    ("several arrays", dict.fromkeys("abcd", ROWS), {c: CHANGED if c in "bd" else ROWS for c in "abcd"}),
    ("an array first", {"a": ROWS, "z": [ROWS, "]}"]}, {"a": CHANGED, "z": [ROWS, "]}"]}),
    ("a name less", {"a": ROWS, "b": 1, "c": ROWS}, {"a": ROWS, "c": CHANGED}),
    ("a name more", {"a": ROWS, "c": ROWS}, {"a": ROWS, "b": 1, "c": CHANGED}),
    ("in another order", {"a": ROWS, "c": CHANGED}, {"c": ROWS, "a": CHANGED}),
    ("a string", {"a": "x" * 900, "b": ROWS}, {"a": "x" * 500 + 'y"' + "x" * 400, "b": ROWS}),
    ("an object of rows", {"a": {str(i): row for i, row in enumerate(ROWS)}}, {"a": {"1": ROWS}}),
    ("numbers", {"a": list(range(300)), "b": 1}, {"a": [*range(150), 7.5, *range(151, 300)], "b": 1}),
    ("empty", {}, {"a": ROWS}),
]


@pytest.fixture(params=[1, 40, 300, 5000])
def _small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", request.param)
    monkeypatch.setattr(pieces, "LARGE_BYTES", 64)


def found(old: bytes, new: bytes, most_elements: int) -> None:
    sides = large_members.split(old, new, most_elements=most_elements)
    assert sides is not None
    for members, text in zip(sides, (old, new), strict=True):
        whole = slices.members(text)
        assert list(members) == list(whole)
        lists = {name: value for name, value in members.items() if isinstance(value, list)}
        assert sum(map(len, lists.values())) <= most_elements
        for name, value in members.items():
            expected = bytes(whole[name])
            assert slice_of(value) == (slice_of(slices.elements(expected)) if name in lists else expected)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("old", "new"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_the_members_are_those_of_two_whole_splits(old: Any, new: Any) -> None:
    for indent in (None, 1):
        before, after = (json.dumps(value, indent=indent).encode() for value in (old, new))
        for pair in ((before, after), (after, before), (before + b" \n", after)):
            for most_elements in (0, 70, 10_000):
                found(*pair, most_elements)


@pytest.mark.parametrize("indent", [None, 1])
def test_rows_that_are_the_same_are_split_once(monkeypatch: pytest.MonkeyPatch, indent: int | None) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", 300)
    monkeypatch.setattr(pieces, "LARGE_BYTES", 64)
    old, new = (
        json.dumps({"n": n, "rows": rows, "z": 1}, indent=indent).encode() for n, rows in ((9, ROWS), (10, CHANGED))
    )
    sides = large_members.split(old, new, most_elements=100)
    assert sides is not None
    rows = [members["rows"] for members in sides]
    shared = [one is other for one, other in zip(*rows, strict=True)]
    assert shared[:20] == shared[-20:] == [True] * 20
    assert not shared[30]


@pytest.mark.usefixtures("_small")
def test_the_last_of_members_named_twice_counts() -> None:
    rows, changed = json.dumps(ROWS), json.dumps(CHANGED)
    old, new = (f'{{"a":{one},"b":[2],"a":{other}}}'.encode() for one, other in ((rows, rows), (changed, rows)))
    for pair in ((old, new), (new, old), (old, f'{{"a":{changed}}}'.encode())):
        found(*pair, 1000)


def test_many_small_members_are_not_followed() -> None:
    many = json.dumps({f"k{i}": i for i in range(20_000)}).encode()
    other = json.dumps({"k": 1}).encode()
    assert large_members.split(many, other, most_elements=9) is None
    assert large_members.split(other, many, most_elements=9) is None
    large_behind = json.dumps({f"k{i}": "x" * (i == 50) * 400_000 for i in range(60)}).encode()
    assert large_members.split(large_behind, other, most_elements=9) is not None
    large_far_behind = json.dumps({f"k{i}": "x" * (i == 500) * 400_000 for i in range(600)}).encode()
    assert large_members.split(large_far_behind, other, most_elements=9) is None


@settings(max_examples=100 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60), st.integers(0, 30))
def test_any_two_objects(chance: Random, stretch: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "CHUNK_BYTES", stretch)
        patched.setattr(pieces, "LARGE_BYTES", chance.choice([0, 20]))
        before = {f"k{chance.randrange(9)}": documents.value(chance, 1) for _ in range(chance.randrange(7))}
        after = documents.changed(chance, before)
        old, new = (documents.text(chance, side if isinstance(side, dict) else {"a": side}) for side in (before, after))
        found(old, new, most)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_row_in_a_large_object_is_one_operation(indent: int | None) -> None:
    rows = [{"id": i, "text": "some text " * 4, "in": {"n": i}} for i in range(9000)]
    changed = [*rows[:4000], {**rows[4000], "text": "other"}, *rows[4001:]]
    sides = [{'da"ta': value, "n": 1, **{f"l{i}": rows[:500] for i in range(9)}} for value in (rows, changed)]
    old, new = (json.dumps(side, indent=indent).encode() for side in sides)
    assert json.loads(json_patch(diff(old, new))) == [
        {"op": "replace", "path": '/da"ta/4000/text', "value": "other"},
    ]
