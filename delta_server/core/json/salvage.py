"""Bodies of many items that are no JSON as a whole because of some of the items: each item by itself, as far as it can
be distinguished from its neighbours.

A body is read as usual first; only when that fails its strings and brackets are followed here, in linear time. What a
client would never send again is mended: NaN and infinities become null, halves of surrogate pairs and bytes that are
not UTF-8 U+FFFD (RFC 8259 8.2 counts such halves as JSON), control characters are escaped. What is broken otherwise
stays as it is, for whoever reads it to refuse. Where a quote is missing nothing after it can be distinguished.
"""

import re
from collections.abc import Collection, Iterator

import msgspec

from delta_server.core.errors import BadRequest
from delta_server.core.json import json_text

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_INSIDE = rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+"
_FLAT = rb"\{" + _INSIDE + rb"\}|\[" + _INSIDE + rb"\]"
_BETWEEN = re.compile(rb'(?:[^"{}\[\],]++|' + _STRING + rb")*+(" + _FLAT + rb'|[{}\[\],"])', re.DOTALL)
_IN_ARRAY = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb"|" + _FLAT + rb')*+([{}\[\]"])', re.DOTALL)
_IN_OBJECT = re.compile(
    rb'(?:[^"{}\[\],]++|' + _STRING + rb"|" + _FLAT + rb'|,(?![ \t\r\n]*+\{))*+([{}\[\],"])', re.DOTALL
)
"""What comes next that frames; what has its own brackets closed is skipped. No object has an object for a name: a comma
before a brace there means that the braces which end what came before are missing."""
_KEY = re.compile(rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_MAX_STEPS = 300_000
"""Brackets that are followed one by one in one body, 2 us each; nothing is distinguished after them."""
_OPENERS = {b"}": b"{", b"]": b"["}

_LONE_SURROGATE = rb"u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>[89a-fA-F][0-9a-fA-F]{2}))"
_ESCAPE = re.compile(rb"\\(?:" + _LONE_SURROGATE + rb"|.)", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_REPAIRABLE = re.compile(_STRING + rb"|(?<![\w.])[-+]?(?:nan|inf(?:inity)?)\b", re.DOTALL | re.IGNORECASE)

_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_text = msgspec.json.Decoder(str).decode


class Repaired(bytes):
    """An item that became JSON by mending."""


class Unreadable(bytes):
    """What follows where the framing is lost; for messages only, nothing can be read of it."""


class Recovered(msgspec.Struct):
    """`skeleton` is the body with each item's number in place of it; `rest` is None when every item was found."""

    skeleton: bytes
    items: list[bytes]
    rest: Unreadable | None


def item(text: bytes, what: str = "the event") -> bytes:
    """One JSON value without line breaks in it, mended if need be. Raises BadRequest if that does not help."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    try:
        return _one_line(text, what)
    except BadRequest:
        mended = repair(text)
        if mended == text:
            raise
        return Repaired(_one_line(mended, what))


def _one_line(text: bytes, what: str) -> bytes:
    json_text.read(text, _decode_raw, what)
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def repair(text: bytes) -> bytes:
    return _REPAIRABLE.sub(_repair, text.decode(errors="replace").encode())


def _repair(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if not token.startswith(b'"'):
        return b"null"
    if b"\\" in token:
        token = _ESCAPE.sub(lambda escape: b"\\ufffd" if escape["half"] else escape[0], token)
    return _CONTROL.sub(lambda control: b"\\u%04x" % ord(control[0]), token)


def recover(body: bytes, path: tuple[bytes, ...], *, most: int) -> Recovered | None:
    """The items of the array at `path`, member names from the top; of the body itself if that is an array. None when
    none of them can be read and more than items is wrong. More than `most` are not looked for."""
    walk = _Parser(body.removeprefix(BYTE_ORDER_MARK), most)
    walk.all(path)
    if walk.rest is not None and not walk.readable:
        return None
    return Recovered(b"".join(walk.pieces), walk.items, walk.rest)


def texts(body: bytes, names: Collection[str]) -> dict[str, str]:
    """The members with these names that are texts or numbers, of an object that may be broken further on."""
    found: dict[str, str] = {}
    at = _after_space(body, 0)
    if body[at : at + 1] != b"{":
        return found
    at += 1
    steps = iter(range(_MAX_STEPS))
    while key := _KEY.match(body, at):
        at = _end(body, key.end(), steps) or len(body)
        name = key[1][1:-1].decode(errors="replace")
        if name in names and (value := _text(body[key.end() : at].strip())) is not None:
            found.setdefault(name, value)
        at += body[at : at + 1] == b","
    return found


def _text(value: bytes) -> str | None:
    if value.isdigit():
        return value.decode()
    try:
        return _decode_text(repair(value)) if value.startswith(b'"') else None
    except msgspec.DecodeError:
        return None


def _end(body: bytes, at: int, steps: Iterator[int]) -> int | None:
    """Where the value that begins at `at` ends: at the comma or bracket that follows; None if that is unknown."""
    open_, counts, seen = bytearray(), {b"{": 0, b"[": 0}, False
    for _ in steps:
        expected = _BETWEEN if not open_ else _IN_OBJECT if open_.endswith(b"{") else _IN_ARRAY
        step = expected.match(body, at)
        if step is None:
            return len(body) if seen and not open_ else None
        if step[1] == b'"':
            return None
        token, at = step[1], step.end()
        first = token[:1]
        if first == b",":
            return step.start(1)
        if first in _OPENERS:
            if not counts[_OPENERS[first]]:
                return step.start(1)
            _close(open_, counts, _OPENERS[first])
            continue
        if not open_ and seen:
            return step.start(1)  # the comma is missing
        seen = True
        if len(token) == 1:
            open_ += first
            counts[first] += 1
    return None


def _after_space(body: bytes, at: int) -> int:
    space = _SPACE.match(body, at)
    return space.end() if space else at


def _close(open_: bytearray, counts: dict[bytes, int], opener: bytes) -> None:
    """Close the last `opener`, and what was opened in it and not closed."""
    while True:
        last = bytes((open_.pop(),))
        counts[last] -= 1
        if last == opener:
            return


class _Parser:
    """Goes through a body once. `pieces` become the skeleton; once `rest` is there, all that is open is closed."""

    def __init__(self, body: bytes, most: int) -> None:
        self.body, self.most, self.at = body, most, 0
        self.steps = iter(range(_MAX_STEPS))
        self.pieces: list[bytes] = []
        self.items: list[bytes] = []
        self.readable = False
        self.rest: Unreadable | None = None

    def all(self, path: tuple[bytes, ...]) -> None:
        self._skip()
        if self.body[self.at : self.at + 1] == b"[":
            self._array(())
        else:
            self._value(path)
        self._skip()
        if self.at < len(self.body):
            self._lose()

    def _value(self, path: tuple[bytes, ...]) -> None:
        """An object that leads to the items; other values are copied."""
        if self.body[self.at : self.at + 1] == b"{":
            self._object(path)
        else:
            self.pieces.append(self._copied() or b"null")

    def _object(self, path: tuple[bytes, ...]) -> None:
        self.at += 1
        self.pieces.append(b"{")
        comma = b""
        while not self._closed(b"}"):
            key = _KEY.match(self.body, self.at)
            if key is None:
                self._lose()
                break
            self.at = key.end()
            if key[1] == b'"%s"' % path[0] and self.body[self.at : self.at + 1] == b"[":
                self.pieces.append(comma + key[1] + b":")
                self._array(path[1:])
            elif value := self._copied():
                self.pieces += [comma, item(key[1]), b":", value]
            else:
                continue
            comma = b","
        self.pieces.append(b"}")

    def _array(self, path: tuple[bytes, ...]) -> None:
        """The items, or what has them further in."""
        self.at += 1
        self.pieces.append(b"[")
        comma = b""
        while not self._closed(b"]"):
            self.pieces.append(comma)
            comma = b","
            if path:
                self._value(path)
            elif not self._item():
                break
        self.pieces.append(b"]")

    def _item(self) -> bool:
        end = _end(self.body, self.at, self.steps)
        if end is None or end == self.at or len(self.items) > self.most:
            self._lose()
            self.pieces.pop()
            return False
        text = self.body[self.at : end].strip()
        try:
            text = item(text)
            self.readable = self.readable or text.startswith(b"{")
        except BadRequest:
            pass
        self.pieces.append(b"%d" % len(self.items))
        self.items.append(text)
        self.at = end
        return True

    def _copied(self) -> bytes | None:
        """A value that is no item; None for one that cannot be read."""
        end = _end(self.body, self.at, self.steps)
        if end is None or end == self.at:
            self._lose()
            return None
        text, self.at = self.body[self.at : end], end
        try:
            return item(text.strip())
        except BadRequest:
            return None

    def _closed(self, bracket: bytes) -> bool:
        """Whether what is open ends here. Commas too many are none of anybody's business."""
        self._skip()
        while self.body[self.at : self.at + 1] == b",":
            self.at += 1
            self._skip()
        if self.rest is None and self.at >= len(self.body):
            self._lose()
        if self.rest is None and self.body[self.at : self.at + 1] == bracket:
            self.at += 1
            return True
        return self.rest is not None

    def _skip(self) -> None:
        self.at = _after_space(self.body, self.at)

    def _lose(self) -> None:
        if self.rest is None:
            self.rest = Unreadable(self.body[self.at :])
        self.at = len(self.body)
