"""What an answer to a poll is: a document, nothing new, or a failure of some class. Pure, for a process of its own."""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import msgspec

from delta_server.core import paging
from delta_server.core.errors import DeltaError
from delta_server.core.expressions import expression
from delta_server.core.expressions.functions import EvaluationFailed
from delta_server.core.formats import formats
from delta_server.core.formats.formats import Converted, Format, NotReadable
from delta_server.core.packs import codec
from delta_server.core.paging import Page, Paging
from delta_server.core.polling import next_pages
from delta_server.core.polling.settings import MASK, Expect, PollingSettings, values_of

ErrorClass = Literal[
    "egress",
    "dns",
    "connect",
    "tls",
    "timeout",
    "status",
    "decode",
    "expect",
    "too_large",
    "transform",
    "auth",
    "quota",
    "storage",
]
"""`egress`: the address is not one that Delta may connect to. The last three are not the source's."""

NOT_MODIFIED = 304
_ASKS_TO_WAIT = frozenset({429, 503})
_SECONDS = re.compile(r"[0-9]{1,9}")
_EXCERPT = 200
_EXCERPT_BYTES = 1000


class PollFailed(Exception):
    """`detail` is for whoever polls: it names no address. `excerpt` is the begin of what was answered."""

    def __init__(
        self, error_class: ErrorClass, detail: str, *, status: int | None = None, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(detail)
        self.error_class: ErrorClass = error_class
        self.detail = detail
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.received_bytes = 0
        self.excerpt: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process may raise it."""
        return type(self), (self.error_class, self.detail)


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the last answer that was stored said of itself: what makes the next request conditional (RFC 9110, 13.1),
    and the hashes of the document that it became and of the answer itself, in hex. `large`: it was more than polls take
    beside many others."""

    etag: str | None = None
    last_modified: str | None = None
    hash: str | None = None
    large: bool = False
    body: str | None = None


class How(msgspec.Struct, frozen=True):
    """What of the settings tells how an answer is read, and how large it may be."""

    expect: Expect | None
    transform: str | None
    read_as: Format | None
    paging: Paging | None
    most_bytes: int

    @property
    def computes(self) -> bool:
        return self.transform is not None or (self.expect is not None and self.expect.expression is not None)


class Read(msgspec.Struct, frozen=True):
    """An answer as JSON, whole, and what `transform` made of it, with its hash. `read_as` is its format."""

    source: bytes
    result: bytes
    hash: bytes
    read_as: Format


class ReadPage(NamedTuple):
    """Its format, its size as JSON, and what there is to say where it seems to be the only one."""

    page: Page
    read_as: Format
    size: int
    note: str | None


def how_of(settings: PollingSettings, most_bytes: int) -> How:
    return How(settings.expect, settings.transform, settings.read_as, settings.paging, most_bytes)


def check_status(settings: PollingSettings, status: int, headers: Mapping[str, str], now_ms: int) -> None:
    """Raises PollFailed."""
    wanted = settings.expect.status if settings.expect else None
    if status in wanted if wanted else 200 <= status < 300:
        return
    said = f"one of {', '.join(map(str, wanted))}" if wanted else "one from 200 to 299"
    not_let_in = ": sign in by auth" if settings.auth is None else ": what auth says is not taken"
    hints = {401: not_let_in, 403: not_let_in, 404: ": is the address right?"}
    raise PollFailed(
        "status",
        f"the source answered with the status {status}, not {said}{hints.get(status, '')}",
        status=status,
        retry_after_ms=retry_after_ms(headers, now_ms) if status in _ASKS_TO_WAIT else None,
    )


def excerpt(settings: PollingSettings, body: bytes) -> str | None:
    """The begin of an answer that was none, as text; a secret that it repeats is masked."""
    text = body[: _EXCERPT_BYTES * 2].decode(errors="replace")
    for secret in sorted(values_of(settings), key=len, reverse=True):
        text = text.replace(secret, MASK)
    kept = "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in text[:_EXCERPT_BYTES])
    return kept or None


def retry_after_ms(headers: Mapping[str, str], now_ms: int) -> int | None:
    """Of seconds or a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return int(text) * 1000
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
    except (ValueError, OverflowError):
        return None


def hash_of(body: bytes, content_type: str, url: str) -> str:
    """Of all that a document is made of: where it is the same, the document is."""
    return codec.digest(b"%b\0%b\0%b" % (content_type.encode(), url.encode(), body)).hex()


def validators(headers: Mapping[str, str], *, hash: str | None, large: bool, body: str | None = None) -> Source:
    etag, modified = headers.get("etag"), headers.get("last-modified")
    return Source(
        etag=etag if etag is not None and len(etag) <= 1000 else None,
        last_modified=modified if modified is not None and len(modified) <= 100 else None,
        hash=hash,
        large=large,
        body=body,
    )


def may_be_conditional(settings: PollingSettings) -> bool:
    """Of pages the first may be unchanged, and others not."""
    return settings.method == "GET" and settings.paging is None


def conditions(source: Source) -> dict[str, str]:
    """Headers of a conditional request."""
    found = {"if-none-match": source.etag, "if-modified-since": source.last_modified}
    return {name: value for name, value in found.items() if value is not None}


def read(body: bytes, content_type: str, url: str, how: How) -> Read:
    """Raises PollFailed."""
    _check_type(how.expect, content_type)
    found = _converted(body, content_type, url, how)
    return _finished(found.document, found.read_as, how)


def read_again(source: bytes, read_as: Format, content_type: str, how: How) -> Read:
    """What was read before, by another `transform` or `expect`. Raises PollFailed."""
    _check_type(how.expect, content_type)
    return _finished(source, read_as, how)


def read_page(body: bytes, content_type: str, how: How, url: str, link_header: str, asked: Sequence[str]) -> ReadPage:
    """A page of `how.paging`. Raises PollFailed."""
    assert how.paging is not None
    _check_type(how.expect, content_type)
    found = _converted(body, content_type, url, how)
    try:
        page = paging.read_page(how.paging, found.document, url=url, link_header=link_header, asked=asked)
        note = next_pages.note_of(how.paging, page, found.document, link_header) if len(asked) == 1 else None
    except DeltaError as error:
        raise PollFailed("decode", f"paging: {error.message}") from None
    return ReadPage(page, found.read_as, len(found.document), note)


def read_pages(pages: Sequence[Page], read_as: Format, how: How) -> Read:
    """All of them together. Raises PollFailed."""
    return _finished(paging.joined(pages), read_as, how)


def _converted(body: bytes, content_type: str, url: str, how: How) -> Converted:
    name = url.partition("?")[0].rpartition("/")[2]
    try:
        return formats.convert(body, content_type, name=name, read_as=how.read_as, max_bytes=how.most_bytes)
    except NotReadable as error:
        raise PollFailed("decode", error.message) from None


def _finished(source: bytes, read_as: Format, how: How) -> Read:
    result = source if how.transform is None else _transformed(how.transform, source, how.most_bytes)
    if how.expect is not None and how.expect.expression is not None and not _holds(how.expect.expression, source):
        raise PollFailed("expect", "expect.expression is not true of the answer")
    return Read(source, result, codec.digest(result), read_as)


def _check_type(expect: Expect | None, content_type: str) -> None:
    if expect is None or expect.content_type is None:
        return
    found = content_type.partition(";")[0].strip().lower()
    if not fnmatchcase(found, expect.content_type.lower()):
        said = found[:_EXCERPT] or "no content type"
        raise PollFailed("expect", f"the answer is {said}, not {expect.content_type}")


def _transformed(text: str, document: bytes, most_bytes: int) -> bytes:
    try:
        found = expression.transform(text, document, max_bytes=most_bytes)
    except (EvaluationFailed, DeltaError) as error:
        raise PollFailed("transform", f"transform: {error}") from None
    if found == b"null":
        raise PollFailed("transform", "transform finds nothing in the answer")
    return found


def _holds(text: str, document: bytes) -> bool:
    try:
        return expression.holds(text, document)
    except (EvaluationFailed, DeltaError) as error:
        raise PollFailed("expect", f"expect.expression: {error}") from None
