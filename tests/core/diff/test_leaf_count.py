"""Leaves of a long value are its commas outside strings: the same number as those of its decoded values."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.json import json_text, slices
from tests.core import documents
from tests.often import FUZZ


def leaves(value: Any) -> int:
    if isinstance(value, dict | list) and value:
        return sum(map(leaves, value.values() if isinstance(value, dict) else value))
    return 1


VALUES: list[tuple[str, Any]] = [
    ("empty", {"a": {}, "b": [], "c": ""}),
    ("commas in strings", {",": ",,", "a,b": [",", ",\n", " , "]}),
    ("quotes in strings", ['"', '","', '",', ',"', '\\"', '\\\\"', "\\", "\\\\", "\\n,"]),
    ("few escapes", ["a\nb,c", "d,e", "f"]),
    ("many escapes", ['\n\\,\t",' * 40, "\\u0041,", "é\u2028,"]),
    ("deep", json.loads("[" * 300 + "1,2" + "]" * 300)),
]


@pytest.mark.parametrize("value", [value for _, value in VALUES], ids=[name for name, _ in VALUES])
@pytest.mark.parametrize("stretch", [4, 5, 7, 64, 1 << 18])
@pytest.mark.parametrize("few_escapes", [0, 1, 3, 1000])
def test_the_leaves_of_a_long_value(
    monkeypatch: pytest.MonkeyPatch, value: Any, stretch: int, few_escapes: int
) -> None:
    monkeypatch.setattr(slices, "_MOST_INDENTED", 0)
    monkeypatch.setattr(json_text, "_CHUNK_BYTES", stretch)
    monkeypatch.setattr(json_text, "_FEW_ESCAPES", few_escapes)
    for text in (json.dumps(value), json.dumps(value, indent=1), json.dumps(value, ensure_ascii=False)):
        assert slices.leaf_count(text.encode()) == leaves(value)


@settings(max_examples=50 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(4, 90), st.integers(0, 4))
def test_any_value(chance: Random, stretch: int, few_escapes: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_text, "_CHUNK_BYTES", stretch)
        patched.setattr(json_text, "_FEW_ESCAPES", few_escapes)
        value = documents.value(chance)
        text = documents.text(chance, value)
        short = slices.leaf_count(text)
        patched.setattr(slices, "_MOST_INDENTED", 0)
        assert slices.leaf_count(text) == short == leaves(value)
