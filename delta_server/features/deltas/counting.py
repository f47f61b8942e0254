"""How much each version of an endpoint changed, one after the other: for who judges each of them."""

from itertools import islice

import msgspec

from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.features.deltas import store
from delta_server.features.deltas.rows import KINDS
from delta_server.storage.database import Tx

_SIGNIFICANT = "content"


class DeltaCounts(msgspec.Struct, frozen=True):
    """Where only order, form or what is ignored differs, nothing changed: 0 places, and a similarity of 1."""

    captured_at: int
    content: int
    places: int
    similarity: float

    @property
    def position(self) -> Position:
        return self.captured_at, self.content


def counts_along(tx: Tx, endpoint: int, span: TimelineSpan, *, most: int) -> list[DeltaCounts]:
    """The next `most` deltas along a span, up to the first that is still to be computed."""
    waiting = store.queue(tx, endpoint, 1)
    found = []
    for row in islice(store.walk(tx, endpoint, span, most=most), most):
        if waiting and row[0] >= waiting[0].captured_at and not span.descending:
            break
        counts = sum(row[4:8]), row[8] / store.MILLION
        found.append(DeltaCounts(row[0], row[1], *(counts if KINDS[row[3]] == _SIGNIFICANT else (0, 1.0))))
    return found
