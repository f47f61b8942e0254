"""JSON Patch on bytes, judged by an independent library and by the rows of RFC 6902's appendix."""

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff.compare import diff
from delta_server.core.diff.json_patch import json_patch
from delta_server.core.errors import Invalid
from delta_server.core.json.patching import Budget, patched
from tests.core.documents import pairs, same
from tests.often import FUZZ

DOCUMENT = {"a": [1, {"b": 2}, 3], "c": {"d": None, "x/y": 1, "": 0}}


def apply(document: Any, *operations: dict[str, Any], budget: int = 1 << 20) -> Any:
    found = patched(json.dumps(document).encode(), json.dumps(operations).encode(), Budget(budget))
    return json.loads(found)


def op(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **more}


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/a/0", value=0),
        op("add", "/a/3", value=0),
        op("add", "/a/-", value=0),
        op("add", "/a/1/e", value={"f": [1]}),
        op("add", "/c/d", value=7),
        op("add", "", value=[1]),
        op("remove", "/a/1"),
        op("remove", "/c/x~1y"),
        op("remove", "/c/"),
        op("replace", "/a/1/b", value="t"),
        op("replace", "", value=None),
        op("move", "/c/e", **{"from": "/a/1"}),
        op("move", "/a/0", **{"from": "/a/2"}),
        op("move", "/a", **{"from": "/c/d"}),
        op("copy", "/a/-", **{"from": "/a"}),
        op("copy", "/c/e", **{"from": ""}),
        op("test", "/a/1", value={"b": 2.0}),
        op("test", "/c/d", value=None),
    ],
    ids=str,
)
def test_as_an_independent_library(operation: dict[str, Any]) -> None:
    assert apply(DOCUMENT, operation) == jsonpatch.apply_patch(DOCUMENT, [operation])


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (op("merge", "/a"), "RFC 6902"),
        ({"op": "remove"}, "RFC 6902"),
        (op("add", "/a"), "no `value`"),
        (op("move", "/a"), "no `from`"),
        (op("remove", ""), "whole record"),
        (op("remove", "a"), "begins with /"),
        (op("remove", "/a~2"), "has a ~"),
        (op("remove", "/b"), "nothing is at"),
        (op("remove", "/a/3"), "no place"),
        (op("remove", "/a/-"), "no place"),
        (op("remove", "/a/01"), "no place"),
        (op("add", "/a/4", value=1), "no place"),
        (op("replace", "/b", value=1), "nothing is at"),
        (op("add", "/a/0/b", value=1), "nothing in it"),
        (op("add", "/b/c", value=1), "nothing is at"),
        (op("move", "/a/1/b", **{"from": "/a"}), "into itself"),
        (op("copy", "/b", **{"from": "/d"}), "nothing is at"),
        (op("test", "/a/0", value=True), "another"),
        (op("test", "/a/0", value="1"), "another"),
        (op("remove", "/" + "a" * 9000), "characters"),
    ],
    ids=str,
)
def test_refused(operation: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        apply(DOCUMENT, op("test", "/a/0", value=1), operation)


def test_what_is_not_touched_keeps_its_text() -> None:
    document = b' {"n": 37.787619999999997, "t":"\\ud83d", "o": { "e" : 1.0 }, "x": 1}'
    assert patched(document, b'[{"op":"replace","path":"/x","value":1e2}]', Budget(1000)) == (
        b'{"n":37.787619999999997,"t":"\\ud83d","o":{ "e" : 1.0 },"x":1e2}'
    )
    assert patched(b"1", b"[]", Budget(9)) == b"1"


def test_a_short_patch_cannot_make_much() -> None:
    doubling = [op("copy", "/a/-", **{"from": "/a"})] * 40
    with pytest.raises(Invalid, match="too much"):
        apply({"a": ["x" * 50]}, *doubling)
    with pytest.raises(Invalid, match="1000 operations"):
        apply({}, *[op("add", "/a", value=1)] * 1001)
    with pytest.raises(Invalid, match="too much"):
        apply({"a": [1] * 9000}, *[op("add", "/a/0", value=1)] * 900)
    deep = json.loads("[" * 400 + "]" * 400)
    path = "/b" + "/0" * 399
    with pytest.raises(Invalid, match="levels deep"):
        apply({"a": deep, "b": deep}, op("move", f"{path}/0", **{"from": "/a"}))


@settings(max_examples=150 * FUZZ)
@given(pairs())
def test_patches_of_the_diff_make_the_new_document(pair: tuple[bytes, bytes]) -> None:
    before, after = pair
    found = patched(before, json_patch(diff(before, after)), Budget(1 << 24))
    assert same(json.loads(found), json.loads(after))


@settings(max_examples=50 * FUZZ)
@given(st.permutations(range(9)), st.permutations(range(9)), st.integers(0, 5))
def test_moves(old: list[int], new: list[int], cut: int) -> None:
    pad = "x" * 120
    before, after = (json.dumps([{"id": i, "pad": pad} for i in ids]).encode() for ids in (old[cut:], new))
    found = patched(before, json_patch(diff(before, after)), Budget(1 << 20))
    assert json.loads(found) == json.loads(after)
