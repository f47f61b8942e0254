"""What is found in each version is what reading all of the document finds."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.tables import array_place
from delta_server.core.tables.array_place import ArrayPlace, Found
from tests.often import FUZZ

LONG = b',"rest":"' + b"-" * 60 + b'"}'
LATER = LONG[:-1] + b',"a":[3]}'
P = b'{"p":{"a":[1]}'
HISTORIES: dict[str, tuple[str, list[bytes]]] = {
    "the last of the same name counts": ("/a", [b'{"a":[1]' + LONG, b'{"a":[1],"a":[2]' + LONG, b'{"a":[1]' + LATER]),
    "whose name is an escape": ("/a", [b'{"a":[1]' + LONG, b'{"a":[1],"\\u0061":[2]' + LONG, b'{"a":[2]' + LONG]),
    "above it, too": ("/p/a", [P + LONG, P + b',"p":{}' + LONG, P + b',"\\u0070":{}' + LONG]),
    "a name inside of texts": ("/a", [b'{"x\\"a":[9],"a":[1]' + LONG, b'{"x\\"a":[9],"a":[2]' + LONG]),
    "first elsewhere": ("/a", [b'{"b":{"a":[1]},"a":[1]' + LONG, b'{"b":{"a":[1]},"a":[2]' + LONG]),
    "inside itself": ("/a", [b'{"a":[{"a":[1]}]' + LONG, b'{"a":[{"a":[2]}]' + LONG]),
    "what is behind it comes in it": ("/a", [b'{"a":[1]' + LONG, b'{"a":[{"b":1' + LONG + b"]" + LONG]),
    "nothing behind it": ("/a", [b'{"a":[1]}', b'{"a":[{"x":1},{}]}', b'{"a":[]} ', b'{"a":[7]}']),
    "of any kind": ("/a", [b'{"a":[1]' + LONG, b'{"a":7' + LONG, b'{"a":{"b":1}' + LONG, b"{}", b"[]", b'{"a":"x"}']),
    "two in its place": ("/a", [b'{"a":[1]' + LONG, b'{"a":[1],"b":[1]' + LONG, b'{"a":[1] ' + LONG]),
    "space around it": ("/a", [b' { "a" : [1] ' + LONG, b' { "a" : [1, 2] ' + LONG, b' { "a" :  [1, 2] ' + LONG]),
    "halves of pairs": ("/a", [b'{"a":["\\ud83d"]' + LONG, b'{"a":["\\ud83d",1]' + LONG, b'{"a":[1]' + LONG]),
    "by number": ("/0", [b"[[1],[2]]", b"[[1],[3]]", b'{"0":[4]}']),
    "by key": ("/a/[id=1]/b", [b'{"a":[{"id":1,"b":[1]}]' + LONG, b'{"a":[{"id":2,"b":[2]}]' + LONG]),
    "the document": ("", [b"[1]", b"[2]", b'{"a":1}']),
}  # fmt: skip


def wanted(document: bytes, path: str) -> bytes | None:
    found = pointer.resolve(surrogates.replaced(document), pointer.parse(path))
    return None if found is None else bytes(found)


def check(path: str, documents: list[bytes]) -> ArrayPlace:
    place = ArrayPlace(pointer.parse(path))
    found: Found | None = None
    for document in documents:
        before = list(found.parts) if found is not None and isinstance(found.parts, list) else []
        found = place.find(document)
        raw = found.raw
        assert raw == wanted(document, path), document
        if raw is None or raw[0] not in (slices.OPEN_ARRAY, slices.OPEN_OBJECT):
            assert not found.parts
        elif raw[0] == slices.OPEN_OBJECT:
            assert found.parts == slices.members(raw)
        else:
            assert found.parts == list(map(bytes, slices.elements(raw)))
        if found.middle is not None:
            assert Counter(before) - Counter(found.middle.gone) == Counter(found.parts) - Counter(found.middle.came)
    return place


@pytest.mark.parametrize(("path", "documents"), HISTORIES.values(), ids=list(HISTORIES))
def test_as_read_whole(path: str, documents: list[bytes]) -> None:
    check(path, documents)
    check(path, documents[::-1])
    check(path, [each for document in documents for each in (documents[0], document)])


names = st.sampled_from(["a", "b", "rest"])
scalars = st.integers(0, 2) | st.sampled_from(["a", 'x"a', "é", "--------------------------------------"])
values = st.recursive(scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3))
members = st.lists(st.tuples(st.sampled_from(['"a"', '"\\u0061"', '"b"', '"rest"']), values), max_size=4)


def written(some: list[tuple[str, Any]]) -> bytes:
    return b"{" + b",".join(name.encode() + b":" + msgspec.json.encode(value) for name, value in some) + b"}"


@given(st.lists(members.map(written), min_size=2, max_size=6), st.sampled_from(["/a", "/b", "/a/b", "/rest/a"]))
def test_any_documents(documents: list[bytes], path: str) -> None:
    check(path, documents)


def test_others_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the first the document is not opened any more."""
    documents = [b'{"n":1,"a":[{"id":%d}]%b' % (number, LONG) for number in range(5 * FUZZ)]
    place = check("/a", documents[:1])
    monkeypatch.setattr(array_place, "_read", None)
    for document in documents:
        assert place.find(document).raw == wanted(document, "/a")
