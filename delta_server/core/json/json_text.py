"""Checks a JSON document as text, without building its values.

msgspec's `Raw` decoder walks the whole grammar (0.7 us a kB) and refuses NaN, trailing text and lone surrogates,
but not invalid UTF-8 and not depth below the interpreter's recursion limit: both are checked here, a stretch at a time,
so that other threads have their turn in between.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from typing import TypeVar

import msgspec

from delta_server.core.errors import BadRequest
from delta_server.core.json import surrogates

T = TypeVar("T")

MAX_DEPTH = 512

_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(b for b in range(256) if b not in _BRACKETS)
_ANY_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_FEW_ESCAPES = 1024
_LEVELS = [0] * 256
for _opens, _closes in (b"[]", b"{}"):
    _LEVELS[_opens], _LEVELS[_closes] = 1, -1
_CHUNK_BYTES = 1 << 18
"""Bytes that one call looks at: half a millisecond. At least 4: a character is never split twice."""

_BLOCK = 256
_PLACE = re.compile(r"\(byte ([0-9]+)\)$")
_NO_NUMBER = re.compile(rb"NaN|-?Infinity")
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}([^\\]|\\[^u])|.)", re.DOTALL)
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


def check(document: bytes, what: str = "the document") -> None:
    """Raise BadRequest unless `document` is one JSON value (RFC 8259) in UTF-8, at most MAX_DEPTH levels deep."""
    read(document, _decode_raw, what)
    if deeper_than(MAX_DEPTH, document):
        raise _too_deep(what)


def check_document(document: bytes, what: str = "the document") -> None:
    """As `check`; what may be stored may have halves of surrogate pairs, which JavaScript leaves (surrogates.py)."""
    try:
        check(document, what)
    except BadRequest:
        if (readable := surrogates.hide(document)) == document:
            raise
        check(readable, what)


def read(document: bytes, decode: Callable[[bytes], T], what: str = "the document") -> T:
    """What one of msgspec's decoders makes of `document`. Raises BadRequest as `check` does, but for depth only where
    the decoder gives up, and msgspec's ValidationError."""
    if not document or document.isspace():
        raise BadRequest(f"{what} is empty: send a JSON value")
    if document.startswith(b"\xef\xbb\xbf"):
        raise BadRequest(f"{what} begins with a byte order mark: send UTF-8 without it")
    if (wrong := _first_invalid_utf8(document)) is not None:
        raise BadRequest(f"{what} is not valid UTF-8 (byte {wrong})")
    try:
        return decode(document)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise BadRequest(f"{what} is not valid JSON: {reason(error, document)}") from None
    except RecursionError:
        raise _too_deep(what) from None


def reason(error: msgspec.DecodeError, document: bytes) -> str:
    """What is wrong with `document`, for its sender."""
    text = str(error)
    if text == "Input data was truncated":
        half = next((match for match in _ESCAPE.finditer(document) if match[1]), None)
        return f"it has half of a surrogate pair (byte {half.start()})" if half else "it ends too early"
    place = _PLACE.search(text)
    if place and (name := _NO_NUMBER.match(document, int(place[1]))):
        return f"{name[0].decode()} (byte {place[1]}) is not a JSON number: send null or a string"
    return text.removeprefix("JSON is malformed: ")


def _too_deep(what: str) -> BadRequest:
    return BadRequest(f"{what} is nested more than {MAX_DEPTH} levels deep")


def _first_invalid_utf8(document: bytes) -> int | None:
    """The first byte that is not UTF-8, None where all is."""
    if len(document) <= _CHUNK_BYTES and document.isascii():
        return None
    at = 0
    while at < len(document):
        end = at + _CHUNK_BYTES
        try:
            _, used = codecs.utf_8_decode(document[at:end], "strict", end >= len(document))
        except UnicodeDecodeError as error:
            return at + error.start
        at += used
    return None


def deeper_than(limit: int, document: bytes) -> bool:
    """Whether valid JSON nests deeper than `limit`.

    Of most documents, and of most blocks of brackets, it is enough to count those that open (13 us for 10,000). Where
    that could exceed the limit they are followed one by one: 0.1 us each.
    """
    if len(document) <= _CHUNK_BYTES:
        kept = document.translate(None, _NO_BRACKETS)
        if kept.count(b"[") + kept.count(b"{") <= limit:
            return False
    depth = 0
    for brackets in outside_strings(document, _BRACKETS):
        for start in range(0, len(brackets), _BLOCK):
            block = brackets[start : start + _BLOCK]
            opened = block.count(b"[") + block.count(b"{")
            if depth + opened > limit and depth + max(accumulate(map(_LEVELS.__getitem__, block))) > limit:
                return True
            depth += 2 * opened - len(block)
    return False


def outside_strings(document: bytes, kept: bytes) -> Iterator[bytes]:
    """The bytes of valid JSON that are among `kept` and not in strings, stretch by stretch."""
    dropped = _all_but(kept)
    at, in_string = 0, False
    while at < len(document):
        stretch = document[at : at + _CHUNK_BYTES]
        if (len(stretch) - len(stretch.rstrip(b"\\"))) % 2:  # what this one escapes is in the next stretch
            stretch = stretch[:-1]
        at += len(stretch)
        text = _without_escapes(stretch).translate(None, dropped)
        text = (b'"' + text if in_string else text).replace(b'""', b"")  # of all else, what is in strings stays there
        parts = text.split(b'"')  # of what is in strings nothing is kept, mostly: then it is one
        in_string = len(parts) % 2 == 0
        yield b"".join(parts[::2])


@cache
def _all_but(kept: bytes) -> bytes:
    return bytes(b for b in range(256) if b not in kept and b != ord('"'))


def _without_escapes(stretch: bytes) -> bytes:
    """Without backslashes and what they escape. Most documents have few, and each takes a microsecond; to replace two
    bytes takes as long as hundreds of them, for it looks at every byte."""
    if b"\\" not in stretch:
        return stretch
    left, found = _ANY_ESCAPE.subn(b"", stretch, _FEW_ESCAPES)
    return left if found < _FEW_ESCAPES else stretch.replace(b"\\\\", b"").replace(b'\\"', b"")
