"""A source that comes in pages, gathered whole: which request is next, and what the pages are together.

    by link      the answer's Link header with rel="next" (RFC 8288), as GitHub and Delta send it
    by cursor    an expression for what names the next page: a URL is followed, other values go into a parameter
    by number    page=1, 2, 3 ... until a page has no items

`items` is an expression for a page's array of items; the whole is one array of them. It is whole or refused: a part of
it would look as if the rest had been deleted. Only pages of the same server are asked for, with the same credentials.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from delta_server.core.errors import Invalid
from delta_server.core.expressions import values
from delta_server.core.expressions.expression import Expression
from delta_server.core.nearest import quoted

_LONGEST_URL = 8192
_TARGET = re.compile(r"[\s,]*+<([^>]*+)>")
_PARAMETER = re.compile(r'\s*+;\s*+([^\s=;,]*+)(?:\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*+)))?+')


_MANY = {list: "an array", dict: "an object", bool: "true"}


class PagingFailed(Invalid):
    """The pages of this source cannot be gathered as they come."""


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a source's pages are found; see `check` for what belongs together."""

    by: Literal["link", "cursor", "number"]
    items: str = "@"
    cursor: str = ""
    parameter: str = ""
    first: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    max_pages: Annotated[int, Meta(ge=1, le=200)] = 20


class Page(msgspec.Struct, frozen=True):
    """What was answered. `items` is JSON's array of this page's items as values, `next_url` None on the last page.
    `is_surely_last`: it says so, and does not only name no other."""

    items: list[Any]
    next_url: str | None
    is_surely_last: bool = False


def check(paging: Paging, *, field: str = "paging") -> None:
    """Raises Invalid."""
    Expression(paging.items, field=f"{field}.items")
    if paging.by == "cursor":
        Expression(paging.cursor, field=f"{field}.cursor")
    if paging.by == "number" and not paging.parameter:
        raise Invalid(f"{field}.parameter must name the query parameter of page numbers", field=f"{field}.parameter")
    if len(paging.parameter) > 100:
        raise Invalid(f"{field}.parameter is too long", field=f"{field}.parameter")


def first_url(paging: Paging, url: str) -> str:
    return _with_parameter(url, paging.parameter, str(paging.first)) if paging.by == "number" else url


def read_page(paging: Paging, document: bytes, *, url: str, link_header: str, asked: Sequence[str]) -> Page:
    """`asked` are the URLs of the pages so far, this one's (`url`) the last. Raises PagingFailed, EvaluationFailed."""
    value = values.read(document, "the page")
    items = Expression(paging.items).value(value)
    if items is None and len(asked) > 1:
        items = []
    if not isinstance(items, list):
        raise PagingFailed(f"items of page {len(asked)} must be an array, and are {values.type_of(items)}")
    following = _following(paging, value, bool(items), url, link_header, len(asked))
    if following is not None:
        _check_next(paging, following, url, asked)
    return Page(items, following, following is None and _says_that_it_ends(paging, value))


def joined(pages: Sequence[Page]) -> bytes:
    return values.write([item for page in pages for item in page.items])


def _following(paging: Paging, value: Any, has_items: bool, url: str, link_header: str, number: int) -> str | None:
    if paging.by == "link":
        target = next_link(link_header)
        return _absolute(url, target) if target else None
    if paging.by == "number":
        return _with_parameter(url, paging.parameter, str(paging.first + number)) if has_items else None
    cursor = Expression(paging.cursor).value(value)
    if cursor in (None, "", False, [], {}):
        return None
    if isinstance(cursor, list | dict | bool):
        raise PagingFailed(
            f"cursor finds {_MANY[type(cursor)]} on page {number}, where a text or a number is to name the next"
        )
    text = cursor if isinstance(cursor, str) else values.write(cursor).decode()
    if not paging.parameter:
        return _absolute(url, text)
    return text if text.startswith(("https://", "http://")) else _with_parameter(url, paging.parameter, text)


def _says_that_it_ends(paging: Paging, value: Any) -> bool:
    """By page numbers the page after it was empty; a cursor is null, or empty, where others have one."""
    return paging.by == "number" or (paging.by == "cursor" and Expression(paging.cursor).is_there(value))


def _absolute(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise PagingFailed(f"the next page's address is not a URL: {quoted(target)}") from None


def _check_next(paging: Paging, following: str, url: str, asked: Sequence[str]) -> None:
    if len(asked) >= paging.max_pages:
        numbers = f", or see whether the source knows {paging.parameter}" if paging.by == "number" else ""
        raise PagingFailed(
            f"there are more than {paging.max_pages} pages: raise max_pages, or ask for larger ones{numbers}"
        )
    if len(following) > _LONGEST_URL or not following.isprintable():
        raise PagingFailed("the next page's address is not a URL")
    if following in asked:
        raise PagingFailed(f"page {len(asked)} leads back to one before it")
    if _origin(following) != _origin(url):
        raise PagingFailed(f"the next page is at another server: {quoted(following)}")


def next_link(header: str) -> str | None:
    """The target of rel="next" in a Link header (RFC 8288, 3), None for none."""
    at = 0
    while target := _TARGET.match(header, at):
        at = target.end()
        relation: str | None = None
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            if parameter[1].lower() == "rel" and relation is None:  # the first one counts
                relation = parameter[2] or parameter[3] or ""
        if relation and "next" in relation.lower().split():
            return target[1]
    return None


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ("", url)
    return parts.scheme, parts.netloc.lower()


def _with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*pairs, (name, value)])))
