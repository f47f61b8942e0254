"""What a feature shows of its tables to SQL of callers."""

import msgspec


class View(msgspec.Struct, frozen=True):
    """`sql` has SQLite write a JSON object a row, with `?` for the project; `columns` are as DuckDB reads them from the
    objects, `shown` is the view's select list."""

    sql: str
    columns: dict[str, str]
    shown: str


def time(name: str) -> str:
    return f"{instant(name)} AS {name}"


def instant(ms: str) -> str:
    """With a time zone, so that `AT TIME ZONE` turns it into that zone's clock: of a plain TIMESTAMP it makes the
    instant at which clocks there show it."""
    return f"make_timestamptz({ms} * 1000)"


def uuid(name: str) -> str:
    return f"{name}::UUID::VARCHAR AS {name}"
