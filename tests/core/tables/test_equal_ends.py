"""What two texts have in common, against each byte compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.tables import equal_ends

texts = st.lists(st.sampled_from([b"a", b"b", b"ab" * 6]), max_size=8).map(b"".join)


def one_by_one(a: bytes, b: bytes) -> int:
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def check(a: bytes, b: bytes) -> None:
    assert equal_ends.at_start(a, b) == one_by_one(a, b)
    wanted = one_by_one(a[::-1], b[::-1])
    for most in {0, wanted // 2, wanted, min(len(a), len(b))}:
        assert equal_ends.at_end(a, b, most) == min(wanted, most)


@given(texts, texts)
def test_any(a: bytes, b: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_ends, "_PIECE_BYTES", 5)
        check(a, b)


@pytest.mark.parametrize("at", [0, 1, 8191, 8192, 8193, 19_999])
def test_long(at: int) -> None:
    text = bytes(range(250)) * 80
    check(text, text[:at] + b"\xff" + text[at + 1 :])
    check(text, text[:at] + text[at + 1 :])
    check(text, text)
