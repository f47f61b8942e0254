"""The changes people see."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff.change_list import changes, encode, encode_first
from delta_server.core.diff.compare import diff
from delta_server.core.json import pointer
from tests.core.documents import pairs, same
from tests.often import FUZZ


def shown(before: Any, after: Any) -> list[dict[str, Any]]:
    found = changes(diff(json.dumps(before).encode(), json.dumps(after).encode()))
    return msgspec.json.decode(msgspec.json.encode(found), type=list[dict[str, Any]])


def test_elements_are_named_by_their_key() -> None:
    before = {"rows": [{"id": "a", "v": 1}, {"id": "b", "v": 2}, {"id": "c", "v": 3}, {"id": "d", "v": 4}]}
    after = {"rows": [{"id": "c", "v": 3}, {"id": "b", "v": 5}, {"id": "e", "v": 6}, {"id": "d", "v": 4}]}
    key = {"id": "b"}
    found = {(change["op"], change["path"]): change for change in shown(before, after)}
    assert found["remove", "/rows/[id=a]"]["before"] == "/rows/0"
    assert "after" not in found["remove", "/rows/[id=a]"]
    assert found["add", "/rows/[id=e]"]["after"] == "/rows/2"
    assert found["add", "/rows/[id=e]"]["new"] == {"id": "e", "v": 6}
    moved = next(change for change in found.values() if change["op"] == "move")
    assert moved["path"] in ("/rows/[id=b]", "/rows/[id=c]")
    replaced = found["replace", "/rows/[id=b]/v"]
    assert (replaced["old"], replaced["new"], replaced["key"]) == (2, 5, key)
    assert (replaced["before"], replaced["after"]) == ("/rows/1/v", "/rows/1/v")


def test_elements_without_a_key_are_named_by_index() -> None:
    assert [(c["op"], c["path"]) for c in shown([1, 2, 3], [1, 9, 3])] == [("replace", "/1")]


def test_number_text_is_kept() -> None:
    [change] = changes(diff(b'{"a":1}', b'{"a":37.787619999999997}'))
    assert change.new == msgspec.Raw(b"37.787619999999997")


@settings(max_examples=100)
@given(pairs(), st.integers(0, 4), st.integers(2, 400))
def test_the_first_of_them(pair: tuple[bytes, bytes], most: int, size_bytes: int) -> None:
    difference = diff(*pair)
    every = msgspec.json.decode(encode(difference), type=list[msgspec.Raw])
    text, complete = encode_first(difference, most=most, size_bytes=size_bytes)
    some = msgspec.json.decode(text, type=list[msgspec.Raw])
    assert some == every[: len(some)]
    assert len(some) <= most
    assert len(text) <= max(2, size_bytes)
    assert complete == (some == every)
    if not complete and len(some) < most:  # it was the next one's size
        assert len(text) + len(bytes(every[len(some)])) >= size_bytes


@settings(max_examples=50 * FUZZ)
@given(pairs())
def test_old_and_new_are_what_the_documents_have(pair: tuple[bytes, bytes]) -> None:
    before, after = pair
    for change in changes(diff(before, after)):
        for value, path, document in ((change.old, change.before, before), (change.new, change.after, after)):
            if isinstance(value, msgspec.Raw) and isinstance(path, str):
                there = pointer.resolve(document, [pointer.unescape(step) for step in path.split("/")[1:]])
                assert there is not None
                assert same(json.loads(bytes(there)), json.loads(bytes(value)))
