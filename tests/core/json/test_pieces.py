"""Long arrays and objects cut into pieces: what is in them is what a whole split finds, wherever they are cut."""

import json
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.json import pieces, slices
from delta_server.core.json.pieces import LazyElements
from tests.core import documents
from tests.often import FUZZ

ELEMENTS = [
    ("digits", "1,2,3,4,5,6,7,8"),
    ("one element", "1"),
    ("strings with commas", '"a,b","c\\",","\\\\","],[","},{"'),
    ("numbers, then strings", '1,2,3,4,5,6,"7,8",9,10'),
    ("pairs", "[1,2],[3,4],[5,[6,7]],[],[8]"),
    ("pretty pairs", "[1, 2] , [3,\n 4]\n,\t[5]"),
    ("records", '{"a":1,"b":[{"c":2},{"d":3}]},{"a":"},{"},{}'),
    ("mixed", 'null,"x,y",[1,{"a":[2,3]}],{"b":"]"},true,-1.5e3,"",{}'),
    ("a long nested one", "[" + "[1,2]," * 40 + '"]",[3]],4'),
]


@pytest.mark.parametrize("text", [text for _, text in ELEMENTS], ids=[name for name, _ in ELEMENTS])
@pytest.mark.parametrize("stretch", [1, 2, 3, 5, 9, 1000])
def test_the_elements_are_those_of_a_whole_split(monkeypatch: pytest.MonkeyPatch, text: str, stretch: int) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", stretch)
    array = f"[ {text} ]".encode()
    whole = list(map(bytes, slices.elements(array)))
    found = LazyElements(array)
    assert len(found) == len(whole)
    assert [bytes(element) for element in found] == whole
    for begin in range(len(whole)):
        for end in range(begin, len(whole) + 1):
            assert [value for part in found.between(begin, end) for value in part] == whole[begin:end]


@settings(max_examples=75 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_any_array_and_object(chance: Random, stretch: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "CHUNK_BYTES", stretch)
        patched.setattr(pieces, "LARGE_BYTES", 0)
        values = [documents.value(chance, 2) for _ in range(chance.randrange(30))]
        array = documents.text(chance, values)
        assert list(map(bytes, LazyElements(array))) == list(map(bytes, slices.elements(array)))
        named = documents.text(chance, {f"k{i}": value for i, value in enumerate(values)})
        found = pieces.members(named, 1000, at_once=False)
        assert found is not None
        assert list(found.items()) == list(slices.members(named).items())


def test_of_an_empty_one_there_are_no_pieces() -> None:
    assert list(pieces.cuts(b"[ \n]")) == []
    assert list(pieces.cuts(b"{}")) == []
    assert len(LazyElements(b"[ ]")) == 0


def test_the_last_of_members_named_twice_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", 1)
    monkeypatch.setattr(pieces, "LARGE_BYTES", 0)
    assert pieces.members(b'{"a":1,"b":2,"a":3}', 9, at_once=False) == {"a": msgspec.Raw(b"3"), "b": msgspec.Raw(b"2")}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("text", ["[1,2,3,4]", '["a","b","c","d"]', "[[1],[2],[3],[4]]"])
def test_more_than_asked_for_come_in_pieces(monkeypatch: pytest.MonkeyPatch, text: str, at_once: bool) -> None:
    monkeypatch.setattr(pieces, "LARGE_BYTES", 0)
    assert isinstance(pieces.elements(text.encode(), 3, at_once=at_once), LazyElements)
    assert isinstance(pieces.elements(text.encode(), 4, at_once=at_once), list)
    assert pieces.members(json.dumps(dict.fromkeys("abcd", 1)).encode(), 3, at_once=at_once) is None


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        pytest.param(b"[1,1,1,1,1]", b"[1]", False, id="too many old ones"),
        pytest.param(b"[1]", b"[1,1,1,1,1]", False, id="too many new ones"),
        pytest.param(b"[1,1,1]", b"[1,1,1,2,2,1]", False, id="too many between equal ends"),
        pytest.param(b"[1]", b"[1,1,2,1]", True, id="few"),
        pytest.param(b"[1,1,1,1]", b"[1,1,1,1]", True, id="equal ones"),
        pytest.param(b'["' + b"x" * 90 + b'"]', b"[1]", False, id="too large a text"),
    ],
)
def test_what_may_be_split_at_once(monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes, fits: bool) -> None:
    monkeypatch.setattr(pieces, "MAX_AT_ONCE", 80)
    for stretch in range(1, 12):
        monkeypatch.setattr(pieces, "CHUNK_BYTES", stretch)
        assert pieces.fit_at_once(old, new, 4 * pieces.SPLIT) is fits


@settings(max_examples=75 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_elements_at_equal_ends_are_equal(chance: Random, stretch: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "CHUNK_BYTES", stretch)
        values = [documents.value(chance, 3) for _ in range(chance.randrange(30))]
        changed = [*values[: len(values) // 2], chance.choice(["a", [1], values]), *values[len(values) // 2 + 1 :]]
        old, new = (json.dumps(side).encode() for side in chance.choice([(values, changed), (values, [values])]))
        head, tail = LazyElements(old).within(*pieces.equal_ends(old, new))
        before, after = (list(map(bytes, slices.elements(text))) for text in (old, new))
        assert head + tail <= min(len(before), len(after))
        assert before[:head] == after[:head]
        assert before[len(before) - tail :] == after[len(after) - tail :]
