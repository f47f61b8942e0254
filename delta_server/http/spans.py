"""`from`, `to`, `order` and `cursor` of lists along a timeline."""

from typing import Annotated, Literal, TypeAlias

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Invalid
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.times import EARLIEST_MS, LATEST_MS, parse_moment
from delta_server.http.parameters import QueryParameter

_TIME = "a time such as 2026-05-01T12:00:00Z, a date, or an age such as 24h"

From: TypeAlias = Annotated[str | None, QueryParameter(name="from", description=f"At this time or later: {_TIME}")]
To: TypeAlias = Annotated[str | None, QueryParameter(name="to", description=f"Before this time: {_TIME}")]
Order: TypeAlias = Annotated[Literal["asc", "desc"], QueryParameter(description="By captured_at")]


def parse_span(
    list_name: str, *, from_: str | None, to: str | None, order: str, cursor: str | None, now_ms: int
) -> TimelineSpan:
    """Raises Invalid for what is no time or an empty stretch, BadRequest for a cursor of another list."""
    from_ms = EARLIEST_MS if from_ is None else parse_moment(from_, field="from", now_ms=now_ms)
    to_ms = LATEST_MS + 1 if to is None else parse_moment(to, field="to", now_ms=now_ms)
    if from_ms > to_ms:
        raise Invalid("from lies after to", field="from")
    after = decode_cursor(f"{list_name} {order}", cursor, tuple[int, int]) if cursor else None
    return TimelineSpan(from_ms, to_ms, after, descending=order == "desc")


def cursor_at(list_name: str, order: str, position: Position) -> str:
    return encode_cursor(f"{list_name} {order}", *position)
