from ipaddress import ip_network

import pytest

from delta_server.core import destinations

CLOSED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9"),
    *("169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192"),
    *("192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1"),
    *("198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("100.100.100.200", "168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1"),
    *("2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1"),
    *("fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "2620:4f:8000::1"),
]
OPEN = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"),
    *("192.167.1.1", "198.17.1.1", "198.20.0.1", "223.255.255.255", "168.63.129.17", "::ffff:8.8.8.8"),
    *("2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2003::1"),
]


@pytest.mark.parametrize("address", CLOSED)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not destinations.is_allowed(address)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses(address: str) -> None:
    assert destinations.is_allowed(address)


OPENED = [
    ("10.0.0.1", "10.0.0.0/8", True),
    ("::ffff:10.0.0.1", "10.0.0.0/8", True),
    ("127.0.0.1", "127.0.0.0/8", True),
    ("fd00::1", "fc00::/7", True),
    ("10.0.0.1", "192.168.0.0/16", False),
    ("169.254.169.254", "169.254.0.0/16", False),
    ("169.254.169.254", "0.0.0.0/0", False),
    ("fd00:ec2::254", "fc00::/7", False),
    ("fd00:ec2::23", "fc00::/7", False),
    ("fd20:ce::254", "fc00::/7", False),
    ("169.254.170.23", "169.254.0.0/16", False),
    ("169.254.42.42", "169.254.0.0/16", False),
    ("::ffff:169.254.170.23", "169.254.0.0/16", False),
    ("168.63.129.16", "168.63.129.0/24", False),
    ("169.254.169.254", "169.254.169.254/32", True),
    ("fd00:ec2::254", "fd00:ec2::254/128", True),
    ("169.254.1.1", "169.254.0.0/16", True),
]


@pytest.mark.parametrize(("address", "network", "allowed"), OPENED)
def test_an_operator_opens_networks_but_metadata_one_by_one(address: str, network: str, allowed: bool) -> None:
    assert destinations.is_allowed(address, [ip_network(network)]) is allowed


NOT_URLS = [
    *(
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://x/",
        "http:/x",
        "http://",
    ),
    *("http://user@example.com/", "http://user:word@example.com/", "http://10.0.0.1\\@example.com/", "http://a b/"),
    *("http://example.com/#x", "http://example.com/\r\nx", "http://example.com/\\x", "http://example.com:0/"),
    *(
        "http://example.com:65536/",
        "http://example.com:/",
        "http://ex\u00e4mple.com/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
    ),
    *("http://example.com/\u00e4", "http://example.com\n", "javascript:alert(1)", "http://example.com/" + "a" * 4000),
]


@pytest.mark.parametrize("text", NOT_URLS)
def test_what_is_no_address_to_ask(text: str) -> None:
    assert destinations.parse(text) is None


URLS = [
    ("https://Example.com", ("https", "example.com", 443, "/"), "example.com"),
    ("HTTP://example.com:80/a?b=c", ("http", "example.com", 80, "/a?b=c"), "example.com"),
    ("https://example.com:8443/a", ("https", "example.com", 8443, "/a"), "example.com:8443"),
    ("http://example.com?x", ("http", "example.com", 80, "/?x"), "example.com"),
    ("http://[2001:DB8::1]:81/", ("http", "2001:db8::1", 81, "/"), "[2001:db8::1]:81"),
]


@pytest.mark.parametrize(("text", "parts", "authority"), URLS)
def test_addresses_to_ask(text: str, parts: tuple[str, str, int, str], authority: str) -> None:
    url = destinations.parse(text)
    assert url is not None
    assert (url.scheme, url.host, url.port, url.target) == parts
    assert url.authority == authority
