"""Happenings in words, for people who read them in a chat, on a phone or in a mail: a title and some lines, as text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MOST_FIELDS = 8
MOST_LINES = 30
_LONGEST_NAME = 120
_COUNTS = (("added", "+{} added"), ("removed", "-{} removed"), ("replaced", "~{} changed"), ("moved", "{} moved"))


class Words(msgspec.Struct, frozen=True):
    """`title` is one line."""

    title: str
    lines: Sequence[str] = ()

    @property
    def text(self) -> str:
        return "\n".join([self.title, *self.lines])


def of(kind: str, data: Mapping[str, Any], *, test: bool = False) -> Words:
    """`data` is decoded JSON; what is missing in it is left out."""
    words = _of(kind, data)
    return msgspec.structs.replace(words, title=f"Test: {words.title}") if test else words


def _of(kind: str, data: Mapping[str, Any]) -> Words:
    family, _, what = kind.partition(".")
    name = _named(data, "endpoint")
    if family == "delta":
        return Words(f"{name} changed", _of_delta(data))
    if family == "field":
        fields = data.get("fields") or [{}]
        more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
        return Words(f"{name}: {fields[0].get('path', 'a field')}{more} changed", _of_delta(data))
    if kind == "snapshot.created":
        return Words(f"{name}: a new snapshot, {_size(data.get('snapshot', {}).get('size_bytes'))}")
    if kind == "snapshot.unchanged":
        return Words(f"{name}: a snapshot, nothing changed")
    if family == "endpoint":
        return Words(f"{name} was {what}")
    if kind == "event.created":
        count = data.get("count", 0)
        return Words(f"{count} event{'s' if count != 1 else ''} came in", _of_events(data))
    if family == "poll":
        return Words(f"{name}: polls {'work again' if what == 'recovered' else 'fail'}", _of_poll(data))
    if family == "alert":
        return _of_alert(what, data)
    if family == "anomaly":
        said = _line(str((data.get("anomaly") or {}).get("text")))
        return Words(f"{name}: {said}" if "endpoint" in data else said)
    if kind == "schema.violated":
        misfits = [f"{each.get('path') or 'the top'}: {each.get('reason')}" for each in data.get("misfits") or ()]
        return Words(f"{name}: a document does not fit its schema", [_line(line) for line in misfits[:MOST_FIELDS]])
    if family == "schema":
        of_type = f"Events of the type {_line(str(data['event_type']))}: their" if "event_type" in data else ""
        return _of_schema(of_type or f"{name}: its", data.get("schema") or {})
    if kind == "webhook.disabled":
        return Words(f"The webhook {_named(data, 'webhook')} was turned off", _reason(data.get("webhook")))
    about = f"{name}: " if "endpoint" in data else ""
    said = data.get("message") or f"{family} {what}"
    return Words(f"{about}{_line(str(said))}", _reason(data.get(family)))


def _of_delta(data: Mapping[str, Any]) -> list[str]:
    delta = data.get("delta") or {}
    counts = [text.format(delta[name]) for name, text in _COUNTS if delta.get(name)]
    lines = [", ".join(counts)] if counts else []
    fields = data.get("fields") or []
    lines += [f"{field.get('path')} ({field.get('changes')})" for field in fields[:MOST_FIELDS]]
    left = max(data.get("fields_count") or 0, len(fields)) - len(fields[:MOST_FIELDS])
    return [*lines, f"and {left} fields more"] if left > 0 else lines


def _of_events(data: Mapping[str, Any]) -> list[str]:
    """Types, the most frequent first."""
    counts = Counter(_line(str(event.get("eventType"))) for event in data.get("events") or ())
    return [f"{kind} ({count})" for kind, count in counts.most_common(MOST_FIELDS)]


def _of_poll(data: Mapping[str, Any]) -> list[str]:
    poll = data.get("poll") or {}
    said = [str(poll[name]) for name in ("class", "status", "detail") if poll.get(name)]
    return [_line(": ".join(said))] if said else []


def _of_alert(what: str, data: Mapping[str, Any]) -> Words:
    if what == "digest":
        digest = data.get("digest") or {}
        count, lines = digest.get("count", 0), digest.get("lines") or []
        shown = [_line(str(line.get("text"))) for line in lines[:MOST_LINES]]
        more = [f"and {count - len(shown)} more"] if count > len(shown) else []
        return Words(f"{count} alert{'s' if count != 1 else ''}", [*shown, *more])
    alert = data.get("alert") or {}
    rule = alert.get("rule") or "An alert"
    said = [_line(str(alert["text"]))] if alert.get("text") else []
    where = [_named(data, "endpoint")] if data.get("endpoint") else []
    return Words(_line(f"{rule} {'is over' if what == 'cleared' else 'was raised'}"), [*said, *where])


def _of_schema(whose: str, schema: Mapping[str, Any]) -> Words:
    changes = schema.get("changes") or []
    lines = [_line(f"{each.get('path')} {each.get('now') or each.get('what')}") for each in changes[:MOST_FIELDS]]
    left = max(schema.get("count") or 0, len(changes)) - len(lines)
    more = [f"and {left} more"] if left > 0 else []
    return Words(f"{whose} schema changed, {schema.get('level') or 'somehow'}", [*lines, *more])


def _named(data: Mapping[str, Any], what: str) -> str:
    named = data.get(what)
    name = named.get("name") if isinstance(named, dict) else None
    return _line(str(name)) if name else f"an {what}" if what[0] in "aeiou" else f"a {what}"


def _reason(about: object) -> list[str]:
    reason = about.get("reason") if isinstance(about, dict) else None
    return [_line(str(reason))] if reason else []


def _line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def _size(size_bytes: object) -> str:
    if not isinstance(size_bytes, int):
        return "of some size"
    return f"{size_bytes} B" if size_bytes < 1000 else f"{size_bytes / 1000:.1f} kB"
