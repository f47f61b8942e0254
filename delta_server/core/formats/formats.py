"""Documents of other formats as JSON, which is what is stored. The same bytes always make the same JSON.

JSON itself stays byte for byte. What the others become, their modules say: `csv_rows`, `yaml_values`, `toml_values`,
`xml_values`, `feed_items`, `icalendar_values`. NDJSON is an array of its lines. Which format a body is in, its media
type says; where that says nothing (`text/plain`, none) or says what the body is not, the body itself does.

To convert takes up to seconds for what is large or made to be slow, in Python: callers do it in another process, which
they can end (`services.cpu_for`), or on a thread for what is small and no feed.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from delta_server.core.errors import BadRequest
from delta_server.core.expressions import values
from delta_server.core.formats import charsets, csv_rows, detection
from delta_server.core.formats.bounds import NotReadable
from delta_server.core.json import json_text

__all__ = ["Converted", "Format", "NotReadable", "convert", "is_json", "may_be_feed"]

Format = Literal["json", "ndjson", "csv", "yaml", "toml", "xml", "feed", "icalendar", "text"]
NAMES: tuple[Format, ...] = get_args(Format)
"""`text` makes the whole body one string; it is only read so when that is asked for."""

MAX_BYTES = 64 << 20
_RECORD_SEPARATOR = b"\x1e"
_check_line = msgspec.json.Decoder(msgspec.Raw).decode


_BEFORE_MARKUP = b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n\x1e"
"""What may stand before the first `<`: byte order marks, the zeros of wide characters, space."""


def may_be_feed(body: bytes, read_as: Format | None = None) -> bool:
    """Feeds are read by patterns that go back, where a few kilobytes can take minutes and let nothing else run."""
    return read_as == "feed" or (read_as is None and body.lstrip(_BEFORE_MARKUP).startswith(b"<"))


def is_json(body: bytes, content_type: str, read_as: Format | None = None) -> bool:
    """Whether it is one JSON document for `convert`, which then takes 20 us for 20 kB: others take up to seconds."""
    if body[:1] not in (b"{", b"["):
        return False
    return (read_as or detection.detect(body, content_type, "")) == "json"


class Converted(msgspec.Struct, frozen=True):
    read_as: Format
    document: bytes


def convert(
    body: bytes, content_type: str = "", *, name: str = "", read_as: Format | None = None, max_bytes: int = MAX_BYTES
) -> Converted:
    """`name` is the last part of the address, whose ending may tell the format. Raises NotReadable, saying why."""
    if not body.strip():
        raise NotReadable("the body is empty")
    format = read_as or detection.detect(body, content_type, name)
    try:
        document = _READERS[format](body, content_type)
    except RecursionError:
        raise NotReadable(f"the {format} is nested too deep") from None
    if len(document) > max_bytes:
        raise NotReadable(f"as JSON the body has {len(document):,} bytes, and at most {max_bytes:,} are allowed")
    return Converted(format, document)


def _json(body: bytes, content_type: str) -> bytes:
    document = _in_utf8(body, content_type).strip()
    _checked(document, "the body")
    return document


def _checked(document: bytes, what: str) -> None:
    try:
        json_text.check_document(document, what)
    except NotReadable:
        raise
    except BadRequest as error:
        raise NotReadable(error.message) from None


def _in_utf8(body: bytes, content_type: str) -> bytes:
    """The very bytes where they are UTF-8 already. The media type of JSON has no charset (RFC 8259, 11): it is UTF-8,
    whatever is said, unless it is not."""
    try:
        body.decode()
        is_utf8 = not body.startswith(b"\xef\xbb\xbf") and 0 not in body[:4]
    except UnicodeDecodeError:
        is_utf8 = False
    return body if is_utf8 else charsets.decode(body, content_type).encode(errors="replace")


def _ndjson(body: bytes, content_type: str) -> bytes:
    lines = []
    for number, line in enumerate(_in_utf8(body, content_type).split(b"\n"), 1):
        if text := line.strip().lstrip(_RECORD_SEPARATOR):
            _checked(text, f"line {number}")
            lines.append(text)
    return b"[" + b",\n".join(lines) + b"]"


def _through(read: Callable[[str], Any]) -> Callable[[bytes, str], bytes]:
    return lambda body, content_type: values.write(read(charsets.decode(body, content_type)))


def _rows(body: bytes, content_type: str) -> bytes:
    return values.write(csv_rows.read(charsets.decode_leniently(body, content_type), content_type))


def _yaml(text: str) -> Any:
    from delta_server.core.formats import yaml_values

    return yaml_values.read(text)


def _toml(text: str) -> Any:
    from delta_server.core.formats import toml_values

    return toml_values.read(text)


def _xml(text: str) -> Any:
    from delta_server.core.formats import xml_values

    return xml_values.read(text)


def _feed(text: str) -> Any:
    from delta_server.core.formats import feed_items

    return feed_items.read(text)


def _icalendar(text: str) -> Any:
    from delta_server.core.formats import icalendar_values

    return icalendar_values.read(text)


_READERS: dict[Format, Callable[[bytes, str], bytes]] = {
    "json": _json,
    "ndjson": _ndjson,
    "csv": _rows,
    "yaml": _through(_yaml),
    "toml": _through(_toml),
    "xml": _through(_xml),
    "feed": _through(_feed),
    "icalendar": _through(_icalendar),
    "text": _through(lambda text: text),
}
