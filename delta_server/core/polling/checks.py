"""Whether settings of polling can be used: every part that is wrong, named."""

import re
from collections.abc import Callable, Iterator

import msgspec

from delta_server.core import cron, destinations, paging, times
from delta_server.core.errors import FieldError, Invalid
from delta_server.core.expressions.expression import Expression
from delta_server.core.paging import Paging
from delta_server.core.polling.settings import (
    MASK,
    MAX_BODY_BYTES,
    ByHeader,
    ClientCredentials,
    PollingSettings,
)
from delta_server.core.query.time_buckets import time_zone

INTERVALS, TIMEOUTS = ("10s", "366d"), ("1s", "120s")
"""The shortest and the longest."""
MAX_HEADERS, MAX_HEADER_BYTES = 50, 16 << 10

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"(?:[!-~]([ \t!-~]*[!-~])?)?")
_OURS = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "expect", "host", "if-modified-since", "if-none-match"),
        *("keep-alive", "proxy-authorization", "proxy-connection", "range", "te", "trailer", "transfer-encoding"),
        "upgrade",
    }
)
"""Headers that are the request's own."""
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+", re.IGNORECASE)


def validate(settings: PollingSettings, *, scheduled: bool = True) -> None:
    """Raise Invalid, naming every wrong part. What is only tried needs no schedule."""
    errors = [
        *_address_errors(settings.url, "url"),
        *_header_errors(settings),
        *_auth_errors(settings),
        *_body_errors(settings),
        *_schedule_errors(settings, scheduled=scheduled),
        *_answer_errors(settings),
    ]
    if errors:
        named = [FieldError(f"polling.{error.field}", error.message) for error in errors]
        raise Invalid(f"the settings of polling are not valid: {errors[0].message}", errors=named)


def _address_errors(url: str, field: str) -> Iterator[FieldError]:
    if destinations.parse(url) is not None:
        return
    hint = "write it like https://example.com/data.json, everything past ASCII percent-encoded"
    if re.match(r"https?://[^/?]*@", url):
        hint = 'names and passwords go into auth: {"type": "basic", "username": ..., "password": ...}'
    elif "#" in url:
        hint = "leave out what begins with #, which is never sent"
    yield FieldError(field, f"{field} is not an address of http or https: {hint}")


def _header_errors(settings: PollingSettings) -> Iterator[FieldError]:
    headers = settings.headers
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADER_BYTES:
        yield FieldError("headers", f"headers are at most {MAX_HEADERS}, of {MAX_HEADER_BYTES} bytes together")
    if len({name.lower() for name in headers}) != len(headers):
        yield FieldError("headers", "headers has a name twice: case makes no difference")
    for name, value in headers.items():
        yield from _pair_errors(name, value, f"headers.{name[:50]}")


def _pair_errors(name: str, value: str, field: str) -> Iterator[FieldError]:
    if not _TOKEN.fullmatch(name):
        yield FieldError(field, f"{name[:50]!r} is not a header's name")
    elif name.lower() in _OURS:
        yield FieldError(field, f"the header {name} is Delta's own: leave it out")
    if not _VALUE.fullmatch(value):
        yield FieldError(field, f"the value of {field} has to be of visible ASCII characters, with spaces in between")


def _auth_errors(settings: PollingSettings) -> Iterator[FieldError]:
    auth = settings.auth
    if auth is None:
        return
    if any(name.lower() == "authorization" for name in settings.headers):
        yield FieldError("auth", "auth and a header Authorization say the same twice: give one of them")
    if isinstance(auth, ByHeader):
        yield from _pair_errors(auth.name, auth.value, f"auth.{auth.name[:50]}")
        return
    if isinstance(auth, ClientCredentials):
        yield from _address_errors(auth.token_url, "auth.token_url")
    for name, value in msgspec.structs.asdict(auth).items():
        if not value.isprintable() or value == MASK:
            yield FieldError(f"auth.{name}", f"auth.{name} has characters that cannot be sent")


def _body_errors(settings: PollingSettings) -> Iterator[FieldError]:
    if settings.body is None:
        return
    if settings.method == "GET":
        yield FieldError("body", "a GET has no body: choose method POST, PUT or PATCH")
    if len(encoded_body(settings) or b"") > MAX_BODY_BYTES:
        yield FieldError("body", f"body has more than {MAX_BODY_BYTES} bytes")


def encoded_body(settings: PollingSettings) -> bytes | None:
    if settings.body is None:
        return None
    return settings.body.encode() if isinstance(settings.body, str) else msgspec.json.encode(settings.body)


def _schedule_errors(settings: PollingSettings, *, scheduled: bool) -> Iterator[FieldError]:
    if scheduled and settings.interval is None and settings.cron is None:
        yield FieldError("interval", 'say how often, "interval": "5m", or when, "cron": "30 6 * * MON-FRI"')
    if settings.interval is not None and settings.cron is not None:
        yield FieldError("cron", "interval and cron exclude each other: give one of them")
    if settings.cron is not None:
        of_zone = list(_errors_of(lambda: time_zone(settings.timezone), "timezone"))
        yield from of_zone or _errors_of(lambda: cron.parse(settings.cron or "", settings.timezone), "cron")
    yield from _length_errors(settings.interval, "interval", INTERVALS)
    yield from _length_errors(settings.timeout, "timeout", TIMEOUTS)


def _length_errors(text: str | None, field: str, within: tuple[str, str]) -> Iterator[FieldError]:
    if text is None:
        return
    try:
        length_ms = times.parse_length(text, field=field)
    except Invalid as error:
        yield FieldError(field, error.message)
        return
    least_ms, most_ms = (times.parse_length(each, field=field) for each in within)
    if not least_ms <= length_ms <= most_ms:
        yield FieldError(field, f"{field} must lie between {within[0]} and {within[1]}")


def _errors_of(check: Callable[[], object], field: str) -> Iterator[FieldError]:
    try:
        check()
    except Invalid as error:
        yield FieldError(field, error.message)


def _paging_errors(settings: PollingSettings, wanted: Paging) -> Iterator[FieldError]:
    yield from _errors_of(lambda: paging.check(wanted), "paging")
    if settings.method != "GET":
        yield FieldError("paging", "pages are gathered by GET")


def _answer_errors(settings: PollingSettings) -> Iterator[FieldError]:
    expect = settings.expect
    if settings.transform is not None:
        yield from _errors_of(lambda: Expression(settings.transform or "", field="transform"), "transform")
    if settings.paging is not None:
        yield from _paging_errors(settings, settings.paging)
    if expect is not None and expect.expression is not None:
        field = "expect.expression"
        yield from _errors_of(lambda: Expression(expect.expression or "", field=field), field)
    if expect is not None and expect.content_type is not None and not _MEDIA_TYPE.fullmatch(expect.content_type):
        yield FieldError("expect.content_type", "expect.content_type is one like application/json, or text/*")
