"""Lines of access logs as events: nginx and Apache in their combined form or another that is given, Caddy in JSON.

nginx: ngx_http_log_module, `combined`. Apache: mod_log_config, "combined". Caddy: its log directive, whose access logs
are JSON (caddyserver.com/docs/caddyfile/directives/log).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.events import event_time
from delta_server.core.events.event import Event
from delta_server.core.imports.sending import Sending
from delta_server.core.visits import agents, pages

SEEN, REQUESTED = "page", "request"
"""What looks like a page that somebody saw, and all other requests."""
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)

Fields: TypeAlias = Mapping[str, str | None]
Read: TypeAlias = Callable[[str], Fields]

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_REQUEST = re.compile(r"([A-Z]{3,20}) (\S+)(?: HTTP/[\d.]+)?")
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})|\\([\"\\])")
_ASSET = re.compile(r"\.(?!html?$|php$|aspx?$|jsp$)[A-Za-z0-9]{1,8}$")
"""What ends a path that is no page."""
_SEEN_STATUS = frozenset({"304", *map(str, range(200, 300))})
_REMEMBERED_CHARACTERS = 512
"""Of a request that is read once where it comes often."""
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}|%[<>]?(?:\{([^}]+)\})?([a-zA-Z])")
_OF_NGINX = {
    "remote_addr": "address",
    "time_local": "time",
    "time_iso8601": "time",
    "msec": "time",
    "request": "request",
    "request_method": "method",
    "request_uri": "target",
    "uri": "target",
    "status": "status",
    "body_bytes_sent": "size",
    "bytes_sent": "size",
    "http_referer": "referrer",
    "http_user_agent": "agent",
    "host": "host",
    "http_host": "host",
    "server_name": "host",
    "request_time": "took_s",
}
_OF_APACHE = {"h": "address", "a": "address", "t": "time", "r": "request", "m": "method", "U": "target", "s": "status"}
_OF_APACHE |= {"b": "size", "B": "size", "O": "size", "v": "host", "V": "host", "D": "took_us", "T": "took_s"}
_OF_HEADERS = {"referer": "referrer", "user-agent": "agent", "host": "host"}


def read_form(log_format: str) -> Read:
    """How lines of that form are read, which is nginx's (`$status`) or Apache's (`%>s`). Raises Invalid."""
    form, last, names = [], 0, set[str]()
    text = log_format.strip()
    for match in _VARIABLE.finditer(text):
        form.append(re.escape(text[last : match.start()]))
        name, last = _name(match), match.end()
        if name is None or name in names:
            form.append(_value(text, last))
        else:
            names.add(name)
            form.append(f"(?P<{name}>{_bracketed(name, match, _value(text, last))})")
    form.append(re.escape(text[last:]))
    if "time" not in names or not ({"request"} <= names or {"method", "target"} <= names):
        raise Invalid("the form of the log must have a time and a request", field="--log-format")
    compiled = re.compile("".join(form) + ("" if "$" in text or "%" in text else "$"))

    def read(line: str) -> Fields:
        found = compiled.match(line)
        if found is None:
            raise Invalid("it is not of the form of the log")
        return found.groupdict()

    return read


def _name(match: re.Match[str]) -> str | None:
    nginx = match[1] or match[2]
    if nginx:
        return _OF_NGINX.get(nginx)
    return _OF_HEADERS.get(match[3].lower()) if match[3] and match[4] == "i" else _OF_APACHE.get(match[4])


def _bracketed(name: str, match: re.Match[str], value: str) -> str:
    """Apache's %t has brackets of its own."""
    return r"\[[^\]]*\]" if name == "time" and match[4] == "t" else value


def _value(text: str, end: int) -> str:
    """What a variable may hold, by what stands behind it: one letter ends it, so that a line is read in one go."""
    behind = text[end : end + 1]
    if behind == '"':
        return r'[^"\\]*(?:\\.[^"\\]*)*'
    return r".*" if not behind else rf"[^{re.escape(behind)}]*"


class _Request(msgspec.Struct):
    method: str = ""
    uri: str = ""
    host: str | None = None
    remote_ip: str | None = None
    client_ip: str | None = None
    headers: dict[str, list[str]] = {}


class _Caddy(msgspec.Struct):
    ts: Any
    request: _Request
    status: int
    size: int = 0
    duration: Any = None


_decode = msgspec.json.Decoder(_Caddy).decode


def read_caddy(line: str) -> Fields:
    try:
        found = _decode(line)
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("it is no access log of Caddy") from None
    headers = found.request.headers
    took = found.duration
    return {
        "time": str(found.ts),
        "address": found.request.client_ip or found.request.remote_ip,
        "method": found.request.method,
        "target": found.request.uri,
        "host": found.request.host,
        "status": str(found.status),
        "size": str(found.size),
        "referrer": next(iter(headers.get("Referer", ())), None),
        "agent": next(iter(headers.get("User-Agent", ())), None),
        "took_s": str(took) if isinstance(took, int | float) else None,
    }


class _Data(msgspec.Struct, omit_defaults=True, gc=False):
    """Of an event; the last ones are `pages.UTM`."""

    host: str | None = None
    path: str | None = None
    method: str | None = None
    referrer: str | None = None
    browser: str | None = None
    device: str | None = None
    bytes: int | None = None
    bot: bool = False
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None


_encode = msgspec.json.Encoder().encode


def event(fields: Fields, sending: Sending) -> Event:
    """Raises Invalid, which says nothing of what the line holds."""
    asked = _asked(fields)
    agent_text = _plain(fields.get("agent")) or ""
    agent = agents.read(agent_text[: agents.MOST_CHARACTERS])
    status = fields.get("status") or ""
    is_page = asked.may_be_page and status in _SEEN_STATUS
    if sending.pages_only and not is_page:
        raise Invalid("it is no view of a page")
    at, host = _time(fields.get("time") or ""), _plain(fields.get("host")) or sending.host
    referrer = _host(_plain(fields.get("referrer")) or "")
    data = _Data(
        host,
        asked.path,
        None if is_page else asked.method,
        None if referrer == host else referrer,
        agent.browser,
        agent.device,
        _whole(fields.get("size")),
        agent.bot,
        *asked.campaign,
    )
    address = fields.get("address")
    return Event(
        at,
        sending.received_at,
        SEEN if is_page else REQUESTED,
        source=sending.source,
        anonymous_id=sending.visitor(at, address, agent_text) if address else None,
        duration=_took_ms(fields),
        status=status[:20] or None,
        data=msgspec.Raw(_encode(data)),
    )


class _Asked(msgspec.Struct, frozen=True):
    """`campaign` has a value or None for each of `pages.UTM`."""

    method: str
    path: str
    campaign: tuple[str | None, ...]
    may_be_page: bool


_NO_CAMPAIGN = (None,) * len(pages.UTM)


def _asked(fields: Fields) -> _Asked:
    method, target = fields.get("method"), fields.get("target")
    if method is not None and target is not None:
        return _of_target(method, target)
    text = fields.get("request") or ""
    return _of_request(text) if len(text) > _REMEMBERED_CHARACTERS else _remembered_request(text)


def _of_request(text: str) -> _Asked:
    match = _REQUEST.fullmatch(_plain(text) or "")
    if match is None:
        raise Invalid("what was asked for is no request of HTTP")
    return _of_target(match[1], match[2])


_remembered_request = lru_cache(8192)(_of_request)


def _of_target(method: str, target: str) -> _Asked:
    if not target.startswith("/"):
        _, slashes, rest = target.partition("://")
        target = "/" + rest.partition("/")[2] if slashes else "/"
    path, _, query = target[: pages.MOST_ADDRESS].partition("?")
    found = pages.campaign(query)
    campaign = tuple(map(found.get, pages.UTM)) if found else _NO_CAMPAIGN
    return _Asked(method, pages.readable(path), campaign, method == "GET" and _ASSET.search(path) is None)


def _plain(text: str | None) -> str | None:
    """Without what servers escape; None for the hyphen that stands for nothing."""
    if text is None or text == "-":
        return None
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


_host = lru_cache(8192)(pages.host_of)


@lru_cache(64)
def _time(text: str) -> int:
    match = _TIME.fullmatch(text.strip("[]"))
    if match is None or match[2] not in _MONTHS:
        return event_time.read(float(text) if text.replace(".", "", 1).isdecimal() else text, "the time")
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        moment = datetime(
            int(match[3]), _MONTHS[match[2]], int(match[1]), int(match[4]), int(match[5]), min(int(match[6]), 59),
            tzinfo=timezone(-offset if match[7] == "-" else offset),
        )  # fmt: skip
    except ValueError:
        raise Invalid("its time is none") from None
    return (moment - _EPOCH) // _MILLISECOND


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 16 else None


def _took_ms(fields: Fields) -> float | None:
    for name, factor in (("took_s", 1e3), ("took_us", 1e-3)):
        if text := fields.get(name):
            try:
                took = float(text) * factor
            except ValueError:
                continue
            if 0 <= took < 1e12:
                return round(took, 3)
    return None
