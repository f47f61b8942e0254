"""Operations as text: a line of JSON each, or CSV."""

from collections.abc import Generator, Iterable, Iterator
from itertools import islice

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import csv_text
from delta_server.core.rowdelta.operations import Operation
from delta_server.core.rowdelta.summary import Summary

_ROWS = 500
"""Rows of a piece of CSV."""

_encoder = msgspec.json.Encoder()
Cells = list[object]


def ndjson(lines: Iterable[list[bytes]], summary: Summary) -> Generator[bytes]:
    """`lines`: those of the operations."""
    for some in lines:
        yield from some
    yield _encoder.encode({"op": "end", "summary": summary}) + b"\n"


def csv(operations: Iterable[Operation], summary: Summary) -> Generator[bytes]:
    yield csv_text.text([columns(summary)])
    rows = table(operations)
    while some := list(islice(rows, _ROWS)):
        yield csv_text.text(some)


def columns(summary: Summary) -> list[str]:
    """Of a table of operations; fields of the key that are named as another column is have `key.` before them."""
    names = [f"key.{field}" if field in ("op", "before", "after") else field for field in summary.key_fields]
    return ["op", *names, "before", "after"]


def table(operations: Iterable[Operation]) -> Iterator[Cells]:
    for operation in operations:
        key = [msgspec.json.decode(raw) for raw in (operation.key or {}).values()]
        yield [operation.op, *key, _text(operation.before), _text(operation.after)]


def _text(row: msgspec.Raw | UnsetType) -> str | None:
    return None if row is UNSET else bytes(row).decode()
