import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import sealing

KEY, NONCE = b"k" * 32, b"n" * sealing.NONCE_BYTES


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_was_sealed_is_read_again(secret: bytes, bound_to: str) -> None:
    sealed = sealing.seal(KEY, NONCE, secret, bound_to=bound_to)
    assert sealing.unseal(KEY, sealed, bound_to=bound_to) == secret
    assert len(sealed) == len(secret) + 28


def test_nothing_of_it_is_seen() -> None:
    assert b"horse" not in sealing.seal(KEY, NONCE, b"correct horse", bound_to="x")


@pytest.mark.parametrize(
    ("key", "bound_to", "cut"),
    [(b"o" * 32, "a", 0), (KEY, "b", 0), (KEY, "a", 1), (KEY, "a", 20), (KEY, "a", 40)],
    ids=["another key", "another's", "a byte short", "half", "nothing"],
)
def test_others_cannot_read_it(key: bytes, bound_to: str, cut: int) -> None:
    sealed = sealing.seal(KEY, NONCE, b"secret", bound_to="a")
    with pytest.raises(sealing.Unreadable):
        sealing.unseal(key, sealed[: max(0, len(sealed) - cut)], bound_to=bound_to)


@given(st.integers(0, 33), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    sealed = bytearray(sealing.seal(KEY, NONCE, b"secret", bound_to="a"))
    sealed[place] ^= change
    with pytest.raises(sealing.Unreadable):
        sealing.unseal(KEY, bytes(sealed), bound_to="a")
