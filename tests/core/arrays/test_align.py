"""Keys of arrays, and sequences."""

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.arrays import array_keys, subsequences
from delta_server.core.diff.compare import diff
from tests.often import FUZZ


def key(rows: list[Any]) -> tuple[str, ...] | None:
    return array_keys.of_array(json.dumps(rows).encode())


KEYS: list[tuple[str, list[Any], tuple[str, ...] | None]] = [
    ("id", [{"name": f"n{i}", "id": i} for i in range(9)], ("id",)),
    ("an ending", [{"name": f"n{i}", "WebId": i} for i in range(9)], ("WebId",)),
    ("nested", [{"type": "F", "properties": {"code": f"c{i}", "mag": i / 2}} for i in range(9)], ("properties/code",)),
    ("any unique field", [{"what": f"w{i}", "n": i % 2} for i in range(9)], ("what",)),
    ("a pair", [{"FIPS": i // 3, "County": f"c{i % 3}", "n": 1} for i in range(9)], ("FIPS", "County")),
    ("a triple", [{"a": i // 4, "b": i // 2 % 2, "c": i % 2} for i in range(8)], ("a", "b", "c")),
    ("a repeated id", [{"id": i // 2, "n": 0} for i in range(9)], None),
    ("a missing id", [{"id": 1, "n": 1}, {"n": 1}], None),
    ("null", [{"id": None}, {"id": 1}], None),
    ("fractions", [{"x": i / 3} for i in range(9)], None),
    ("scalars", [1, 2, 3], None),
    ("a mixture", [{"id": 1}, 2], None),
    ("names that no path can say", [{"a=b": i, "x]": i, 'q"': i, "": i, "c\n": i} for i in range(5)], None),
    ("no elements", [], None),
]


@pytest.mark.parametrize(("name", "rows", "fields"), KEYS)
def test_the_key_of_an_array(name: str, rows: list[Any], fields: tuple[str, ...] | None) -> None:
    found = key(rows)
    assert (found is None) == (fields is None), name
    assert set(found or ()) == set(fields or ()), name


def _diff(before: Any, after: Any) -> Any:
    return diff(json.dumps(before).encode(), json.dumps(after).encode())


def test_the_field_that_finds_most_elements_again_is_the_key() -> None:
    before = [{"stamp": f"a{i}", "label": f"l{i}", "v": 0} for i in range(20)]
    after = [{"stamp": f"b{i}", "label": f"l{i}", "v": 0} for i in range(20)]
    found = _diff(before, after)
    assert (found.array_keys, found.fields) == ({"": ["label"]}, {"/*/stamp": 20})


def test_another_record_with_an_equal_field_is_another_record() -> None:
    before = [{"id": i, "regionId": i % 3, "v": i} for i in range(9)]
    after = [*before[:4], {"id": 77, "regionId": 4 % 3, "v": 5}, *before[5:]]
    found = _diff(before, after)
    assert (found.added, found.removed, found.replaced) == (1, 1, 0)


def test_keys_may_differ_from_array_to_array() -> None:
    before = {"a": [{"id": i, "v": 1} for i in range(5)], "b": [{"code": f"c{i}", "v": 1} for i in range(5)]}
    after = {"a": [{"id": i, "v": 2} for i in range(5)], "b": [{"code": f"c{i}", "v": 2} for i in range(5)]}
    assert _diff(before, after).array_keys == {"/a": ["id"], "/b": ["code"]}


def test_a_key_that_is_lost_in_one_version_is_done_without() -> None:
    before, after = [{"id": i, "v": i} for i in range(9)], [{"id": 1, "v": i * 2} for i in range(9)]
    assert _diff(before, after).array_keys.get("") != ["id"]


@settings(max_examples=50 * FUZZ)
@given(st.lists(st.integers(0, 30), max_size=12))
def test_a_longest_increasing_subsequence(values: list[int]) -> None:
    places = subsequences.increasing(values)
    chosen = [values[place] for place in places]
    assert places == sorted(places)
    assert all(x < y for x, y in pairwise(chosen))
    longest = [1] * len(values)
    for i in range(len(values)):
        longest[i] += max([longest[j] for j in range(i) if values[j] < values[i]], default=0)
    assert len(places) == max(longest, default=0)


@settings(max_examples=50 * FUZZ)
@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_a_longest_common_subsequence(a: str, b: str) -> None:
    pairs = subsequences.common(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(p[0] < q[0] and p[1] < q[1] for p, q in pairwise(pairs))
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert len(pairs) == table[-1][-1]


REPEATED = [
    ("all equal", [0] * 30_000, [0] * 29_000 + [1]),
    ("two values", [0, 1] * 15_000, [1, 1, 0] * 10_000),
    ("nothing in common", list(range(30_000)), list(range(30_000, 60_000))),
    ("reversed", list(range(30_000)), list(range(30_000))[::-1]),
    ("records of repeated values", [{"v": i % 7} for i in range(9_000)], [{"v": i % 5} for i in range(9_000)]),
    ("no key in sight", [{f"f{i}": i % 3 for i in range(30)}] * 500, [{f"f{i}": i % 4 for i in range(30)}] * 500),
]


@pytest.mark.parametrize(("name", "before", "after"), REPEATED)
def test_work_is_bounded(name: str, before: list[Any], after: list[Any]) -> None:
    started = time.process_time()
    _diff(before, after)
    assert time.process_time() - started < 5, name
