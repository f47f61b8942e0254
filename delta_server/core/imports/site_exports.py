"""Rows of what other analytics of websites export as CSV, as events.

Plausible exports numbers by day, not visits: `Plausible.Exports` (lib/plausible/exports.ex of plausible/analytics)
writes one file a table, imported_pages_20240101_20240201.csv and so on. A row becomes one event of the table's name.
Umami Cloud exports a row an event, in the columns of its table website_event (db/clickhouse/schema.sql of
umami-software/umami). event_type 1 is a view, 2 an event with a name.
GoatCounter exports a row a view (export.go of arp242/goatcounter); its header begins with the version, 1 or 2.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.events import event_time, validate
from delta_server.core.events.event import Event
from delta_server.core.imports.sending import Sending
from delta_server.core.visits import agents, pages, visit

Row: TypeAlias = Mapping[str, str]
Read: TypeAlias = Callable[[Row, Sending], Event]

PAGE = visit.SEEN
_TABLE = re.compile(r"(imported_[a-z_]*[a-z])(?:_\d{8}_\d{8})?\.csv(?:\.gz|\.zst)?")
_NUMBERS = {"visitors", "pageviews", "bounces", "visits", "visit_duration", "exits", "entrances", "events"}
_NUMBERS |= {"time_on_page", "total_scroll_depth", "total_scroll_depth_visits"}
_NUMBERS |= {"total_time_on_page", "total_time_on_page_visits"}
_VERSION = re.compile(r"[12](?=Path$)")


def reader(format: str, header: list[str], file_name: str) -> tuple[list[str], Read]:
    """The names of the columns, and how a row is read. Raises Invalid for a file that is none of the format's."""
    read: Read
    if format == "goatcounter":
        names = [_VERSION.sub("", header[0]), *header[1:]]
        needed, read = {"Path", "Event", "Date"}, _goatcounter
    elif format == "umami":
        names, needed, read = header, {"event_id", "session_id", "url_path", "event_type", "created_at"}, _umami
    else:
        table = _TABLE.fullmatch(file_name)
        if table is None:
            raise Invalid("a file of Plausible is called like imported_pages_20240101_20240201.csv")
        names, needed, read = header, {"date"}, _plausible(table[1])
    if missing := sorted(needed - set(names)):
        raise Invalid(f"it is no export of {format}: it has no column {', '.join(missing)}")
    return names, read


def _plausible(table: str) -> Read:
    def read(row: Row, sending: Sending) -> Event:
        parts: dict[str, Any] = {
            name: _number(value) if name in _NUMBERS else value
            for name, value in row.items()
            if value and name != "date"
        }
        at = event_time.read(row["date"], "date")
        key = "\0".join([table, row["date"], *(f"{name}={row[name]}" for name in row if name not in _NUMBERS)])
        return _event(sending, at, table, parts, message_id=_digest(key))

    return read


def _umami(row: Row, sending: Sending) -> Event:
    kind = row["event_type"]
    name = PAGE if kind == "1" else row.get("event_name") if kind == "2" else None
    if not name:
        raise Invalid("its event_type is neither 1, a view, nor 2, an event with a name")
    utm = {name: row[name] for name in pages.UTM if row.get(name)} or pages.campaign(row.get("url_query", ""))
    data = {
        "host": row.get("hostname"),
        "path": pages.readable(row["url_path"]),
        "title": row.get("page_title"),
        "referrer": row.get("referrer_domain"),
        "country": row.get("country"),
        "browser": row.get("browser"),
        "device": row.get("device"),
        "screen": _screen(row.get("screen", "")),
        "language": row.get("language"),
        "tag": row.get("tag"),
        **utm,
    }
    return _event(
        sending,
        event_time.read(row["created_at"], "created_at"),
        name,
        data,
        message_id=row["event_id"],
        anonymous_id=row["session_id"],
        session_id=row.get("visit_id"),
        user_id=row.get("distinct_id"),
    )


def _host(address: str) -> str:
    """GoatCounter writes addresses without their scheme; who made such a file may not have."""
    return address.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _goatcounter(row: Row, sending: Sending) -> Event:
    is_event, agent = row["Event"] == "true", agents.read(row.get("UserAgent", "")[: agents.MOST_CHARACTERS])
    scheme, referrer = row.get("Referrer scheme"), row.get("Referrer", "")
    data = {
        "path": None if is_event else pages.readable(row["Path"]),
        "title": row.get("Title"),
        "referrer": _host(referrer) if scheme == "h" else referrer if scheme != "c" else None,
        "utm_campaign": referrer if scheme == "c" else None,
        "country": row.get("Location", "").partition("-")[0],
        "browser": row.get("Browser", "").rpartition(" ")[0] or row.get("Browser"),
        "device": agent.device,
        "screen": _screen(row.get("Screen size", "")),
        "bot": True if row.get("Bot", "0") not in ("", "0") else None,
    }
    return _event(
        sending,
        event_time.read(row["Date"], "Date"),
        row["Path"] if is_event else PAGE,
        data,
        anonymous_id=row.get("Session"),
    )


def _event(
    sending: Sending,
    at: int,
    type_: str,
    data: Mapping[str, Any],
    *,
    message_id: str | None = None,
    anonymous_id: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
) -> Event:
    if type_ in visit.NOT_OF_PAGES:
        raise Invalid("its name is that of a call which says who somebody is")
    return Event(
        at,
        sending.received_at,
        validate.event_type(type_, "the event's name"),
        source=sending.source,
        user_id=validate.text(user_id or None, "distinct_id", validate.MOST_ID),
        anonymous_id=validate.text(anonymous_id or None, "the session", validate.MOST_ID),
        session_id=validate.text(session_id or None, "visit_id", validate.MOST_ID),
        data=msgspec.Raw(msgspec.json.encode({name: value for name, value in data.items() if value})),
        message_id=validate.text(message_id or None, "event_id", validate.MOST_MESSAGE_ID),
    )


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise Invalid("a count is not a number")
    return int(text)


def _screen(text: str) -> str | None:
    """Of `1440x900` and `1440,900,1`."""
    match = re.match(r"\d{1,6}", text)
    return visit.width_class(int(match[0])) if match else None


def _digest(key: str) -> str:
    return f"row-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"
