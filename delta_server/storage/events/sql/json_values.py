"""DuckDB's values as JSON: half of it in SQL, where Python would convert them in ways of its own."""

import json
from decimal import Decimal
from typing import Any

import msgspec

_PLAIN = frozenset(
    {
        "boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint",
        "hugeint", "uhugeint", "float", "double", "decimal", "null", "varchar",
    }
)  # fmt: skip
_NESTED = frozenset({"list", "array", "struct", "map", "union", "variant"})


def shown(name: str, kind: Any) -> str:
    """What JSON can hold of a value: SQL for the parts that Python would convert in ways of its own."""
    if is_nested(kind):
        return f"to_json({name})::VARCHAR"
    if kind.id in _PLAIN:
        return name
    if kind.id == "blob":
        return f"to_base64({name})"
    if kind.id == "timestamp with time zone":
        return f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%M:%S.%gZ')"
    if kind.id.startswith("timestamp"):
        return f"strftime({name}::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%gZ')"
    return f"{name}::VARCHAR"


def is_nested(kind: Any) -> bool:
    return kind.id in _NESTED or str(kind) == "JSON"


def plain(value: Any) -> Any:
    """A number where JSON readers get all of it, a text otherwise; NaN and infinities become null in the encoder."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    return value


def nested(text: str | None) -> Any:
    """JSON as DuckDB writes it, which has NaN and Infinity in it."""
    if text is None:
        return None
    try:
        msgspec.json.decode(text)
        return msgspec.Raw(text.encode())
    except msgspec.DecodeError:
        return json.loads(text, parse_constant=lambda name: None, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        return text


def _finite(text: str) -> float | None:
    value = float(text)
    return value if abs(value) != float("inf") else None


def _whole(text: str) -> int | str:
    """Python makes no number of more than 4300 digits."""
    return int(text) if len(text) < 4300 else text
