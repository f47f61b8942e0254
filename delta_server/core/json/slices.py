"""Slices: JSON values as the bytes they have in their document, split one level at a time and compared by value.

A slice has no whitespace around it. Nothing here builds the values under a level, so equal parts cost one memcmp.
"""

import re
from decimal import Context, Decimal
from math import isinf
from typing import Any, Literal

import msgspec

from delta_server.core.json import json_text

Kind = Literal["object", "array", "string", "number", "boolean", "null"]

elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

QUOTE, OPEN_OBJECT, OPEN_ARRAY = b'"{['
WHITESPACE = b" \t\n\r"

_KINDS: dict[int, Kind] = {
    QUOTE: "string",
    OPEN_OBJECT: "object",
    OPEN_ARRAY: "array",
    ord("t"): "boolean",
    ord("f"): "boolean",
    ord("n"): "null",
}
_MOST_INDENTED = 1 << 14  # bytes
_LARGEST_EXPANDED = 40  # digits: whole numbers up to here are written out, 1e999999999 is not
_LARGEST_EXPONENT = 999_999_999_999_999_999  # of the decimal module
_LONG_INTEGER = b"0" * (_LARGEST_EXPANDED + 1)
_DIGITS_AS_ZEROS = bytes(ord("0") if b in b"0123456789" else b for b in range(256))
_UNSAFE_INTEGER = re.compile(rb"[0-9]{16}|-0")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?[0-9][0-9.eE+-]*+', re.DOTALL)
_decode_string = msgspec.json.Decoder(str).decode


def trimmed(document: bytes) -> bytes:
    """The document's value without whitespace before it and, if it is a scalar, after it: all else may keep that."""
    if document[0] in (OPEN_OBJECT, OPEN_ARRAY):
        return document
    return document.strip(WHITESPACE)


def kind(raw: bytes) -> Kind:
    return _KINDS.get(raw[0], "number")


def minified(raw: bytes) -> bytes:
    """Without whitespace between tokens; the tokens keep their text."""
    if raw[0] not in (OPEN_OBJECT, OPEN_ARRAY):
        return raw
    return msgspec.json.format(raw, indent=-1)


def leaf_count(raw: bytes) -> int:
    """The scalars, empty objects and empty arrays in a value, each repeated member counted.

    Structural commas are one less than leaves, and a comma before a line break cannot be inside a string. What is long
    is not indented: that may take hundreds of times its size where it is deep.
    """
    if raw[0] not in (OPEN_OBJECT, OPEN_ARRAY):
        return 1
    if len(raw) > _MOST_INDENTED:
        return sum(commas.count(b",") for commas in json_text.outside_strings(raw, b",")) + 1
    return msgspec.json.format(raw, indent=1).count(b",\n") + 1


def same_scalar(a: bytes, b: bytes) -> bool:
    """Whether two scalars are equal by value: strings after unescaping, numbers exactly, true is not 1."""
    if a == b:
        return True
    if a.isdigit() and b.isdigit():
        return False
    kind_a = kind(a)
    if kind_a != kind(b):
        return False
    if kind_a == "string":
        return (b"\\" in a or b"\\" in b) and bool(_decode_string(a) == _decode_string(b))
    return kind_a == "number" and _same_number(a, b)


def _same_number(a: bytes, b: bytes) -> bool:
    """Equal numbers are equal as floats, so most that differ are distinguished at once."""
    if len(a) <= _LARGEST_EXPANDED and len(b) <= _LARGEST_EXPANDED and float(a) != float(b):
        return False
    return canonical_number(a) == canonical_number(b)


def canonical_number(raw: bytes) -> bytes:
    """One text for each numeric value: digits, then `e` and the exponent where zeros at the end are many or a
    fraction is left. Nothing is expanded, so 1e999999999 costs what its text costs."""
    if raw.isdigit() and len(raw) <= _LARGEST_EXPANDED:
        return raw
    sign, text = (b"-", raw[1:]) if raw[:1] == b"-" else (b"", raw)
    mantissa, _, exponent = text.lower().partition(b"e")
    whole, _, fraction = mantissa.partition(b".")
    if not exponent and fraction[-1:] > b"0":
        return b"%b%be-%d" % (sign, (whole + fraction).lstrip(b"0"), len(fraction))
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return b"0"
    significant = digits.rstrip(b"0")
    shift = len(digits) - len(significant) - len(fraction)
    power = _sum_exponents(exponent or b"0", shift)
    zeros = int(power) if len(power) < 5 else -1
    if 0 <= zeros <= _LARGEST_EXPANDED - len(significant):
        return sign + significant + b"0" * zeros
    return sign + significant + b"e" + power


def _sum_exponents(exponent: bytes, shift: int) -> bytes:
    """Their sum, in digits. Long ones go through Decimal, which has no limit on digits."""
    if len(exponent) < 1000:
        return b"%d" % (int(exponent) + shift)
    total = _context(len(exponent) + 20).add(Decimal(exponent.decode()), Decimal(shift))
    return format(total, "f").encode()


def _context(digits: int) -> Context:
    return Context(prec=digits, Emax=_LARGEST_EXPONENT, Emin=-_LARGEST_EXPONENT)


def is_within(a: bytes, b: bytes, tolerance: float) -> bool:
    """Whether both are numbers that differ by at most `tolerance`, reckoned in decimal: 1.1 and 1.0 differ by 0.1."""
    if kind(a) != "number" or kind(b) != "number":
        return False
    try:
        distance = abs(_context(60).subtract(Decimal(a.decode()), Decimal(b.decode())))
    except ArithmeticError:
        return False
    return distance.is_finite() and distance <= Decimal(repr(tolerance))


def canonical(raw: bytes) -> bytes:
    """Equal for equal values and only for those: no whitespace, members sorted, the last of repeated members, one text
    per number and string."""
    first = raw[0]
    if first == QUOTE:
        return msgspec.json.encode(_decode_string(raw)) if b"\\" in raw else raw
    if first not in (OPEN_OBJECT, OPEN_ARRAY):
        return canonical_number(raw) if kind(raw) == "number" else raw
    return msgspec.json.encode(_decode_value(with_exponents(raw)), order="sorted")


def as_doubles(raw: bytes) -> bytes:
    """As `canonical`, for readers who take numbers for doubles, as JavaScript does: what they cannot tell apart is
    equal, and a number too large for them is null."""
    first = raw[0]
    if first == QUOTE or (first not in (OPEN_OBJECT, OPEN_ARRAY) and kind(raw) != "number"):
        return canonical(raw)
    exact = _TOKEN.sub(_as_float, raw) if _UNSAFE_INTEGER.search(raw) else raw
    return msgspec.json.encode(_decode_double(exact), order="sorted")


def _as_float(token: re.Match[bytes]) -> bytes:
    text = token[0]
    return text + b"e0" if text.lstrip(b"-").isdigit() else text


def _double(text: str) -> msgspec.Raw:
    value = float(text)
    if isinf(value):
        return msgspec.Raw(b"null")
    return msgspec.Raw((str(int(value)) if value.is_integer() else repr(value)).encode())


def shape(raw: bytes) -> Any:
    """The value decoded, for whom its numbers are of no matter: no number is too large."""
    return _decode_shape(with_exponents(raw))


def with_exponents(raw: bytes) -> bytes:
    """A pattern for long integers takes ten times as long as this search."""
    return _TOKEN.sub(_with_exponent, raw) if _LONG_INTEGER in raw.translate(_DIGITS_AS_ZEROS) else raw


def _with_exponent(token: re.Match[bytes]) -> bytes:
    """A long integer as `123e0`: so it reaches `_number` as text, not the decoder's integers (4,300 digits at most)."""
    text = token[0]
    return text + b"e0" if len(text) > _LARGEST_EXPANDED and text.lstrip(b"-").isdigit() else text


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(canonical_number(text.encode()))


_decode_value = msgspec.json.Decoder(float_hook=_number).decode
_decode_double = msgspec.json.Decoder(float_hook=_double).decode
_decode_shape = msgspec.json.Decoder(float_hook=str).decode
