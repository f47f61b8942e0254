"""Exports: answers of any length, written out while they are read.

Nothing is sent before the first rows are there, so what cannot be answered is refused as anywhere. What fails later
raises while the body is sent: the connection breaks, and nobody takes half a file for a whole one.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from delta_server.core import csv_text, shaping
from delta_server.core.plan import Aggregate, Listing
from delta_server.core.queries import Query
from delta_server.core.shown_event import ShownEvent, shown
from delta_server.features.exports.schemas import EVENT_COLUMNS, Format
from delta_server.services import Services

Rows = list[tuple[Any, ...]]

_encoder = msgspec.json.Encoder()


async def events(svc: Services, project: int, listing: Listing, form: Format) -> AsyncGenerator[bytes, None]:
    """The file's pieces. Raises Invalid, TooCostly, Unavailable (too many exports at once)."""
    if form == "parquet":
        return await _begun(svc.eventlog.parquet(project, listing))
    stream = svc.eventlog.stream(project, listing)
    [columns] = await anext(stream)

    def shown_all(rows: Rows) -> Iterable[ShownEvent]:
        return (shown(dict(zip(columns, row, strict=True))) for row in rows)

    return await _begun(_written(svc, stream, form, EVENT_COLUMNS, shown_all))


async def aggregated(svc: Services, project: int, query: Query, form: Format) -> AsyncGenerator[bytes, None]:
    """As `events`, of all rows of the query."""
    plan = msgspec.structs.replace(query.plan, limit=None, skip=0)
    if form == "parquet":
        return await _begun(svc.eventlog.parquet(project, plan))
    stream = svc.eventlog.stream(project, plan)
    await anext(stream)

    def shown_all(rows: Rows) -> Iterable[dict[str, Any]]:
        return shaping.rows(_batch(query, plan, len(rows)), rows, None)[0]

    names = [part.name for part in (*plan.keys, *plan.metrics)]
    return await _begun(_written(svc, stream, form, names, shown_all))


def _batch(query: Query, plan: Aggregate, count: int) -> Query:
    return msgspec.structs.replace(query, plan=msgspec.structs.replace(plan, limit=count))


async def _written(
    svc: Services,
    stream: AsyncGenerator[Rows, None],
    form: Format,
    names: Sequence[str],
    shown_all: Callable[[Rows], Iterable[Any]],
) -> AsyncGenerator[bytes, None]:
    """The file's pieces from the batches of `stream`, which is closed at the end."""
    written = _FORMS[form]
    try:
        begin, between, end = _FRAMES[form]
        yield csv_text.text([names]) if form == "csv" else begin
        first = True
        async for rows in stream:
            if rows:
                piece = await svc.spare_cpu(lambda rows: written(names, shown_all(rows)), rows)
                yield piece if first else between + piece
                first = False
        yield end
    finally:
        await stream.aclose()


async def _begun(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """`pieces`, the first two of which are there already: the head, and the first rows."""
    ready = [piece async for piece in _first(pieces, 2)]

    async def all_pieces() -> AsyncGenerator[bytes, None]:
        try:
            for piece in ready:
                yield piece
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    return all_pieces()


async def _first(pieces: AsyncGenerator[bytes, None], count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        try:
            yield await anext(pieces)
        except StopAsyncIteration:
            return


def _csv(names: Sequence[str], rows: Iterable[Any]) -> bytes:
    return csv_text.text(_values(names, row) for row in rows)


def _values(names: Sequence[str], row: Any) -> list[Any]:
    if isinstance(row, dict):
        return [row[name] for name in names]
    return [None if value is UNSET else value for value in msgspec.structs.astuple(row)]


def _json(names: Sequence[str], rows: Iterable[Any]) -> bytes:
    return b",\n".join(map(_encode, rows))


def _ndjson(names: Sequence[str], rows: Iterable[Any]) -> bytes:
    return _encode_lines(rows)


_encode, _encode_lines = _encoder.encode, _encoder.encode_lines
_FORMS: dict[Format, Callable[[Sequence[str], Iterable[Any]], bytes]] = {
    "csv": _csv, "json": _json, "ndjson": _ndjson,
}  # fmt: skip
_FRAMES: dict[Format, tuple[bytes, bytes, bytes]] = {
    "csv": (b"", b"", b""), "json": (b"[\n", b",\n", b"\n]\n"), "ndjson": (b"", b"", b""),
}  # fmt: skip
"""What stands before, between and behind the batches."""
