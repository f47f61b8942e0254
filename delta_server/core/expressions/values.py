"""Values that expressions compute with: decoded JSON, its numbers with all their digits.

A number with a fraction or an exponent is a Decimal: `1.10` goes through a transform as `1.10`. Floats of other code
count as the decimal number they are written like. Nothing here recurses: documents may be deep, and an expression makes
trees of shared parts that are far larger than what they are made of.
"""

from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgspec

from delta_server.core.errors import BadRequest
from delta_server.core.json import json_text, surrogates

Number: TypeAlias = int | float | Decimal
Spend: TypeAlias = Callable[[int], None]
"""Takes steps from what is left of an evaluation's budget, and ends it when none is."""

CHARACTERS_A_STEP = 8
CONTEXT = Context(prec=60)
_DIVISION = Context(prec=28)
_encoder = msgspec.json.Encoder(decimal_format="number")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadRequest(f"the document has a number past all bounds: {text[:40]}") from None


_decode = msgspec.json.Decoder(float_hook=_decimal).decode


def read(document: bytes, what: str = "the document") -> Any:
    """The value of a JSON text. Raises BadRequest."""
    try:
        return json_text.read(surrogates.hide(document), _decode, what)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{what} cannot be read: {error}") from None


def write(value: Any) -> bytes:
    return surrogates.restore(_encoder.encode(value))


def type_of(value: Any) -> str:
    """JMESPath's name of its type."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, list):
        return "array"
    if isinstance(value, dict):
        return "object"
    return "null" if value is None else "expression"


def exact(number: Number) -> int | Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else number


def total(numbers: list[Number]) -> int | Decimal:
    result: int | Decimal = 0
    for number in map(exact, numbers):
        both_whole = isinstance(result, int) and isinstance(number, int)
        result = result + number if both_whole else CONTEXT.add(Decimal(result), Decimal(number))
    return result


def mean(numbers: list[Number]) -> Number:
    return _DIVISION.divide(Decimal(total(numbers)), Decimal(len(numbers)))


def rounded(number: Number, rounding: str) -> Number:
    value = exact(number)
    if isinstance(value, int) or value.adjusted() > CONTEXT.prec:  # so large that it is whole
        return value
    return int(value.to_integral_value(rounding=rounding))


def less(left: Any, right: Any) -> bool | None:
    """None for what has no order between them: two numbers have, and two strings, by their code points."""
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    if type_of(left) == type_of(right) == "number":
        return exact(left) < exact(right)
    return None


def equal(left: Any, right: Any, spend: Spend) -> bool:
    """As JSON values: 1 is 1.0, true is not 1. It costs a step a pair."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        spend(1)
        kind = type_of(one)
        if kind != type_of(other):
            return False
        if kind == "array":
            if len(one) != len(other):
                return False
            spend(len(one))
            pairs += zip(one, other, strict=True)
        elif kind == "object":
            if one.keys() != other.keys():
                return False
            spend(len(one))
            pairs += [(value, other[name]) for name, value in one.items()]
        elif kind == "number":
            if exact(one) != exact(other):
                return False
        elif one != other:
            return False
    return True


def measure(value: Any, spend: Spend) -> int:
    """How many levels deep it is. It costs a step a value, and one for every few characters."""
    waiting = [(value, 0)]
    deepest = 0
    while waiting:
        one, depth = waiting.pop()
        spend(1)
        if isinstance(one, str):
            spend(len(one) // CHARACTERS_A_STEP)
        elif isinstance(one, list | dict):
            deepest = max(deepest, depth + 1)
            spend(len(one))
            waiting += [(part, depth + 1) for part in (one.values() if isinstance(one, dict) else one)]
    return deepest
