"""Which client a request comes from, seen through the proxies the configuration trusts, and no others."""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec


class Client(msgspec.Struct, frozen=True):
    """`group` is what limits count by: the address, of IPv6 its /64, which is what one customer is given."""

    address: str
    group: str


UNKNOWN = Client("unknown", "unknown")


def resolver(trusted_proxies: tuple[str, ...]) -> Callable[[str, bytes], Client]:
    """A function of the peer's address and the joined X-Forwarded-For values: the right-most untrusted address.

    What stands left of that address was written by whoever sent the request and is not believed.
    """
    networks = _networks(trusted_proxies)

    def trusted(address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in networks)

    @lru_cache(4096)
    def resolve(peer: str, forwarded: bytes) -> Client:
        address = _parse(peer)
        if address is None:
            return UNKNOWN
        for hop in reversed(forwarded.split(b",") if forwarded else []):
            if not trusted(address):
                break
            earlier = _parse(hop.decode("latin-1"))
            if earlier is None:
                break
            address = earlier
        return _client(address)

    return resolve


def is_trusted(trusted_proxies: tuple[str, ...], peer: str) -> bool:
    """Whether what the peer says of the request before it is believed."""
    address = _parse(peer)
    return address is not None and any(address in network for network in _networks(trusted_proxies))


@lru_cache(8)
def _networks(trusted_proxies: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text, strict=False) for text in trusted_proxies]


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    if text.startswith("["):  # [::1]:4711
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:4711
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _client(address: IPv4Address | IPv6Address) -> Client:
    if isinstance(address, IPv4Address):
        return Client(str(address), str(address))
    return Client(str(address), str(ip_network((int(address) >> 64 << 64, 64))))
