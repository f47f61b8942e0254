import pytest

from delta_server.core import emails
from delta_server.core.errors import Invalid

NOT_ADDRESSES = [
    *("", "ada", "ada@", "@example.com", "ada@example", "ada@example.c", "ada@example..", "ada@.com"),
    *("ada@@example.com", "a b@example.com", "ada@exam ple.com", "ada@example.com\x00", "ada@example.co\x01m"),
    *("ada@example.com,bo@example.com", "Ada <ada@example.com>", "ada@example.com\x7f", "ada@example.com\u2028x"),
    *("ada@stra\xdfe.example", "mi\u212ae@example.com", "ada@\ufb01ne.example", "\u0130da@example.com"),
    *("ada\x9b@example.com", "\u202eada@example.com", "\u200bada@example.com", "=?utf-8?q?ada?=@example.com"),
    *("\ufffd@example.com", "ada@example.com\ufffd", "a" * 65 + "@example.com", "ada@" + "a" * 260 + ".com"),
]


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(Invalid, match="email must be an e-mail address"):
        emails.check(text)


@pytest.mark.parametrize(
    "text", ["ada@example.com", " Ada@EXAMPLE.com\n", "a+b.c@mail.example.co.uk", "ö@bücher.example"]
)
def test_addresses_are_compared_without_case(text: str) -> None:
    assert emails.check(text) == text.strip().casefold()
