import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.http.address import resolver

PROXIES = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address", "group"),
    [
        ("203.0.113.9", b"", "203.0.113.9", "203.0.113.9"),
        ("203.0.113.9", b"6.6.6.6", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"6.6.6.6, 203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", b"6.6.6.6, evil, 10.0.0.2", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"203.0.113.9:4711", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1", "2001:db8::/64"),
        ("fd00::1", b"2001:db8:0:1:ffff::1", "2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("::ffff:10.0.0.1", b"203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", b"", "fe80::1", "fe80::/64"),
        ("testclient", b"6.6.6.6", "unknown", "unknown"),
    ],
)
def test_the_right_most_untrusted_address(peer: str, forwarded: bytes, address: str, group: str) -> None:
    client = resolver(PROXIES)(peer, forwarded)
    assert (client.address, client.group) == (address, group)


def test_nobody_is_trusted_unless_told() -> None:
    assert resolver(())("127.0.0.1", b"6.6.6.6").address == "127.0.0.1"


@given(st.binary(max_size=50))
def test_any_header_gives_an_address(forwarded: bytes) -> None:
    assert set(resolver(PROXIES)("10.0.0.1", forwarded).address) <= set("0123456789abcdef.:")
