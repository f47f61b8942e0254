import json
import random
import re
import time
from typing import Any

import pytest

from delta_server.core.errors import BadRequest
from delta_server.core.json import json_text
from delta_server.core.json.json_text import MAX_DEPTH, check
from tests.hostile.inputs import BROKEN_JSON, ODD_JSON

TEXTS = ["", "[[{", '"', '\\"[', "\\", "]}", "\\\\", "a"]


@pytest.mark.parametrize("name", BROKEN_JSON)
def test_broken_documents_are_refused(name: str) -> None:
    with pytest.raises(BadRequest, match=r"^the document "):
        check(BROKEN_JSON[name])


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b'["a', "it ends too early"),
        (b'{"a":1', "it ends too early"),
        (b'"\\ud83d', "it ends too early"),
        (b'["\\\\ud83dx', "it ends too early"),
        (b'["\\ud83d"]', "half of a surrogate pair (byte 2)"),
        (b'["\\\\ \\ud83dx"]', "half of a surrogate pair (byte 5)"),
        (b"[1,NaN]", "NaN (byte 3) is not a JSON number"),
        (b'{"a":-Infinity}', "Infinity"),
        (b"[1,]", "trailing comma"),
    ],
)
def test_what_is_wrong_is_told(document: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(says)):
        check(document)


@pytest.mark.parametrize("name", ODD_JSON)
def test_odd_documents_are_documents(name: str) -> None:
    check(ODD_JSON[name])


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, MAX_DEPTH + 2])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"[{":', "}"), ('[{"a":[', "]}]")])
def test_the_depth_that_is_allowed(depth: int, opens: str, closes: str) -> None:
    levels = len(closes)
    whole, rest = divmod(depth, levels)
    document = "[1," + ("[]," * 3000) + opens * whole + "[" * rest + "1" + "]" * rest + closes * whole + "]"
    if depth + 1 <= MAX_DEPTH:
        check(document.encode())
    else:
        with pytest.raises(BadRequest, match=f"nested more than {MAX_DEPTH} levels"):
            check(document.encode())


def test_brackets_in_texts_and_names_are_no_depth() -> None:
    rng = random.Random(7)

    def value(levels: int) -> Any:
        if levels == 0:
            return rng.choice(TEXTS)
        inner = [value(levels - 1) for _ in range(rng.randrange(1, 3))]
        return inner if rng.random() < 0.5 else {rng.choice(TEXTS) + str(i): each for i, each in enumerate(inner)}

    for levels in range(12):
        head, tail = '["[[",' * (MAX_DEPTH - levels), ',"]"]' * (MAX_DEPTH - levels)
        text = head + json.dumps(value(levels)) + tail
        check(text.encode())
        with pytest.raises(BadRequest, match="nested"):
            check(f"[{text}]".encode())


def test_megabytes_of_brackets_take_no_minutes() -> None:
    """Peeling them level by level took 12 s for these 2 MB, and 4 minutes for the 64 MB a document may have."""
    document = b"[" + b",".join([b"[" * 500 + b"]" * 500] * 2000) + b"]"
    began = time.process_time()
    check(document)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("stretch", [4, 5, 7, 64])
def test_where_stretches_end_does_not_matter(monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    """Depth and bytes that are no UTF-8, with escapes, strings and characters across the borders."""
    monkeypatch.setattr(json_text, "_CHUNK_BYTES", stretch)
    rng = random.Random(stretch)
    words = ["\\", '"', "[", "]", "{", "}", "a", "é", "\N{WHALE}", ",", " "]

    def value(levels: int) -> Any:
        text = "".join(rng.choices(words, k=rng.randrange(6)))
        return text if levels == 0 else [text, value(levels - 1)] if rng.random() < 0.5 else {text: value(levels - 1)}

    for levels in range(1, 40):
        monkeypatch.setattr(json_text, "MAX_DEPTH", levels)
        document = json.dumps(value(levels), ensure_ascii=False).encode()
        check(document)
        with pytest.raises(BadRequest, match="nested"):
            check(b"[" + document + b"]")
        broken = document[: len(document) // 2].decode(errors="ignore").encode()
        with pytest.raises(BadRequest, match=rf"UTF-8 \(byte {len(broken)}\)"):
            check(broken + b"\xff" + document)


@pytest.mark.parametrize("end", [b"\xf0\x9f\x90", b"\xc3", b"\xed\xa0\x80"])
def test_a_document_cut_within_a_character(end: bytes) -> None:
    with pytest.raises(BadRequest, match=r"UTF-8 \(byte 300001\)"):
        check(b'"' + b"a" * 300_000 + end)


def test_other_threads_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the grammar, no call looks at more than a stretch: the two `replace` of 57 MB stalled all for 655 ms."""
    seen: list[int] = []

    class Counted(bytes):
        def replace(self, *args: Any) -> bytes:
            seen.append(len(self))
            return super().replace(*args)

        def __getitem__(self, key: Any) -> Any:
            part = super().__getitem__(key)
            seen.append(len(part))
            return part

    check(Counted(b'["' + b"\\\\" * 1_000_000 + b'"]'))
    assert len(seen) > 8
    assert max(seen) <= json_text._CHUNK_BYTES
