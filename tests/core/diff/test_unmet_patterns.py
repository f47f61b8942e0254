"""Patterns of the settings that meet nothing are told; no other is."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.diff import unmet_patterns
from delta_server.core.diff.diff_settings import DiffSettings, rules

DOCUMENT: dict[str, Any] = {
    "items": [{"sku": "A", "price": 1.5, "tags": ["x"]}, {"sku": "B", "price": 2}],
    "a/b": {"~": {"*": None}},
    "updated_at": "today",
    "empty": {"list": [], "map": {}},
}


def told(settings: dict[str, Any], before: Any = None, after: Any = DOCUMENT) -> list[tuple[str, str]]:
    found = unmet_patterns.notes(
        msgspec.convert(settings, DiffSettings), msgspec.json.encode(before), msgspec.json.encode(after)
    )
    return [(note.path, note.message) for note in found]


@pytest.mark.parametrize(
    "pattern",
    [
        "/updated_at", "/items", "/items/*", "/items/*/price", "/items/*/tags/*", "/**/price", "/**/tags/*", "/*",
        "/**", "/a~1b/~0/*", "/empty/list", "/empty/map", "/**/map", "/items/**",
    ],
)  # fmt: skip
def test_nothing_is_told_of_a_pattern_that_meets(pattern: str) -> None:
    settings = {"ignore": [pattern], "tolerance": {pattern: 1}}
    assert told(settings) == []
    assert told(settings, before=DOCUMENT, after=None) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "/update_at", "/itmes/*/price", "/items/*/prcie", "/items/price", "/items/0/price", "/**/prices",
        "/empty/list/*", "/empty/map/*", "/items/*/tags/*/*", "/updated_at/*", "/a/b", "/**/price/**",
    ],
)  # fmt: skip
def test_a_pattern_that_meets_nothing_is_told(pattern: str) -> None:
    said = "meets nothing in either document"
    assert told({"ignore": [pattern]}, before=DOCUMENT) == [(pattern, f"the pattern of ignore {said}")]
    assert told({"tolerance": {pattern: 1}}, before=[]) == [(pattern, f"the pattern of tolerance {said}")]


@pytest.mark.parametrize(
    "number", [b"1e400", b"-" + b"9" * 5000, b"9" * 5000 + b".5"], ids=["float", "integer", "both"]
)
def test_no_number_is_too_large(number: bytes) -> None:
    settings = msgspec.convert({"ignore": ["/a/*", "/b"]}, DiffSettings)
    notes = unmet_patterns.notes(settings, b'{"a":[%b]}' % number, b"[%b]" % number)
    assert [note.path for note in notes] == ["/b"]


@pytest.mark.parametrize("pattern", ["", "/items/*", "/items/*/sku", "/empty/map", "/lists"])
def test_a_key_or_an_order_wants_an_array(pattern: str) -> None:
    said = "meets no array in either document"
    assert told({"array_keys": {pattern: ["sku"]}}) == [(pattern, f"the pattern of array_keys {said}")]
    assert told({"order": {pattern: "set"}}) == [(pattern, f"the pattern of order {said}")]
    assert told({"order": {pattern: "set"}}, after=[]) == (
        [] if pattern == "" else [(pattern, f"the pattern of order {said}")]
    )


def test_without_patterns_nothing_is_looked_at() -> None:
    assert unmet_patterns.notes(DiffSettings(tolerance=0.5), b"no JSON", b"no JSON") == []


def test_of_large_documents_and_long_searches_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {"items": [{"a": n} for n in range(100)]}
    assert told({"ignore": ["/**/b"]}, after=wide) != []
    monkeypatch.setattr(unmet_patterns, "MOST_STEPS", 50)
    assert told({"ignore": ["/**/b"]}, after=wide) == []
    assert told({"ignore": ["/itmes"]}, after=wide) != []
    monkeypatch.setattr(unmet_patterns, "MOST_BYTES", 100)
    assert told({"ignore": ["/itmes"]}, after=wide) == []


def test_halves_of_surrogate_pairs_are_no_trouble() -> None:
    settings = DiffSettings(ignore=["/a", "/b"])
    assert [note.path for note in unmet_patterns.notes(settings, b"1", rb'{"a": "\ud83d"}')] == ["/b"]


NAMES = st.sampled_from(["a", "b", "*"])
VALUES = st.recursive(
    st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=4).map(
    lambda steps: "/" + "/".join(steps)
)


@given(VALUES, PATTERNS)
def test_a_pattern_meets_what_the_comparison_ignores(value: Any, pattern: str) -> None:
    root = rules(DiffSettings(ignore=[pattern]))
    assert (told({"ignore": [pattern]}, after=value) == []) == _ignores(root, value)


def _ignores(at: Any, value: Any) -> bool:
    if at is None or at.ignored:
        return at is not None
    if isinstance(value, dict):
        return any(_ignores(at.member(name), child) for name, child in value.items())
    return isinstance(value, list) and any(_ignores(at.element(), child) for child in value)
