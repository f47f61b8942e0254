"""Numbers of answers with all their digits: sums of whole numbers and of decimal fractions, numbers past 2^53.

A log's compiler gives a metric as a float, which having and order look at, and where it can the parts of the exact
value. What a float has all digits of stays one.
"""

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, TypeAlias

WHOLE = 1 << 53
"""From here on a float does not distinguish neighbouring whole numbers."""

Number: TypeAlias = float | int | Decimal
Parts: TypeAlias = Mapping[str, Any]
"""`n` numbers, whose sum is `h`, of whole ones, and `q`, of others; None of none. Of one number: the sum is it."""

_FORM = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")
_LONGEST = 40
_CONTEXT = Context(prec=60)
_PLACES = Decimal("0.000001")
"""Of a mean past 2^53."""


def number(function: str, rough: float | None, parts: Parts | None) -> Number | None:
    """The value of a metric."""
    if rough is None or parts is None:
        return rough
    whole, rest = parts["h"] or 0, parts["q"] or Decimal(0)
    total = _CONTEXT.add(Decimal(whole), rest)
    if function == "avg":
        return _mean(total, parts["n"])
    if function in ("min", "max") and float(total) != rough:
        return rough
    return plain(total)


def plain(value: Decimal) -> Number:
    near = float(value)
    if abs(near) < WHOLE and Decimal(repr(near)) == value:
        return near
    return int(value) if value == value.to_integral_value() else value.normalize(_CONTEXT)


def _mean(total: Decimal, count: int) -> Number:
    mean = Fraction(total) / count
    if abs(mean) < WHOLE:
        return float(mean)
    return plain(_CONTEXT.divide(total, Decimal(count)).quantize(_PLACES, context=_CONTEXT))


def read(text: str) -> float | int | None:
    """The number a text is written like in JSON's grammar, None for none, or one that nothing is compared with."""
    if len(text) > _LONGEST or not _FORM.fullmatch(text):
        return None
    value = Decimal(text)
    if abs(value) >= 10**38:
        return None
    return int(value) if value == value.to_integral_value(context=_CONTEXT) else float(value)
