"""What is kept of a page's address, and of the one that led to it."""

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from delta_server.core.errors import Invalid

MOST_CHARACTERS = 1000
"""Of a path and of a value of a campaign; what is longer is cut."""
MOST_ADDRESS = 16 << 10
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_MOST_PARAMETERS = 100
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._~-]{1,253}|\[[0-9a-f:.]{2,45}\]")
_ROUTE = re.compile(r"!?/")
"""How the fragment of a page begins that is one of many at the same path."""


class PageAddress(msgspec.Struct, frozen=True):
    """`host` has the port where it is not the scheme's own; `utm` those parameters that are there."""

    scheme: str
    host: str
    path: str
    utm: dict[str, str]

    @property
    def origin(self) -> str:
        """As browsers write it."""
        return f"{self.scheme}://{self.host}"


def read_address(text: str, field: str = "url") -> PageAddress:
    """Raises Invalid for what is no address of a web page."""
    if len(text) > MOST_ADDRESS:
        raise Invalid(f"{field} has more than {MOST_ADDRESS} characters", field=field)
    try:
        parts = urlsplit(text)
        host = _host(parts)
    except ValueError:
        host = None
    if host is None:
        raise Invalid(f"{field} must be the address of a page, https://shop.example/path", field=field)
    return PageAddress(parts.scheme, host, _path(parts), campaign(parts.query))


def host_of(text: str) -> str | None:
    """Of the address of another page, None for what is none."""
    try:
        return _host(urlsplit(text[:MOST_ADDRESS]))
    except ValueError:
        return None


def readable(path: str) -> str:
    """A path as people read it, cut: `/caf%C3%A9` as `/café`, and what is not UTF-8, or does not print, as it came."""
    path = path[:MOST_CHARACTERS]
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        decoded = path
    found = decoded if decoded.isprintable() else path
    return found if found.isprintable() else "".join(letter for letter in found if letter.isprintable())


def campaign(query: str) -> dict[str, str]:
    """The UTM parameters of a query; of one that comes twice the first."""
    if "utm_" not in query:
        return {}
    try:
        pairs = parse_qsl(query, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in UTM and value.isprintable():
            found.setdefault(name, value[:MOST_CHARACTERS])
    return found


def _host(parts: SplitResult) -> str | None:
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in _PORTS or not (_HOST.fullmatch(host) or _is_international(host)):
        return None
    port = parts.port
    return host if port is None or port == _PORTS[parts.scheme] else f"{host}:{port}"


def _is_international(host: str) -> bool:
    return 0 < len(host) <= 253 and all(letter.isalnum() or letter in "._-" for letter in host)


def _path(parts: SplitResult) -> str:
    route = f"#{parts.fragment.partition('?')[0]}" if _ROUTE.match(parts.fragment) else ""
    return readable((parts.path or "/") + route)
