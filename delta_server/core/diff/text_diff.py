"""What changed inside a long string, token by token (core/diff/text_tokens.py).

Equal beginnings and ends are found by comparing slices, before any token is made, and tokens are made of `MAX_MIDDLE`
characters at most: so two texts cost their own size again. Of texts of LARGE bytes the parts that differ are cut out of
the JSON text, so that what is equal is decoded once, not twice.
"""

import re
from typing import AnyStr, Literal

import msgspec

from delta_server.core.arrays import subsequences
from delta_server.core.diff.text_tokens import tokens

Sign = Literal["=", "-", "+"]
TextRun = tuple[Sign, str]

LONG = 60  # characters: shorter strings are shown whole
LARGE = 1 << 16  # bytes
MAX_MIDDLE = 200_000  # characters of both differing middles; more are one removed and one added run
MAX_TOKENS = 20_000  # likewise
MAX_LARGE_MIDDLE = 4 * MAX_MIDDLE  # of a large text, once its equal parts are cut off at the bytes
_CONTEXT = 256  # characters looked at to find where a token begins or ends
_CUT_BEFORE = 6 * _CONTEXT  # bytes before a difference, where a JSON text is cut: enough for the context
_CUT_WITHIN = 4096
_LONGEST_ESCAPE = len(b"\\ud83d\\ude00")
_AFTER_ESCAPE = re.compile(rb"[^\\]\\u(?![dD][89abAB])[0-9a-fA-F]{4}")  # not of the first half of a character
_MAX_COMPARED = 1 << 20

_decode = msgspec.json.Decoder(str).decode


def of_slices(old: bytes, new: bytes) -> list[TextRun]:
    """The runs between two strings as they stand in JSON."""
    if max(len(old), len(new)) < LARGE:
        return runs(_decode(old), _decode(new))
    head = _cut_back(old, _equal_head(old, new))
    tail = _cut_ahead(old, _equal_tail(old, new, min(len(old), len(new)) - head))
    a, b = (_decoded(raw, head or 1, len(raw) - (tail or 1)) for raw in (old, new))
    found: list[TextRun] = [("-", a), ("+", b)] if len(a) + len(b) > MAX_LARGE_MIDDLE else runs(a, b)
    if head:
        found.insert(0, ("=", _decoded(old, 1, head)))
    if tail:
        found.append(("=", _decoded(old, len(old) - tail, len(old) - 1)))
    return _joined(found)


def runs(old: str, new: str) -> list[TextRun]:
    """Runs of kept (`=`), removed (`-`) and added (`+`) text; the kept and removed make `old`, kept and added `new`."""
    head = _token_begin(old, _equal_head(old, new))
    tail = _token_end(old, _equal_tail(old, new, min(len(old), len(new)) - head))
    middle = _middle(old[head : len(old) - tail], new[head : len(new) - tail])
    return _joined([("=", old[:head]), *middle, ("=", old[len(old) - tail :])])


def _equal_head(a: AnyStr, b: AnyStr) -> int:
    """The length of what both begin with."""
    limit, at, size = min(len(a), len(b)), 0, 16
    while at + size <= limit and a[at : at + size] == b[at : at + size]:
        at += size
        size = min(size * 2, _MAX_COMPARED)
    while size > 1:
        size //= 2
        if at + size <= limit and a[at : at + size] == b[at : at + size]:
            at += size
    return at


def _equal_tail(a: AnyStr, b: AnyStr, limit: int) -> int:
    """The length of what both end with, at most `limit`."""
    end_a, end_b, at, size = len(a), len(b), 0, 16
    while at + size <= limit and a[end_a - at - size : end_a - at] == b[end_b - at - size : end_b - at]:
        at += size
        size = min(size * 2, _MAX_COMPARED)
    while size > 1:
        size //= 2
        if at + size <= limit and a[end_a - at - size : end_a - at] == b[end_b - at - size : end_b - at]:
            at += size
    return at


def _token_begin(text: str, head: int) -> int:
    """The last place up to `head` where a token begins, whatever follows; within a very long token any place."""
    start = max(0, head - _CONTEXT)
    found = tokens(text[start:head])
    return head - len(found[-1]) if len(found) > 1 else start


def _token_end(text: str, tail: int) -> int:
    """How much of the last `tail` characters begins where a token ends, whatever was before."""
    begin = len(text) - tail
    found = tokens(text[begin : begin + _CONTEXT])
    return tail - len(found[0]) if len(found) > 1 else max(0, tail - _CONTEXT)


def _cut_back(raw: bytes, head: int) -> int:
    """A place before `head` where the JSON text may be cut: not within a character or an escape. 0 if none is near."""
    last = head - _CUT_BEFORE
    for place in range(last, max(_LONGEST_ESCAPE, last - _CUT_WITHIN), -1):
        if _may_be_cut(raw, place):
            return place
    return 0


def _cut_ahead(raw: bytes, tail: int) -> int:
    """Likewise behind a difference: how long what follows the cut is."""
    first = len(raw) - tail + _CUT_BEFORE
    for place in range(first, min(len(raw), first + _CUT_WITHIN)):
        if _may_be_cut(raw, place):
            return len(raw) - place
    return 0


def _may_be_cut(raw: bytes, place: int) -> bool:
    """Where no escape was begun just before, or one has just ended: a text may be nothing but escapes."""
    if raw[place] & 0xC0 == 0x80:
        return False
    is_plain = b"\\" not in raw[place - _LONGEST_ESCAPE : place]
    return is_plain or _AFTER_ESCAPE.fullmatch(raw, place - 7, place) is not None


def _decoded(raw: bytes, begin: int, end: int) -> str:
    """The text of a part of a JSON string, in pieces: a decoder takes up to four times a text for itself."""
    if raw.isascii() and raw.find(b"\\", begin, end) < 0:
        return str(memoryview(raw)[begin:end], "ascii")
    parts = []
    while begin < end:
        first = min(begin + _MAX_COMPARED, end)
        last = min(end, first + _CUT_WITHIN)
        cut = end if last == end else next((place for place in range(first, last) if _may_be_cut(raw, place)), end)
        parts.append(_decode(b"".join((b'"', memoryview(raw)[begin:cut], b'"'))))
        begin = cut
    return "".join(parts)


def _middle(old: str, new: str) -> list[TextRun]:
    whole: list[TextRun] = [("-", old), ("+", new)]
    if not old or not new or len(old) + len(new) > MAX_MIDDLE:
        return whole
    a, b = tokens(old), tokens(new)
    if len(a) + len(b) > MAX_TOKENS:
        return whole
    found: list[TextRun] = []
    last_i = last_j = 0
    for i, j in [*subsequences.common(a, b), (len(a), len(b))]:
        found += [("-", "".join(a[last_i:i])), ("+", "".join(b[last_j:j])), ("=", "".join(a[i : i + 1]))]
        last_i, last_j = i + 1, j + 1
    return found


def _joined(found: list[TextRun]) -> list[TextRun]:
    """Empty runs dropped, neighbours of one sign joined."""
    joined: list[tuple[Sign, list[str]]] = []
    for sign, text in found:
        if text and joined and joined[-1][0] == sign:
            joined[-1][1].append(text)
        elif text:
            joined.append((sign, [text]))
    return [(sign, "".join(texts)) for sign, texts in joined]
