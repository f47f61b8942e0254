"""Two arrays split with their equal ends only once: the elements are those of two whole splits, or it was not sure."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.arrays import equal_ends
from delta_server.core.json import pieces, slices
from tests.core import documents
from tests.often import FUZZ

RECORDS = [{"id": i, "in": [{"id": i, "x": "},{"}, {"y": [1]}], "s": "a,]"} for i in range(40)]
KINDS: dict[str, list[Any]] = {
    "records": RECORDS,
    "numbers": list(range(90)),
    "strings": [f"s{i}" for i in range(40)],
    "pairs": [[i, [i]] for i in range(40)],
    "one large": [{"all": RECORDS}],
}
CHANGES: dict[str, Any] = {
    "none": lambda values: values,
    "at the head": lambda values: ["new", *values[1:]],
    "in the middle": lambda values: [*values[: len(values) // 2], {"id": 0}, *values[len(values) // 2 + 1 :]],
    "at the end": lambda values: [*values[:-1], None],
    "one less at the head": lambda values: values[1:],
    "one less at the end": lambda values: values[:-1],
    "one more at the head": lambda values: [{"id": -1}, *values],
    "twice": lambda values: values + values,
    "to nothing": lambda values: [],
    "all": lambda values: [[value] for value in values],
}


def whole(text: bytes) -> list[bytes]:
    return list(map(bytes, slices.elements(text)))


def found(old: bytes, new: bytes, most: int = 10_000) -> tuple[list[bytes], list[bytes]] | None:
    try:
        lists = equal_ends.split(old, new, most)
    except equal_ends.TooMany:
        assert max(len(whole(old)), len(whole(new))) > most
        return None
    return lists and (list(map(bytes, lists[0])), list(map(bytes, lists[1])))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("indent", [None, 1])
def test_the_elements_are_those_of_two_whole_splits(
    monkeypatch: pytest.MonkeyPatch, kind: str, change: str, indent: int | None
) -> None:
    old, new = (json.dumps(value, indent=indent).encode() for value in (KINDS[kind], CHANGES[change](KINDS[kind])))
    sure = 0
    for stretch in (1, 7, 60, 200, 10_000):
        monkeypatch.setattr(pieces, "CHUNK_BYTES", stretch)
        for pair in ((old, new), (new, old)):
            lists = found(*pair)
            sure += lists is not None
            assert lists in (None, (whole(pair[0]), whole(pair[1])))
    assert sure >= 2 or kind == "one large"


def test_what_is_equal_is_split_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", 200)
    changed = [*RECORDS[:20], {"id": -1}, *RECORDS[21:]]
    lists = equal_ends.split(json.dumps(RECORDS).encode(), json.dumps(changed).encode(), 100)
    assert lists is not None
    shared = [one is other for one, other in zip(*lists, strict=True)]
    assert shared[:10] == [True] * 10
    assert shared[-10:] == [True] * 10
    assert not shared[20]


@pytest.mark.parametrize("stretch", [1, 40, 10_000])
@pytest.mark.parametrize("kind", KINDS)
def test_more_than_asked_for_are_not_split(monkeypatch: pytest.MonkeyPatch, kind: str, stretch: int) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", stretch)
    old, new = (json.dumps(value).encode() for value in (KINDS[kind], [*KINDS[kind], 1]))
    assert found(old, new, len(KINDS[kind])) is None
    assert found(new, old, len(KINDS[kind])) is None


@settings(max_examples=100 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60), st.integers(0, 12))
def test_any_two_arrays(chance: Random, stretch: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "CHUNK_BYTES", stretch)
        before = [documents.value(chance, 2) for _ in range(chance.randrange(12))]
        after = chance.choice([lambda: documents.changed(chance, before), lambda: before[1:] + before[:1]])()
        old, new = documents.text(chance, before), documents.text(chance, after if isinstance(after, list) else [after])
        lists = found(old, new, most)
        assert lists in (None, (whole(old), whole(new)))
        assert lists is None or max(map(len, lists)) <= most


@settings(max_examples=75 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60), st.integers(0, 12))
def test_any_two_objects(chance: Random, stretch: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "CHUNK_BYTES", stretch)
        before = {f"k{chance.randrange(12)}": documents.value(chance, 2) for _ in range(chance.randrange(12))}
        after = documents.changed(chance, before)
        sides = [side if isinstance(side, dict) else {"a": side} for side in (before, after)]
        old, new = (documents.text(chance, side) for side in sides)
        whole_members = slices.members(old), slices.members(new)
        try:
            lists = equal_ends.split_members(old, new, most)
        except equal_ends.TooMany:
            assert max(map(len, whole_members)) > most
            return
        assert lists in (None, whole_members)


@pytest.mark.parametrize("stretch", [200, 400])
def test_members_that_are_the_same_are_split_once(monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", stretch)
    old = {f"k{i:02}": row for i, row in enumerate(RECORDS)}
    lists = equal_ends.split_members(json.dumps(old).encode(), json.dumps({**old, "k20": 1}).encode(), 100)
    assert lists is not None
    before, after = lists
    assert all(before[name] is after[name] for name in [*list(old)[:10], *list(old)[-10:]])
    assert list(after) == list(old)
    assert after["k20"] == msgspec.Raw(b"1")
