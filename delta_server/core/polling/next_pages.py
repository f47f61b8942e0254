"""How the first page of a source names the next one, and what is said of one that names none."""

import re

import msgspec

from delta_server.core import paging
from delta_server.core.json import slices
from delta_server.core.paging import Page, Paging, PagingFailed

_CURSORS = {
    "next": "",
    "next_url": "",
    "next_page_url": "",
    "nextLink": "",
    "@odata.nextLink": "",
    "next_cursor": "cursor",
    "nextCursor": "cursor",
    "next_page_token": "page_token",
    "nextPageToken": "pageToken",
}
"""Members that name the next page, and the parameter that takes what is no URL."""
_LONGEST_LOOKED_INTO = 8 << 20


def note_of(wanted: Paging, page: Page, document: bytes, link_header: str) -> str | None:
    """Of a source's first page: what there is to say where it is the only one, and does not say that it is. Raises
    PagingFailed where it names the next one in another way than `wanted`."""
    if page.next_url is not None or page.is_surely_last:
        return None
    looked = f"{wanted.cursor} finds nothing in it" if wanted.by == "cursor" else "no header Link names a next one"
    other = paging_of(document, link_header)
    if other is not None:
        where = "a header Link" if other.by == "link" else other.cursor
        raise PagingFailed(f"page 1 names the next one in {where}, but {looked}")
    return f"this is one page, for {looked}: if the source has more, they are missing"


def paging_of(source: bytes, link_header: str) -> Paging | None:
    """How the pages are found of which the answer is the first; None where it names no other."""
    raw = slices.trimmed(source)
    if raw[:1] not in (b"{", b"[") or len(raw) > _LONGEST_LOOKED_INTO:
        return None
    found = {} if raw[:1] == b"[" else {name: bytes(value) for name, value in slices.members(raw).items()}
    lists = {name: len(value) for name, value in found.items() if value[:1] == b"["}
    items = "@" if raw[:1] == b"[" else _quoted(max(lists, key=lists.__getitem__)) if lists else None
    if items is None:
        return None
    if paging.next_link(link_header):
        return Paging("link", items)
    for name, parameter in _CURSORS.items():
        value = found.get(name, b"null")
        if value[:1] == b'"' and value != b'""':
            is_url = value[1:2] == b"/" or value.startswith((b'"http://', b'"https://'))
            if parameter or is_url:
                return Paging("cursor", items, _quoted(name), "" if is_url else parameter)
    return None


def _quoted(name: str) -> str:
    """A member's name in JMESPath."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else msgspec.json.encode(name).decode()
