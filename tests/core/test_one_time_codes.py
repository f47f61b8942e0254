import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import one_time_codes as codes

RFC_SECRET = b"12345678901234567890"
STEP_MS = 30_000


@pytest.mark.parametrize(
    ("at_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_those_of_the_rfc(at_s: int, code: str) -> None:
    """RFC 6238, appendix B, the last six digits."""
    assert codes.matching_step(RFC_SECRET, code, at_s * 1000, after=-1) == at_s // 30


@pytest.mark.parametrize("late", [-2, -1, 0, 1, 2])
def test_clocks_may_differ_by_a_step(late: int) -> None:
    at_ms = 1111111111_000
    found = codes.matching_step(RFC_SECRET, "050471", at_ms + late * STEP_MS, after=-1)
    assert found == (1111111111 // 30 if abs(late) <= 1 else None)


@pytest.mark.parametrize(
    ("after", "found"), [(-1, True), (1111111111 // 30 - 1, True), (1111111111 // 30, False), (1 << 40, False)]
)
def test_a_step_is_used_once(after: int, *, found: bool) -> None:
    assert (codes.matching_step(RFC_SECRET, "050471", 1111111111_000, after=after) is not None) is found


@pytest.mark.parametrize("code", ["", "0", "05047", "0504711", "abcdef", "٠٥٠٤٧١", "050472", "-50471", "\x00" * 6])
def test_other_codes_are_wrong(code: str) -> None:
    assert codes.matching_step(RFC_SECRET, code, 1111111111_000, after=-1) is None


def test_a_code_may_be_typed_with_a_space() -> None:
    assert codes.matching_step(RFC_SECRET, " 050 471 ", 1111111111_000, after=-1) is not None


@given(st.binary(min_size=codes.RECOVERY_BYTES, max_size=codes.RECOVERY_BYTES))
def test_recovery_codes_are_read_however_they_are_typed(randomness: bytes) -> None:
    code = codes.recovery_code(randomness)
    assert len(code) == 27
    normal = codes.normal_recovery(code)
    assert normal == codes.normal_recovery(f"  {code.upper().replace('-', ' ')} ")
    assert normal != codes.normal_recovery(codes.recovery_code(bytes(byte ^ 1 for byte in randomness)))


def test_an_app_reads_the_address() -> None:
    secret = os.urandom(codes.SECRET_BYTES)
    uri = codes.uri(secret, "ada+x@example.com")
    assert uri.startswith("otpauth://totp/Delta:ada%2Bx%40example.com?")
    assert f"secret={codes.secret_text(secret)}" in uri
    assert "issuer=Delta" in uri
