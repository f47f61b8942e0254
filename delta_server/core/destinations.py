"""Where the server may connect to when somebody names an address: URLs as they are taken, and public IP addresses.

What is not public is listed here, from IANA's special-purpose registries (RFC 6890): the predicates of `ipaddress` let
multicast, carrier-grade NAT and addresses that carry an IPv4 one in them through, and differ between versions of
Python. Of IPv6 only 2000::/3 has been given out; the rest needs no list.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PUBLIC_V6 = IPv6Network("2000::/3")
_SPECIAL: tuple[Network, ...] = (
    *(IPv4Network(text) for text in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")),
    *(IPv4Network(text) for text in ("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24")),
    *(IPv4Network(text) for text in ("192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24")),
    *(IPv4Network(text) for text in ("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3")),
    # Protocol assignments with Teredo and ORCHID, documentation, 6to4.
    *(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")),
    *(IPv6Network(text) for text in ("2620:4f:8000::/48",)),
)
_METADATA: frozenset[Address] = frozenset(
    ip_address(text)
    for text in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.42.42", "fd00:ec2::254", "fd00:ec2::23"),
        *("fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
"""Of cloud providers: they give credentials to whoever asks from the machine. The last one is a public address."""


def is_allowed(text: str, opened: Iterable[Network] = ()) -> bool:
    """Whether a connection to the address is allowed: it is public, or in one of the networks that the operator opened.
    A metadata address has to be opened by itself."""
    address = _plain(ip_address(text.partition("%")[0]))
    networks = [network for network in opened if address in network]
    if address in _METADATA:
        return any(network.num_addresses == 1 for network in networks)
    return bool(networks) or _is_public(address)


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as an IPv6 one is reached as the IPv4 one."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _PUBLIC_V6:
        return False
    return not any(address in network for network in _SPECIAL)


class Url(msgspec.Struct, frozen=True):
    """`host` is without brackets, `target` what stands in the request line."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(https?)://(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::([0-9]{1,5}))?((?:[/?][!-\"$-\[\]-~]*)?)",
    re.IGNORECASE,
)


def parse(text: str) -> Url | None:
    """None for what is no absolute address of http or https, or might be read otherwise elsewhere: with a user, a
    backslash, a fragment, spaces, or signs past ASCII."""
    match = _URL.fullmatch(text)
    if match is None or len(text) > 4000:
        return None
    scheme, port = match[1].lower(), int(match[4] or _PORTS[match[1].lower()])
    if not 0 < port < 65_536:
        return None
    target = match[5] if match[5].startswith("/") else f"/{match[5]}"
    return Url(scheme, (match[2] or match[3]).lower(), port, target)


def origin_of(text: str) -> tuple[str, str, int] | None:
    """As `Url.origin`; None for what `parse` has none for."""
    url = parse(text)
    return None if url is None else url.origin
