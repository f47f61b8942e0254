"""Paths: refused, parsed, resolved, turned into patterns."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.errors import Invalid
from delta_server.core.json import pointer
from delta_server.core.json.pointer import KeyStep
from tests.often import FUZZ

REFUSED = [
    "a",
    "a/b",
    "/a~2",
    "/a~",
    "/[id=1/~x",
    "/[i~d=1]",
    "/" + "a" * 9000,
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused(path: str) -> None:
    with pytest.raises(Invalid) as raised:
        pointer.parse(path)
    assert raised.value.errors[0].field == "path"


UNLIKELY = ["/[id=1", "/[id=]x]", '/[id="a]', '/[id="\\x"]', '/[id="a"b]', "/[id=1]x", "/a/[id=1,]/b", "/a/*", "/**"]


@pytest.mark.parametrize("path", UNLIKELY)
def test_what_is_no_step_by_key_may_be_a_member_and_is_refused_where_nothing_is(path: str) -> None:
    name, *below = path.split("/")[1:]
    assert pointer.parse(path) == (name, *below)
    assert pointer.resolve(json.dumps({name: {"b": 1, "*": {"b": 1}, "[id=1,]": {"b": 1}}}).encode(), (name,))
    with pytest.raises(Invalid) as raised:
        pointer.refuse_unlikely(path)
    assert raised.value.errors[0].field == "path"


@pytest.mark.parametrize("path", ["", "/a/0", "/[x]/[]", "/a/[id=1]/b", '/[id="a]/[b="]', "/l/[href=/x/[y=]/ok"])
def test_a_path_that_may_be_right_is_not_refused(path: str) -> None:
    pointer.refuse_unlikely(path)


def _key(tail: str, *parts: tuple[str, str, bool]) -> KeyStep:
    fields, values, quoted = zip(*parts, strict=True)
    return KeyStep(tail, fields, values, quoted)


PARSED: list[tuple[str, tuple[Any, ...]]] = [
    ("", ()),
    ("/", ("",)),
    ("/a/0/b", ("a", "0", "b")),
    ("/a~1b/~01", ("a/b", "~1")),
    ("/[x]/[]", ("[x]", "[]")),
    ("/[id=abc]", (_key("[id=abc]", ("id", "abc", False)),)),
    ("/[id=]", (_key("[id=]", ("id", "", False)),)),
    ("/[properties/code=7]/x", (_key("[properties/code=7]/x", ("properties/code", "7", False)), "x")),
    ('/[a=1,b="x]y, z"]', (_key('[a=1,b="x]y, z"]', ("a", "1", False), ("b", "x]y, z", True)),)),
    ("/id=abc", (_key("id=abc", ("id", "abc", False)),)),
    ("/a/id=1/b", ("a", _key("id=1/b", ("id", "1", False)), "b")),
    ("/id=/x", (_key("id=/x", ("id", "", False)), "x")),
    ("/p~1code=7,b=a~1~0", (_key("p~1code=7,b=a~1~0", ("p/code", "7", False), ("b", "a/~", False)),)),
    ('/id="5"', (_key('id="5"', ("id", "5", True)),)),
    ("/=1/a=b]/[a=b/a=b,c/a=[", ("=1", "a=b]", "[a=b", "a=b,c", _key("a=[", ("a", "[", False)))),
    ("/[url=https://e.org/?a=b]/n", (_key("[url=https://e.org/?a=b]/n", ("url", "https://e.org/?a=b", False)), "n")),
]


@pytest.mark.parametrize(("path", "steps"), PARSED)
def test_parsed(path: str, steps: tuple[Any, ...]) -> None:
    assert pointer.parse(path) == steps


STEPS = st.lists(st.tuples(st.text("ab/~ =", min_size=1), st.text('ab/~=],"1 é')), min_size=1, max_size=2)


@settings(max_examples=75 * FUZZ)
@given(STEPS)
def test_a_step_by_key_without_brackets_is_the_same(parts: list[tuple[str, str]]) -> None:
    fields = [pointer.escape(field) for field, _ in parts]
    bracketed = pointer.step_of(fields, [json.dumps(value).encode() for _, value in parts])
    assert bracketed is not None
    [step] = pointer.parse("/" + bracketed) if "=" not in "".join(fields) else [None]
    if not isinstance(step, KeyStep):
        return
    [plain] = pointer.parse("/" + pointer.escape(bracketed[1:-1]))
    assert isinstance(plain, KeyStep)
    assert (plain.fields, plain.values, plain.quoted) == (step.fields, step.values, step.quoted)
    assert pointer.text_of(plain) == pointer.text_of(step) == bracketed
    element = json.dumps({"x": 1}).encode()
    for field, value in parts:
        element = json.dumps(json.loads(element) | {field: value}).encode()
    if all("/" not in field for field, _ in parts):
        assert pointer.resolve(b"[0," + element + b"]", [plain]) == pointer.resolve(b"[0," + element + b"]", [step])


@pytest.mark.parametrize("path", ["/id=1/v", "/id=1"])
def test_what_looks_like_a_key_may_be_a_member(path: str) -> None:
    assert pointer.resolve(b'{"id=1": {"v": 7}}', pointer.parse(path)) is not None
    assert pointer.resolve(b'[{"id": 2}, {"id": 1, "v": 7}]', pointer.parse(path)) is not None


DOCUMENT = json.dumps(
    {
        "a/b": {"~": 1},
        "list": [10, [20, 21]],
        "rows": [{"id": 5, "v": 1}, {"id": "5", "v": 2}, {"id": "x]y", "v": 3}, {"id": True, "v": 4}, {"v": 5}],
        "pairs": [
            {"k": {"a": 1}, "b": "p", "v": 1},
            {"k": {"a": 1}, "b": "q", "v": 2},
            {"k": {"a": 2.0}, "b": "q", "v": 3},
        ],
        "é": [{"id": "é", "v": 1}],
        "[id=1]": 7,
        "links": [{"href": "/~ann", "ok": 1}, {"href": "~", "ok": 2}, {"href": "~1/~0", "ok": 3}],
        "[href=/~ann]": {"x": 11},
        "[a=1": {"b]": 12, '[b="x]': {'y"]': 13}, "list": [{"k": "]/", "v": 14}]},
        "[a=1/b": 15,
        "0": {"1": 8},
    },
    indent=1,
).encode()

RESOLVED = [
    ("/a~1b/~0", 1),
    ("/list/1/0", 20),
    ("/list/2", None),
    ("/list/01", None),
    ("/list/-", None),
    ("/list/x", None),
    ("/list/99999999999999999999", None),
    ("/list/0/0", None),
    ("/rows/[id=5]/v", 1),
    ("/rows/[id=5.0]/v", 1),
    ('/rows/[id="5"]/v', 2),
    ('/rows/[id="x]y"]/v', 3),
    ("/rows/[id=true]/v", 4),
    ('/rows/[id="true"]/v', None),
    ("/rows/[id=6]/v", None),
    ("/pairs/[k/a=1,b=q]/v", 2),
    ("/pairs/[k/a=2]/v", 3),
    ("/é/[id=é]/v", 1),
    ("/[id=1]", 7),
    ("/0/1", 8),
    ("/nothing/[id=1]", None),
    ("/links/[href=/~ann]/ok", 1),
    ('/links/[href="/~ann"]/ok', 1),
    ("/links/[href=~]/ok", 2),
    ("/links/[href=~1/~0]/ok", 3),
    ('/links/[href="~1/~0"]/ok', 3),
    ("/links/[href=/~0ann]/ok", None),
    ("/[href=~1~0ann]/x", 11),
    ("/[href=/~ann]/x", None),
    ("/[a=1/b]", 12),
    ('/[a=1/[b="x]/y"]', 13),
    ('/[a=1/list/[k="]/"]/v', 14),
    ("/[a=1~1b", 15),
    ("/list/[id=1]", None),
]


@pytest.mark.parametrize(("path", "value"), RESOLVED)
def test_resolved(path: str, value: int | None) -> None:
    found = pointer.resolve(DOCUMENT, pointer.parse(path))
    assert (None if found is None else json.loads(bytes(found))) == value


def test_a_number_written_plainly_finds_the_string_where_there_is_no_number() -> None:
    found = pointer.resolve(b'[{"id":"45","v":1}]', pointer.parse("/[id=45]/v"))
    assert found is not None
    assert bytes(found) == b"1"


def test_the_whole_document_is_without_white_space_around_it() -> None:
    found = pointer.resolve(b" [1]\n", ())
    assert found is not None
    assert bytes(found) == b"[1]"


def test_the_text_of_a_number_is_kept() -> None:
    found = pointer.resolve(b'{"a":1e400}', ("a",))
    assert found is not None
    assert bytes(found) == b"1e400"


@pytest.mark.parametrize("pattern", ["a", "/~", "*"])
def test_a_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        pointer.parse_pattern(pattern)


KEY_STEPS = [
    (b'{"id":"abc"}', "[id=abc]"),
    (b'{"id":"5"}', '[id="5"]'),
    (b'{"id":5}', "[id=5]"),
    (b'{"id":"true"}', '[id="true"]'),
    (b'{"id":"a]b"}', '[id="a]b"]'),
    (b'{"id":"a,b"}', '[id="a,b"]'),
    (b'{"id":" a"}', '[id=" a"]'),
    (b'{"id":""}', "[id=]"),
    (b'{"id":"a\\"b"}', '[id=a"b]'),
    (b'{"id":"\\"b"}', '[id="\\"b"]'),
    (b'{"id":null}', None),
    (b'{"id":[1]}', None),
    (b"{}", None),
    (b"[1]", None),
]


@pytest.mark.parametrize(("element", "step"), KEY_STEPS)
def test_the_key_step_of_an_element_finds_it_again(element: bytes, step: str | None) -> None:
    assert pointer.key_step(["id"], element) == step
    if step is not None:
        found = pointer.resolve(b"[0," + element + b"]", pointer.parse("/" + step))
        assert found is not None
        assert bytes(found) == element
