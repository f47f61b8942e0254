r"""Halves of surrogate pairs are hidden while documents are read, and shown as they were."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import diff
from delta_server.core.diff.json_patch import json_patch, merge_patch
from delta_server.core.errors import Invalid
from delta_server.core.json import surrogates

M = "\U0010ffff".encode()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (rb'"hi \ud83d"', b'"hi ' + M + b'ud83d"'),
        (rb'"\uD83D\ud83d"', b'"' + M + b"uD83D" + M + b'ud83d"'),
        (rb'"\udc00\ud800"', b'"' + M + b"udc00" + M + b'ud800"'),
        (rb'"\ud83d\ude00"', None),
        (rb'"\\ud83d"', None),
        (rb'"\\\ud83d"', rb'"\\' + M + b'ud83d"'),
        (rb'"\ud83d\u0041"', b'"' + M + rb'ud83d\u0041"'),
        (rb'"\ud83d\\ude00"', b'"' + M + rb'ud83d\\ude00"'),
        (rb'{"\ud83d": ["\n\ud83d"]}', b'{"' + M + rb'ud83d": ["\n' + M + b'ud83d"]}'),
        (b'"\xf0\x9f\x98\x80"', None),
    ],
)
def test_what_is_hidden(text: bytes, hidden: bytes | None) -> None:
    assert surrogates.hide(text) == (hidden or text)
    assert surrogates.restore(surrogates.hide(text)) == text
    msgspec.json.decode(surrogates.hide(text))


_PIECES = [r"\ud83d", r"\uDC00", r"\ud83d\ude00", r"\\", r"\"", r"\n", "a", "ud83d", r"\u0041"]
_STRING = st.lists(st.sampled_from(_PIECES), max_size=5).map(lambda parts: '"' + "".join(parts) + '"')
_VALUE = st.recursive(
    _STRING | st.sampled_from(["1", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(_STRING, inner, max_size=3).map(
            lambda members: "{" + ",".join(f"{name}:{value}" for name, value in members.items()) + "}"
        )
    ),
    max_leaves=8,
)


@given(_VALUE.map(str.encode), _VALUE.map(str.encode))
def test_any_two_documents_with_halves_are_compared(before: bytes, after: bytes) -> None:
    difference = diff(before, after)
    json.loads(surrogates.restore(json_patch(difference)))
    json.loads(surrogates.restore(msgspec.json.encode(changes(difference))))
    with suppress(Invalid):  # null cannot be set by a merge patch
        json.loads(surrogates.restore(merge_patch(difference)))
    if difference.kind in ("none", "format"):
        assert json.loads(before) == json.loads(after)
    assert diff(before, before).kind == "none"


def test_a_patch_gives_the_half_back() -> None:
    difference = diff(rb'{"a": "x", "b": 1}', rb'{"a": "x\ud83d", "b": 1}')
    assert surrogates.restore(json_patch(difference)) == rb'[{"op":"replace","path":"/a","value":"x\ud83d"}]'
