"""A token that was read before is read again: what depends on the time is still looked at."""

import pytest

from delta_server.core import access_tokens
from delta_server.core.access_tokens import LIFE_S, Claims
from delta_server.core.errors import Unauthorized

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
CLAIMS = Claims("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058")
NOW_MS = 1_767_225_600_000


@pytest.fixture
def token() -> str:
    text = access_tokens.make(KEY, CLAIMS, NOW_MS)
    assert access_tokens.read(KEY, text, NOW_MS) == CLAIMS
    return text


@pytest.mark.parametrize(
    ("now_ms", "reason"),
    [(NOW_MS + LIFE_S * 1000, "has expired"), (NOW_MS - 10_000, "not valid yet")],
)
def test_its_time_is_looked_at_each_time(token: str, now_ms: int, reason: str) -> None:
    with pytest.raises(Unauthorized, match=reason):
        access_tokens.read(KEY, token, now_ms)
    assert access_tokens.read(KEY, token, NOW_MS) == CLAIMS


def test_it_is_good_with_its_own_key_only(token: str) -> None:
    for _ in range(2):
        with pytest.raises(Unauthorized):
            access_tokens.read(OTHER_KEY, token, NOW_MS)


def test_another_signature_is_refused_each_time(token: str) -> None:
    for _ in range(2):
        with pytest.raises(Unauthorized):
            access_tokens.read(KEY, token[:-4] + "AAAA", NOW_MS)
