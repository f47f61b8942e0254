"""The columns of an event: in the lines of hot blocks, in Parquet segments, and as queries name them.

Segments and hot blocks give queries the same relation, with the columns of `COLUMNS` in that order.
"""

import msgspec

from delta_server.core.events import persons


class Column(msgspec.Struct, frozen=True):
    """`line` is the key in a hot block's line, `name` the column in a segment and in every query."""

    line: str
    name: str
    type: str
    text: str | None = None
    """The key in a line that holds the value's JSON as a text, exact to the letter. Lines written
    before there were such keys have an object under `line`."""


COLUMNS = (
    Column("s", "seq", "BIGINT"),
    Column("t", "time_ms", "BIGINT"),
    Column("r", "received_at", "BIGINT"),
    Column("e", "event_type", "VARCHAR"),
    Column("o", "source", "VARCHAR"),
    Column("u", "user_id", "VARCHAR"),
    Column("n", "anonymous_id", "VARCHAR"),
    Column("x", "session_id", "VARCHAR"),
    Column("l", "duration", "DOUBLE"),
    Column("p", "priority", "INTEGER"),
    Column("a", "status", "VARCHAR"),
    Column("g", "tags", "VARCHAR[]"),
    Column("d", "data", "JSON", "j"),
    Column("m", "metadata", "JSON", "k"),
    Column("i", "message_id", "VARCHAR"),
    Column("y", "original_at", "BIGINT"),
    Column("f", "flags", "INTEGER"),
)
"""Times are ms since the epoch; the event's own is `time_ms` because `at` is a word of DuckDB's grammar.
`flags` is NULL for none.

In a segment a message id that is a UUID in its usual form is kept as 16 bytes (`message_uuid`), which is half of what
an event takes: `message_id` is put together when it is read.
"""

SEGMENT_COLUMNS = ", ".join(
    "try_cast(message_id AS UUID) AS message_uuid,"
    " CASE WHEN try_cast(message_id AS UUID)::VARCHAR IS DISTINCT FROM message_id THEN message_id END AS message_id"
    if column.name == "message_id"
    else column.name
    for column in COLUMNS
)
"""The select list that turns the relation into what a segment's file holds."""

FROM_SEGMENT = ", ".join(
    "coalesce(message_id, message_uuid::VARCHAR) AS message_id" if column.name == "message_id" else column.name
    for column in COLUMNS
)
"""The select list that turns a segment's file back into the relation."""

FROM_LINES = ", ".join(
    f"coalesce({column.text}::JSON, {column.line}) AS {column.name}"
    if column.text
    else f"{column.line} AS {column.name}"
    for column in COLUMNS
)
_TYPES = {column.line: column.type for column in COLUMNS} | {
    column.text: "VARCHAR" for column in COLUMNS if column.text
}
LINE_TYPES = "{" + ", ".join(f"{line}: '{type}'" for line, type in _TYPES.items()) + "}"
"""For read_ndjson: `columns = LINE_TYPES`."""


def user(column: str) -> str:
    """The id in `user_id` or `anonymous_id`, NULL for one that identifies nobody. Of a million ids that all have to be
    matched that takes 40 ms of one core, of such as begin with "user" 8, of UUIDs 27."""
    ranges = " OR ".join(f"({column} >= '{first}' AND {column} < '{end}')" for first, end in persons.SOMEBODY)
    return f"CASE WHEN {ranges} OR NOT regexp_full_match({column}, '{persons.NOBODY}', 'i') THEN {column} END"


PERSON = f"coalesce({user('user_id')}, {user('anonymous_id')})"
"""Who an event is of, for counts of distinct users."""
