"""What an import takes of lines and rows, and what it refuses and why."""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.events import event_batch, segment_event, validate
from delta_server.core.events.event import Event
from delta_server.core.events.event_time import Arrival
from delta_server.core.imports import access_logs, site_exports
from delta_server.core.imports.sending import LineIds, Sending

LOGS = ("nginx", "apache", "caddy")
EXPORTS = ("plausible", "umami", "goatcounter")
ARCHIVES = ("segment",)
FORMATS = (*EXPORTS, *ARCHIVES, *LOGS)
MOST_LINE_BYTES = 1 << 20


class Refused(msgspec.Struct, frozen=True):
    """`line` is its number in the file. The reason repeats nothing of what it holds."""

    line: int
    reason: str


class Numbered(msgspec.Struct, frozen=True):
    """Lines of a file, the first of which has the number `first`."""

    first: int
    lines: Sequence[bytes]


Outcome = tuple[list[Event], list[Refused]]
TakeLines = Callable[[Numbered], Outcome]


def lines_taker(format: str, sending: Sending, log_format: str | None) -> TakeLines:
    """For all formats with a line an event. Raises Invalid for a form of a log that cannot be read."""
    if format in ARCHIVES:
        return partial(_archived, sending)
    read = access_logs.read_caddy if format == "caddy" else access_logs.read_form(log_format or access_logs.COMBINED)
    return partial(_logged, sending, read, LineIds())


def _logged(sending: Sending, read: access_logs.Read, ids: LineIds, numbered: Numbered) -> Outcome:
    events: list[Event] = []
    refused: list[Refused] = []
    for number, line in enumerate(numbered.lines, numbered.first):
        if not line or line.isspace():
            continue
        message_id = ids.next(line)
        try:
            if len(line) > MOST_LINE_BYTES:
                raise Invalid("it is too long")
            event = access_logs.event(read(line.decode(errors="replace")), sending)
        except DeltaError as error:
            refused.append(Refused(number, error.message))
            continue
        event.message_id = message_id
        events.append(event)
    return events, refused


def _archived(sending: Sending, numbered: Numbered) -> Outcome:
    """Calls as Segment and RudderStack archive them, each with a message id of its own: one without cannot be stored
    once only."""
    kept = [(number, line) for number, line in enumerate(numbered.lines, numbered.first) if line and not line.isspace()]
    found = segment_event.parse_archived([line for _, line in kept], Arrival(sending.received_at, sending.event_bytes))
    refused = [Refused(kept[one.index][0], _quiet(one.message)) for one in found.rejected]
    wrong = {one.index for one in found.rejected}
    numbers = [number for index, (number, _) in enumerate(kept) if index not in wrong]
    named = list(zip(numbers, found.events, strict=True))
    refused += [Refused(number, "it has no messageId") for number, event in named if event.message_id is None]
    events = [event for _, event in named if event.message_id is not None]
    for event in events:
        event.metadata = _without_address(event.metadata)
    return events, refused


def _quiet(message: str) -> str:
    """Of a message what it complains of, without a value that it repeats."""
    return message.partition(": ")[0]


def _without_address(metadata: msgspec.Raw | None) -> msgspec.Raw | None:
    if metadata is None or b'"ip"' not in bytes(metadata):
        return metadata
    return validate.joined({**validate.members(metadata), "ip": None})


class Rows:
    """The rows of one CSV file, by its header."""

    def __init__(self, format: str, header: list[str], file_name: str, sending: Sending, ids: LineIds) -> None:
        self._names, self._read = site_exports.reader(format, header, file_name)
        self._sending = sending
        self._ids = ids

    def take(self, rows: Sequence[tuple[int, list[str]]]) -> Outcome:
        """Each with its line's number."""
        events: list[Event] = []
        refused: list[Refused] = []
        for number, row in rows:
            if not row:
                continue
            try:
                event = self._event(row)
            except (DeltaError, KeyError) as error:
                reason = error.message if isinstance(error, DeltaError) else "a column is missing"
                refused.append(Refused(number, _quiet(reason)))
                continue
            events.append(event)
        event_batch.drop_repeated_names(events)
        return events, refused

    def _event(self, row: list[str]) -> Event:
        if len(row) != len(self._names):
            raise Invalid("it has another number of cells than the header")
        event = self._read(dict(zip(self._names, row, strict=True)), self._sending)
        if event.message_id is None:
            event.message_id = self._ids.next("\0".join(row).encode(errors="replace"))
        return event
