"""What is ignored is taken out of large values piece by piece, and nulls are found so: as out of small ones."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff.compare import DiffSettings, diff
from delta_server.core.diff.diff_settings import rules
from delta_server.core.diff.json_patch import json_patch, merge_patch
from delta_server.core.diff.redact import redacted
from delta_server.core.errors import Invalid
from delta_server.core.json import pieces
from tests.core import documents
from tests.often import FUZZ

VALUE = {"rows": [{"id": i, "at": i, "in": {"at": 1, "x": [i, {"at": 2}]}} for i in range(20)], "at": 3, "n": [1, 2]}
PATTERNS: list[tuple[list[str], Any]] = [
    (["/none"], VALUE),
    (["/at"], {name: value for name, value in VALUE.items() if name != "at"}),
    (["/n/*"], VALUE | {"n": []}),
    (["/rows/*/at"], VALUE | {"rows": [{"id": i, "in": {"at": 1, "x": [i, {"at": 2}]}} for i in range(20)]}),
    (["/rows/*/in"], VALUE | {"rows": [{"id": i, "at": i} for i in range(20)]}),
    (["/**/at"], {"rows": [{"id": i, "in": {"x": [i, {}]}} for i in range(20)], "n": [1, 2]}),
    (["/*"], {}),
]


@pytest.fixture(params=[1, 5, 60, 1 << 16])
def _in_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "CHUNK_BYTES", request.param)
    monkeypatch.setattr(pieces, "LARGE_BYTES", 2)


@pytest.mark.usefixtures("_in_pieces")
@pytest.mark.parametrize(("ignored", "left"), PATTERNS, ids=[" ".join(ignored) for ignored, _ in PATTERNS])
@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_left(ignored: list[str], left: Any, indent: int | None) -> None:
    raw = json.dumps(VALUE, indent=indent).encode()
    found = redacted(raw, rules(DiffSettings(ignore=ignored), ()), 0)
    assert json.loads(found) == left
    assert (found is raw) == (left == VALUE)


@settings(max_examples=50 * FUZZ, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_any_value(chance: Random, stretch: int) -> None:
    text = documents.text(chance, documents.value(chance))
    chosen = rules(DiffSettings(ignore=["/**/a", "/b", "/*/*/c"]), ())
    whole = redacted(text, chosen, 0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "CHUNK_BYTES", stretch)
        patched.setattr(pieces, "LARGE_BYTES", 0)
        assert json.loads(redacted(text, chosen, 0)) == json.loads(whole)


NULLS: list[tuple[bytes, str | None]] = [
    (b'{"a":1,"b":{"c":"null","d":[null,{"e":null}]}}', None),
    (b'{"a":1,"b":{"c":{"d":null}},"e":2}', "/new/b/c/d"),
    (b'{"a":{"b":1},"c":null}', "/new/c"),
    (b'{"a":null,"b":1,"a":2}', None),
    (b'{"a":{"b":null},"c":1,"a":{"b":3}}', None),
    (b'{"a":2,"b":1,"a":null}', "/new/a"),
]


@pytest.mark.usefixtures("_in_pieces")
@pytest.mark.parametrize(("value", "place"), NULLS)
def test_nulls_that_a_merge_patch_cannot_set(value: bytes, place: str | None) -> None:
    found = diff(b'{"old":1}', b'{"old":1,"new":%b}' % value)
    if place is None:
        assert json.loads(merge_patch(found)) == {"new": json.loads(value)}
    else:
        with pytest.raises(Invalid, match=f"cannot set {place} to null"):
            merge_patch(found)
    assert json.loads(json_patch(found))[0]["value"] == json.loads(value)
