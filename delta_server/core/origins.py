"""Origins of web pages as browsers name them: `https://shop.example`, `http://localhost:3000` (RFC 6454)."""

import re
from collections.abc import Collection, Iterable

from delta_server.core.errors import Invalid

ANY = "*"
MAX_ORIGINS = 100

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,30})://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def check(wanted: Iterable[str]) -> tuple[str, ...]:
    """The origins as browsers write them, each once. Raises Invalid.

    Browsers write in lower case and leave out the scheme's own port; other schemes than http are those of apps
    (`capacitor://localhost`).
    """
    found = tuple(dict.fromkeys(_normal(text, place) for place, text in enumerate(wanted)))
    if len(found) > MAX_ORIGINS:
        raise Invalid(f"a key takes at most {MAX_ORIGINS} origins", field="origins")
    return found


def allows(listed: Collection[str], origin: str) -> bool:
    return ANY in listed or origin in listed


def _normal(text: str, place: int) -> str:
    if text == ANY:
        return ANY
    match = _ORIGIN.fullmatch(text.lower())
    if match is None or int(match[3] or 1) not in range(1, 65_536):
        raise Invalid(
            f"{text[:100]!r} is not an origin: write scheme://host or scheme://host:port without a path, as in "
            "https://shop.example, or * for any",
            field=f"origins[{place}]",
        )
    scheme, host, port = match[1], match[2], match[3]
    written = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{int(port)}"
    return f"{scheme}://{host}{written}"
