"""Requests to other servers, guarded: by address (dialing.py), in time and in size. A redirect is a new request, with
the same checks.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urljoin

import msgspec

from delta_server import __version__
from delta_server.config.sections import Egress as Options
from delta_server.core.decompression import Undecodable
from delta_server.core.destinations import Url
from delta_server.egress.answers import ACCEPT_ENCODING, TooLarge, decoded, encodings_of
from delta_server.egress.answers import Answer as Answer
from delta_server.egress.dialing import Dialer, parsed
from delta_server.egress.dialing import Reason as Reason
from delta_server.egress.dialing import RequestFailed as RequestFailed
from delta_server.egress.exchange import Exchange, encoded
from delta_server.egress.steps import Steps

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_ANYBODY = frozenset({"accept", "accept-language", "user-agent", "if-none-match", "if-modified-since"})
"""Headers that another server is sent too where a redirect leads to one."""


class Bounds(msgspec.Struct, frozen=True):
    """Of a request with all its redirects, and of one answer with its head. `decoded_bytes` is what its body may be
    when it comes compressed; None asks for none that does."""

    seconds: float = 10
    size_bytes: int = 1 << 20
    redirects: int = 3
    decoded_bytes: int | None = None


class Request(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Client:
    """Each request has a connection of its own: they are few."""

    def __init__(self, options: Options, bounds: Bounds | None = None) -> None:
        self._dialer = Dialer(options)
        self._bounds = bounds or Bounds()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises RequestFailed."""
        return await self.send(Request("GET", url, headers or {}))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """A redirect is an answer like others. Raises RequestFailed."""
        return await self.send(Request("POST", url, headers, body))

    async def send(self, request: Request, bounds: Bounds | None = None, steps: Steps | None = None) -> Answer:
        """Redirects of a GET alone are followed. `bounds` are the client's where none are given. Raises
        RequestFailed; `steps` then has those that ended."""
        bounds = bounds or self._bounds
        try:
            async with asyncio.timeout(bounds.seconds):
                return await self._follow(request, bounds, steps or Steps())
        except TimeoutError:
            raise RequestFailed("timeout", f"{request.url} took longer than {bounds.seconds} s") from None

    async def _follow(self, request: Request, bounds: Bounds, steps: Steps) -> Answer:
        url, headers = request.url, request.headers
        target = parsed(url)
        for _ in range(bounds.redirects + 1):
            answer = await self._once(request.method, target, headers, request.body, bounds, steps)
            if request.method != "GET" or answer.status not in _REDIRECTS or "location" not in answer.headers:
                return msgspec.structs.replace(answer, url=url)
            before, url = target, _joined(url, answer.headers["location"])
            target = parsed(url)
            if before.scheme == "https" and target.scheme == "http":
                raise RequestFailed("redirect", f"{before.authority} redirects to {url}, without TLS")
            if before.origin != target.origin:
                headers = {name: value for name, value in headers.items() if name.lower() in _FOR_ANYBODY}
        raise RequestFailed("redirect", f"more than {bounds.redirects} redirects, the last to {url}")

    async def _once(
        self, method: str, target: Url, headers: Mapping[str, str], body: bytes, bounds: Bounds, steps: Steps
    ) -> Answer:
        head = _head(target, headers, body, compressed=bounds.decoded_bytes is not None)
        request = encoded(method, target, head, body)
        exchange = Exchange(target.authority, bounds.size_bytes, steps)
        try:
            await self._dialer.dial(target, lambda: exchange, steps)
            received = await exchange.send(request)
        finally:
            exchange.abort()
        return await _answer(exchange, received, bounds)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # brackets around what is no IPv6 address
        raise RequestFailed("address", f"{location[:200]!r} is not an address to be sent on to") from None


def _head(target: Url, headers: Mapping[str, str], body: bytes, *, compressed: bool) -> dict[str, str]:
    """Not `compressed`: what arrives is then as large as it is counted."""
    own = {"host": target.authority, "user-agent": f"delta-server/{__version__}"}
    own |= {"accept-encoding": ACCEPT_ENCODING if compressed else "identity", "connection": "close"}
    own |= {"content-length": str(len(body))} if body else {}
    given = {name.lower() for name in headers}
    return {name: value for name, value in own.items() if name not in given} | dict(headers)


async def _answer(exchange: Exchange, body: bytes, bounds: Bounds) -> Answer:
    headers = exchange.headers
    encodings = encodings_of(headers)
    if encodings and bounds.decoded_bytes is None:
        raise RequestFailed("protocol", "the answer is compressed, which was not asked for")
    try:
        content = await decoded(body, encodings, bounds.decoded_bytes or 0) if body else body
    except Undecodable as error:
        raise RequestFailed("encoding", f"the body {error}") from None
    except TooLarge as error:
        raise RequestFailed("too large", f"the answer has {error}") from None
    return Answer(exchange.status, headers, content, len(body))
