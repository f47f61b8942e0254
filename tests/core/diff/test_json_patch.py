"""The merge patch, judged by the algorithm of RFC 7396, and the moves of a JSON patch."""

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff.compare import DiffSettings, diff
from delta_server.core.diff.json_patch import json_patch, merge_patch
from delta_server.core.errors import Invalid
from tests.core.documents import pairs, same
from tests.often import FUZZ


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


CANNOT = [
    ('{"a":1}', '{"a":null}', "/a"),
    ("{}", '{"a":null}', "/a"),
    ("{}", '{"a":{"b~/":null}}', "/a/b~0~1"),
    ('{"a":{"b":1}}', '{"a":{"b":null}}', "/a/b"),
    ("[1]", '{"a":{"b":[null],"c":null}}', "/a/c"),
]


@pytest.mark.parametrize(("before", "after", "place"), CANNOT)
def test_what_a_merge_patch_cannot_say(before: str, after: str, place: str) -> None:
    with pytest.raises(Invalid) as raised:
        merge_patch(diff(before.encode(), after.encode()))
    assert place in raised.value.message
    assert "json-patch" in raised.value.message


def test_a_difference_too_deep_for_a_merge_patch() -> None:
    before, after = (b'{"a":' * 300 + b'{"b":%d}' % leaf + b"}" * 300 for leaf in (1, 2))
    with pytest.raises(Invalid):
        merge_patch(diff(before, after))


MERGED = [
    ('{"a":1,"b":{"c":2,"d":3}}', '{"b":{"c":2,"e":4}}', '{"a":null,"b":{"d":null,"e":4}}'),
    ('{"a":[1,2]}', '{"a":[1, 2, null]}', '{"a":[1,2,null]}'),
    ('{"a":null}', '{"a":null,"b":1}', '{"b":1}'),
    ('{"a":1}', '{"a": 1.0}', "{}"),
    ("[1, 2]", "[1,2]", "[1,2]"),
    ("null", " null ", "null"),
    ("[1]", '{"a":{}}', '{"a":{}}'),
    ('{"a":1}', "[null]", "[null]"),
]


@pytest.mark.parametrize(("before", "after", "patch"), MERGED)
def test_merge_patches(before: str, after: str, patch: str) -> None:
    assert merge_patch(diff(before.encode(), after.encode())).decode() == patch


def test_a_merge_patch_leaves_out_what_is_ignored() -> None:
    chosen = DiffSettings(ignore=["/t", "/rows/*/t"])
    patch = merge_patch(diff(b'{"t":1,"rows":[{"t":1}]}', b'{"t":2,"rows":[{"t":2,"v":1}]}', chosen))
    assert patch == b'{"rows":[{"v":1}]}'


@settings(max_examples=75 * FUZZ)
@given(pairs())
def test_a_merge_patch_makes_the_new_document(pair: tuple[bytes, bytes]) -> None:
    before, after = pair
    try:
        patch = merge_patch(diff(before, after))
    except Invalid:
        assert b"null" in after
        return
    assert same(merged(json.loads(before), json.loads(patch)), json.loads(after))


@settings(max_examples=75 * FUZZ)
@given(st.permutations(range(14)), st.permutations(range(14)), st.integers(0, 9), st.integers(0, 9))
def test_moves_with_removals_and_additions(old: list[int], new: list[int], cut_old: int, cut_new: int) -> None:
    pad = "x" * 120  # moves must be cheaper than one replace of the array
    before, after = ([{"id": i, "pad": pad} for i in ids] for ids in (old[cut_old:], new[cut_new:]))
    patch = json.loads(json_patch(diff(json.dumps(before).encode(), json.dumps(after).encode())))
    assert jsonpatch.apply_patch(before, patch) == after
    assert len(patch) == 1 or all(operation["op"] in ("remove", "move", "add") for operation in patch)


def test_as_few_moves_as_can_be() -> None:
    before = [f"n{i}" for i in range(100, 150)]
    after = [*before[40:], *before[:40]]
    found = diff(json.dumps(before).encode(), json.dumps(after).encode())
    assert (found.kind, found.moved) == ("reorder", 10)


def test_names_are_escaped_for_the_pointer_and_for_json() -> None:
    before, after = {'a/~"\\\n😀': 1, "pad": "x" * 90}, {'a/~"\\\n😀': 2, "pad": "x" * 90}
    patch = json.loads(json_patch(diff(json.dumps(before).encode(), json.dumps(after).encode())))
    assert patch == [{"op": "replace", "path": '/a~1~0"\\\n😀', "value": 2}]
    assert jsonpatch.apply_patch(before, patch) == after
