"""Settings of webhooks, checked: address, headers, times."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from delta_server.core import destinations, times
from delta_server.core.errors import Invalid
from delta_server.core.webhooks.schedule import LONGEST_RETRY_S, MOST_RETRIES

MOST_HEADERS = 20
MOST_VALUE_CHARS = 2000
TIMEOUT_S = 15.0
LONGEST_TIMEOUT_S = 30
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OWN = re.compile(r"host|content-length|content-type|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect")
_SIGNED = re.compile(r"webhook-.*|x-signature-256|proxy-.*")


def check_url(url: str, opened: Sequence[destinations.Network]) -> str:
    """Raises Invalid for what is no address of http or https, and for an IP address that the server may not connect
    to: a name is looked up each time something is sent."""
    target = destinations.parse(url)
    if target is None:
        raise Invalid(
            "url must be an address of http or https, at most 4,000 ASCII characters, without a user, a fragment or"
            " spaces",
            field="url",
        )
    if not _may_be_reached(target.host, opened):
        raise Invalid(
            "url leads to an address that is not public: the operator of this server can open a network by"
            " egress.allow_cidrs",
            field="url",
        )
    return url


def _may_be_reached(host: str, opened: Sequence[destinations.Network]) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return True
    return destinations.is_allowed(host, opened)


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """By names in lower case. Raises Invalid, which repeats no value."""
    if len(headers) > MOST_HEADERS:
        raise Invalid(f"headers may be {MOST_HEADERS} at most", field="headers")
    for name, value in headers.items():
        place = f"headers.{name[:100]}"
        if not _NAME.fullmatch(name):
            raise Invalid(f"{place} is not the name of a header", field=place)
        if _OWN.fullmatch(name.lower()) or _SIGNED.fullmatch(name.lower()):
            raise Invalid(f"{place} is a header that the server sets itself", field=place)
        if len(value) > MOST_VALUE_CHARS or not _VALUE.fullmatch(value):
            raise Invalid(f"{place} must be at most {MOST_VALUE_CHARS} printable ASCII characters", field=place)
    found = {name.lower(): value.strip() for name, value in headers.items()}
    if len(found) < len(headers):
        raise Invalid("headers has a name twice, in capitals and without", field="headers")
    return found


def retries_s(lengths: Sequence[str]) -> tuple[int, ...]:
    """Raises Invalid."""
    if len(lengths) > MOST_RETRIES:
        raise Invalid(f"retry_schedule may have {MOST_RETRIES} delays at most", field="retry_schedule")
    found = []
    for at, text in enumerate(lengths):
        place = f"retry_schedule[{at}]"
        seconds = times.parse_length(text, field=place) // 1000
        if not 1 <= seconds <= LONGEST_RETRY_S:
            raise Invalid(f"{place} must be from 1s to 24h", field=place)
        found.append(seconds)
    return tuple(found)


def timeout_s(text: str) -> float:
    """Raises Invalid."""
    seconds = times.parse_length(text, field="timeout") / 1000
    if not 1 <= seconds <= LONGEST_TIMEOUT_S:
        raise Invalid(f"timeout must be from 1s to {LONGEST_TIMEOUT_S}s", field="timeout")
    return seconds


def length_text(seconds: float) -> str:
    """`5s`, `30m`, `2h`: as it is shown."""
    whole = int(seconds)
    for unit, size in (("h", 3600), ("m", 60)):
        if whole == seconds and whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s" if whole == seconds else f"{round(seconds * 1000)}ms"
