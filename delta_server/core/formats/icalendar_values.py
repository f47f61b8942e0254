"""iCalendar (RFC 5545) as JSON values whose shape does not depend on how many there are.

    {"prodid": "..", "version": "2.0", "events": [
      {"uid": "1", "summary": "Sprint", "dtstart": "2026-05-01T09:00:00", "dtstart_tzid": "Europe/Berlin",
       "attendee": [{"value": "mailto:a@example.com", "partstat": "ACCEPTED"}], "categories": ["work"], "alarms": []}]}

What may stand once is a string, and its parameters are members beside it; all other properties, also unknown ones, are
arrays of objects with their parameters. Components of one kind are an array; an event has its alarms. Times are written
as jCal does (RFC 7265), in the zone they were given in; recurrence rules stay rules.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

from icalendar.parser import Contentline, Contentlines

from delta_server.core.formats.bounds import Count, NotReadable

_ONCE_NAMES = (
    "calscale method prodid version class created description dtstart geo last-modified location organizer priority"
    " sequence status summary transp url recurrence-id rrule dtend duration due completed percent-complete uid dtstamp"
    " tzid tzurl tzoffsetfrom tzoffsetto action repeat trigger name color refresh-interval source"
)
_ONCE = frozenset(_ONCE_NAMES.split())
_LISTS = {"categories", "resources"}
_ARRAYS = {
    "vevent": "events", "vtodo": "todos", "vjournal": "journals", "vfreebusy": "freebusy", "vtimezone": "timezones",
    "valarm": "alarms",
}  # fmt: skip
_ALWAYS = {"vcalendar": ("events",), "vevent": ("alarms",), "vtodo": ("alarms",)}
_RAW = {"rrule", "exrule", "geo", "request-status"}
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z?))?", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.S)
_COMMA = re.compile(r"(?<!\\),")

Component = dict[str, Any]


def read(text: str) -> Any:
    """One calendar is its object, several are an array of them. Raises NotReadable."""
    count = Count("calendar")
    calendars: list[Component] = []
    opened: list[tuple[str, Component]] = []
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        name, parameters, value = _parts(line, number)
        count.add(1 + len(parameters))
        if name == "begin":
            kind = value.strip().lower()
            opened.append((kind, {each: [] for each in _ALWAYS.get(kind, ())}))
            count.check_depth(len(opened))
        elif not opened:
            raise NotReadable(f"the calendar has {name} outside BEGIN and END (line {number})")
        elif name == "end":
            _end(opened, calendars, value.strip().lower(), number)
        else:
            _add(opened[-1][1], name, parameters, value)
    if opened or not calendars:
        raise NotReadable("the calendar ends too early")
    return calendars[0] if len(calendars) == 1 else calendars


def _lines(text: str) -> Iterator[Contentline]:
    yield from Contentlines.from_ical(text)  # type: ignore[no-untyped-call]  # icalendar does not annotate it


def _parts(line: Contentline, number: int) -> tuple[str, dict[str, str], str]:
    try:
        name, parameters, value = line.raw_parts()
    except ValueError:
        raise NotReadable(f"the calendar cannot be read at line {number}") from None
    texts = {key.lower(): ",".join(each) if isinstance(each, list) else str(each) for key, each in parameters.items()}
    return name.lower(), texts, value


def _end(opened: list[tuple[str, Component]], calendars: list[Component], name: str, number: int) -> None:
    kind, component = opened.pop()
    if kind != name:
        raise NotReadable(f"the calendar ends {name} where it began {kind} (line {number})")
    if opened:
        opened[-1][1].setdefault(_ARRAYS.get(kind, kind), []).append(component)
    else:
        calendars.append(component)


def _add(component: Component, name: str, parameters: dict[str, str], value: str) -> None:
    if name in _LISTS:
        component.setdefault(name, []).extend(_text(each) for each in _COMMA.split(value))
    elif name in _ONCE:
        component[name] = _value(name, value)
        for key, each in parameters.items():
            if key != "value":
                component[f"{name}_{key}"] = each
    else:
        entry = {"value": _value(name, value), **{key: each for key, each in parameters.items() if key != "value"}}
        cast("list[Component]", component.setdefault(name, [])).append(entry)


def _value(name: str, text: str) -> str:
    if name in _RAW:
        return text
    if parts := _DATE.fullmatch(text):
        year, month, day, hour, minute, second, utc = parts.groups()
        return f"{year}-{month}-{day}" + (f"T{hour}:{minute}:{second}{utc}" if hour else "")
    return _text(text)


def _text(text: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)
