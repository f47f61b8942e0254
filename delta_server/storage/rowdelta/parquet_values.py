"""Values of Parquet columns as JSON can say them: values that differ stay different.

Python's times end at microseconds and the year 9999, so DuckDB writes them as texts; JSON has no NaN and no infinity.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any

Kind = Any
"""A duckdb.sqltypes.DuckDBPyType; its children are (name, Kind), though DuckDB's own hint is wider."""
Change = Callable[[Any], Any]

_WHOLE = {f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big", "huge")}
_PLAIN = {*_WHOLE, "integer", "uinteger", "boolean", "decimal", "varchar", "blob", "uuid", "float", "double"}
_DAY_LETTERS = len("2026-01-02")


def selected(name: str, kind: Kind) -> str:
    """The column in SQL, with all that JSON has no value for as texts, but numbers."""
    return f"CAST({_quoted(name)} AS {_cast(kind)}) AS {_quoted(name)}"


def change(kind: Kind) -> Change | None:
    """What is still to be done to a value; None where it is nothing."""
    if kind.id in ("float", "double"):
        return _number
    if kind.id.startswith("timestamp"):
        return _time
    if kind.id in ("list", "array"):
        return _each(change(kind.children[0][1]))
    if kind.id == "map":
        return _members({}, change(kind.children[1][1]))
    if kind.id == "struct":
        found = {name: made for name, of in kind.children if (made := change(of)) is not None}
        return _members(found, None) if found else None
    return None


def _cast(kind: Kind) -> str:
    if kind.id in ("list", "array"):
        return f"{_cast(kind.children[0][1])}[]"
    if kind.id == "map":
        return f"MAP(VARCHAR, {_cast(kind.children[1][1])})"
    if kind.id == "struct":
        return f"STRUCT({', '.join(f'{_quoted(name)} {_cast(of)}' for name, of in kind.children)})"
    return str(kind) if kind.id in _PLAIN else "VARCHAR"


def _number(value: float | None) -> float | str | None:
    return value if value is None or isfinite(value) else str(value)


def _time(value: str | None) -> str | None:
    """With the T of ISO 8601."""
    if value is None or value[_DAY_LETTERS : _DAY_LETTERS + 1] != " ":
        return value
    return f"{value[:_DAY_LETTERS]}T{value[_DAY_LETTERS + 1 :]}"


def _each(made: Change | None) -> Change | None:
    return None if made is None else lambda values: None if values is None else [made(value) for value in values]


def _members(by_name: dict[str, Change], other: Change | None) -> Change | None:
    if not by_name and other is None:
        return None

    def changed(value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        found = {name: by_name.get(name, other) for name in value}
        return {name: member if (made := found[name]) is None else made(member) for name, member in value.items()}

    return changed


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
