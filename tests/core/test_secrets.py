import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import secrets
from delta_server.core.errors import Unauthorized
from delta_server.core.secrets import Kind

RANDOM = st.binary(min_size=secrets.RANDOM_BYTES, max_size=secrets.RANDOM_BYTES)
KINDS = st.sampled_from(Kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "Bearer dk_proj_",
        "dk_proj_",
        "dk_live_" + "0" * 11 + "_" + "0" * 49,
        "dk_proj_" + "0" * 11 + "_" + "0" * 48,
        "dk_proj_" + "0" * 11 + "-" + "0" * 49,
        "dk_proj_" + "٠" * 11 + "_" + "0" * 49,
        "dk_proj_" + "0" * 1_000_000,
        "dk_write_" + "0" * 60,
        "dk_proj_\x00" + "0" * 60,
        "🔑" * 69,
    ],
)
def test_what_never_was_a_key_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized, match="not a Delta API key") as caught:
        secrets.parse(text)
    assert "000" not in caught.value.message


def test_white_space_around_a_key_is_not_part_of_it() -> None:
    with pytest.raises(Unauthorized):
        secrets.parse(secrets.make(Kind.PROJECT, bytes(40)) + "\n")


def test_the_wrong_number_of_random_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="40 random bytes"):
        secrets.make(Kind.PROJECT, bytes(32))


@given(KINDS, RANDOM)
def test_a_key_is_read_back(kind: Kind, randomness: bytes) -> None:
    text = secrets.make(kind, randomness)
    key = secrets.parse(text)
    assert (key.kind, key.secret_hash) == (kind, sha256(text.encode()).digest())
    assert re.fullmatch(rf"{kind}{key.public_id}_[0-9A-Za-z]{{49}}", text)


@given(KINDS, RANDOM, st.data())
def test_one_wrong_character_is_noticed(kind: Kind, randomness: bytes, data: st.DataObject) -> None:
    text = secrets.make(kind, randomness)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[place]))
    with pytest.raises(Unauthorized):
        secrets.parse(text[:place] + other + text[place + 1 :])


@given(RANDOM, RANDOM)
def test_different_randomness_gives_different_keys(one: bytes, other: bytes) -> None:
    assert (secrets.make(Kind.PROJECT, one) == secrets.make(Kind.PROJECT, other)) == (one == other)


def test_the_format_stays() -> None:
    """Keys in use must be read by later versions: this one was made by the first."""
    text = secrets.make(Kind.PROJECT, bytes(range(40)))
    assert text == "dk_proj_001IYT0XLWR_1u8QmlquE1rQpeqoulx6MZVGVGgufeog3UsDEHmrG2p4Yc3QJ"
