"""Connections to other servers, each past the guard.

A name is resolved once, every answer must be allowed (`core/destinations.py`), and one of them is what is connected to:
whoever answers for the name cannot change it in between. The name stays the one that TLS checks. Proxies of the
environment are not asked: they would connect to what is refused here.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, TypeVar

from delta_server.config.sections import Egress as Options
from delta_server.core import destinations
from delta_server.core.destinations import Url
from delta_server.egress.steps import Steps

P = TypeVar("P", bound=asyncio.BaseProtocol)

Reason = Literal[
    "address", "blocked", "dns", "connection", "tls", "timeout", "protocol", "encoding", "too large", "redirect"
]
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Of Debian, Fedora, openSUSE, Alpine: an executable that was built on one looks there on another."""


class RequestFailed(Exception):
    """No answer. `reason` is for anybody; the text names addresses, and is for the log."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Dialer:
    def __init__(self, options: Options) -> None:
        opened = tuple(ip_network(text) for text in options.allow_cidrs)
        self._is_allowed = lru_cache(4096)(partial(destinations.is_allowed, opened=opened))
        self._tls: ssl.SSLContext | None = None

    async def dial(
        self, target: Url, factory: Callable[[], P], steps: Steps | None = None
    ) -> tuple[asyncio.Transport, P]:
        """A connection with a protocol that `factory` makes. Raises RequestFailed."""
        steps = steps or Steps()
        tls = await self._context() if target.scheme == "https" else None
        name = target.host if tls else None
        failure: Exception | None = None
        addresses = await self._addresses(target)
        steps.mark("resolve")
        for address in addresses:
            try:
                opened = await asyncio.get_running_loop().create_connection(
                    factory, address, target.port, ssl=tls, server_hostname=name
                )
                steps.mark("connect")
                return opened
            except ssl.SSLError as error:
                raise RequestFailed("tls", f"{target.authority}: {error}") from None
            except OSError as error:
                failure = error
        raise RequestFailed("connection", f"{target.authority}: {failure}")

    async def _addresses(self, target: Url) -> Sequence[str]:
        """All that the name stands for. Raises RequestFailed when there is none, or one that is not allowed."""
        if _is_address(target.host):
            addresses = [target.host]
        else:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                raise RequestFailed("dns", f"{target.host}: {error}") from None
            addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            if not self._is_allowed(address):
                raise RequestFailed("blocked", f"{target.host} is {address}, which egress.allow_cidrs does not open")
        return addresses

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(_system_tls)  # reads all certificates of the system
        return self._tls


@lru_cache(4096)
def _is_address(host: str) -> bool:
    """As it is written in full: what is short for one, as 127.1, the system says."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def parsed(url: str) -> Url:
    """Raises RequestFailed."""
    target = destinations.parse(url)
    if target is None:
        raise RequestFailed("address", f"{url[:200]!r} is not an address to send a request to")
    return target


def _system_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not any((paths.cafile, paths.capath)):
        file = next((name for name in _CERTIFICATES if Path(name).exists()), None)
        if file is not None:
            context.load_verify_locations(file)
    return context
