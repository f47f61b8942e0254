r"""Halves of surrogate pairs, such as `"\ud83d"`, which is what JavaScript's `slice` leaves of an emoji.

RFC 8259 8.2 counts them as JSON, though they stand for no character, and msgspec refuses them. So they are hidden while
a document is read: the backslash of such an escape becomes U+10FFFF, a noncharacter, and the escape five letters of
text behind it. Two halves are therefore equal when they are written alike. What goes out is shown as it was.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

MARK = "\U0010ffff".encode()

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_SUSPECT = re.compile(rb"\\u[dD]")
_HIDDEN = re.compile(MARK + rb"(?=u[dD][89a-fA-F][0-9a-fA-F]{2})")
_HALF_OF_TEXT = re.compile("\U0010ffffu[dD][89a-fA-F][0-9a-fA-F]{2}")
_HIDDEN_HALF = re.compile(MARK + rb"u[dD][89a-fA-F][0-9a-fA-F]{2}")


def hide(document: bytes) -> bytes:
    """The document with its halves hidden; the document itself where it has none."""
    return _ESCAPE.sub(_hide, document) if _SUSPECT.search(document) else document


def _hide(escape: re.Match[bytes]) -> bytes:
    return MARK + escape[1] if escape[1] else escape[0]


def are_in(text: str) -> bool:
    """Whether text that was read holds a hidden half, or text that looks like one."""
    return "\U0010ffff" in text and _HALF_OF_TEXT.search(text) is not None


def replaced(document: bytes) -> bytes:
    """The document with U+FFFD for each half, for readers that refuse them."""
    hides = hide(document)
    return document if hides is document else _HIDDEN_HALF.sub("\N{REPLACEMENT CHARACTER}".encode(), hides)


def with_hidden(read: Callable[..., T], *documents: bytes) -> T:
    """`read(*documents)`, again with hidden halves where msgspec met one: to look for them first costs a third of a
    comparison. `read` must split each document, not hand it on as it is."""
    try:
        return read(*documents)
    except msgspec.DecodeError:
        return read(*map(hide, documents))


def restore(text: bytes) -> bytes:
    """JSON with its hidden halves as escapes again."""
    return _HIDDEN.sub(rb"\\", text) if MARK in text else text
