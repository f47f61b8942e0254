"""Arrays in which values repeat or the place is the meaning: as few edits as can be, and no moves."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.arrays import bit_parallel, edit_distance, subsequences
from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff.compare import DiffSettings, DiffSummary, diff
from delta_server.core.diff.json_patch import json_patch
from tests.often import FUZZ

FEW = st.one_of(st.text("ab", max_size=14), st.text("abc", max_size=14), st.text("abcdef", max_size=14))


def _distance(a: str, b: str) -> int:
    """The fewest edits, by the textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        above, row = row, [i + 1]
        for j, y in enumerate(b):
            row.append(min(above[j] + (x != y), above[j + 1] + 1, row[j] + 1))
    return row[-1]


def _longest_common(a: str, b: str) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        above, row = row, [0]
        for j, y in enumerate(b):
            row.append(above[j] + 1 if x == y else max(above[j + 1], row[j]))
    return row[-1]


def _edits(pairs: list[Pair], a: Any, b: Any) -> int:
    """The edits between the kept elements, once these are checked to be equal and in order."""
    assert all(a[i] == b[j] for i, j in pairs)
    edits, i, j = 0, -1, -1
    for x, y in [*pairs, (len(a), len(b))]:
        assert x > i
        assert y > j
        edits += max(x - i, y - j) - 1
        i, j = x, y
    return edits


@settings(max_examples=125 * FUZZ)
@given(FEW, FEW)
def test_as_few_edits_as_can_be(a: str, b: str) -> None:
    assert _edits(edit_distance.kept_pairs(a, b), a, b) == _distance(a, b)
    assert _edits(bit_parallel.fewest_edits(a, b), a, b) == _distance(a, b)


@settings(max_examples=125 * FUZZ)
@given(FEW, FEW)
def test_as_many_common_elements_as_can_be(a: str, b: str) -> None:
    pairs = bit_parallel.longest_common(a, b)
    _edits(pairs, a, b)
    assert len(pairs) == _longest_common(a, b)


@settings(max_examples=75 * FUZZ)
@given(FEW, FEW)
def test_every_way_to_align_is_right_where_it_need_not_be_the_best(a: str, b: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for limits in ({"_MAX_CELLS": 0}, {"_MAX_CELLS": 0, "_MAX_CUTS": 0}, {"_MAX_CELLS": 0, "_MAX_SEARCHED": 9}):
            for name, limit in {
                "_ERRORS": 1,
                "_ERRORS_OF_SMALL": 1,
                "_STEP": 2,
                "_PROBE_LENGTHS": (2,),
                **limits,
            }.items():
                patch.setattr(edit_distance, name, limit)
            by_place = max(len(a), len(b)) - sum([x == y for x, y in zip(a, b, strict=False)])
            assert _distance(a, b) <= _edits(edit_distance.kept_pairs(a, b), a, b) <= by_place


@settings(max_examples=75 * FUZZ)
@given(st.text("abcdezzzzz", max_size=30), st.text("abcdezzzzz", max_size=30))
def test_common_elements_when_there_are_too_many_matches(a: str, b: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subsequences, "_MATCHES_ALWAYS", 0)
        patch.setattr(subsequences, "_MATCHES_AN_ELEMENT", 0)
        pairs = subsequences.common(a, b)
        _edits(pairs, a, b)
        assert len(pairs) == _longest_common(a, b)
        patch.setattr(subsequences, "MAX_CELLS", 20)
        _edits(subsequences.common(a, b), a, b)


def test_unique_elements_hold_a_long_sequence_together() -> None:
    chance = Random(5)
    a = [chance.choice(["n/a", str(i)]) for i in range(40_000)]
    b = [*a[7:20_000], "new", *a[20_001:]]
    pairs = subsequences.common(a, b)
    _edits(pairs, a, b)
    assert len(pairs) == len(a) - 8


KINDS: list[tuple[str, Callable[[int], Any]]] = [
    ("numbers", int),
    ("booleans", bool),
    ("null or number", lambda on: on or None),
    ("strings", lambda on: "up" if on else "down"),
    ("objects", lambda on: {"s": "up" if on else "down"}),
    ("objects of several fields", lambda on: {"s": {"up": bool(on)}, "color": "green" if on else "red"}),
    ("arrays", lambda on: [on, on]),
]


def _random_bits(length: int) -> list[int]:
    chance = Random(length)
    return [chance.randrange(2) for _ in range(length)]


def _formula(length: int) -> list[int]:
    return [int((i * i * 31 + i * 17) % 101 < 50) for i in range(length)]


def _outages(length: int) -> list[int]:
    return [int((i + 20) % 37 > 4) for i in range(length)]


def _diff(before: Any, after: Any) -> DiffSummary:
    found = diff(json.dumps(before).encode(), json.dumps(after).encode())
    assert jsonpatch.apply_patch(before, json.loads(json_patch(found))) == after
    return found


@pytest.mark.parametrize("make", [_random_bits, _formula, _outages])
@pytest.mark.parametrize("length", [30, 150, 168, 288, 720, 1440, 5000])
def test_a_window_that_slides(make: Callable[[int], list[int]], length: int) -> None:
    for name, kind in KINDS:
        values = [kind(on) for on in make(length + 7)]
        for by in (1, 2, 7) if length > 30 else (1, 2):
            found = _diff({"beats": values[:length]}, {"beats": values[by : length + by]})
            assert (found.removed, found.added, found.moved) == (by, by, 0), (name, by)
            assert found.kind == "content"


@pytest.mark.parametrize(("name", "kind"), KINDS)
@pytest.mark.parametrize("length", [300, 2000, 5000])
def test_flips(name: str, kind: Callable[[int], Any], length: int) -> None:
    """Far apart, one up and one down; in random values, and in equal ones."""
    for values in (_random_bits(length), [0] * (length // 2) + [1] * (length - length // 2)):
        for flips in (1, 2, 3, 10):
            flipped = values[:]
            for place in range(length // 20, length, length // flips):
                flipped[place] = 1 - flipped[place]
            found = _diff([kind(on) for on in values], [kind(on) for on in flipped])
            leaves = 2 if name in ("arrays", "objects of several fields") else 1
            assert (found.replaced, found.changes_count) == (flips * leaves, flips * leaves), name
            assert found.kind == "content"


@pytest.mark.parametrize(("name", "kind"), KINDS[:5])
def test_flips_in_a_window_that_slides(name: str, kind: Callable[[int], Any]) -> None:
    values = _random_bits(2003)
    after = values[3:]
    for place in (400, 900, 1500):
        after[place] = 1 - after[place]
    found = _diff([kind(on) for on in values[:2000]], [kind(on) for on in after])
    assert (found.removed, found.added, found.replaced, found.moved) == (3, 3, 3, 0), name


PLACES = [
    ("a corrected coordinate", [12.5, 55.7], [55.7, 12.5], 2),
    ("a color", [255, 0, 0], [0, 255, 0], 2),
    ("seats", [0, 1, 0, 0], [0, 0, 1, 0], 2),
    ("a number to the end", [7, 8, 9, 10], [8, 9, 10, 7], 2),
    ("null", [1, None, 3, 4], [1, 4, 3, None], 2),
    ("equal words side by side", ["on", "off", "on", "on", "off"], ["off", "on", "on", "on", "off"], 2),
    ("a long row of seats that slides", [0] * 9 + [1] + [0] * 9, [0] * 8 + [1] + [0] * 10, 2),
    ("blocks of two words", ["a"] * 9 + ["b"] * 9, ["b"] * 9 + ["a"] * 9, 18),
    ("one word more", ["a"] * 9, ["a"] * 10, 1),
    ("nothing left", [0, 1] * 20, [], 40),
    ("nothing before", [], [0, 1] * 20, 40),
    ("equal by value", [1, 0, 1, 1, 0], [1.0, 0.0, 0, 1e0, 0], 1),
]


@pytest.mark.parametrize(("name", "before", "after", "edits"), PLACES)
def test_what_stands_at_a_place_is_content(name: str, before: Any, after: Any, edits: int) -> None:
    found = _diff(before, after)
    assert (found.kind, found.changes_count, found.moved) == ("content", edits, 0), name


ORDERS = [
    ("words", ["a", "b", "c"], ["c", "a", "b"]),
    ("a word twice", ["a", "b", "a", "c", "d"], ["d", "a", "b", "a", "c"]),
    ("records", [{"n": "a"}, {"n": "b"}], [{"n": "b"}, {"n": "a"}]),
]


@pytest.mark.parametrize(("name", "before", "after"), ORDERS)
def test_what_is_told_apart_moves(name: str, before: Any, after: Any) -> None:
    found = _diff(before, after)
    assert (found.kind, found.changes_count) == ("reorder", found.moved), name


@pytest.mark.parametrize("values", [[3, 1, 2, 1], ["on", "off", "on", "on"], [{"s": 1}, {"s": 2}, {"s": 1}, {"s": 1}]])
def test_sets_have_no_places(values: list[Any]) -> None:
    before, after = json.dumps(values).encode(), json.dumps(values[::-1]).encode()
    assert diff(before, after, DiffSettings(order={"": "set"})).kind == "reorder"


def _with_ids(values: list[int], seed: int) -> bytes:
    chance = Random(seed)
    return json.dumps([{"s": "up" if on else "down", "id": chance.random()} for on in values]).encode()


def _with_noise(values: list[int], seed: int) -> bytes:
    chance = Random(seed)
    return json.dumps([{"v": on + chance.random() / 100} for on in values]).encode()


ALTERED = [
    ("ids that are ignored", _with_ids, DiffSettings(ignore=["/*/id"])),
    ("numbers within tolerance", _with_noise, DiffSettings(tolerance=0.02)),
]


@pytest.mark.parametrize(("name", "make", "chosen"), ALTERED)
def test_values_repeat_in_the_sense_of_the_settings(
    name: str, make: Callable[[list[int], int], bytes], chosen: DiffSettings
) -> None:
    values = _random_bits(723)
    flipped = values[:720]
    for place in (100, 400, 600):
        flipped[place] = 1 - flipped[place]
    flips = diff(make(values[:720], 1), make(flipped, 2), chosen)
    assert (flips.kind, flips.replaced, flips.changes_count) == ("content", 3, 3), name
    for by in (1, 3):
        slid = diff(make(values[:720], 1), make(values[by : 720 + by], 2), chosen)
        assert (slid.kind, slid.removed, slid.added, slid.changes_count) == ("content", by, by, 2 * by), name
    assert diff(make(values, 1), make(values, 2), chosen).kind == "ignored", name


@settings(max_examples=75 * FUZZ)
@given(st.lists(st.integers(0, 2), max_size=14), st.lists(st.integers(0, 2), max_size=14), st.sampled_from(KINDS))
def test_no_more_edits_than_by_a_longest_common_subsequence(
    a: list[int], b: list[int], kind: tuple[str, Callable[[int], Any]]
) -> None:
    name, make = kind
    before, after = ([make(on) for on in side] for side in (a, b))
    distinct = {json.dumps(make(on)): str(on) for on in (2, 1, 0)}
    text_a, text_b = ("".join([distinct[json.dumps(value)] for value in side]) for side in (before, after))
    leaves = 2 if name in ("arrays", "objects of several fields") else 1
    assert _diff(before, after).changes_count <= leaves * (len(a) + len(b) - 2 * _longest_common(text_a, text_b))


LARGE = [
    ("slid by one", lambda v: v[1:], 2),
    ("slid by a twentieth", lambda v: v[10_000:], 20_000),
    ("slid and flipped", lambda v: [*v[1:99_000], 1 - v[99_000], *v[99_001:]], 3),
]


@pytest.mark.parametrize(("name", "later", "edits"), LARGE)
def test_large_arrays(name: str, later: Callable[[list[int]], list[int]], edits: int) -> None:
    values = _random_bits(220_000)
    before, after = values[:200_000], later(values)[:200_000]
    assert _edits(edit_distance.kept_pairs(before, after), before, after) == edits, name


def test_large_arrays_with_nothing_in_common_are_compared_by_place() -> None:
    chance = Random(1)
    before, after = ([chance.randrange(2) for _ in range(200_000)] for _ in range(2))
    by_place = sum([x != y for x, y in zip(before, after, strict=True)])
    assert _edits(edit_distance.kept_pairs(before, after), before, after) <= by_place
