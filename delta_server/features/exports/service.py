"""Exports: answers of any length, written out while they are read.

Nothing is sent before the first rows are there, so what cannot be answered is refused as anywhere. What fails later
raises while the body is sent: the connection breaks, and nobody takes half a file for a whole one.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from delta_server.core import csv_text
from delta_server.core.events.event_json import EventJson, to_json
from delta_server.core.query import result_rows
from delta_server.core.query.aggregates import AggregateQuery
from delta_server.core.query.plan import Aggregate, Listing
from delta_server.core.tables.request import TableRequest
from delta_server.core.tables.training import TrainingSpec
from delta_server.features.audit import service as audit
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.exports import histories, training
from delta_server.features.exports.schemas import EVENT_COLUMNS, Format
from delta_server.services import Services

Rows = list[tuple[Any, ...]]


async def events(
    svc: Services, project: int, listing: Listing, form: Format, *, escape_formulas: bool = True
) -> AsyncGenerator[bytes, None]:
    """The file's pieces. Raises Invalid, TooCostly, Unavailable (too many exports at once)."""
    await audit.note_in(svc, project, "event.export", target=form)
    if form == "parquet":
        return await _with_first_pieces(svc.event_reader.export_parquet(project, listing))
    stream = svc.event_reader.stream_query(project, listing)
    [columns] = await anext(stream)

    def shown_all(rows: Rows) -> Iterable[EventJson]:
        return (to_json(dict(zip(columns, row, strict=True))) for row in rows)

    return await _with_first_pieces(_write_pieces(svc, stream, _form(form, escape_formulas), EVENT_COLUMNS, shown_all))


async def aggregated(
    svc: Services, project: int, query: AggregateQuery, form: Format, *, escape_formulas: bool = True
) -> AsyncGenerator[bytes, None]:
    """As `events`, of all rows of the query."""
    await audit.note_in(svc, project, "event.export", target=f"aggregated {form}")
    plan = msgspec.structs.replace(query.plan, limit=None, skip=0)
    if form == "parquet":
        return await _with_first_pieces(svc.event_reader.export_parquet(project, plan))
    stream = svc.event_reader.stream_query(project, plan)
    await anext(stream)

    def shown_all(rows: Rows) -> Iterable[dict[str, Any]]:
        return result_rows.rows(_batch(query, plan, len(rows)), rows, None)[0]

    names = [part.name for part in (*plan.keys, *plan.metrics)]
    return await _with_first_pieces(_write_pieces(svc, stream, _form(form, escape_formulas), names, shown_all))


def _batch(query: AggregateQuery, plan: Aggregate, count: int) -> AggregateQuery:
    return msgspec.structs.replace(query, plan=msgspec.structs.replace(plan, limit=count))


async def history(
    svc: Services, endpoint: EndpointRef, request: TableRequest, form: Format, *, escape_formulas: bool = True
) -> AsyncGenerator[bytes, None]:
    """As `events`, of the versions of an endpoint. Raises what `histories.table` does."""
    return await _with_first_pieces(
        await histories.table(svc, endpoint, request, form, escape_formulas=escape_formulas)
    )


async def features(
    svc: Services, project: int, spec: TrainingSpec, form: Format | None, *, escape_formulas: bool = True
) -> AsyncGenerator[bytes, None]:
    """As `events`, a training table; with None its manifest. Raises what `training.table` does."""
    return await _with_first_pieces(await training.table(svc, project, spec, form, escape_formulas=escape_formulas))


class _Writer(msgspec.Struct, frozen=True):
    """How a form is written: what stands first, a batch, and what stands between batches and behind them."""

    begin: Callable[[Sequence[str]], bytes]
    batch: Callable[[Sequence[str], Iterable[Any]], bytes]
    between: bytes = b""
    end: bytes = b""


async def _write_pieces(
    svc: Services,
    stream: AsyncGenerator[Rows, None],
    form: _Writer,
    names: Sequence[str],
    shown_all: Callable[[Rows], Iterable[Any]],
) -> AsyncGenerator[bytes, None]:
    """The file's pieces from the batches of `stream`, which is closed at the end."""
    try:
        yield form.begin(names)
        first = True
        async for rows in stream:
            if rows:
                piece = await svc.spare_cpu(lambda rows: form.batch(names, shown_all(rows)), rows)
                yield piece if first else form.between + piece
                first = False
        yield form.end
    finally:
        await stream.aclose()


async def _with_first_pieces(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
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


def _form(form: Format, escape_formulas: bool) -> _Writer:
    if form == "json":
        return _Writer(lambda names: b"[\n", _json, b",\n", b"\n]\n")
    if form == "ndjson":
        return _Writer(lambda names: b"", _ndjson)

    def csv(names: Sequence[str], rows: Iterable[Any]) -> bytes:
        return csv_text.text((_values(names, row) for row in rows), escape_formulas=escape_formulas)

    return _Writer(lambda names: csv_text.text([names], escape_formulas=escape_formulas), csv)


def _values(names: Sequence[str], row: Any) -> list[Any]:
    if isinstance(row, dict):
        return [row[name] for name in names]
    return [None if value is UNSET else value for value in msgspec.structs.astuple(row)[: len(names)]]


def _json(names: Sequence[str], rows: Iterable[Any]) -> bytes:
    return b",\n".join(map(result_rows.encoder.encode, rows))


def _ndjson(names: Sequence[str], rows: Iterable[Any]) -> bytes:
    return result_rows.encoder.encode_lines(rows)
