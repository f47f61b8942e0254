"""Walking along timelines: the rows of one statement a page at a time, and many such walks as one.

A row begins with its position, (time in ms, id): that is where the next page goes on, and how walks are merged.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import merge

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.storage.database import Row, Tx

_GROWTH = 4
_AFTER_ALL_IDS, _BEFORE_ALL_IDS = 1 << 63, -1


def pages(
    tx: Tx, statement: str, owner: tuple[int, ...], span: TimelineSpan, *, most: int, first: int | None = None
) -> Iterator[Row]:
    """Rows along `span`, up to `most` at a time. `statement` takes `owner`, the span's bounds and a limit.

    With `first` the first page has so many, each next one four times as many: of many walks most end early.
    """
    size = first or most
    while True:
        rows = tx.all(statement, *owner, *span.bounds(), size)
        yield from rows
        if len(rows) < size:
            return
        span, size = span.past(rows[-1][:2]), min(_GROWTH * size, most)


def merged(
    heads: Iterable[tuple[int, int]], walk: Callable[[int], Iterator[Row]], *, descending: bool
) -> Iterator[Row]:
    """The rows of many owners' walks in order. `heads` are (time of the first row or one before it, owner).

    A walk begins when the others have come as far as its head: who has nothing to show costs no statement.
    """
    edge = _AFTER_ALL_IDS if descending else _BEFORE_ALL_IDS

    def begun(head_ms: int, owner: int) -> Iterator[Row]:
        yield head_ms, edge
        yield from walk(owner)

    walks = [begun(head_ms, owner) for head_ms, owner in heads]
    return (row for row in merge(*walks, reverse=descending) if row[1] != edge)
