"""Lists: one page shape, and cursors that name the place after the last row by its key, so that no page is counted off.

A cursor is opaque: base64url of a checksum and a MessagePack array [list name, *key]. It grants nothing (the query
still selects by project), so the checksum is against typing errors only; types and ranges are checked.
"""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from litestar import Request, Response
from litestar.params import QueryParameter

from delta_server.core.errors import BadRequest, Invalid

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=tuple[Any, ...])

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_LONGEST_CURSOR = 4096
"""One of a blame names a leaf's place level by level: 512 levels of 5 bytes each, at most."""

_INT64 = 1 << 63

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many at most")]
CursorText: TypeAlias = Annotated[
    str | None, QueryParameter(description="next_cursor of the page before; leave out for the first")
]


PageNumber: TypeAlias = Annotated[
    int | None, QueryParameter(ge=1, description="Instead of a cursor: which page of `page_size` items, from 1")
]
PageSize: TypeAlias = Annotated[int | None, QueryParameter(ge=1, le=MAX_LIMIT, description="The same as limit")]
MOST_SKIPPED = 10_000
"""Items before a numbered page of a list that is read from its begin."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    data: list[T]
    has_more: bool
    next_cursor: str | None


class Paged(Protocol):
    """A page, or an answer that has more to it than a page."""

    @property
    def next_cursor(self) -> str | None: ...


P = TypeVar("P", bound=Paged)


def page(rows: Sequence[R], *, limit: int, item: Callable[[R], T], cursor: Callable[[R], str]) -> Page[T]:
    """A page of `limit` items from `limit + 1` rows asked for: the row too many says that there is more."""
    shown = rows[:limit]
    has_more = len(rows) > limit
    return Page([item(row) for row in shown], has_more, cursor(shown[-1]) if has_more else None)


def skipped(page: int | None, size: int, cursor: str | None, *, most: int = MOST_SKIPPED) -> int:
    """How many items come before page number `page`. Raises Invalid beside a cursor, and for more than `most`."""
    skip = ((page or 1) - 1) * size
    if cursor and page is not None:
        raise Invalid("page and cursor exclude each other: give one of them", field="page")
    if skip > most:
        raise Invalid(f"page leads past the first {most} items: go on with next_cursor", field="page")
    return skip


def encode_cursor(list_name: str, *key: int | str | bytes | tuple[int, ...]) -> str:
    packed = msgspec.msgpack.encode([list_name, *key])
    return urlsafe_b64encode(zlib.crc32(packed).to_bytes(4) + packed).rstrip(b"=").decode()


def decode_cursor(list_name: str, text: str, types: type[K]) -> K:
    """The key in a cursor of the list `list_name`, e.g. `types=tuple[int, bytes]`. Raises BadRequest."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= _LONGEST_CURSOR else b""
        if raw[:4] != zlib.crc32(raw[4:]).to_bytes(4) or len(raw) <= 4:
            raise ValueError
        name, *parts = msgspec.msgpack.decode(raw[4:], type=list)
        if name != list_name or not all(-_INT64 <= part < _INT64 for part in parts if isinstance(part, int)):
            raise ValueError
        key: K = msgspec.convert(parts, types, builtin_types=(bytes,))
        return key
    except (ValueError, UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadRequest(
            "the cursor is not valid: use next_cursor of the page before, with the same filters", field="cursor"
        ) from None


def respond(request: Request[Any, Any, Any], found: P) -> Response[P]:
    """The page, with the next one as `Link: rel="next"`: relative, so that no Host header gets into it."""
    if found.next_cursor is None:
        return Response(found)
    query = [
        (name, value)
        for name, value in parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
        if name not in ("cursor", "page")  # a cursor knows the place by itself
    ]
    path = quote(request.scope["path"].encode(errors="surrogatepass"), safe="/%:@")
    target = f"{path}?{urlencode([*query, ('cursor', found.next_cursor)])}"
    return Response(found, headers={"link": f'<{target}>; rel="next"'})
