"""A stretch of one endpoint's timeline: which rows a list wants, in which order, after which row."""

import msgspec

from delta_server.core.times import EARLIEST_MS, LATEST_MS

Position = tuple[int, int]
"""(captured_at in ms, row id): the order of everything in an endpoint's timeline."""


class TimelineSpan(msgspec.Struct, frozen=True):
    """`from_ms` inclusive, `to_ms` exclusive; `after` is the last row already seen in the walk's direction."""

    from_ms: int = EARLIEST_MS
    to_ms: int = LATEST_MS + 1
    after: Position | None = None
    descending: bool = True

    def bounds(self) -> tuple[int, int, int, int]:
        """(first ms, last ms, ms and id of the row seen last) with both ends inclusive, as the SQL wants them."""
        first, last = self.from_ms, self.to_ms - 1
        if self.after is None:
            return first, last, EARLIEST_MS - 1, 0
        at, row = self.after
        return (first, min(last, at), at, row) if self.descending else (max(first, at), last, at, row)

    def past(self, position: Position) -> "TimelineSpan":
        """The rest of this span once the row at `position` was seen."""
        return msgspec.structs.replace(self, after=position)
