"""Values of a document, which of them were seen, and the bounds of numbers."""

from math import nextafter
from typing import Any

import msgspec

from delta_server.core.json import slices

_MOST_SEEN = 20_000
UNBOUNDED = (float("-inf"), float("inf"))

_decode_quickly = msgspec.json.Decoder(float_hook=float).decode


def decoded(raw: bytes | msgspec.Raw) -> Any:
    """Of JSON, numbers without a limit among it."""
    try:
        return _decode_quickly(raw)
    except (ValueError, msgspec.DecodeError):
        return _decode_quickly(slices.with_exponents(bytes(raw)))


def around(value: int) -> tuple[float, float]:
    """Floats below and above: the nearest may be on either side, and is written with fewer digits than it has."""
    near = float(value)
    return nextafter(near, UNBOUNDED[0]), nextafter(near, UNBOUNDED[1])


def note(seen: set[Any], key: Any) -> None:
    if len(seen) >= _MOST_SEEN:
        seen.clear()
    seen.add(key)
