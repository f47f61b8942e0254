import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.json.repeated_names import may_repeat, without_repeated_names


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"p":1,"p":2}', b'{"p":2}'),
        (b'{"p":1, "q":1.10, "p": {"x":1,"x":1E5}}', b'{"p":{"x":1E5},"q":1.10}'),
        (b'{"a":[{"y":1,"y":-0}]}', b'{"a":[{"y":-0}]}'),
        (b'{"p" : 1,"p" : 2}', b'{"p":2}'),
        (b'{"p":1,"\\u0070":2}', b'{"p":2}'),
        (b'{"p" :1,"p":2}', b'{"p":2}'),
        (b'{"p":1,"p":2,"q":"\\u003a"}', b'{"p":2,"q":"\\u003a"}'),
        (b'{"p":1,"p":2,"q":"\\u003A\\u0022:"}', b'{"p":2,"q":"\\u003A\\u0022:"}'),
        (b'{"p":"a:b","p":":"}', b'{"p":":"}'),
        (b'{"a":1e400,"a":123456789012345678901234567890}', b'{"a":123456789012345678901234567890}'),
        (b'{"a":"\\":","a":"\\"b\\":"}', b'{"a":"\\"b\\":"}'),
    ],
)
def test_the_last_of_a_name_counts(body: bytes, kept: bytes) -> None:
    assert without_repeated_names(body) == kept


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{ "p" : 1.10 , "q":{"p":1E5}}',
        b'{"a":{"p":1},"b":[{"p":1},{"p":2}]}',
        b'{"a":"\\"b\\":1"}',
        b'{"a":1e400}',
        b"{" + b'"a":{' * 90 + b"}" * 91,
    ],
)
def test_what_has_each_name_once_stays_as_it_was_sent(body: bytes) -> None:
    assert without_repeated_names(body) is body


PAIRS: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.text(st.sampled_from('ab":\\ ,'), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(st.sampled_from("abc"), inner)).map(tuple),
)


def text_of(value: Any, colon: str) -> str:
    if isinstance(value, tuple):
        return "{" + ",".join(f"{json.dumps(name)}{colon}{text_of(part, colon)}" for name, part in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text_of(part, colon) for part in value) + "]"
    return json.dumps(value)


@given(st.lists(st.tuples(st.sampled_from("abc"), PAIRS)).map(tuple), st.sampled_from([":", ": ", " : "]))
def test_it_means_the_same_and_names_are_there_once(value: Any, colon: str) -> None:
    body = text_of(value, colon).encode()
    kept = without_repeated_names(body)
    assert json.loads(kept) == json.loads(body)
    json.loads(kept, object_pairs_hook=each_once)


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r"])
@pytest.mark.parametrize("text", ["{'p'_:'a:b','p':2}", "{'p':'a:b','p'_:2}", "{'p':'','q':{'p':1,'p'_:':'}}"])
def test_a_name_apart_from_its_colon_is_not_overlooked(text: str, space: str) -> None:
    assert may_repeat([text.replace("'", '"').replace("_", space).encode()])


def test_a_string_that_begins_with_a_colon_is_not_counted_for_a_spaced_name() -> None:
    assert json.loads(without_repeated_names(b'{"a" : 1, "a" : ":"}')) == {"a": ":"}
    assert b"1" not in without_repeated_names(b'{"a" : 1, "a" : ":"}')


def each_once(pairs: list[tuple[str, Any]]) -> None:
    assert len(pairs) == len(dict(pairs))


@pytest.mark.parametrize(
    "body",
    [
        b'{"p":"\\":","q":{"r":":"}}',
        b'{"p" : [1,{"q":2}]}',
        b'{"p":"\\u003c"}',
        b'{"p":"https://a.example:80/","q": "12:00"}',
        b'{"p":"a : b"}',
    ],
)
def test_most_objects_need_no_closer_look(body: bytes) -> None:
    assert not may_repeat([body, body])
    assert may_repeat([body, b'{"p":1,"p":1}', body])
