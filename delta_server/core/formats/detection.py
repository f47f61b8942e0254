"""Which format a body is in."""

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from delta_server.core.errors import BadRequest
from delta_server.core.formats import charsets, csv_rows
from delta_server.core.formats.bounds import NotReadable
from delta_server.core.json import json_text

if TYPE_CHECKING:
    from delta_server.core.formats.formats import Format

_MEDIA_TYPES: "dict[str, Format]" = {
    "application/json": "json", "text/json": "json",
    "application/x-ndjson": "ndjson", "application/ndjson": "ndjson", "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson", "application/json-seq": "ndjson", "application/stream+json": "ndjson",
    "text/csv": "csv", "application/csv": "csv", "text/tab-separated-values": "csv",
    "application/yaml": "yaml", "application/x-yaml": "yaml", "text/yaml": "yaml", "text/x-yaml": "yaml",
    "application/toml": "toml",
    "application/xml": "xml", "text/xml": "xml",
    "application/rss+xml": "feed", "application/atom+xml": "feed", "application/rdf+xml": "feed",
    "text/calendar": "icalendar",
}  # fmt: skip
_SUFFIXES: "dict[str, Format]" = {"+json": "json", "+xml": "xml", "+yaml": "yaml", "+toml": "toml"}
_ENDINGS: "dict[str, Format]" = {
    "json": "json", "geojson": "json", "ndjson": "ndjson", "jsonl": "ndjson", "csv": "csv", "tsv": "csv",
    "yaml": "yaml", "yml": "yaml", "toml": "toml", "xml": "xml", "rss": "feed", "atom": "feed", "ics": "icalendar",
    "ical": "icalendar",
}  # fmt: skip
_HEAD_BYTES = 1 << 16
_HTML = re.compile(r"\s*+(?><!--.*?-->\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_FEED_ROOT = re.compile(r"(?>\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>)*+<(?:\w+:)?(?:rss|feed|rdf)[\s>]", re.I | re.S)
"""Both never go back: there are a million ways to read twenty comments as fewer, longer ones."""
_JSON_SCALAR = re.compile(r'\s*(?:"|-?[0-9]|true\b|false\b|null\b)')
_BY_BEGIN = {"xml", "feed", "icalendar"}


def detect(body: bytes, content_type: str, name: str) -> "Format":
    """What the media type says, unless the body is clearly something else; else what the body looks like, or the ending
    of the address. Raises NotReadable for pages and for what is not recognised."""
    head = charsets.decode_leniently(_cut(body), content_type)
    if _HTML.match(head):
        raise NotReadable("it is a web page (HTML): give the address of the data, such as an API or a feed")
    said = _said(content_type)
    begin = head.lstrip(" \t\r\n\x1e")[:15]
    if begin.startswith("<"):
        return "feed" if said == "feed" or _FEED_ROOT.match(head) else "xml"
    if begin.upper() == "BEGIN:VCALENDAR":
        return "icalendar"
    if begin.startswith(("{", "[")) and said in (None, "json", "csv"):
        return "ndjson" if _is_lines(head) else "json"
    if said and said not in _BY_BEGIN:
        return said
    return _unsaid(body, head, _ENDINGS.get(name.rpartition(".")[2].lower()))


def _cut(body: bytes) -> bytes:
    """A head that ends with a line, so that no character is split."""
    return body if len(body) <= _HEAD_BYTES else body[: body.rfind(b"\n", 0, _HEAD_BYTES) + 1] or body[:_HEAD_BYTES]


def _said(content_type: str) -> "Format | None":
    media_type = content_type.partition(";")[0].strip().lower()
    suffix = media_type[media_type.rfind("+") :] if "+" in media_type else ""
    return _MEDIA_TYPES.get(media_type) or _SUFFIXES.get(suffix)


def _unsaid(body: bytes, head: str, ending: "Format | None") -> "Format":
    if ending and ending not in _BY_BEGIN:
        return ending
    if _JSON_SCALAR.match(head):
        with suppress(BadRequest):
            json_text.check(body)
            return "json"
    if csv_rows.delimiter_of(head):
        return "csv"
    raise NotReadable("it is not JSON, and neither its media type nor its address says what it is: set read_as")


def _is_lines(head: str) -> bool:
    """Whether the first two lines are each a whole JSON array or object."""
    lines = [line.strip(" \t\r\x1e") for line in head.split("\n", 8) if line.strip(" \t\r\x1e")][:2]
    if len(lines) < 2 or not lines[1].startswith(("{", "[")):
        return False
    with suppress(BadRequest, UnicodeEncodeError):
        json_text.check(lines[0].encode())
        return True
    return False
