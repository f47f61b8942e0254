r"""What filters, keys and metrics may be about: a closed grammar of an event's fields.

    eventType source userId anonymousId sessionId duration priority status tags messageId timestamp receivedAt
    data.plan, data.cart.total      a value in the event's data, names from the outside in
    metadata.team                   likewise in its metadata
    data.a\.b                       a dot in a name is written \. and a backslash \\

The names of the first line may be written in snake_case as well (`event_type`). A member whose name is empty, and all
that is deeper than MAX_DEPTH, cannot be queried.
"""

import re

from delta_server.core.errors import Invalid
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.core.query.plan import Field, Kind

MAX_LENGTH = 200
MAX_DEPTH = 8

ROOTS = ("data", "metadata")
PREFIXES = tuple(root + "." for root in ROOTS)

_COLUMNS: dict[str, tuple[str, Kind]] = {
    "eventType": ("event_type", "text"),
    "source": ("source", "text"),
    "userId": ("user_id", "text"),
    "anonymousId": ("anonymous_id", "text"),
    "sessionId": ("session_id", "text"),
    "duration": ("duration", "number"),
    "priority": ("priority", "number"),
    "status": ("status", "text"),
    "tags": ("tags", "list"),
    "messageId": ("message_id", "text"),
    "timestamp": ("time_ms", "time"),
    "receivedAt": ("received_at", "time"),
}
NAMES = tuple(_COLUMNS)
_SNAKE = {re.sub("[A-Z]", lambda match: "_" + match[0].lower(), name): name for name in NAMES}

_NAME = re.compile(r"(?:[^.\\\x00\ud800-\udfff]|\\[.\\])+")
_PATH = re.compile(rf"{_NAME.pattern}(?:\.{_NAME.pattern})*")
_ESCAPED = re.compile(r"\\([.\\])")


def parse(text: object, *, at: str) -> Field:
    """The field a request calls `text`, which stands at `at` in it. Raises Invalid."""
    if not isinstance(text, str):
        raise Invalid(f"{at} must be the name of a field, not {quoted(text)}", field=at)
    known = _COLUMNS.get(_SNAKE.get(text, text))
    if known is not None:
        return Field(text, *known)
    root, dot, rest = text.partition(".")
    if dot and root in ROOTS:
        return Field(text, root, "json", _path(rest, text, at))
    raise Invalid(
        f"{at} is not a known field{_hint(text)}; fields are {', '.join(NAMES)}, data.NAME and metadata.NAME", field=at
    )


def _path(rest: str, text: str, at: str) -> tuple[str, ...]:
    if len(text) > MAX_LENGTH:
        raise Invalid(f"{at} has {len(text)} characters: a field has at most {MAX_LENGTH}", field=at)
    if not _PATH.fullmatch(rest):
        raise Invalid(
            rf"{at} is not a valid field path: {quoted(text)}; write data.cart.total, \. for a dot in a name", field=at
        )
    names = [_ESCAPED.sub(r"\1", name) for name in _NAME.findall(rest)]
    if len(names) > MAX_DEPTH:
        raise Invalid(f"{at} is {len(names)} levels deep: at most {MAX_DEPTH} are allowed", field=at)
    return tuple(names)


def _hint(text: str) -> str:
    return f": {quoted(text)}" + (" (data.NAME?)" if text in ROOTS else did_you_mean(text, NAMES))
