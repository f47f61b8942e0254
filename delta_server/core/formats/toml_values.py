"""TOML as JSON values: times as they are written in RFC 3339, `inf` and `nan` as strings."""

import tomllib
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from delta_server.core.formats.bounds import Count, NotReadable


def read(text: str) -> Any:
    """Raises NotReadable."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise NotReadable(f"the TOML cannot be read: {error}") from None
    except (ValueError, ArithmeticError):  # a number of thousands of digits, a year 0
        raise NotReadable("the TOML has a number or a time past all bounds") from None
    except RecursionError:
        raise NotReadable("the TOML is nested too deep") from None
    return _json(document, Count("TOML"), 1)


def _json(value: Any, count: Count, depth: int) -> Any:
    count.add()
    count.check_depth(depth)
    if isinstance(value, dict):
        return {name: _json(each, count, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_json(each, count, depth + 1) for each in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal) and not value.is_finite():
        return str(value).lower().replace("infinity", "inf")
    return value
