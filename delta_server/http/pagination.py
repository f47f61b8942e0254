"""Lists: one page shape, and pages that begin where a cursor (core/cursors.py) says or at a number."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from litestar import Request, Response

from delta_server.core.cursors import encode_cursor
from delta_server.core.errors import Invalid
from delta_server.http.parameters import QueryParameter

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

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


class HasNextCursor(Protocol):
    """A page, or an answer that has more to it than a page."""

    @property
    def next_cursor(self) -> str | None: ...


P = TypeVar("P", bound=HasNextCursor)


def page(rows: Sequence[R], *, limit: int, item: Callable[[R], T], cursor: Callable[[R], str]) -> Page[T]:
    """A page of `limit` items from `limit + 1` rows requested: the extra row says that there is more."""
    items = rows[:limit]
    has_more = len(rows) > limit
    return Page([item(row) for row in items], has_more, cursor(items[-1]) if has_more else None)


def page_by_row(list_name: str, rows: Sequence[tuple[int, T]], *, limit: int) -> Page[T]:
    """A page of items that come with their rows; the next one goes on at `cursors.row_below`."""
    return page(rows, limit=limit, item=lambda row: row[1], cursor=lambda row: encode_cursor(list_name, row[0]))


def rows_to_skip(page: int | None, size: int, cursor: str | None, *, most: int = MOST_SKIPPED) -> int:
    """How many items come before page number `page`. Raises Invalid beside a cursor, and for more than `most`."""
    skip = ((page or 1) - 1) * size
    if cursor and page is not None:
        raise Invalid("page and cursor exclude each other: give one of them", field="page")
    if skip > most:
        raise Invalid(f"page leads past the first {most} items: go on with next_cursor", field="page")
    return skip


def respond(request: Request[Any, Any, Any], found: P) -> Response[P]:
    """The page, with the next one as `Link: rel="next"`: relative, so that no Host header gets into it."""
    if found.next_cursor is None:
        return Response(found)
    query = [
        (name, value)
        for name, value in parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
        if name not in ("cursor", "page")  # a cursor knows the place by itself
    ]
    path = quote(request.scope["path"].encode(errors="surrogatepass"), safe="/%:@=")
    target = f"{path}?{urlencode([*query, ('cursor', found.next_cursor)])}"
    return Response(found, headers={"link": f'<{target}>; rel="next"'})
